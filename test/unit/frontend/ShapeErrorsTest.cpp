//===- ShapeErrorsTest.cpp - layers that don't fit ------------------------===//
#include "test/unit/frontend/Diagnose.h"

#include <gtest/gtest.h>

namespace netc::frontend {

static const ErrorCase shapeErrors[] = {
    {"skip-add three blocks deep", R"net(net 1
block body(x, c) {
  y = x | conv(c, k=3, stride=2, pad=1) | bn
  return relu(y + x)
}
block stage(x, c) {
  return x | unit: body(c)
}
block trunk(x) {
  x = x | conv(4, k=1)
  for i in 0..3 {
    x = x | stage{i}: stage(4)
  }
  return x
}
model m {
  input image: [3, 8, 8]
  return image | trunk | avgpool(global) | flatten | linear(10)
}
)net",
     "", "",
     R"net(test.net:4:17: error: skip-add of unequal shapes: [4, 4, 4] + [4, 8, 8]
    4 |   return relu(y + x)
      |                 ^
  in block body, as trunk1.stage0.unit, from test.net:7:20
  in block stage, as trunk1.stage0, from test.net:12:23
  in block trunk, as trunk1, from test.net:18:18
test.net:3:43: note: [4, 4, 4] comes from 'trunk1.stage0.unit.bn1'
    3 |   y = x | conv(c, k=3, stride=2, pad=1) | bn
      |                                           ^~
test.net:10:11: note: [4, 8, 8] comes from 'trunk1.conv1'
   10 |   x = x | conv(4, k=1)
      |           ^~~~
  help: bring both to one height and width: the same stride on both ways
)net"},
    {"skip-add of other channels", R"net(net 1
model m {
  input image: [3, 8, 8]
  y = image | conv(4, k=3, pad=1)
  return y + image
}
)net",
     "", "",
     R"net(test.net:5:12: error: skip-add of unequal shapes: [4, 8, 8] + [3, 8, 8]
    5 |   return y + image
      |            ^
test.net:4:15: note: [4, 8, 8] comes from 'conv1'
    4 |   y = image | conv(4, k=3, pad=1)
      |               ^~~~
test.net:3:9: note: [3, 8, 8] comes from 'image'
    3 |   input image: [3, 8, 8]
      |         ^~~~~
  help: bring both to as many channels: conv(c, k=1) or pad_channels(c) on the shortcut
)net"},
    {"channels not divisible by groups", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | conv(4, k=3, groups=2)
}
)net",
     "", "",
     R"net(test.net:4:38: error: 3 channels of the input are not divisible by groups=2
    4 |   return image | conv(4, k=3, groups=2)
      |                                      ^
  help: groups must divide the channels of the input and of the output
)net"},
    {"output channels not divisible by groups", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | conv(4, k=3, groups=3)
}
)net",
     "", "",
     R"net(test.net:4:38: error: 4 channels of the output are not divisible by groups=3
    4 |   return image | conv(4, k=3, groups=3)
      |                                      ^
  help: groups must divide the channels of the input and of the output
)net"},
    {"kernel larger than its input", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | conv(4, k=11)
}
)net",
     "", "",
     R"net(test.net:4:28: error: the kernel covers 11x11, more than its input of 8x8 with padding
    4 |   return image | conv(4, k=11)
      |                            ^~
  help: use a smaller k, more pad, or fewer strides before it
)net"},
    {"window larger than its input", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | maxpool(k=9)
}
)net",
     "", "",
     R"net(test.net:4:28: error: the window covers 9x9, more than its input of 8x8 with padding
    4 |   return image | maxpool(k=9)
      |                            ^
  help: use a smaller k, or maxpool(global)
)net"},
    {"padding as large as the window", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | maxpool(k=2, pad=2)
}
)net",
     "", "",
     R"net(test.net:4:35: error: padding of 2 with a window of 2: a window could see nothing but padding
    4 |   return image | maxpool(k=2, pad=2)
      |                                   ^
  help: pad must be smaller than k
)net"},
    {"convolution of a vector", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | flatten | conv(4, k=3)
}
)net",
     "", "",
     R"net(test.net:4:28: error: 'conv' wants an image [channels, height, width], have the vector [192]
    4 |   return image | flatten | conv(4, k=3)
      |                            ^~~~
test.net:4:18: note: it comes from 'flatten1'
    4 |   return image | flatten | conv(4, k=3)
      |                  ^~~~~~~
  help: convolutions stand before flatten and linear
)net"},
    {"linear of an image", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | relu | linear(10)
}
)net",
     "", "",
     R"net(test.net:4:25: error: 'linear' wants a vector, have the image [3, 8, 8]
    4 |   return image | relu | linear(10)
      |                         ^~~~~~
  help: flatten it first: x | flatten | linear(...)
)net"},
    {"softmax of an axis that is not there", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | softmax(axis=3)
}
)net",
     "", "",
     R"net(test.net:4:31: error: 'axis' of 'softmax' must be an axis of [3, 8, 8]: an integer from 0 to 2, have the integer 3
    4 |   return image | softmax(axis=3)
      |                               ^
  help: axes count from 0 after the batch; -1 is the last one
)net"},
    {"concat of other sizes", R"net(net 1
model m {
  input image: [3, 8, 8]
  return concat(image, image | maxpool(k=2))
}
)net",
     "", "",
     R"net(test.net:4:10: error: concat of [3, 8, 8] and [3, 4, 4]: height and width must be equal
    4 |   return concat(image, image | maxpool(k=2))
      |          ^~~~~~
  help: concat joins channels
)net"},
    {"gate of another shape", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image * (image | conv(1, k=1))
}
)net",
     "", "",
     R"net(test.net:4:16: error: gate of shapes that don't fit: [3, 8, 8] * [1, 8, 8]
    4 |   return image * (image | conv(1, k=1))
      |                ^
