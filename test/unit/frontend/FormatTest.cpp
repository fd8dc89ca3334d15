//===- FormatTest.cpp - netc fmt ------------------------------------------===//
#include "frontend/syntax/Format.h"
#include "test/unit/frontend/Diagnose.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace netc::frontend {

static std::string format(const std::string &source) {
  std::string diagnostics;
  auto text = formatSource("test.net", source, diagnostics);
  EXPECT_EQ(diagnostics, "");
  return text.value_or("");
}

TEST(Format, LeavesTheZooAsItIs) {
  for (const auto &entry : std::filesystem::directory_iterator(NETC_MODELS_DIR)) {
    if (entry.path().extension() != ".net")
      continue;
    std::string source = readText(entry.path().string());
    EXPECT_EQ(format(source), source) << entry.path();
  }
}

TEST(Format, SetsBlanksAndIndentation) {
  EXPECT_EQ(format("net   1\n\n\n\nblock b( x,c = 3 ){\nreturn x|conv( c ,k = 3)|relu\n}\n"),
            "net 1\n\nblock b(x, c=3) {\n  return x | conv(c, k=3) | relu\n}\n");
}

TEST(Format, AlignsPipesUnderTheFirst) {
  EXPECT_EQ(format("net 1\nblock b(x) {\n  y = x | relu\n  | tanh\n      | bn\n  return y\n}\n"),
            "net 1\nblock b(x) {\n  y = x | relu\n        | tanh\n        | bn\n  return y\n}\n");
}

TEST(Format, KeepsComments) {
  const char *source = "net 1\n# above\nblock b(x) { # beside\n\n   # inside\n  return x #last\n"
                       "  # before the end\n}\n# at the end";
  const char *wanted = "net 1\n# above\nblock b(x) {  # beside\n  # inside\n  return x  #last\n"
                       "  # before the end\n}\n# at the end\n";
  EXPECT_EQ(format(source), wanted);
  EXPECT_EQ(format(wanted), wanted);
}

TEST(Format, AlignsNeighbouringComments) {
  EXPECT_EQ(format("net 1\nblock b(x) {\n  a = 1 # one\n  bcd = 2 # two\n  return x\n}\n"),
            "net 1\nblock b(x) {\n  a = 1    # one\n  bcd = 2  # two\n  return x\n}\n");
}

TEST(Format, PutsRecipesInColumns) {
  EXPECT_EQ(format("net 1\ntrain m {\n augment hflip,vflip\n normalize( auto )\n epochs 3\n}\n"),
            "net 1\ntrain m {\n  augment    hflip, vflip\n  normalize(auto)\n  epochs     3\n}\n");
}

TEST(Format, KeepsLabelsTogether) {
  std::string source = "net 1\nblock b(x, i) {\n  return x | layer{ i+1 }.{i}.conv:relu\n}\n";
  EXPECT_EQ(format(source),
            "net 1\nblock b(x, i) {\n  return x | layer{i + 1}.{i}.conv: relu\n}\n");
}

TEST(Format, JoinsElseWithItsBrace) {
  EXPECT_EQ(format("net 1\nblock b(x) {\n  y = if true { x }\n  else { x }\n  return y\n}\n"),
            "net 1\nblock b(x) {\n  y = if true { x } else { x }\n  return y\n}\n");
}

TEST(Format, LeavesFilesInErrorAlone) {
  std::string diagnostics;
  EXPECT_FALSE(formatSource("test.net", "net 1\nblock b(x {\n}\n", diagnostics));
  EXPECT_NE(diagnostics.find("test.net:2:8: error: this '(' is never closed"), std::string::npos);
}

} // namespace netc::frontend
