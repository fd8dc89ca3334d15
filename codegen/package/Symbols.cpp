//===- Symbols.cpp - names of a model's symbols ---------------------------===//
#include "codegen/package/Symbols.h"

using namespace netc;

static bool isLetterOrDigit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::string netc::mangle(std::string_view name) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string result;
  for (size_t i = 0; i < name.size(); ++i) {
    char c = name[i];
    bool isPlain = c == '_' && (i + 1 == name.size() || name[i + 1] != 'x');
    if (isPlain || isLetterOrDigit(c)) {
      result += c;
      continue;
    }
    auto byte = static_cast<unsigned char>(c);
    result += {'_', 'x', digits[byte / 16], digits[byte % 16]};
  }
  return result;
}

ModelSymbols::ModelSymbols(std::string_view model, unsigned level)
    : prefix("netc_" + mangle(model)), table(prefix + "_model") {
  if (level > 0)
    table += "_" + std::to_string(level);
}
