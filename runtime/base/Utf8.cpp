//===- Utf8.cpp - names of files may be any bytes -------------------------===//
#include "runtime/base/Utf8.h"

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

} // namespace netc::runtime
