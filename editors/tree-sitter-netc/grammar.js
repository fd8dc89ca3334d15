// The language of netc's .net files (docs/reference/language.md) for tree-sitter: Neovim, Helix, Emacs, Zed.
//
// Newlines are blanks here: no two expressions stand side by side, so a statement ends where the next one begins. A label
// (`layer{stage + 1}.{i}:`) is one token, because only its colon tells it from an expression.

const PREC = { pipe: 1, range: 2, or: 3, and: 4, not: 5, compare: 6, shift: 7, add: 8, multiply: 9, negate: 10, postfix: 11 };

const commaSep1 = (rule) => seq(rule, repeat(seq(",", rule)));
const commaSep = (rule) => optional(seq(commaSep1(rule), optional(",")));

module.exports = grammar({
  name: "netc",
  word: ($) => $.identifier,
  extras: ($) => [/\s/, $.comment],

  rules: {
    source_file: ($) => seq($.version, repeat($._item)),
    version: ($) => seq("net", $.integer),
    _item: ($) => choice($.import, $.block, $.model, $.recipe),
    import: ($) => seq("import", field("path", $.string)),

    block: ($) => seq("block", field("name", $.identifier), field("parameters", $.parameters), field("body", $.body)),
    model: ($) =>
      seq("model", field("name", $.identifier), optional(field("parameters", $.parameters)),
        choice(field("body", $.body), seq("=", field("alias", $.call)))),
    parameters: ($) => seq("(", commaSep($.parameter), ")"),
    parameter: ($) => seq(field("name", $.identifier), optional(seq("=", field("default", $._expression)))),
    body: ($) => seq("{", repeat($._statement), "}"),

    _statement: ($) => choice($.input, $.assignment, $.for, $.repeat, $.return, $.expression_statement),
    input: ($) => seq("input", field("name", $.identifier), ":", field("shape", $._expression)),
    assignment: ($) => seq($._targets, "=", field("value", $._expression)),
    _targets: ($) => commaSep1(field("target", $.identifier)),
    for: ($) => seq("for", $._targets, "in", field("over", $._expression), field("body", $.body)),
    repeat: ($) => seq("repeat", field("count", $._expression), field("body", $.body)),
    return: ($) => seq("return", choice($._expression, $.named_results)),
    named_results: ($) => seq("{", commaSep1($.named_result), optional(","), "}"),
    named_result: ($) => seq(field("name", $.identifier), ":", field("value", $._expression)),
    expression_statement: ($) => $._expression,

    recipe: ($) => seq("train", commaSep1(field("model", $.identifier)), "{", repeat($.clause), "}"),
    // `normalize(mean=0.5)` is written as a call; elsewhere items follow the name.
    clause: ($) =>
      seq(field("name", $.identifier), choice($.arguments, commaSep1(seq(optional(field("output", $.label)), $._expression)))),

    _expression: ($) => choice($.pipe, $.range, $._operation),
    pipe: ($) => prec.left(PREC.pipe, seq($._expression, repeat1(seq("|", $.stage)))),
    stage: ($) => prec(-1, seq(optional(field("label", $.label)), choice($.identifier, $.member, $.index, $.call))),
    range: ($) => prec.left(PREC.range, seq($._operation, "..", $._operation)),
    _operation: ($) => choice($.binary, $.unary, $._postfix),
    binary: ($) =>
      choice(
        ...[[PREC.or, "or"], [PREC.and, "and"], [PREC.shift, "<<", ">>"], [PREC.add, "+", "-"], [PREC.multiply, "*", "/", "%"],
          [PREC.compare, "==", "!=", "<", "<=", ">", ">="]].map(([level, ...operators]) =>
          prec.left(level, seq(field("left", $._operation), field("operator", choice(...operators)), field("right", $._operation))))),
    unary: ($) => choice(prec(PREC.not, seq("not", $._operation)), prec(PREC.negate, seq("-", $._operation))),

    _postfix: ($) => choice($._primary, $.labelled, $.call, $.index, $.member),
    labelled: ($) => prec(PREC.postfix, seq(field("label", $.label), field("call", $.call))),
    call: ($) => prec(PREC.postfix, seq(field("callee", $._postfix), field("arguments", $.arguments))),
    index: ($) => prec(PREC.postfix, seq($._postfix, token.immediate("["), $._expression, "]")),
    member: ($) => prec(PREC.postfix, seq($._postfix, ".", field("name", $.identifier))),
    arguments: ($) => seq("(", commaSep($._argument), ")"),
    _argument: ($) => choice($.named_argument, prec(1, $._expression)),
    named_argument: ($) => seq(field("name", $.identifier), "=", field("value", $._expression)),

    _primary: ($) =>
      choice($.identifier, $.parenthesized, $.list, $.if, $.integer, $.float, $.iterations, $.string, $.true, $.false),
    parenthesized: ($) => seq("(", $._expression, ")"),
    list: ($) => seq("[", commaSep($._expression), "]"),
    if: ($) =>
      seq("if", field("condition", $._expression), field("then", $.body),
        optional(seq("else", field("else", choice($.body, $.if))))),

    true: () => "true",
    false: () => "false",
    integer: () => /\d+/,
    float: () => /\d+\.\d+([eE][+-]?\d+)?|\d+[eE][+-]?\d+/,
    iterations: () => /\d+k/,
    string: () => /"(\\[^\n]|[^"\\\n])*"/,
    identifier: () => /[A-Za-z_][A-Za-z0-9_]*/,
    label: () => token(prec(1, /([A-Za-z_]|\{[^{}\n]*\})([A-Za-z0-9_.]|\{[^{}\n]*\})*:/)),
    comment: () => /#[^\n]*/,
  },
});
