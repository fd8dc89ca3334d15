//===- Read.cpp - .cfg and .weights ---------------------------------------===//
#include "frontend/import/darknet/Network.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

using namespace netc::frontend::darknet;

static constexpr size_t kMostErrors = 20;

/// As Darknet does: no blank counts, not even within a value.
static std::string withoutBlanks(const std::string &line) {
  std::string text;
  for (char c : line)
    if (c != ' ' && c != '\t' && c != '\r')
      text += c;
  return text;
}

static bool addLine(const std::string &text, int number, std::vector<Section> &sections,
                    std::string &why) {
  if (text.front() == '[') {
    if (text.back() != ']' || text.size() < 3)
      why = "expected a layer's kind in brackets, [convolutional]";
    sections.push_back({text.substr(1, text.size() - 2), number, {}});
    return why.empty();
  }
  size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    why = "expected [layer] or option=value";
  else if (sections.empty())
    why = "an option before the first section";
  else if (!sections.back()
                .options
                .try_emplace(text.substr(0, equals), Option{text.substr(equals + 1), number})
                .second)
    why = fmt::format("a second '{}' of this section", text.substr(0, equals));
  return why.empty();
}

std::optional<std::vector<Section>>
netc::frontend::darknet::readSections(const std::string &path, std::vector<std::string> &errors) {
  std::ifstream file(path);
  if (!file) {
    errors.push_back(fmt::format("cannot read it: {}", std::strerror(errno)));
    return std::nullopt;
  }
  std::vector<Section> sections;
  std::string line;
  for (int number = 1; std::getline(file, line) && errors.size() < kMostErrors; ++number) {
    std::string text = withoutBlanks(line), why;
    if (text.empty() || text.front() == '#' || text.front() == ';')
      continue;
    if (!addLine(text, number, sections, why))
      errors.push_back(fmt::format("line {}: {}", number, why));
  }
  if (errors.empty() && sections.empty())
    errors.emplace_back("it has no sections, expected [net] and layers");
  return errors.empty() ? std::optional(std::move(sections)) : std::nullopt;
}

template <typename T> static bool take(const std::string &bytes, size_t &at, T &value) {
  if (bytes.size() - at < sizeof value)
    return false;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  at += sizeof value;
  return true;
}

/// The header: three numbers of a version, and how many images it has seen, since version 0.2 in
/// eight bytes. Versions above 1000 mark transposed matrices.
std::optional<Weights> netc::frontend::darknet::readWeights(const std::string &path,
                                                            std::string &error) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    error = fmt::format("cannot read {}: {}", path, std::strerror(errno));
    return std::nullopt;
  }
  std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  int32_t major = 0, minor = 0, revision = 0, seen = 0;
  int64_t seenLong = 0;
  size_t at = 0;
  bool isWhole = take(bytes, at, major) && take(bytes, at, minor) && take(bytes, at, revision);
  bool isMarked = major > 1000 || minor > 1000;
  bool isLong = !isMarked && (major > 0 || minor >= 2);
  isWhole = isWhole && major >= 0 && minor >= 0 &&
            (isLong ? take(bytes, at, seenLong) : take(bytes, at, seen));
  if (!isWhole || (bytes.size() - at) % sizeof(float) != 0) {
    error = fmt::format("{}: no weights of Darknet, or a damaged file: {} bytes, expected a header "
                        "of a version and then numbers of four bytes",
                        path, bytes.size());
    return std::nullopt;
  }
  Weights weights;
  weights.isTransposed = isMarked;
  weights.values.resize((bytes.size() - at) / sizeof(float));
  if (!weights.values.empty())
    std::memcpy(weights.values.data(), bytes.data() + at, bytes.size() - at);
  return weights;
}
