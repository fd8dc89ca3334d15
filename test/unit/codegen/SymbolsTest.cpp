// Symbols of models of different names never meet.
#include "codegen/package/Symbols.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

using namespace netc;

TEST(Symbols, PlainNamesStay) {
  EXPECT_EQ(mangle("resnet18"), "resnet18");
  EXPECT_EQ(mangle("mobilenet_v2"), "mobilenet_v2");
  EXPECT_EQ(mangle("_"), "_");
  ModelSymbols best("mobilenet_v2"), second("mobilenet_v2", 1);
  EXPECT_EQ(best.prefix, "netc_mobilenet_v2");
  EXPECT_EQ(best.table, "netc_mobilenet_v2_model");
  EXPECT_EQ(second.prefix, best.prefix);
  EXPECT_EQ(second.table, "netc_mobilenet_v2_model_1");
}

TEST(Symbols, OtherBytesAreSpelled) {
  EXPECT_EQ(mangle("a-b"), "a_x2db");
  EXPECT_EQ(mangle("a.b c"), "a_x2eb_x20c");
  EXPECT_EQ(mangle("\xc3\xa9"), "_xc3_xa9");
  EXPECT_EQ(mangle("a_x2db"), "a_x5fx2db"); // not a-b
  EXPECT_EQ(mangle("__x"), "__x5fx");
}

/// Every name of up to four of the characters that matter has a mangled name of its own.
TEST(Symbols, DifferentNamesStayDifferent) {
  std::vector<std::string> names{""};
  for (size_t first = 0, length = 0; length < 4; ++length) {
    size_t end = names.size();
    for (; first < end; ++first)
      for (char c : {'_', 'x', '2', 'd', '-', 'a'})
        names.push_back(names[first] + c);
  }
  std::set<std::string> mangled;
  for (const std::string &name : names)
    mangled.insert(mangle(name));
  EXPECT_EQ(names.size(), 1u + 6 + 36 + 216 + 1296);
  EXPECT_EQ(mangled.size(), names.size());
}
