//===- MutationTest.cpp - no input crashes or hangs the front end ---------===//
#include "frontend/syntax/Format.h"
#include "test/unit/frontend/Diagnose.h"

#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>
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
        "{",       "}",    "(",   ")",     "[",       "]",     "|",
        ":",       ",",    "=",   "+",     "*",       "/",     "<<",
        "..",      ".",    "if ", "else ", "for ",    "in ",   "repeat ",
        "return ", "conv", "bn",  "0",     "-1",      "\"a\"", "9223372036854775807",
        "1e308",   "\n",   "#",   "32k",   "1000000", "a:",    "{i}",
        "image"};
    size_t place = below(text.size()), other = below(text.size());
    switch (below(7)) {
    case 0:
      text.resize(place);
      break;
    case 1:
      text.erase(place, 1 + below(8));
      break;
    case 2:
      text.insert(place, tokens[below(std::size(tokens))]);
      break;
    case 3:
      text[place] = static_cast<char>(below(256));
      break;
    case 4:
      text.insert(place, text.substr(other, below(40)));
      break;
    case 5:
      std::swap(text[place], text[other]);
      break;
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

// Under the sanitizers a mutation takes several times as long.
#if __has_feature(address_sanitizer)
static constexpr int mutationsPerFile = 150;
#else
static constexpr int mutationsPerFile = 500;
#endif

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
  static const std::pair<const char *, const char *> corpus[] = {{"resnet_cifar.net", "resnet20"},
                                                                 {"resnet.net", "resnet50"},
                                                                 {"lenet.net", ""},
                                                                 {"vgg.net", "vgg11_bn"},
                                                                 {"googlenet.net", ""},
                                                                 {"preact.net", "preact110"},
                                                                 {"mobilenet_v2.net", ""},
                                                                 {"relu_vs_tanh.net", "with_tanh"}};
  Mutator mutator(20151210);
  for (const auto &[file, model] : corpus) {
    std::string source = readText(std::string(NETC_MODELS_DIR "/") + file);
    ASSERT_FALSE(source.empty());
    for (int i = 0; i < mutationsPerFile; ++i)
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
  EXPECT_TRUE(elaborateText(
      around("if true { 1 }" + times(" else if true { 1 }", 20'000) + " else { 2 }"), diagnostics))
      << diagnostics;
}

TEST(Limits, ChainsOfBlocksEndInAnError) {
  std::string source = "net 1\nblock b0(x) {\n  return x | relu\n}\n";
  for (int i = 1; i < 1000; ++i)
    source +=
        "block b" + std::to_string(i) + "(x) {\n  return x | b" + std::to_string(i - 1) + "\n}\n";
  source += "model m {\n  input image: [3, 8, 8]\n  return image | b999\n}\n";
  std::string diagnostics;
  EXPECT_FALSE(elaborateText(source, diagnostics));
  EXPECT_NE(diagnostics.find("blocks are nested more than 64 deep"), std::string::npos);
}

TEST(Limits, AGigabyteIsNotRead) {
  writeText("giant.net", std::string(5u << 20, '('));
  std::filesystem::resize_file("giant.net", 1u << 30); // the rest takes no room on the disk
  const std::string why = "netc: error: can't read 'giant.net': it is larger than 4 MiB, the most "
                          "a .net file may have\n";
  std::string diagnostics;
  EXPECT_FALSE(elaborateFile("giant.net", {}, diagnostics));
  EXPECT_EQ(diagnostics, why);
  diagnostics.clear();
  EXPECT_FALSE(dumpAst("giant.net", diagnostics));
  EXPECT_EQ(diagnostics, why);
  std::filesystem::remove("giant.net");
}

TEST(Limits, ParenthesesUpToTheLargestFileAreToldOnce) {
  std::string diagnostics;
  EXPECT_FALSE(elaborateText("net 1\n" + std::string(4'000'000, '('), diagnostics));
  EXPECT_NE(diagnostics.find("test.net:2:201: error: brackets are nested more than 200 deep\n"),
            std::string::npos);
  EXPECT_EQ(diagnostics.find("error: "), diagnostics.rfind("error: ")) << diagnostics;
}

/// Files of which one list grows with `count`: work that is quadratic in it would take minutes.
static std::vector<std::string> longFiles(int count) {
  auto numbered = [&](const std::string &before, const std::string &after) {
    std::string text;
    for (int i = 0; i < count; ++i)
      text += before + std::to_string(i) + after;
    return text;
  };
  std::string model = "model m {\n  input image: [3, 8, 8]\n  return image | relu\n}\n";
  return {around("[" + times("1, ", count) + "1]"),
          around("1" + times(" + 1", count)),
          around("image" + times(" | identity", count)),
          around("image | relu(" + numbered("p", "=1, ") + "x=1)"),
          around("if true { 1 }" + times(" else if true { 1 }", count) + " else { 2 }"),
          "net 1\nmodel m {\n  input image: [3, 8, 8]\n  " + numbered("a", ", ") +
              "b = 1\n  return image | relu\n}\n",
          "net 1\nblock b(" + numbered("p", "=1, ") + "q=1) {\n  return q\n}\n" + model,
          "net 1\n" + numbered("model m", "() = n()\n"),
          "net 1\n" + model + "train m {\n" + numbered("  c", " 1\n") + "}\n",
          "net 1\n" + model + "block b(x) {\n  return x | relu\n}\n" +
              times("block b(x) {\n  return x\n", count)};
}

TEST(Limits, LongFilesTakeLinearTime) {
  for (const std::string &source : longFiles(50'000)) {
    std::clock_t start = std::clock();
    std::string ignored;
    elaborateText(source, ignored);
    dumpAst("test.net", ignored);
    formatSource("test.net", source, ignored);
    EXPECT_LT(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, 20)
        << source.substr(0, 100);
  }
}

TEST(Limits, ListsAndStringsStaySmall) {
  for (const char *body :
       {"s = \"ab\"\n  repeat 60 { s = s + s }", "l = [1]\n  repeat 60 { l = l + l }",
        "l = [1]\n  repeat 60 { l = [l, l] }", "l = [1]\n  repeat 25 { l = [l, l] }\n  t = l == l",
        "repeat 1000000 { l = 0..1000000 }"}) {
    std::string diagnostics;
    EXPECT_FALSE(elaborateText(std::string("net 1\nmodel m {\n  input image: [3, 8, 8]\n  ") +
                                   body + "\n  return image | relu\n}\n",
                               diagnostics))
        << body;
    EXPECT_NE(diagnostics.find("error: "), std::string::npos);
  }
}

} // namespace netc::frontend
