//===- Lexer.cpp - .net text to tokens ------------------------------------===//
#include "frontend/syntax/Lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace netc::frontend {

static bool isDigit(char c) { return c >= '0' && c <= '9'; }
static bool isNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool isNamePart(char c) { return isNameStart(c) || isDigit(c); }

static constexpr std::array<std::pair<std::string_view, TokenKind>, 11> keywords{{
    {"if", TokenKind::If},
    {"else", TokenKind::Else},
    {"for", TokenKind::For},
    {"in", TokenKind::In},
    {"repeat", TokenKind::Repeat},
    {"return", TokenKind::Return},
    {"true", TokenKind::True},
    {"false", TokenKind::False},
    {"and", TokenKind::And},
    {"or", TokenKind::Or},
    {"not", TokenKind::Not},
}};

// Longer spellings first: '<<' before '<'.
static constexpr std::array<std::pair<std::string_view, TokenKind>, 26> punctuation{{
    {"..", TokenKind::DotDot},       {"<<", TokenKind::ShiftLeft},   {">>", TokenKind::ShiftRight},
    {"==", TokenKind::Equal},        {"!=", TokenKind::NotEqual},    {"<=", TokenKind::LessEqual},
    {">=", TokenKind::GreaterEqual}, {"(", TokenKind::LeftParen},    {")", TokenKind::RightParen},
    {"[", TokenKind::LeftBracket},   {"]", TokenKind::RightBracket}, {"{", TokenKind::LeftBrace},
    {"}", TokenKind::RightBrace},    {",", TokenKind::Comma},        {":", TokenKind::Colon},
    {".", TokenKind::Dot},           {"|", TokenKind::Pipe},         {"=", TokenKind::Assign},
    {"+", TokenKind::Plus},          {"-", TokenKind::Minus},        {"*", TokenKind::Star},
    {"/", TokenKind::Slash},         {"%", TokenKind::Percent},      {"<", TokenKind::Less},
    {">", TokenKind::Greater},       {"", TokenKind::End},
}};

/// A newline after one of these continues the statement.
static bool continuesLine(TokenKind kind) {
  switch (kind) {
  case TokenKind::Comma:
  case TokenKind::Colon:
  case TokenKind::Dot:
  case TokenKind::DotDot:
  case TokenKind::Pipe:
  case TokenKind::Assign:
  case TokenKind::Plus:
  case TokenKind::Minus:
  case TokenKind::Star:
  case TokenKind::Slash:
  case TokenKind::Percent:
  case TokenKind::ShiftLeft:
  case TokenKind::ShiftRight:
  case TokenKind::Equal:
  case TokenKind::NotEqual:
  case TokenKind::Less:
  case TokenKind::LessEqual:
  case TokenKind::Greater:
  case TokenKind::GreaterEqual:
  case TokenKind::And:
  case TokenKind::Or:
  case TokenKind::Not:
  case TokenKind::In:
  case TokenKind::LeftBrace:
    return true;
  default:
    return false;
  }
}

static char closingOf(TokenKind kind) {
  return kind == TokenKind::LeftParen ? ')' : kind == TokenKind::LeftBracket ? ']' : '}';
}

namespace {
class Lexer {
public:
  Lexer(uint32_t file, Diagnostics &diags)
      : file(file), diags(diags), text(diags.source(file).text) {}
  TokenStream run();

private:
  bool atEnd() const { return position >= text.size(); }
  char peek(size_t ahead = 0) const {
    return position + ahead < text.size() ? text[position + ahead] : '\0';
  }
  Range here(uint32_t length = 1) const {
    return {file, line, static_cast<uint32_t>(position - lineStart + 1), length};
  }
  void push(TokenKind kind, size_t length);
  void newline();
  void comment();
  void number();
  void string();
  void word();
  bool symbol();
  void stray();
  void strayBytes();
  bool open(TokenKind kind);
  void close(TokenKind kind);
  void closeMissing();
  void noteIndentation(uint32_t opening, Diagnostic &diag);
  uint32_t indentation(uint32_t token) const;
  bool nextLineContinues() const;

