//===- SelectionErrorsTest.cpp - which model, which values, which files ---===//
#include "test/unit/frontend/Diagnose.h"

#include <gtest/gtest.h>

namespace netc::frontend {

static const ErrorCase selectionErrors[] = {
    {"several candidates", R"net(net 1
model a = c(1)
model b = c(2)
model c(n) {
  input image: [3, 8, 8]
  return image | conv(n, k=1)
}
)net",
     "", "",
     R"net(netc: error: the file has 2 models: choose one with --model
  help: the models are a and b
)net"},
    {"several candidates, and typos in each", R"net(net 1
model a {
  input image: [3, 8, 8]
  return image | flaten | linear(2)
}
model b {
  input image: [3, 8, 8]
  return image | flatten | linear(2, bia=false)
}
)net",
     "", "",
     R"net(netc: error: the file has 2 models: choose one with --model
  help: the models are a and b
test.net:4:18: error: unknown name 'flaten'; did you mean 'flatten'?
    4 |   return image | flaten | linear(2)
      |                  ^~~~~~
test.net:8:38: error: 'linear' has no argument 'bia'; did you mean 'bias'?
    8 |   return image | flatten | linear(2, bia=false)
      |                                      ^~~
  help: it takes x, c, bias, init and bias_init
)net"},
    {"no such model", R"net(net 1
model m {
  input image: [3, 8, 8]
  return image | relu
}
)net",
     "n", "",
     R"net(netc: error: --model n: there is no such model
  help: the model is m
)net"},
    {"parameter without a value", R"net(net 1
model c(n) {
  input image: [3, 8, 8]
  return image | conv(n, k=1)
}
)net",
     "", "",
     R"net(test.net:2:7: error: model 'c' has no value for n
    2 | model c(n) {
      |       ^
  help: give it one: --set n=VALUE, or a default
)net"},
    {"unknown setting", R"net(net 1
model c(classes=10) {
  input image: [3, 8, 8]
  return image | conv(classes, k=1)
}
)net",
     "", "clases=3",
     R"net(netc: error: --set clases: model 'c' has no such value; did you mean 'classes'?
  help: what can be set: classes and image
)net"},
    {"setting that does not parse", R"net(net 1
model c(classes=10) {
  input image: [3, 8, 8]
  return image | conv(classes, k=1)
}
)net",
     "", "classes=3 +",
     R"net(--set classes:1:4: error: expected an expression, have the end of the line
    1 | 3 +
      |    ^
)net"},
    {"layer in a setting", R"net(net 1
model c(classes=10) {
  input image: [3, 8, 8]
  return image | conv(classes, k=1)
}
)net",
     "", "classes=3 | relu",
     R"net(--set classes:1:5: error: layer 'relu' can't be called here: no model runs
    1 | 3 | relu
      |     ^~~~
  help: here stand numbers, strings, lists and what is computed from them
)net"},
    {"block in a setting", R"net(net 1
block b(x) {
  return x
}
model c(classes=10) {
  input image: [3, 8, 8]
  return image | conv(classes, k=1)
}
)net",
     "", "classes=b(3)",
     R"net(--set classes:1:1: error: block 'b' can't be called here: no model runs
    1 | b(3)
      | ^
  help: here stand numbers, strings, lists and what is computed from them
)net"},
    {"setting of a wrong shape", R"net(net 1
model c(classes=10) {
  input image: [3, 8, 8]
  return image | conv(classes, k=1)
}
)net",
     "", "image=[3, 8, 0]",
     R"net(test.net:3:16: error: an input's shape is [channels, height, width], [features], [tokens, features] or four sizes, each from 1 to 65536; have the list [3, 8, 0] from --set image
    3 |   input image: [3, 8, 8]
      |                ^
  help: write input image: [3, 224, 224]; the batch is never written
)net"},
    {"import that is not there", R"net(net 1
import "nowhere.net"
)net",
     "", "",
     R"net(test.net:2:8: error: can't read 'nowhere.net': No such file or directory
    2 | import "nowhere.net"
      |        ^~~~~~~~~~~~~
)net"},
    {"file without models", R"net(net 1
)net",
     "", "",
     R"net(netc: error: the file has no model
  help: write model name(...) { input image: [3, 224, 224] ... }
)net"},
    {"file that imports itself", R"net(net 1
import "test.net"
model m {
  input image: [3, 8, 8]
  return image | relu
}
)net",
     "", "",
     R"net(test.net:2:8: error: 'test.net' imports itself
    2 | import "test.net"
      |        ^~~~~~~~~~
)net"},
};

class SelectionErrors : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(SelectionErrors, AreToldInFull) { expectDiagnostics(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Frontend, SelectionErrors, ::testing::ValuesIn(selectionErrors));

} // namespace netc::frontend
