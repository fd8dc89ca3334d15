//===- Utf8.h - names of files may be any bytes -----------------*- C++ -*-===//
#ifndef NETC_RUNTIME_BASE_UTF8_H
#define NETC_RUNTIME_BASE_UTF8_H

#include <string>
#include <string_view>

namespace netc::runtime {

/// Bytes of the UTF-8 sequence at the front of `text`, which is not empty; 0 where it is none.
size_t utf8Length(std::string_view text);

/// `text` as a terminal may show it, on one line: control characters, bytes that are no UTF-8 and
/// the characters that turn the direction of writing are spelled out, as in "\\x1b".
std::string printable(std::string_view text);

/// The same for a message of several lines: a line break stays where two spaces follow it.
std::string printableLines(std::string_view text);

} // namespace netc::runtime

#endif // NETC_RUNTIME_BASE_UTF8_H