  uint32_t file;
  Diagnostics &diags;
  std::string_view text;
  size_t position = 0, lineStart = 0;
  size_t tokenEnd = 0; ///< where the last token ended, to know adjacency
  uint32_t line = 1;
  std::vector<uint32_t> brackets; ///< indices of the open ones
  /// A '{' whose '}' is indented less than the line that opens it.
  struct Suspect {
    uint32_t opening, closingLine;
  };
  std::vector<Suspect> suspects;
  TokenStream out;
};
} // namespace

void Lexer::push(TokenKind kind, size_t length) {
  Token token;
  token.kind = kind;
  token.adjacent = !out.tokens.empty() && tokenEnd == position;
  token.line = line;
  token.column = static_cast<uint32_t>(position - lineStart + 1);
  token.text = text.substr(position, length);
  out.tokens.push_back(token);
  position += length;
  tokenEnd = position;
}

/// Looks past blanks and comments for a line that begins with '|'.
bool Lexer::nextLineContinues() const {
  size_t i = position;
  while (i < text.size()) {
    char c = text[i];
    if (c == '#')
      while (i < text.size() && text[i] != '\n')
        ++i;
    else if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
      ++i;
    else
      return c == '|';
  }
  return false;
}

void Lexer::newline() {
  bool inBraces = brackets.empty() || out.tokens[brackets.back()].kind == TokenKind::LeftBrace;
  bool wanted = inBraces && !out.tokens.empty() && out.tokens.back().kind != TokenKind::Newline &&
                !continuesLine(out.tokens.back().kind);
  if (wanted && !nextLineContinues()) {
    push(TokenKind::Newline, 1);
    tokenEnd = 0;
  } else {
    ++position;
  }
  ++line;
  lineStart = position;
}

void Lexer::comment() {
  size_t end = std::min(text.find('\n', position), text.size());
  std::string_view body = text.substr(position, end - position);
  while (!body.empty() && (body.back() == ' ' || body.back() == '\t' || body.back() == '\r'))
    body.remove_suffix(1);
  bool alone = text.substr(lineStart, position - lineStart).find_first_not_of(" \t\r") ==
               std::string_view::npos;
  out.comments.push_back({line, alone, body});
  position = end;
}

void Lexer::number() {
  // In a label every part after a dot is a name of its own: `features.0.1`.
  bool inLabel =
      !out.tokens.empty() && out.tokens.back().kind == TokenKind::Dot && tokenEnd == position;
  size_t length = 0;
  while (isDigit(peek(length)))
    ++length;
  if (inLabel)
    return push(TokenKind::Integer, length);
  TokenKind kind = TokenKind::Integer;
  if (peek(length) == '.' && isDigit(peek(length + 1))) {
    kind = TokenKind::Float;
    ++length;
    while (isDigit(peek(length)))
      ++length;
  }
  char e = peek(length), sign = peek(length + 1);
  bool hasSign = sign == '-' || sign == '+';
  if ((e == 'e' || e == 'E') && isDigit(peek(length + 1 + hasSign))) {
    kind = TokenKind::Float;
    length += 1 + hasSign;
    while (isDigit(peek(length)))
      ++length;
  } else if (kind == TokenKind::Integer && e == 'k' && !isNamePart(sign)) {
    kind = TokenKind::Iterations;
    ++length;
  }
  push(kind, length);
}

void Lexer::string() {
  size_t length = 1;
  while (peek(length) != '"') {
    if (position + length >= text.size() || peek(length) == '\n') {
      diags.error(here(), "this string is never closed").suggest("end it with '\"'");
      out.whole = false;
      return push(TokenKind::String, length);
    }
    length += peek(length) == '\\' && peek(length + 1) != '\n' ? 2 : 1;
  }
  push(TokenKind::String, length + 1);
}

