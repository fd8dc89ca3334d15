//===- Lexer.h - .net text to tokens ----------------------------*- C++ -*-===//
//
// Brackets in the token stream are balanced whatever the text: stray closing
// ones are reported and dropped, missing ones reported and put in. Newline
// tokens stand only where a newline ends a statement.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_FRONTEND_SYNTAX_LEXER_H
#define NETC_FRONTEND_SYNTAX_LEXER_H

#include "frontend/syntax/Diagnostics.h"

#include <set>
#include <string_view>
#include <vector>

namespace netc::frontend {

enum class TokenKind : uint8_t {
  End,
  Newline,
  Identifier,
  Integer,
  Float,
  Iterations,
  String,
  LeftParen,
  RightParen,
  LeftBracket,
  RightBracket,
  LeftBrace,
  RightBrace,
  Comma,
  Colon,
  Dot,
  DotDot,
  Pipe,
  Assign,
  Plus,
  Minus,
  Star,
  Slash,
  Percent,
  ShiftLeft,
  ShiftRight,
  Equal,
  NotEqual,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  If,
  Else,
  For,
  In,
  Repeat,
  Return,
  True,
  False,
  And,
  Or,
  Not,
};

struct Token {
  TokenKind kind = TokenKind::End;
  bool adjacent = false; ///< nothing between it and the token before
  bool unclosed = false; ///< an opening bracket whose closing one was put in
  uint32_t line = 0, column = 0;
  uint32_t match = 0; ///< of an opening bracket: index of its closing one
  std::string_view text;
};

struct Comment {
  uint32_t line = 0;
  bool alone = false;    ///< nothing but the comment on its line
  std::string_view text; ///< from '#', without trailing blanks
};

struct TokenStream {
  std::vector<Token> tokens; ///< ends with End
  std::vector<Comment> comments;
  bool usable = true;            ///< false: nested too deeply to go on, or no text at all
  bool whole = true;             ///< false: brackets or strings don't match as written
  std::set<uint32_t> strayLines; ///< lines of which something was dropped
};

/// How deep brackets, blocks and expressions may nest in a file.
constexpr int maxNesting = 200;
/// Of a block or model. Arguments are looked for among them one by one.
constexpr size_t maxParams = 1000;

TokenStream lex(uint32_t file, Diagnostics &diags);

/// How a message calls a token: "'conv'", "end of file", "end of line".
std::string describe(const Token &token);

} // namespace netc::frontend

#endif // NETC_FRONTEND_SYNTAX_LEXER_H
