//===- ParseStatement.cpp - bodies and statements -------------------------===//
#include "frontend/syntax/Parser.h"

#include <fmt/format.h>

namespace netc::frontend {

const Token &Parser::advance() {
  const Token &token = peek();
  if (token.unclosed && token.kind != TokenKind::LeftBrace)
    silentTo = std::max<size_t>(silentTo, token.match + 1);
  if (position + 1 < stream.tokens.size())
    ++position;
  return token;
}

bool Parser::consume(TokenKind kind) {
  if (!at(kind))
    return false;
  advance();
  return true;
}

bool Parser::open(TokenKind kind, const std::string &what) {
  if (consume(kind))
    return true;
  expected(what);
  return false;
}

bool Parser::close(TokenKind kind, const std::string &what) { return open(kind, what); }

Range Parser::rangeOf(const Token &token) const {
  uint32_t length = std::max<uint32_t>(1, static_cast<uint32_t>(token.text.size()));
  return {file, token.line, token.column, token.kind == TokenKind::Newline ? 1 : length};
}

Diagnostic &Parser::error(Range at, const std::string &message) {
  // What stands in a bracket that is never closed is not what was meant.
  // Nor is a line of which something was dropped.
  if (position < silentTo || stream.strayLines.count(at.line)) {
    silenced = {};
    return silenced;
  }
  return diags.error(at, message);
}

Diagnostic &Parser::expected(const std::string &what) {
  return error(here(), fmt::format("expected {}, have {}", what, describe(peek())));
}

void Parser::skipNewlines() {
  while (consume(TokenKind::Newline)) {
  }
}

std::optional<Target> Parser::parseName(const std::string &what) {
  if (!at(TokenKind::Identifier)) {
    Diagnostic &diag = expected(what);
    if (peek().kind >= TokenKind::If)
      diag.suggest(fmt::format("'{}' is a word of the language", peek().text));
    return std::nullopt;
  }
  Range range = here();
  return Target{std::string(advance().text), range};
}

/// Skips what is left of a statement; stops before the '}' of its body.
void Parser::recover() {
  while (!at(TokenKind::End) && !at(TokenKind::RightBrace) && !at(TokenKind::Newline)) {
    bool opens = at(TokenKind::LeftBrace) || at(TokenKind::LeftParen) || at(TokenKind::LeftBracket);
    if (opens)
      position = peek().match;
    advance();
  }
  consume(TokenKind::Newline);
}

bool Parser::endStatement() {
  if (consume(TokenKind::Newline) || at(TokenKind::RightBrace) || at(TokenKind::End))
    return true;
  Diagnostic &diag = expected("the end of the statement");
  if (at(TokenKind::Assign))
    diag.suggest("only a name can stand left of '='");
  else if (at(TokenKind::Identifier) && peek(1).kind == TokenKind::LeftParen)
    diag.suggest(fmt::format("'|' passes a tensor on: ... | {}(...)", peek().text));
  else
    diag.suggest("a new line ends a statement; an operator is missing, or a new line");
  return false;
}

static bool isArithmetic(TokenKind kind) {
  return kind >= TokenKind::Plus && kind <= TokenKind::ShiftRight;
}

/// Something was dropped of the lines since token `start`: what is left is not what was meant.
bool Parser::droppedSince(size_t start) const {
  if (stream.strayLines.empty())
    return false;
  auto stray = stream.strayLines.lower_bound(stream.tokens[start].line);
  return stray != stream.strayLines.end() && *stray <= stream.tokens[position - 1].line;
}

/// What a statement in error would have bound, as far as its beginning tells.
HoleStmt Parser::holeFrom(size_t start) const {
  HoleStmt hole;
  auto kindAt = [&](size_t index) {
    return stream.tokens[std::min(index, stream.tokens.size() - 1)].kind;
  };
  TokenKind first = kindAt(start);
  if (first == TokenKind::For || first == TokenKind::Repeat || first == TokenKind::If) {
    hole.blind = true;
    return hole;
  }
  auto take = [&](size_t index) {
    const Token &token = stream.tokens[index];
    hole.targets.push_back({std::string(token.text), rangeOf(token)});
  };
  if (first != TokenKind::Identifier)
    return hole;
  if (stream.tokens[start].text == "input" && kindAt(start + 1) == TokenKind::Identifier) {
    take(start + 1);
    return hole;
  }
  size_t index = start;
  take(index++);
  while (kindAt(index) == TokenKind::Comma && kindAt(index + 1) == TokenKind::Identifier) {
    take(index + 1);
    index += 2;
  }
  bool binds = kindAt(index) == TokenKind::Assign ||
               (isArithmetic(kindAt(index)) && kindAt(index + 1) == TokenKind::Assign);
  if (!binds)
    hole.targets.clear();
  return hole;
}

bool Parser::parseBody(Body &body) {
  body.open = here();
  if (!at(TokenKind::LeftBrace)) {
    expected("'{'");
    return false;
  }
  size_t end = peek().match;
  if (++depth > maxNesting) {
    error(here(), fmt::format("blocks are nested more than {} deep", maxNesting));
    --depth;
    return false;
  }
  advance();
  skipNewlines();
  while (!at(TokenKind::RightBrace) && !at(TokenKind::End) && !diags.full()) {
    size_t before = position;
    Range range = here();
    if (parseStatement(body)) {
      if (droppedSince(before))
        body.statements.back().node = holeFrom(before);
    } else {
      body.statements.push_back({range, holeFrom(before)});
      // An error deep inside may have left the parser in an inner bracket.
      recover();
      if (position == before)
        advance();
    }
    skipNewlines();
    if (position > end)
      break;
    // A '}' that is not this body's belongs to what was skipped.
    while (at(TokenKind::RightBrace) && position < end) {
      advance();
      skipNewlines();
    }
  }
  --depth;
  body.close = rangeOf(stream.tokens[end]);
  if (position <= end)
    position = end;
  advance();
  return true;
}

bool Parser::parseStatement(Body &body) {
  Stmt stmt;
  stmt.range = here();
  bool good = false;
  TokenKind next = peek(1).kind;
  if (next == TokenKind::Assign && peek().kind >= TokenKind::If) {
    error(here(), fmt::format("'{}' is a word of the language: it can't be bound", peek().text));
  } else if (peek(2).kind == TokenKind::Assign && peek(2).adjacent && isArithmetic(next)) {
    error(rangeOf(peek(1)), fmt::format("there is no '{}='", peek(1).text))
        .suggest(fmt::format("write {0} = {0} {1} ...", peek().text, peek(1).text));
  } else if (at(TokenKind::For)) {
    good = parseFor(stmt);
  } else if (at(TokenKind::Repeat)) {
    good = parseRepeat(stmt);
  } else if (consume(TokenKind::Return)) {
    good = parseReturn(stmt);
  } else if (at(TokenKind::Identifier) && peek().text == "input" && next == TokenKind::Identifier) {
    good = parseInput(stmt);
  } else if (at(TokenKind::Identifier) && (next == TokenKind::Assign || next == TokenKind::Comma)) {
    good = parseAssign(stmt);
  } else if (at(TokenKind::If)) {
    ExprPtr value = parseIf(/*isStatement=*/true);
    good = value != nullptr;
    stmt.node = ExprStmt{std::move(value)};
  } else {
    ExprPtr value = parseExpression();
    good = value != nullptr;
    stmt.node = ExprStmt{std::move(value)};
  }
  if (!good || !endStatement())
    return false;
  body.statements.push_back(std::move(stmt));
  return true;
}

bool Parser::parseInput(Stmt &stmt) {
  advance(); // input
  InputStmt input;
  input.name = *parseName("the input's name");
  if (!consume(TokenKind::Colon)) {
    expected("':' after the input's name").suggest("write input image: [3, 224, 224]");
    return false;
  }
  input.shape = parseExpression();
  bool good = input.shape != nullptr;
  stmt.node = std::move(input);
  return good;
}

bool Parser::parseReturn(Stmt &stmt) {
  ReturnStmt result;
  bool good = false;
  // `{i}: conv(x)` is a labelled call.
  if (at(TokenKind::LeftBrace) && !atLabel()) {
    good = parseNamedResults(result);
  } else {
    result.value = parseExpression();
    good = result.value != nullptr;
  }
  stmt.node = std::move(result);
  return good;
}

bool Parser::parseNamedResults(ReturnStmt &result) {
  static constexpr const char *form = "several outputs are written return {scores: a, features: b}";
  advance(); // '{'
  skipNewlines();
  while (!at(TokenKind::RightBrace)) {
    std::optional<Target> name = parseName("the name of an output");
    if (!name)
      return false;
    for (const NamedResult &other : result.named)
      if (other.name.name == name->name) {
        error(name->range, fmt::format("two outputs are named '{}'", name->name))
            .note(other.name.range, "the first is here");
        return false;
      }
    if (!consume(TokenKind::Colon)) {
      expected("':' after the output's name").suggest(form);
      return false;
    }
    NamedResult &named = result.named.emplace_back();
    named.name = std::move(*name);
    named.value = parseExpression();
    if (!named.value)
      return false;
    bool goesOn = consume(TokenKind::Comma);
    skipNewlines();
    if (!goesOn)
      break;
  }
  if (result.named.empty()) {
    expected("the name of an output").suggest(form);
    return false;
  }
  return close(TokenKind::RightBrace, "',' or '}' after an output");
}

bool Parser::parseTargets(std::vector<Target> &targets) {
  std::set<std::string> seen;
  do {
    std::optional<Target> name = parseName("a name");
    if (!name)
      return false;
    if (!seen.insert(name->name).second) {
      error(name->range, fmt::format("'{}' stands here twice", name->name));
      return false;
    }
    targets.push_back(std::move(*name));
  } while (consume(TokenKind::Comma));
  return true;
}

bool Parser::parseAssign(Stmt &stmt) {
  AssignStmt assign;
  if (!parseTargets(assign.targets))
    return false;
  if (!consume(TokenKind::Assign)) {
    expected("'='");
    return false;
  }
  assign.value = parseExpression();
  bool good = assign.value != nullptr;
  stmt.node = std::move(assign);
  return good;
}

bool Parser::parseFor(Stmt &stmt) {
  advance(); // for
  ForStmt loop;
  if (!parseTargets(loop.targets))
    return false;
  if (!consume(TokenKind::In)) {
    expected("'in'").suggest("write for i in 0..n { ... }");
    return false;
  }
  loop.over = parseExpression();
  if (!loop.over || !parseBody(loop.body))
    return false;
  stmt.node = std::move(loop);
  return true;
}

bool Parser::parseRepeat(Stmt &stmt) {
  advance(); // repeat
  RepeatStmt loop;
  loop.count = parseExpression();
  if (!loop.count || !parseBody(loop.body))
    return false;
  stmt.node = std::move(loop);
  return true;
}

} // namespace netc::frontend