void Lexer::word() {
  size_t length = 0;
  while (isNamePart(peek(length)))
    ++length;
  std::string_view name = text.substr(position, length);
  // A definition at the start of a line means that what was open stays open.
  if (position == lineStart && !brackets.empty() &&
      (name == "block" || name == "model" || name == "train") &&
      isNameStart(peek(length + (peek(length) == ' ')))) {
    while (!brackets.empty())
      closeMissing();
    Token end;
    end.kind = TokenKind::Newline;
    end.line = line;
    end.column = 1;
    out.tokens.push_back(end);
  }
  TokenKind kind = TokenKind::Identifier;
  for (const auto &[spelling, keyword] : keywords)
    if (spelling == name)
      kind = keyword;
  push(kind, length);
}

/// The column at which the line of a token begins.
uint32_t Lexer::indentation(uint32_t token) const {
  uint32_t first = token;
  while (first > 0 && out.tokens[first - 1].line == out.tokens[token].line &&
         out.tokens[first - 1].kind != TokenKind::Newline)
    --first;
  return out.tokens[first].column;
}

/// The bracket that is open at the end is seldom the one whose partner was forgotten; the
/// indentation shows which one it is.
void Lexer::noteIndentation(uint32_t opening, Diagnostic &diag) {
  auto inside = std::find_if(suspects.begin(), suspects.end(),
                             [&](const Suspect &each) { return each.opening > opening; });
  if (inside == suspects.end())
    return;
  const Token &token = out.tokens[inside->opening];
  diag.note({file, token.line, token.column, 1},
            fmt::format("or is it this one? the '}}' that closes it, in line {}, is indented less",
                        inside->closingLine));
  suspects.erase(inside);
}

void Lexer::closeMissing() {
  Token &opening = out.tokens[brackets.back()];
  Diagnostic &diag = diags.error({file, opening.line, opening.column, 1},
                                 fmt::format("this '{}' is never closed", opening.text));
  diag.suggest(fmt::format("add '{}'", closingOf(opening.kind)));
  if (opening.kind == TokenKind::LeftBrace)
    noteIndentation(brackets.back(), diag);
  out.whole = false;
  opening.unclosed = true;
  opening.match = static_cast<uint32_t>(out.tokens.size());
  Token token;
  token.kind = opening.kind == TokenKind::LeftParen     ? TokenKind::RightParen
               : opening.kind == TokenKind::LeftBracket ? TokenKind::RightBracket
                                                        : TokenKind::RightBrace;
  token.line = line;
  token.column = static_cast<uint32_t>(position - lineStart + 1);
  brackets.pop_back();
  out.tokens.push_back(token);
}

bool Lexer::open(TokenKind kind) {
  if (brackets.size() >= maxNesting) {
    diags.error(here(), fmt::format("brackets are nested more than {} deep", maxNesting))
        .suggest("give parts of the expression names of their own");
    out.usable = out.whole = false;
    return false;
  }
  brackets.push_back(static_cast<uint32_t>(out.tokens.size()));
  push(kind, 1);
  return true;
}

void Lexer::close(TokenKind kind) {
  char have = text[position];
  auto matches = [&](uint32_t index) { return closingOf(out.tokens[index].kind) == have; };
  auto partner = std::find_if(brackets.rbegin(), brackets.rend(), matches);
  // A ')' never closes a block: only '}' reaches over other open brackets.
  bool reachable = partner != brackets.rend() &&
                   (have == '}' || std::none_of(brackets.rbegin(), partner, [&](uint32_t index) {
                      return out.tokens[index].kind == TokenKind::LeftBrace;
                    }));
  if (!reachable) {
    diags.error(here(), fmt::format("this '{}' closes nothing", have)).suggest("remove it");
    out.whole = false;
    ++position;
    return;
  }
  while (!matches(brackets.back()))
    closeMissing();
  uint32_t opening = brackets.back();
  bool firstOfLine = out.tokens.back().line != line || out.tokens.back().kind == TokenKind::Newline;
  if (have == '}' && firstOfLine && here().column < indentation(opening))
    suspects.push_back({opening, line});
  out.tokens[opening].match = static_cast<uint32_t>(out.tokens.size());
  brackets.pop_back();
  push(kind, 1);
}

