//===- CallErrorsTest.cpp - mistakes in calls -----------------------------===//
#include "test/unit/frontend/Diagnose.h"

#include <gtest/gtest.h>

namespace netc::frontend {

static const ErrorCase callErrors[] = {
    {"typo in an argument", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | conv(4, k=3, strid=2)
}
)net",
     "", "",
     R"net(test.net:4:31: error: 'conv' has no argument 'strid'; did you mean 'stride'?
    4 |   return image | conv(4, k=3, strid=2)
      |                               ^~~~~
  help: it takes x, c, k, stride, pad, dilation, groups, bias, init, bias_init and standardized
)net"},
    {"missing argument", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | conv(4)
}
)net",
     "", "",
     R"net(test.net:4:18: error: 'conv' needs the argument 'k'
    4 |   return image | conv(4)
      |                  ^~~~
  help: it takes x, c, k, stride, pad, dilation, groups, bias, init, bias_init and standardized
)net"},
    {"argument given twice", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | conv(4, 3, k=5)
}
)net",
     "", "",
     R"net(test.net:4:29: error: argument 'k' of 'conv' is given twice
    4 |   return image | conv(4, 3, k=5)
      |                             ^
test.net:4:26: note: the first is here
    4 |   return image | conv(4, 3, k=5)
      |                          ^
)net"},
    {"too many arguments", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | relu(1)
}
)net",
     "", "",
     R"net(test.net:4:23: error: 'relu' takes at most 1 argument
    4 |   return image | relu(1)
      |                       ^
  help: it takes nothing but a tensor
)net"},
    {"positional after named", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | conv(k=3, 4)
}
)net",
     "", "",
     R"net(test.net:4:28: error: a positional argument stands after a named one
    4 |   return image | conv(k=3, 4)
      |                            ^
  help: put it first, or write its name
)net"},
    {"layer without a tensor", R"net(net 1
model m {
  input image: [3, 8, 8]
  return conv(4, k=3)
}
)net",
     "", "",
     R"net(test.net:4:15: error: 'conv' wants a tensor first, have the integer 4
    4 |   return conv(4, k=3)
      |               ^
  help: write x | conv(...)
)net"},
    {"number called", R"net(net 1
model m {
  input image: [3, 8, 8]
  n = 3
  return image | n(4)
}
)net",
     "", "",
     R"net(test.net:5:18: error: the integer 3 can't be called
    5 |   return image | n(4)
      |                  ^
  help: layers, blocks and functions can
)net"},
    {"variable that hides a layer", R"net(net 1
model m {
  input image: [3, 8, 8]
  conv = 3
  return image | conv(4, k=3)
}
)net",
     "", "",
     R"net(test.net:5:18: error: the integer 3 can't be called
    5 |   return image | conv(4, k=3)
      |                  ^~~~
  help: here 'conv' is a variable, which hides the 'conv' of the language: rename it
)net"},
    {"misspelt switch", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | avgpool(globl)
}
)net",
     "", "",
     R"net(test.net:4:26: error: unknown name 'globl'; did you mean 'global'?
    4 |   return image | avgpool(globl)
      |                          ^~~~~
)net"},
    {"misspelt choice", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | maxpool(k=2, round="upp")
}
)net",
     "", "",
     R"net(test.net:4:37: error: 'round' of 'maxpool' must be one of the words up and down, have the string "upp"
    4 |   return image | maxpool(k=2, round="upp")
      |                                     ^~~~~
  help: did you mean 'up'?
)net"},
    {"missing argument of a block", R"net(net 1
block b(x, c) {
  return x | conv(c, k=1)
}
model m {
  input image: [3, 8, 8]
  return image | b
}
)net",
     "", "",
     R"net(test.net:7:18: error: 'b' needs the argument 'c'
    7 |   return image | b
      |                  ^
  help: it takes x and c
)net"},
    {"wrong kind of value", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | conv("four", k=3)
}
)net",
     "", "",
     R"net(test.net:4:23: error: 'c' of 'conv' must be an integer from 1 on, have the string "four"
    4 |   return image | conv("four", k=3)
      |                       ^~~~~~
)net"},
    {"kernel of three sizes", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | conv(4, k=[3, 3, 3])
}
)net",
     "", "",
     R"net(test.net:4:28: error: 'k' of 'conv' must be an integer from 1 on or [height, width], have the list [3, 3, 3]
    4 |   return image | conv(4, k=[3, 3, 3])
      |                            ^
)net"},
    {"label before a function", R"net(net 1
model m {
  input image: [3, 8, 8]
  n = image | a: len
  return image
}
)net",
     "", "",
     R"net(test.net:4:15: error: a label names a layer or a block; 'len' is neither
    4 |   n = image | a: len
      |               ^
test.net:4:18: error: 'len' wants a list, have a tensor [3, 8, 8]
    4 |   n = image | a: len
      |                  ^~~
)net"},
    {"positional argument on a switch that is set", R"net(net 1
block b(x, wide=false, c=1) {
  return x | conv(if wide { 2 * c } else { c }, k=1)
}
model m {
  input image: [3, 8, 8]
  return image | b(wide, 3)
}
)net",
     "", "",
     R"net(test.net:7:26: error: argument 'wide' of 'b' is given twice
    7 |   return image | b(wide, 3)
      |                          ^
test.net:7:20: note: the first is here
    7 |   return image | b(wide, 3)
      |                    ^~~~
)net"},
};

class CallErrors : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(CallErrors, AreToldInFull) { expectDiagnostics(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Frontend, CallErrors, ::testing::ValuesIn(callErrors));

} // namespace netc::frontend
