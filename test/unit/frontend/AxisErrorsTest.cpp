//===- AxisErrorsTest.cpp - layers on axes that don't fit -----------------===//
#include "test/unit/frontend/Diagnose.h"

#include <gtest/gtest.h>

namespace netc::frontend {

static const ErrorCase axisErrors[] = {
    {"matmul of other depths", R"net(net 1
model m {
  input x: [6, 8]
  return x | matmul(x)
}
)net",
     "", "",
     R"net(test.net:4:14: error: matmul of [6, 8] and [6, 8]: rows of 8 values meet columns of 6
    4 |   return x | matmul(x)
      |              ^~~~~~
  help: the last size of the first must be the last but one of the second, or say transpose_b
)net"},
    {"matmul of other sizes in front", R"net(net 1
model m {
  input x: [2, 6, 8]
  input y: [3, 8, 5]
  return matmul(x, y)
}
)net",
     "", "",
     R"net(test.net:5:10: error: matmul of [2, 6, 8] and [3, 8, 5]: the sizes in front of the matrices differ
    5 |   return matmul(x, y)
      |          ^~~~~~
  help: they must be equal, or be missing in one
)net"},
    {"reshape to another number of values", R"net(net 1
model m {
  input x: [6, 8]
  return x | reshape([5, -1])
}
)net",
     "", "",
     R"net(test.net:4:22: error: reshape of [6, 8], 48 values, to [5, -1]
    4 |   return x | reshape([5, -1])
      |                      ^
  help: a reshape keeps the number of values
)net"},
    {"permute without an axis", R"net(net 1
model m {
  input x: [6, 8]
  return x | permute([0, 2])
}
)net",
     "", "",
     R"net(test.net:4:22: error: 'order' of 'permute' must be a list of the axes 0 to 1 of [6, 8], each once, have the list [0, 2]
    4 |   return x | permute([0, 2])
      |                      ^
)net"},
    {"split into unequal parts", R"net(net 1
model m {
  input x: [6, 8]
  a, b, c = x | split(3, axis=1)
  return a
}
)net",
     "", "",
     R"net(test.net:4:23: error: axis 1 of [6, 8] does not split into 3 equal parts
    4 |   a, b, c = x | split(3, axis=1)
      |                       ^
  help: n must divide 8; slice takes any part
)net"},
    {"an empty slice", R"net(net 1
model m {
  input x: [6, 8]
  return x | slice(axis=0, begin=4, end=-2)
}
)net",
     "", "",
     R"net(test.net:4:41: error: the slice from 4 to 4 of an axis of 6 is empty
    4 |   return x | slice(axis=0, begin=4, end=-2)
      |                                         ^
  help: it holds indices from begin to below end
)net"},
    {"group norm of a sequence", R"net(net 1
model m {
  input x: [6, 8]
  return x | group_norm(2)
}
)net",
     "", "",
     R"net(test.net:4:14: error: 'group_norm' wants an image [channels, height, width], have the sequence [6, 8]
    4 |   return x | group_norm(2)
      |              ^~~~~~~~~~
test.net:3:9: note: it comes from 'x'
    3 |   input x: [6, 8]
      |         ^
  help: 'group_norm' stands before flatten; for tokens and vectors there is layer_norm
)net"},
    {"groups that do not divide", R"net(net 1
model m {
  input image: [6, 8, 8]
  return image | group_norm(4)
}
)net",
     "", "",
     R"net(test.net:4:29: error: 6 channels are not divisible by groups=4
    4 |   return image | group_norm(4)
      |                             ^
  help: groups must divide the channels
)net"},
    {"out_pad from the stride on", R"net(net 1
model m {
  input image: [6, 8, 8]
  return image | conv_transpose(4, k=2, stride=2, out_pad=2)
}
)net",
     "", "",
     R"net(test.net:4:59: error: 'out_pad' of 'conv_transpose' must be below the stride, have 2 with a stride of 2
    4 |   return image | conv_transpose(4, k=2, stride=2, out_pad=2)
      |                                                           ^
  help: it chooses among the output sizes that a convolution of this stride maps to this input
)net"},
    {"upsample by two modes", R"net(net 1
model m {
  input image: [6, 8, 8]
  return image | upsample(scale=2, nearest, bilinear)
}
)net",
     "", "",
     R"net(test.net:4:45: error: 'nearest' and 'bilinear' of 'upsample' exclude each other
    4 |   return image | upsample(scale=2, nearest, bilinear)
      |                                             ^~~~~~~~
  help: write upsample(scale=2, nearest) or upsample(out=[64, 64], bilinear)
)net"},
    {"concat of sequences of other features", R"net(net 1
model m {
  input x: [6, 8]
  input y: [6, 7]
  return concat(x, y)
}
)net",
     "", "",
     R"net(test.net:5:10: error: concat of [6, 8] and [6, 7]: all sizes but axis 0 must be equal
    5 |   return concat(x, y)
      |          ^~~~~~
  help: concat joins axis 0; axes count from 0
)net"},
    {"a learned value without a size", R"net(net 1
model m {
  input x: [6, 8]
  return x * parameter([0])
}
)net",
     "", "",
     R"net(test.net:4:24: error: 'shape' of 'parameter' must be a list of one to four sizes from 1 on, have the list [0]
    4 |   return x * parameter([0])
      |                        ^
)net"},
};

class AxisErrors : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(AxisErrors, AreToldInFull) { expectDiagnostics(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Frontend, AxisErrors, ::testing::ValuesIn(axisErrors));

} // namespace netc::frontend
