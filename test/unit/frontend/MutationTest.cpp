//===- MutationTest.cpp - no input crashes or hangs the front end ---------===//
#include "test/unit/frontend/Diagnose.h"

#include <gtest/gtest.h>

#include <random>

namespace netc::frontend {

namespace {
/// Deterministic: mt19937 gives the same numbers everywhere.
class Mutator {
public:
  explicit Mutator(uint32_t seed) : random(seed) {}

  std::string mutate(std::string text) {
    for (size_t times = 1 + below(4); times > 0 && !text.empty(); --times)
      step(text);
    return text;
  }
  size_t below(size_t bound) { return random() % bound; }

private:
  void step(std::string &text) {
    static const char *const tokens[] = {
        "{", "}", "(", ")", "[", "]", "|", ":", ",", "=", "+", "*", "/", "<<", "..", ".",
        "if ", "else ", "for ", "in ", "repeat ", "return ", "conv", "bn", "0", "-1", "\"a\"",
        "9223372036854775807", "1e308", "\n", "#", "32k", "1000000", "a:", "{i}", "image"};
    size_t place = below(text.size()), other = below(text.size());
    switch (below(7)) {
    case 0: text.resize(place); break;
    case 1: text.erase(place, 1 + below(8)); break;
    case 2: text.insert(place, tokens[below(std::size(tokens))]); break;
    case 3: text[place] = static_cast<char>(below(256)); break;
    case 4: text.insert(place, text.substr(other, below(40))); break;
    case 5: std::swap(text[place], text[other]); break;
    default: {
      size_t line = text.find('\n', place);
      if (line != std::string::npos)
        text.erase(line, text.find('\n', line + 1) - line);
    }
    }
  }
  std::mt19937 random;
};
} // namespace

/// Whatever is refused is refused with a reason; whatever formats, formats once.
static void feed(const std::string &source, const std::string &model) {
  std::string diagnostics;
  if (!elaborateText(source, diagnostics, model))
    EXPECT_NE(diagnostics.find("error: "), std::string::npos) << source;
  std::string ignored;
  dumpAst("test.net", ignored);
  auto once = formatSource("test.net", source, ignored);
  if (!once)
    return;
  auto twice = formatSource("test.net", *once, ignored);
  ASSERT_TRUE(twice) << source;
  EXPECT_EQ(*once, *twice) << source;
}

TEST(Mutations, NeitherCrashNorHang) {
  static const std::pair<const char *, const char *> corpus[] = {
      {"resnet_cifar.net", "resnet20"}, {"resnet.net", "resnet50"},   {"lenet.net", ""},
      {"vgg.net", "vgg11_bn"},          {"googlenet.net", ""},        {"preact.net", "preact110"},
      {"mobilenet_v2.net", ""},         {"relu_vs_tanh.net", "with_tanh"}};
  Mutator mutator(20151210);
  for (const auto &[file, model] : corpus) {
    std::string source = readText(std::string(NETC_MODELS_DIR "/") + file);
    ASSERT_FALSE(source.empty());
    for (int i = 0; i < 500; ++i)
      feed(mutator.mutate(source), model);
  }
}

TEST(Mutations, EveryTruncationIsRefusedOrFine) {
  std::string source = readText(NETC_MODELS_DIR "/resnet_cifar.net");
  for (size_t length = 0; length < source.size(); length += 3)
    feed(source.substr(0, length), "resnet20");
}

static std::string around(const std::string &expression) {
  return "net 1\nmodel m {\n  input image: [3, 8, 8]\n  x = " + expression +
         "\n  return image | relu\n}\n";
}

static std::string times(const std::string &text, int count) {
  std::string result;
  while (count-- > 0)
    result += text;
  return result;
}

TEST(Nesting, IsBounded) {
  const int deep = 100'000;
  std::pair<std::string, const char *> cases[] = {
      {around(times("(", deep) + "1" + times(")", deep)), "brackets are nested more than 200 deep"},
      {around(times("[", deep)), "brackets are nested more than 200 deep"},
      {around(times("- ", deep) + "1"), "expressions are nested more than 200 deep"},
      {around(times("not ", deep) + "true"), "expressions are nested more than 200 deep"},
      {around(times("if true { ", deep)), "brackets are nested more than 200 deep"},
      {around("image" + times("()", deep)), "expressions are nested more than 200 deep"},
      {around("image" + times(".shape", deep)), "expressions are nested more than 200 deep"},
  };
  for (const auto &[source, expected] : cases) {
    std::string diagnostics;
    EXPECT_FALSE(elaborateText(source, diagnostics));
    EXPECT_NE(diagnostics.find(expected), std::string::npos) << diagnostics.substr(0, 2000);
  }
}

TEST(Nesting, LongChainsAreNoNests) {
  std::string diagnostics;
  EXPECT_TRUE(elaborateText(around("1" + times(" + 1", 100'000)), diagnostics)) << diagnostics;
  EXPECT_TRUE(elaborateText(around("if true { 1 }" + times(" else if true { 1 }", 20'000) +
                                   " else { 2 }"),
                            diagnostics))
      << diagnostics;
}

TEST(Limits, ChainsOfBlocksEndInAnError) {
  std::string source = "net 1\nblock b0(x) {\n  return x | relu\n}\n";
  for (int i = 1; i < 1000; ++i)
    source += "block b" + std::to_string(i) + "(x) {\n  return x | b" + std::to_string(i - 1) +
              "\n}\n";
  source += "model m {\n  input image: [3, 8, 8]\n  return image | b999\n}\n";
  std::string diagnostics;
  EXPECT_FALSE(elaborateText(source, diagnostics));
  EXPECT_NE(diagnostics.find("blocks are nested more than 64 deep"), std::string::npos);
}

TEST(Limits, AGiantFileIsNotRead) {
  writeText("giant.net", std::string(5u << 20, '('));
  std::string diagnostics;
  EXPECT_FALSE(elaborateFile("giant.net", {}, diagnostics));
  EXPECT_EQ(diagnostics, "netc: error: can't read 'giant.net': it is larger than 4 MiB, the most "
                         "a .net file may have\n");
}

TEST(Limits, ListsAndStringsStaySmall) {
  for (const char *body : {"s = \"ab\"\n  repeat 60 { s = s + s }", "l = [1]\n  repeat 60 { l = l + l }",
                           "l = [1]\n  repeat 60 { l = [l, l] }",
                           "l = [1]\n  repeat 25 { l = [l, l] }\n  t = l == l",
                           "repeat 1000000 { l = 0..1000000 }"}) {
    std::string diagnostics;
    EXPECT_FALSE(elaborateText(std::string("net 1\nmodel m {\n  input image: [3, 8, 8]\n  ") + body +
                                   "\n  return image | relu\n}\n",
                               diagnostics))
        << body;
    EXPECT_NE(diagnostics.find("error: "), std::string::npos);
  }
}

} // namespace netc::frontend
