//===- SyntaxErrorsTest.cpp - mistakes in the form of a file --------------===//
#include "test/unit/frontend/Diagnose.h"

#include <gtest/gtest.h>

namespace netc::frontend {

static const ErrorCase syntaxErrors[] = {
    {"missing version", R"net(model m { }
)net", "", "",
     R"net(test.net:1:1: error: expected 'net 1' as the first line, have 'model'
    1 | model m { }
      | ^~~~~
  help: begin the file with the language version: net 1
)net"},
    {"another version", R"net(net 2
model m { }
)net", "", "",
     R"net(test.net:1:5: error: expected language version 1, have '2'
    1 | net 2
      |     ^
  help: this compiler reads version 1: net 1
)net"},
    {"unknown definition", R"net(net 1

blok basic(x) {
  return x | relu
}
)net", "", "",
     R"net(test.net:3:1: error: expected import, block, model or train, have 'blok'; did you mean 'block'?
    3 | blok basic(x) {
      | ^~~~
)net"},
    {"parenthesis never closed", R"net(net 1
model m {
  input image: [3, 8, 8]
  x = conv(image, 4, k=3
  return x | relu
}
)net", "", "",
     R"net(test.net:4:11: error: this '(' is never closed
    4 |   x = conv(image, 4, k=3
      |           ^
  help: add ')'
)net"},
    {"brace never closed", R"net(net 1
block b(x) {
  return x | relu

model m {
  input image: [3, 8, 8]
  return image | b
}
)net", "", "",
     R"net(test.net:2:12: error: this '{' is never closed
    2 | block b(x) {
      |            ^
  help: add '}'
)net"},
    {"bracket that closes nothing", R"net(net 1
model m {
  input image: [3, 8, 8]
  x = image | relu)
  return x
}
)net", "", "",
     R"net(test.net:4:19: error: this ')' closes nothing
    4 |   x = image | relu)
      |                   ^
  help: remove it
)net"},
    {"operator after a pipe", R"net(net 1
model m {
  input image: [3, 8, 8]
  x = image
  return x | relu + x
}
)net", "", "",
     R"net(test.net:5:19: error: '+' after a call in a pipe: '|' binds looser than any operator
    5 |   return x | relu + x
      |                   ^
  help: put the pipe in parentheses: (x | f) + y
)net"},
    {"pipe into a number", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | 3
}
)net", "", "",
     R"net(test.net:4:18: error: expected a layer or block after '|', have '3'
    4 |   return image | 3
      |                  ^
  help: the right side of '|' is [label:] call
)net"},
    {"comparisons chain", R"net(net 1
model m {
  input image: [3, 8, 8]
  x = if 1 < 2 < 3 { image } else { image }
  return x
}
)net", "", "",
     R"net(test.net:4:16: error: comparisons don't chain
    4 |   x = if 1 < 2 < 3 { image } else { image }
      |                ^
  help: write 'a < b and b < c'
)net"},
    {"string never closed", R"net(net 1
import "blocks.net
)net", "", "",
     R"net(test.net:2:8: error: this string is never closed
    2 | import "blocks.net
      |        ^
  help: end it with '"'
)net"},
    {"foreign characters", R"net(net 1
model m {
  input image: [3, 8, 8]
  x = image | relu; 
  return x && x
}
)net", "", "",
     R"net(test.net:4:19: error: ';' is no part of the language
    4 |   x = image | relu; 
      |                   ^
  help: a new line ends a statement