bool Lexer::symbol() {
  for (const auto &[spelling, kind] : punctuation) {
    if (spelling.empty() || text.substr(position, spelling.size()) != spelling)
      continue;
    switch (kind) {
    case TokenKind::LeftParen:
    case TokenKind::LeftBracket:
    case TokenKind::LeftBrace:
      return open(kind);
    case TokenKind::RightParen:
    case TokenKind::RightBracket:
    case TokenKind::RightBrace:
      close(kind);
      return true;
    default:
      push(kind, spelling.size());
      return true;
    }
  }
  stray();
  return true;
}

/// Bytes that are no ASCII: a letter of another alphabet, or another encoding. What adjoins them is
/// dropped too.
void Lexer::strayBytes() {
  auto foreign = [&](size_t ahead) { return static_cast<unsigned char>(peek(ahead)) >= 0x80; };
  bool inName = tokenEnd == position && !out.tokens.empty() &&
                out.tokens.back().kind == TokenKind::Identifier;
  size_t length = 1;
  while (foreign(length) && (static_cast<unsigned char>(peek(length)) & 0xC0) == 0x80 && length < 4)
    ++length;
  Diagnostic &diag =
      diags.error(here(static_cast<uint32_t>(length)),
                  fmt::format("'{}' is no part of the language", text.substr(position, length)));
  if (inName || isNamePart(peek(length)))
    diag.suggest("a name is made of the letters a to z and A to Z, digits and '_'");
  while (foreign(length) || isNamePart(peek(length)))
    ++length;
  out.strayLines.insert(line);
  position += length;
}

void Lexer::stray() {
  unsigned char c = static_cast<unsigned char>(text[position]);
  if (c >= 0x80)
    return strayBytes();
  if (c == 0) {
    diags.error(here(), "byte 0x00: this file is no text")
        .suggest("a .net file is plain text, in ASCII or UTF-8");
    out.usable = out.whole = false;
    return;
  }
  std::string shown = c < 0x20 || c == 0x7F ? fmt::format("byte 0x{:02x}", c)
                                            : fmt::format("'{}'", text.substr(position, 1));
  Diagnostic &diag = diags.error(here(), fmt::format("{} is no part of the language", shown));
  // What was meant is often clear: go on with that.
  if (c == ';') {
    diag.suggest("a new line ends a statement");
    push(TokenKind::Newline, 1);
  } else if (c == '&') {
    diag.suggest("write 'and'");
    push(TokenKind::And, 1 + (peek(1) == '&'));
  } else if (c == '!') {
    diag.suggest("write 'not', or '!='");
    push(TokenKind::Not, 1);
  } else {
    if (c == '\'')
      diag.suggest("strings stand in double quotes");
    out.strayLines.insert(line);
    ++position;
  }
}

TokenStream Lexer::run() {
  if (text.substr(0, 3) == "\xEF\xBB\xBF")
    position = 3;
  while (!atEnd() && out.usable && !diags.full()) {
    char c = peek();
    if (c == '\n')
      newline();
    else if (c == ' ' || c == '\t' || c == '\r')
      ++position;
    else if (c == '#')
      comment();
    else if (isDigit(c))
      number();
    else if (c == '"')
      string();
    else if (isNameStart(c))
      word();
    else if (!symbol())
      break;
  }
  while (out.usable && !brackets.empty())
    closeMissing();
  tokenEnd = 0;
  position = std::min(position, text.size());
  push(TokenKind::Newline, 0);
  push(TokenKind::End, 0);
  return std::move(out);
}

TokenStream lex(uint32_t file, Diagnostics &diags) { return Lexer(file, diags).run(); }

std::string describe(const Token &token) {
  if (token.kind == TokenKind::End)
    return "the end of the file";
  if (token.kind == TokenKind::Newline)
    return "the end of the line";
  if (token.text.size() > 40)
    return fmt::format("'{}...'", token.text.substr(0, 40));
  return fmt::format("'{}'", token.text);
}

} // namespace netc::frontend
