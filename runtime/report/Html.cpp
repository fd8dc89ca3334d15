//===- Html.cpp - text and pictures inside a page -------------------------===//
#include "runtime/report/Html.h"

#include "runtime/base/Utf8.h"

#include <fmt/format.h>

namespace netc::runtime {

std::string escapeHtml(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    size_t length = utf8Length(text);
    switch (text[0]) {
    case '&':
      result += "&amp;";
      break;
    case '<':
      result += "&lt;";
      break;
    case '>':
      result += "&gt;";
      break;
    case '"':
      result += "&quot;";
      break;
    case '\'':
      result += "&#39;";
      break;
    default:
      result += length ? text.substr(0, length) : "?";
      break;
    }
    text.remove_prefix(length ? length : 1);
  }
  return result;
}

std::string base64(std::string_view bytes) {
  static constexpr char digits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    size_t count = bytes.size() - i < 3 ? bytes.size() - i : 3;
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j)
      group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (size_t j = 0; j < 4; ++j)
      text += j <= count ? digits[group >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

std::string inlineImage(const Image &image, std::string_view description) {
  return fmt::format("<img width=\"{}\" height=\"{}\" alt=\"{}\" src=\"data:image/png;base64,{}\">",
                     image.width, image.height, escapeHtml(description), base64(encodePng(image)));
}

} // namespace netc::runtime