test.net:5:12: error: '&' is no part of the language
    5 |   return x && x
      |            ^
  help: write 'and'
)net"},
    {"branch that does not end in a value", R"net(net 1
model m {
  input image: [3, 8, 8]
  x = if true {
    y = image | relu
  } else { image }
  return x
}
)net", "", "",
     R"net(test.net:6:3: error: this branch does not end in a value
    6 |   } else { image }
      |   ^
  help: its last line must be an expression, not an assignment or a loop
)net"},
    {"if without else as a value", R"net(net 1
model m {
  input image: [3, 8, 8]
  x = if true { image }
  return x
}
)net", "", "",
     R"net(test.net:4:7: error: an 'if' used as a value needs an 'else'
    4 |   x = if true { image }
      |       ^~
  help: write if ... { a } else { b }
)net"},
    {"return in a loop", R"net(net 1
model m {
  input image: [3, 8, 8]
  for i in 0..3 {
    return image
  }
  return image
}
)net", "", "",
     R"net(test.net:5:5: error: 'return' stands last in a block, not in a loop or a branch
    5 |     return image
      |     ^~~~~~
  help: bind the value in the branch and return it at the end
)net"},
    {"return not last", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | relu
  x = image
}
)net", "", "",
     R"net(test.net:4:3: error: 'return' stands last; what follows would never be reached
    4 |   return image | relu
      |   ^~~~~~
)net"},
    {"nothing returned", R"net(net 1
block b(x) {
  y = x | relu
}
model m {
  input image: [3, 8, 8]
  return image | b
}
)net", "", "",
     R"net(test.net:2:7: error: block 'b' returns nothing
    2 | block b(x) {
      |       ^
  help: its last line must be 'return value'
)net"},
    {"augmented assignment", R"net(net 1
model m {
  input image: [3, 8, 8]
  n = 1
  n += 1
  return image
}
)net", "", "",
     R"net(test.net:5:5: error: there is no '+='
    5 |   n += 1
      |     ^
  help: write n = n + ...
)net"},
    {"label before no call", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | a: 3
}
)net", "", "",
     R"net(test.net:4:21: error: expected a layer or block after '|', have '3'
    4 |   return image | a: 3
      |                     ^
  help: the right side of '|' is [label:] call
)net"},
    {"two statements on a line", R"net(net 1
model m {
  input image: [3, 8, 8]
  x = image | relu y = x
  return x
}
)net", "", "",
     R"net(test.net:4:20: error: expected the end of the statement, have 'y'
    4 |   x = image | relu y = x
      |                    ^
  help: a new line ends a statement; an operator is missing, or a new line
)net"},
    {"several errors in one run", R"net(net 1
block a(x) {
  y = x | conv(4 k=3)
  return y |
}
block b(x) {
  z = x +* 2
  return z
}
model m {
  input image: 3, 8, 8]
  return image | a | b
}
)net", "", "",
     R"net(test.net:11:23: error: this ']' closes nothing
   11 |   input image: 3, 8, 8]
      |                       ^
  help: remove it
test.net:3:18: error: expected ',' or ')' in the arguments, have 'k'
    3 |   y = x | conv(4 k=3)
      |                  ^
test.net:5:1: error: expected a layer or block after '|', have '}'
    5 | }
      | ^
  help: the right side of '|' is [label:] call
test.net:7:10: error: expected an expression, have '*'
    7 |   z = x +* 2
      |          ^
test.net:11:17: error: expected the end of the statement, have ','
   11 |   input image: 3, 8, 8]
      |                 ^
  help: a new line ends a statement; an operator is missing, or a new line
)net"},
    {"keyword as a name", R"net(net 1
model m {
  input image: [3, 8, 8]
  for = 3
  in = 2
  return image
}
)net", "", "",
     R"net(test.net:4:3: error: 'for' is a word of the language: it can't be bound
    4 |   for = 3
      |   ^~~
test.net:5:3: error: 'in' is a word of the language: it can't be bound
    5 |   in = 2
      |   ^~
)net"},
    {"integer literal too large", R"net(net 1
model m {
  input image: [3, 8, 8]
  n = 99999999999999999999
  return image
}
)net", "", "",
     R"net(test.net:4:7: error: this integer does not fit into 64 bits
    4 |   n = 99999999999999999999
      |       ^~~~~~~~~~~~~~~~~~~~
)net"},
    {"parameter named twice", R"net(net 1
block b(x, c, c) {
  return x
}
)net", "", "",
     R"net(test.net:2:15: error: two parameters are named 'c'
    2 | block b(x, c, c) {
      |               ^
test.net:2:12: note: the first is here
    2 | block b(x, c, c) {
      |            ^
)net"},
    {"operator at the start of a line", R"net(net 1
model m {
  input image: [3, 8, 8]
  y = image | relu
  return image
    + y
}
)net", "", "",
     R"net(test.net:6:5: error: expected an expression, have '+'
    6 |     + y
      |     ^
  help: a newline ends a statement: put '+' at the end of the line before
)net"},
};

class SyntaxErrors : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(SyntaxErrors, AreToldInFull) { expectDiagnostics(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Frontend, SyntaxErrors, ::testing::ValuesIn(syntaxErrors));

} // namespace netc::frontend
