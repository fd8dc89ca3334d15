//===- Text.cpp - a text as editors count in it ---------------------------===//
#include "tools/netc-lsp/Text.h"

#include "llvm/ADT/StringExtras.h"

#include <algorithm>

using llvm::json::Object;

namespace netc::lsp {

static bool isContinuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

/// UTF-16 units of the character that begins with `byte`.
static int64_t unitsOf(char byte) { return static_cast<unsigned char>(byte) >= 0xF0 ? 2 : 1; }

Position readPosition(const Object *object) {
  if (!object)
    return {};
  return {std::max<int64_t>(0, object->getInteger("line").value_or(0)),
          std::max<int64_t>(0, object->getInteger("character").value_or(0))};
}

Object toJson(Position position) {
  return Object{{"line", position.line}, {"character", position.character}};
}

size_t offsetOf(std::string_view text, Position position) {
  size_t at = 0;
  for (int64_t line = 0; line < position.line; ++line) {
    size_t next = text.find('\n', at);
    if (next == std::string_view::npos)
      return text.size();
    at = next + 1;
  }
  int64_t units = 0;
  while (at < text.size() && text[at] != '\n' && units < position.character) {
    units += unitsOf(text[at++]);
    while (at < text.size() && isContinuation(text[at]))
      ++at;
  }
  return at;
}

Position positionOf(std::string_view text, size_t offset) {
  offset = std::min(offset, text.size());
  Position position;
  position.line = std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(offset), '\n');
  size_t begin = offset ? text.rfind('\n', offset - 1) : std::string_view::npos;
  for (size_t at = begin == std::string_view::npos ? 0 : begin + 1; at < offset; ++at)
    if (!isContinuation(text[at]))
      position.character += unitsOf(text[at]);
  return position;
}

static Object rangeBetween(Position start, Position end) {
  return Object{{"start", toJson(start)}, {"end", toJson(end)}};
}

Object wholeRange(std::string_view text) { return rangeBetween({}, positionOf(text, text.size())); }

Object toJson(const frontend::Source &source, frontend::Range range) {
  if (range.line == 0 || range.line > source.lineStarts.size())
    return rangeBetween({}, {});
  size_t first = source.lineStarts[range.line - 1];
  size_t line = source.text.find('\n', first);
  size_t last = line == std::string::npos ? source.text.size() : line;
  size_t start = std::min<size_t>(first + std::max(range.column, 1U) - 1, last);
  size_t end = std::min<size_t>(start + range.length, last);
  std::string_view text = std::string_view(source.text).substr(first, last - first);
  Position from = positionOf(text, start - first), to = positionOf(text, end - first);
  from.line = to.line = range.line - 1;
  return rangeBetween(from, to);
}

void applyChange(std::string &text, const Object &change) {
  std::string fresh = change.getString("text").value_or("").str();
  const Object *range = change.getObject("range");
  if (!range) {
    text = std::move(fresh);
    return;
  }
  size_t start = offsetOf(text, readPosition(range->getObject("start")));
  size_t end = offsetOf(text, readPosition(range->getObject("end")));
  text.replace(start, std::max(start, end) - start, fresh);
}

std::string validText(std::string text) {
  return llvm::json::isUTF8(text) ? std::move(text) : llvm::json::fixUTF8(text);
}

std::string pathOf(std::string_view uri) {
  constexpr std::string_view scheme = "file://";
  if (!uri.starts_with(scheme))
    return std::string(uri);
  uri.remove_prefix(scheme.size());
  std::string path;
  for (size_t i = 0; i < uri.size(); ++i) {
    bool escaped = uri[i] == '%' && i + 2 < uri.size() && llvm::isHexDigit(uri[i + 1]) &&
                   llvm::isHexDigit(uri[i + 2]);
    path += escaped ? static_cast<char>(llvm::hexFromNibbles(uri[i + 1], uri[i + 2])) : uri[i];
    i += escaped ? 2 : 0;
  }
  return path;
}

std::string uriOf(std::string_view path) {
  if (path.empty() || path.front() != '/')
    return std::string(path);
  std::string uri = "file://";
  for (char c : path) {
    bool plain = llvm::isAlnum(c) || std::string_view("/-._~").find(c) != std::string_view::npos;
    uri += plain ? std::string(1, c) : "%" + llvm::toHex(llvm::StringRef(&c, 1));
  }
  return uri;
}

} // namespace netc::lsp
