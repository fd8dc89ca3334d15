//===- Utf8.cpp - names of files may be any bytes -------------------------===//
#include "runtime/base/Utf8.h"

#include <fmt/format.h>

#include <cstdint>

namespace netc::runtime {

size_t utf8Length(std::string_view text) {
  unsigned char first = static_cast<unsigned char>(text[0]);
  size_t length = first < 0x80       ? 1
                  : first >> 5 == 6  ? 2
                  : first >> 4 == 14 ? 3
                  : first >> 3 == 30 ? 4
                                     : 0;
  if (length == 0 || length > text.size())
    return 0;
  uint32_t code = length == 1 ? first : first & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) {
    unsigned char next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80)
      return 0;
    code = code << 6 | (next & 0x3Fu);
  }
  // Longer than needed, a surrogate, or beyond Unicode.
  static constexpr uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  bool valid = code >= least[length] && (code < 0xD800 || code > 0xDFFF) && code <= 0x10FFFF;
  return valid ? length : 0;
}

/// C0 and C1, line and paragraph ends, embeddings, overrides and isolates of direction.
static bool isShown(std::string_view character) {
  unsigned char first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1)
    return first >= 0x20 && first != 0x7F;
  if (character.size() == 2)
    return !(first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0);
  std::string_view start = character.substr(0, 2);
  unsigned char last = static_cast<unsigned char>(character[2]);
  bool turns = (start == "\xE2\x80" && last >= 0xA8 && last <= 0xAE) ||
               (start == "\xE2\x81" && last >= 0xA6 && last <= 0xA9);
  return character.size() > 3 || !turns;
}

std::string printable(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    size_t length = utf8Length(text);
    std::string_view character = text.substr(0, length ? length : 1);
    if (length && isShown(character))
      shown += character;
    else
      for (char byte : character)
        shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    text.remove_prefix(character.size());
  }
  return shown;
}

std::string printableLines(std::string_view text) {
  size_t end = text.find("\n  ");
  std::string shown = printable(text.substr(0, end));
  return end == text.npos ? shown : shown + "\n" + printableLines(text.substr(end + 1));
}

} // namespace netc::runtime
