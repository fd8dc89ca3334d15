(comment) @comment
(string) @string
[(integer) (float) (iterations)] @number
[(true) (false)] @boolean
(label) @label
["net" "import" "block" "model" "train" "input" "return"] @keyword
["if" "else"] @keyword.conditional
["for" "in" "repeat"] @keyword.repeat
["and" "or" "not"] @keyword.operator
["|" "+" "-" "*" "/" "%" "<<" ">>" "==" "!=" "<" "<=" ">" ">=" ".." "="] @operator
["(" ")" "[" "]" "{" "}"] @punctuation.bracket
["," ":" "."] @punctuation.delimiter
(block name: (identifier) @function)
(model name: (identifier) @function)
(recipe model: (identifier) @function)
(parameter name: (identifier) @variable.parameter)
(named_argument name: (identifier) @variable.parameter)
(input name: (identifier) @variable.parameter)
(named_result name: (identifier) @property)
(member name: (identifier) @property)
(call callee: (identifier) @function.call)
(stage (identifier) @function.call)
(clause name: (identifier) @property)
