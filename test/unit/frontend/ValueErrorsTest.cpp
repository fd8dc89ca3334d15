//===- ValueErrorsTest.cpp - mistakes in compile-time values --------------===//
#include "test/unit/frontend/Diagnose.h"

#include <gtest/gtest.h>

namespace netc::frontend {

static const ErrorCase valueErrors[] = {
    {"division with a remainder", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | conv(7 / 2, k=1)
}
)net",
     "", "",
     R"net(test.net:4:25: error: 7 is not divisible by 2
    4 |   return image | conv(7 / 2, k=1)
      |                         ^
  help: '/' of integers is exact; for a fraction write 7.0 / 2, to round down write (a - a % b) / b
)net"},
    {"division by zero", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | conv(7 % (2 - 2), k=1)
}
)net",
     "", "",
     R"net(test.net:4:25: error: 7 % 0: division by zero
    4 |   return image | conv(7 % (2 - 2), k=1)
      |                         ^
)net"},
    {"integer overflow", R"net(net 1
model m {
  input image: [3, 8, 8]
  n = 9223372036854775807 + 1
  return image
}
)net",
     "", "",
     R"net(test.net:4:27: error: 9223372036854775807 + 1 does not fit into 64 bits
    4 |   n = 9223372036854775807 + 1
      |                           ^
)net"},
    {"shift out of range", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | conv(1 << 64, k=1)
}
)net",
     "", "",
     R"net(test.net:4:25: error: a shift by 64 is not between 0 and 62
    4 |   return image | conv(1 << 64, k=1)
      |                         ^~
)net"},
    {"condition that is no boolean", R"net(net 1
model m {
  input image: [3, 8, 8]
  x = if image.channels { image } else { image | relu }
  return x
}
)net",
     "", "",
     R"net(test.net:4:16: error: expected true or false, have the integer 3
    4 |   x = if image.channels { image } else { image | relu }
      |                ^~~~~~~~
  help: compare it: n != 0
)net"},
    {"number plus string", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | conv(3 + "a", k=1)
}
)net",
     "", "",
     R"net(test.net:4:25: error: '+' wants two numbers, have the integer 3 and the string "a"
    4 |   return image | conv(3 + "a", k=1)
      |                         ^
)net"},
    {"tensor minus number", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image - 1
}
)net",
     "", "",
     R"net(test.net:4:16: error: '-' of a tensor [3, 8, 8] and the integer 1
    4 |   return image - 1
      |                ^
  help: add the negative number: x + -1
)net"},
    {"tensor by number", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image / 2
}
)net",
     "", "",
     R"net(test.net:4:16: error: '/' of a tensor [3, 8, 8] and the integer 2
    4 |   return image / 2
      |                ^
  help: multiply by the reciprocal: x * 0.5 for x / 2
)net"},
    {"tensor plus text", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image + "1"
}
)net",
     "", "",
     R"net(test.net:4:16: error: '+' of a tensor [3, 8, 8] and the string "1"
    4 |   return image + "1"
      |                ^
  help: a tensor has '+' and '*', with a tensor or a number
)net"},
    {"tensor times a number past f32", R"net(net 1
model m {
  input image: [3, 8, 8]
  return 1e39 * image
}
)net",
     "", "",
     R"net(test.net:4:15: error: '*' of a tensor and 1e+39: tensors hold 32-bit floats, at most 3.4e38
    4 |   return 1e39 * image
      |               ^
)net"},
    {"loop over an integer", R"net(net 1
model m {
  input image: [3, 8, 8]
  x = image
  for i in 3 {
    x = x | relu
  }
  return x
}
)net",
     "", "",
     R"net(test.net:5:12: error: 'for' wants a list or a range, have the integer 3
    5 |   for i in 3 {
      |            ^
  help: write for i in 0..n
)net"},
    {"two names for single items", R"net(net 1
model m {
  input image: [3, 8, 8]
  for a, b in [1, 2] {
    c = a
  }
  return image
}
)net",
     "", "",
     R"net(test.net:4:15: error: 2 names want a list of 2 items each, have the integer 1
    4 |   for a, b in [1, 2] {
      |               ^
)net"},
    {"index out of range", R"net(net 1
model m {
  input image: [3, 8, 8]
  sizes = [1, 2]
  return image | conv(sizes[2], k=1)
}
)net",
     "", "",
     R"net(test.net:5:29: error: item 2 of a list of 2: items count from 0
    5 |   return image | conv(sizes[2], k=1)
      |                             ^
)net"},
    {"endless loop", R"net(net 1
model m {
  input image: [3, 8, 8]
  x = image
  repeat 1000000 {
    repeat 1000000 {
      n = 1
    }
  }
  return x
}
)net",
     "", "",
     R"net(test.net:6:12: error: elaboration takes more than 20000000 steps
    6 |     repeat 1000000 {
      |            ^~~~~~~
  help: is the count of a loop right?
)net"},
    {"too many layers", R"net(net 1
model m {
  input image: [3, 8, 8]
  x = image
  repeat 1000000 {
    x = x | relu | relu
  }
  return x
}
)net",
     "", "",
     R"net(test.net:6:20: error: the model has more than 1000000 layers
    6 |     x = x | relu | relu
      |                    ^~~~
  help: is the count of a loop right?
)net"},
    {"model returns a number", R"net(net 1
model m {
  input image: [3, 8, 8]
  x = image | relu
  return 3
}
)net",
     "", "",
     R"net(test.net:5:3: error: a model returns a tensor, have the integer 3
    5 |   return 3
      |   ^~~~~~
)net"},
    {"aux without a weight", R"net(net 1
model m {
  input image: [3, 8, 8]
  image | relu | aux(weight=0)
  return image | relu
}
)net",
     "", "",
     R"net(test.net:4:29: error: an auxiliary loss has a weight above 0, have the integer 0
    4 |   image | relu | aux(weight=0)
      |                             ^
)net"},
};

class ValueErrors : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(ValueErrors, AreToldInFull) { expectDiagnostics(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Frontend, ValueErrors, ::testing::ValuesIn(valueErrors));

} // namespace netc::frontend