test.net:3:9: note: [3, 8, 8] comes from 'image'
    3 |   input image: [3, 8, 8]
      |         ^~~~~
test.net:4:27: note: [1, 8, 8] comes from 'conv1'
    4 |   return image * (image | conv(1, k=1))
      |                           ^~~~
  help: '*' wants equal shapes, or on one side a value per channel: [c] or [c, 1, 1]
)net"},
    {"fewer channels than there are", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | pad_channels(2)
}
)net",
     "", "",
     R"net(test.net:4:31: error: 'pad_channels' to 2 channels, fewer than the 3 of its input
    4 |   return image | pad_channels(2)
      |                               ^
  help: c counts all channels, the old ones included
)net"},
    {"integer overflow in a size", R"net(net 1
model m {
  input image: [3, 8, 8]
  x = image | flatten | linear(2147483648)
  return x | linear(2147483648)
}
)net",
     "", "",
     R"net(test.net:5:14: error: the weight [2147483648, 2147483648] of 'linear' has more than 1099511627776 elements
    5 |   return x | linear(2147483648)
      |              ^~~~~~
)net"},
    {"dropout of everything", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | dropout(1)
}
)net",
     "", "",
     R"net(test.net:4:26: error: 'p' of 'dropout' must be from 0 to below 1, have 1
    4 |   return image | dropout(1)
      |                          ^
  help: it is the share of values that are dropped
)net"},
    {"input of a size of zero", R"net(net 1
model m {
  input image: [28, 28, 0]
  return image | relu
}
)net",
     "", "",
     R"net(test.net:3:16: error: an input's shape is [channels, height, width], [features], [tokens, features] or four sizes, each from 1 to 65536; have the list [28, 28, 0]
    3 |   input image: [28, 28, 0]
      |                ^
  help: write input image: [3, 224, 224]; the batch is never written
)net"},
    {"no input", R"net(net 1
model m {
  return 3
}
)net",
     "", "",
     R"net(test.net:2:7: error: model 'm' has no input
    2 | model m {
      |       ^
  help: begin it with input image: [channels, height, width]
)net"},
    {"pool without a size", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | avgpool
}
)net",
     "", "",
     R"net(test.net:4:18: error: 'avgpool' needs the argument 'k'
    4 |   return image | avgpool
      |                  ^~~~~~~
  help: write avgpool(k=2), avgpool(global) or avgpool(out=1)
)net"},
    {"unused layer", R"net(net 1
model m {
  input image: [3, 8, 8]
  y = image | conv(3, k=3)
  return image | relu
}
)net",
     "", "",
     R"net(test.net:4:15: warning: nothing uses 'conv1': it is left out
    4 |   y = image | conv(3, k=3)
      |               ^~~~
)net"},
    {"softmax before the loss", R"net(net 1
model m {
  input image: [3, 8, 8]
  x = image | flatten
  aux(x | linear(10) | softmax, weight=0.3)
  return x | linear(10) | softmax | dropout
}
)net",
     "", "",
     R"net(test.net:6:27: warning: the output ends in 'softmax', and the loss cross_entropy takes the softmax of it: that of probabilities, not of scores
    6 |   return x | linear(10) | softmax | dropout
      |                           ^~~~~~~
  help: leave 'softmax' out: train, eval and predict take the softmax themselves
test.net:5:24: warning: the output ends in 'softmax', and the loss cross_entropy takes the softmax of it: that of probabilities, not of scores
    5 |   aux(x | linear(10) | softmax, weight=0.3)
      |                        ^~~~~~~
  help: leave 'softmax' out: train, eval and predict take the softmax themselves
)net"},
    {"sigmoid before the loss, softmax within", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | flatten | softmax | linear(10) | sigmoid
}
)net",
     "", "",
     R"net(test.net:4:51: warning: the output ends in 'sigmoid', and the loss cross_entropy takes the softmax of it: that of probabilities, not of scores
    4 |   return image | flatten | softmax | linear(10) | sigmoid
      |                                                   ^~~~~~~
  help: leave 'sigmoid' out: train, eval and predict take the softmax themselves
)net"},
};

class ShapeErrors : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(ShapeErrors, AreToldInFull) { expectDiagnostics(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Frontend, ShapeErrors, ::testing::ValuesIn(shapeErrors));

} // namespace netc::frontend
