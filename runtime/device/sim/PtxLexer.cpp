//===- PtxLexer.cpp - PTX text to tokens ----------------------------------===//
#include "runtime/device/sim/PtxLexer.h"

#include <algorithm>

using namespace netc::runtime::sim;

static bool isDigit(char c) { return c >= '0' && c <= '9'; }
static bool startsWord(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || c == '%' ||
         c == '.';
}
static bool continuesWord(char c) { return startsWord(c) || isDigit(c); }

static int digitValue(char c) {
  if (isDigit(c))
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return 16;
}

void PtxLexer::skipBlanks() {
  while (at < text.size()) {
    if (text[at] == '\n') {
      ++line, ++at;
    } else if (text[at] == ' ' || text[at] == '\t' || text[at] == '\r') {
      ++at;
    } else if (text.substr(at, 2) == "//") {
      at = std::min(text.find('\n', at), text.size());
    } else if (text.substr(at, 2) == "/*") {
      size_t end = text.find("*/", at + 2);
      if (end == std::string_view::npos)
        throw PtxError(line, "a comment that does not end");
      line += unsigned(std::count(text.begin() + at, text.begin() + end, '\n'));
      at = end + 2;
    } else {
      return;
    }
  }
}

Token PtxLexer::take(TokenKind kind, size_t length) {
  Token token{kind, text.substr(at, length), 0, line};
  at += length;
  return token;
}

/// 12, 0x1f, 0b101, 017, 0f3F800000 (f32 bits), 0d3FF0000000000000 (f64 bits);
/// an integer may end in U.
Token PtxLexer::number() {
  size_t length = 0;
  unsigned base = 10, digits = 0;
  TokenKind kind = TokenKind::Integer;
  if (text[at] == '0' && at + 1 < text.size()) {
    char mark = text[at + 1];
    if (mark == 'x' || mark == 'X')
      base = 16, length = 2;
    else if (mark == 'b' || mark == 'B')
      base = 2, length = 2;
    else if (mark == 'f' || mark == 'F')
      base = 16, length = 2, kind = TokenKind::Float32;
    else if (mark == 'd' || mark == 'D')
      base = 16, length = 2, kind = TokenKind::Float64;
    else if (isDigit(mark))
      base = 8;
  }
  uint64_t bits = 0;
  for (; at + length < text.size(); ++length, ++digits) {
    unsigned digit = unsigned(digitValue(text[at + length]));
    if (digit >= base)
      break;
    if (bits > (UINT64_MAX - digit) / base)
      throw PtxError(line, "a number beyond 64 bits");
    bits = bits * base + digit;
  }
  bool right = digits > 0 && (kind != TokenKind::Float32 || digits == 8) &&
               (kind != TokenKind::Float64 || digits == 16);
  if (kind == TokenKind::Integer && at + length < text.size() && text[at + length] == 'U')
    ++length;
  if (!right ||
      (at + length < text.size() && continuesWord(text[at + length]) && text[at + length] != '.'))
    throw PtxError(line, "a malformed number");
  Token token = take(kind, length);
  token.bits = bits;
  return token;
}

Token PtxLexer::next() {
  skipBlanks();
  if (at >= text.size() || text[at] == '\0')
    return {TokenKind::End, {}, 0, line};
  char c = text[at];
  if (isDigit(c))
    return number();
  if (startsWord(c)) {
    size_t length = 1;
    while (at + length < text.size()) {
      if (continuesWord(text[at + length]))
        ++length;
      else if (text.substr(at + length, 2) == "::" && at + length + 2 < text.size() &&
               continuesWord(text[at + length + 2]))
        length += 2;
      else
        break;
    }
    return take(TokenKind::Word, length);
  }
  if (c == '"') {
    size_t end = text.find_first_of("\"\n", at + 1);
    if (end == std::string_view::npos || text[end] == '\n')
      throw PtxError(line, "a string that does not end");
    Token token = take(TokenKind::String, end + 1 - at);
    token.text = token.text.substr(1, token.text.size() - 2);
    return token;
  }
  if (std::string_view("{}()[]<>,;:@!|+-=&*").find(c) != std::string_view::npos)
    return take(TokenKind::Punctuation, 1);
  throw PtxError(line, "an unexpected character");
}
