//===- SyntaxErrorsTest.cpp - mistakes in the form of a file --------------===//
#include "test/unit/frontend/Diagnose.h"

#include <gtest/gtest.h>

namespace netc::frontend {

static const ErrorCase syntaxErrors[] = {
    {"missing version", R"net(model m { }
)net",
     "", "",
     R"net(test.net:1:1: error: expected 'net 1' as the first line, have 'model'
    1 | model m { }
      | ^~~~~
  help: begin the file with the language version: net 1
test.net:1:7: error: model 'm' returns nothing
    1 | model m { }
      |       ^
  help: its last line must be 'return value'
)net"},
    {"another version", R"net(net 2
model m { }
)net",
     "", "",
     R"net(test.net:1:5: error: expected language version 1, have '2'
    1 | net 2
      |     ^
  help: this compiler reads version 1: net 1
)net"},
    {"unknown definition", R"net(net 1

blok basic(x) {
  return x | relu
}
)net",
     "", "",
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
)net",
     "", "",
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
)net",
     "", "",
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
)net",
     "", "",
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
)net",
     "", "",
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
)net",
     "", "",
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
)net",
     "", "",
     R"net(test.net:4:16: error: comparisons don't chain
    4 |   x = if 1 < 2 < 3 { image } else { image }
      |                ^
  help: write 'a < b and b < c'
)net"},
    {"string never closed", R"net(net 1
import "blocks.net
)net",
     "", "",
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
)net",
     "", "",
     R"net(test.net:4:19: error: ';' is no part of the language
    4 |   x = image | relu; 
      |                   ^
  help: a new line ends a statement
test.net:5:12: error: '&' is no part of the language
    5 |   return x && x
      |            ^
  help: write 'and'
test.net:5:10: error: expected true or false, have a tensor [3, 8, 8]
    5 |   return x && x
      |          ^
test.net:5:15: error: expected true or false, have a tensor [3, 8, 8]
    5 |   return x && x
      |               ^
)net"},
    {"branch that does not end in a value", R"net(net 1
model m {
  input image: [3, 8, 8]
  x = if true {
    y = image | relu
  } else { image }
  return x
}
)net",
     "", "",
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
)net",
     "", "",
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
)net",
     "", "",
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
)net",
     "", "",
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
)net",
     "", "",
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
)net",
     "", "",
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
)net",
     "", "",
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
)net",
     "", "",
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
)net",
     "", "",
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
)net",
     "", "",
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
)net",
     "", "",
     R"net(test.net:4:7: error: this integer does not fit into 64 bits
    4 |   n = 99999999999999999999
      |       ^~~~~~~~~~~~~~~~~~~~
)net"},
    {"parameter named twice", R"net(net 1
block b(x, c, c) {
  return x
}
)net",
     "", "",
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
)net",
     "", "",
     R"net(test.net:6:5: error: expected an expression, have '+'
    6 |     + y
      |     ^
  help: a newline ends a statement: put '+' at the end of the line before
)net"},
    {"mistakes of form and of meaning in one run", R"net(net 1
block b(x, c) {
  return x | conv(c, k=3,, pad=1)
}
model m {
  input image: [3, 8, 8]
  y = image | con(3, k=1)
  z = image + (image | maxpool(k=2))
  return y | b(4) | linear(2)
}
block c(x) {
  for i 0..3 {
    inner = x | relu
  }
  return inner | rleu
}
block d(x) {
  return x | tahn
}
)net",
     "", "",
     R"net(test.net:3:26: error: expected an expression, have ','
    3 |   return x | conv(c, k=3,, pad=1)
      |                          ^
test.net:12:9: error: expected 'in', have '0'
   12 |   for i 0..3 {
      |         ^
  help: write for i in 0..n { ... }
test.net:7:15: error: unknown name 'con'; did you mean 'conv'?
    7 |   y = image | con(3, k=1)
      |               ^~~
test.net:8:13: error: skip-add of unequal shapes: [3, 8, 8] + [3, 4, 4]
    8 |   z = image + (image | maxpool(k=2))
      |             ^
test.net:6:9: note: [3, 8, 8] comes from 'image'
    6 |   input image: [3, 8, 8]
      |         ^~~~~
test.net:8:24: note: [3, 4, 4] comes from 'maxpool1'
    8 |   z = image + (image | maxpool(k=2))
      |                        ^~~~~~~
  help: bring both to one height and width: the same stride on both ways
test.net:18:14: error: unknown name 'tahn'; did you mean 'tanh'?
   18 |   return x | tahn
      |              ^~~~
)net"},
    {"brace of an inner body never closed", R"net(net 1
block b(x) {
  for i in 0..3 {
    x = x | relu
  return x
}

model m {
  input image: [3, 8, 8]
  return image | b
}
)net",
     "", "",
     R"net(test.net:2:12: error: this '{' is never closed
    2 | block b(x) {
      |            ^
test.net:3:17: note: or is it this one? the '}' that closes it, in line 6, is indented less
    3 |   for i in 0..3 {
      |                 ^
  help: add '}'
)net"},
    {"letters of other alphabets", R"net(net 1
model m {
  input image: [3, 8, 8]
  x = image | rélu
  λ = 3
  return image → relu
}
)net",
     "", "",
     R"net(test.net:4:16: error: 'é' is no part of the language
    4 |   x = image | rélu
      |                ^
  help: a name is made of the letters a to z and A to Z, digits and '_'
test.net:5:3: error: 'λ' is no part of the language
    5 |   λ = 3
      |   ^
test.net:6:16: error: '→' is no part of the language
    6 |   return image → relu
      |                ^
)net"},
    {"label that begins with a number", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | 0: relu
}
)net",
     "", "",
     R"net(test.net:4:18: error: expected a layer or block after '|', have '0'
    4 |   return image | 0: relu
      |                  ^
  help: a label that begins with a number has it in braces: {0}: conv(...)
)net"},
    {"pipe that is missing", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image conv(4, k=3)
}
)net",
     "", "",
     R"net(test.net:4:16: error: expected the end of the statement, have 'conv'
    4 |   return image conv(4, k=3)
      |                ^~~~
  help: '|' passes a tensor on: ... | conv(...)
)net"},
    {"block that returns nothing, used", R"net(net 1
block b(x) {
  y = x | relu
}
model m {
  input image: [3, 8, 8]
  return image | b | rleu
}
)net",
     "", "",
     R"net(test.net:2:7: error: block 'b' returns nothing
    2 | block b(x) {
      |       ^
  help: its last line must be 'return value'
test.net:7:22: error: unknown name 'rleu'; did you mean 'relu'?
    7 |   return image | b | rleu
      |                      ^~~~
)net"},
};

class SyntaxErrors : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(SyntaxErrors, AreToldInFull) { expectDiagnostics(GetParam()); }

TEST(BinaryFiles, AreToldOnce) {
  std::string diagnostics;
  EXPECT_FALSE(elaborateText(std::string("net 1\n\0\x7f\x01\0\0", 11), diagnostics));
  EXPECT_EQ(diagnostics, R"net(test.net:2:1: error: byte 0x00: this file is no text
    2 | ?????
      | ^
  help: a .net file is plain text, in ASCII or UTF-8
)net");
}

INSTANTIATE_TEST_SUITE_P(Frontend, SyntaxErrors, ::testing::ValuesIn(syntaxErrors));

} // namespace netc::frontend
