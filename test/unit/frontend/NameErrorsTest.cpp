//===- NameErrorsTest.cpp - unknown, doubled and unbound names ------------===//
#include "test/unit/frontend/Diagnose.h"

#include <gtest/gtest.h>

namespace netc::frontend {

static const ErrorCase nameErrors[] = {
    {"unknown layer", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | con(4, k=3)
}
)net",
     "", "",
     R"net(test.net:4:18: error: unknown name 'con'; did you mean 'conv'?
    4 |   return image | con(4, k=3)
      |                  ^~~
)net"},
    {"unknown name in an argument", R"net(net 1
model m {
  input image: [3, 8, 8]
  channels = 4
  return image | conv(chanels, k=3)
}
)net",
     "", "",
     R"net(test.net:5:23: error: unknown name 'chanels'; did you mean 'channels'?
    5 |   return image | conv(chanels, k=3)
      |                       ^~~~~~~
)net"},
    {"read before bound", R"net(net 1
model m {
  input image: [3, 8, 8]
  y = x | relu
  x = image
  return y
}
)net",
     "", "",
     R"net(test.net:4:7: error: 'x' is read before it is bound
    4 |   y = x | relu
      |       ^
test.net:5:3: note: it gets a value here
    5 |   x = image
      |   ^
  help: bind it on every way that leads here
)net"},
    {"bound on one branch only", R"net(net 1
model m {
  input image: [3, 8, 8]
  if false {
    x = image | relu
  }
  return x
}
)net",
     "", "",
     R"net(test.net:7:10: error: 'x' is read before it is bound
    7 |   return x
      |          ^
test.net:5:5: note: it gets a value here
    5 |     x = image | relu
      |     ^
  help: bind it on every way that leads here
)net"},
    {"name leaks out of no block", R"net(net 1
block b(x) {
  inner = 3
  return x | relu
}
model m {
  input image: [3, 8, 8]
  x = image | b
  return x | conv(inner, k=1)
}
)net",
     "", "",
     R"net(test.net:9:19: error: unknown name 'inner'
    9 |   return x | conv(inner, k=1)
      |                   ^~~~~
)net"},
    {"label used twice", R"net(net 1
model m {
  input image: [3, 8, 8]
  x = image | a: relu
  return x | a: tanh
}
)net",
     "", "",
     R"net(test.net:5:17: error: two layers are named 'a'
    5 |   return x | a: tanh
      |                 ^~~~
test.net:4:18: note: the first is here
    4 |   x = image | a: relu
      |                  ^~~~
  help: give one of them a label of its own: name: layer(...)
)net"},
    {"label meets a numbered name", R"net(net 1
model m {
  input image: [3, 8, 8]
  x = image | conv2: conv(4, k=1) | relu | conv(4, k=1)
  return x | conv(4, k=1)
}
)net",
     "", "",
     R"net(test.net:5:14: error: two layers are named 'conv2'
    5 |   return x | conv(4, k=1)
      |              ^~~~
test.net:4:22: note: the first is here
    4 |   x = image | conv2: conv(4, k=1) | relu | conv(4, k=1)
      |                      ^~~~
  help: give one of them a label of its own: name: layer(...)
)net"},
    {"defined twice", R"net(net 1
block b(x) {
  return x
}
block b(x) {
  return x
}
)net",
     "", "",
     R"net(test.net:5:7: error: 'b' is defined twice
    5 | block b(x) {
      |       ^
test.net:2:7: note: the first is here
    2 | block b(x) {
      |       ^
)net"},
    {"block named like a layer", R"net(net 1
block conv(x) {
  return x
}
)net",
     "", "",
     R"net(test.net:2:7: error: 'conv' is a word of the language: no block can have this name
    2 | block conv(x) {
      |       ^~~~
)net"},
    {"block within itself", R"net(net 1
block a(x) {
  return x | b
}
block b(x) {
  return x | a
}
model m {
  input image: [3, 8, 8]
  return image | a
}
)net",
     "", "",
     R"net(test.net:6:14: error: block 'a' is used within itself
    6 |   return x | a
      |              ^
  in block b, as a1.b1, from test.net:3:14
  in block a, as a1, from test.net:10:18
test.net:3:14: note: by way of block 'b'
    3 |   return x | b
      |              ^
  help: a block can't call itself: use a loop
)net"},
    {"model within a model", R"net(net 1
model a {
  input image: [3, 8, 8]
  return image | relu
}
model b {
  input image: [3, 8, 8]
  return image | a
}
)net",
     "b", "",
     R"net(test.net:8:18: error: 'a' is a model: only 'model a = a(...)' can use it
    8 |   return image | a
      |                  ^
test.net:2:7: note: it is defined here
    2 | model a {
      |       ^
  help: what models share belongs into a block
)net"},
    {"unknown property", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | conv(image.chanels, k=1)
}
)net",
     "", "",
     R"net(test.net:4:29: error: a tensor has no '.chanels'; did you mean 'channels'?
    4 |   return image | conv(image.chanels, k=1)
      |                             ^~~~~~~
  help: it has .channels, .height, .width and .shape
)net"},
    {"height of a vector", R"net(net 1
model m {
  input image: [3, 8, 8]
  x = image | flatten
  return x | linear(x.height)
}
)net",
     "", "",
     R"net(test.net:5:23: error: a vector [192] has no height
    5 |   return x | linear(x.height)
      |                       ^~~~~~
  help: it has .channels and .shape
)net"},
    {"label of a bad integer", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | conv{0 - 1}: relu
}
)net",
     "", "",
     R"net(test.net:4:25: error: a label takes integers from 0 on and strings, have the integer -1
    4 |   return image | conv{0 - 1}: relu
      |                         ^
)net"},
    {"alias of no model", R"net(net 1
block b(x) {
  return x
}
model m = b(3)
)net",
     "", "",
     R"net(test.net:5:11: error: 'b' is no model
    5 | model m = b(3)
      |           ^
  help: a block becomes a model with an input: model m(...) { input image: ... }
)net"},
    {"alias of itself", R"net(net 1
model a = b()
model b = a()
)net",
     "a", "",
     R"net(test.net:3:11: error: model 'a' stands for itself
    3 | model b = a()
      |           ^
)net"},
    {"typo in a block that nothing calls", R"net(net 1
block b(x) {
  return x | rleu
}
model m {
  input image: [3, 8, 8]
  return image | relu
}
)net",
     "", "",
     R"net(test.net:3:14: error: unknown name 'rleu'; did you mean 'relu'?
    3 |   return x | rleu
      |              ^~~~
)net"},
    {"argument typo in a block that nothing calls", R"net(net 1
block b(x) {
  return x | conv(4, k=3, padd=1)
}
model m {
  input image: [3, 8, 8]
  return image | relu
}
)net",
     "", "",
     R"net(test.net:3:27: error: 'conv' has no argument 'padd'; did you mean 'pad'?
    3 |   return x | conv(4, k=3, padd=1)
      |                           ^~~~
  help: it takes x, c, k, stride, pad, dilation, groups, bias, init, bias_init and standardized
)net"},
};

class NameErrors : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(NameErrors, AreToldInFull) { expectDiagnostics(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Frontend, NameErrors, ::testing::ValuesIn(nameErrors));

} // namespace netc::frontend
