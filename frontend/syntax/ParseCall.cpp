//===- ParseCall.cpp - calls, labels and pipes ----------------------------===//
#include "frontend/syntax/Parser.h"

#include <fmt/format.h>

namespace netc::frontend {

/// A label is a run of names, numbers, dots and `{…}` without a blank, then ':'.
bool Parser::atLabel() const {
  size_t i = position;
  auto kind = [&] { return stream.tokens[i].kind; };
  if (kind() != TokenKind::Identifier && kind() != TokenKind::LeftBrace)
    return false;
  for (bool first = true;; first = false) {
    if (kind() == TokenKind::Colon)
      return !first;
    if (!first && !stream.tokens[i].adjacent)
      return false;
    switch (kind()) {
    case TokenKind::Identifier:
    case TokenKind::Integer:
    case TokenKind::Dot:
    case TokenKind::If:
    case TokenKind::Else:
    case TokenKind::For:
    case TokenKind::In:
    case TokenKind::Repeat:
    case TokenKind::Return:
    case TokenKind::True:
    case TokenKind::False:
    case TokenKind::And:
    case TokenKind::Or:
    case TokenKind::Not:
      ++i;
      break;
    case TokenKind::LeftBrace:
      i = stream.tokens[i].match + 1;
      break;
    default:
      return false;
    }
  }
}

bool Parser::parseLabel(Label &label) {
  label.range = here();
  size_t lengthTo = position;
  bool wantsName = true;
  while (!at(TokenKind::Colon)) {
    if (at(TokenKind::Dot)) {
      if (wantsName) {
        expected("a name before '.' in the label");
        return false;
      }
      wantsName = true;
      label.parts.push_back({".", nullptr});
      advance();
    } else if (at(TokenKind::LeftBrace)) {
      advance();
      Label::Part part;
      part.value = parseExpression();
      if (!part.value || !close(TokenKind::RightBrace, "'}' after the expression in the label"))
        return false;
      label.parts.push_back(std::move(part));
      wantsName = false;
    } else {
      label.parts.push_back({std::string(peek().text), nullptr});
      wantsName = false;
      advance();
    }
  }
  if (wantsName) {
    expected("a name after '.' in the label");
    return false;
  }
  const Token &last = stream.tokens[position - 1];
  if (last.line == stream.tokens[lengthTo].line)
    label.range.length = last.column + static_cast<uint32_t>(last.text.size()) - label.range.column;
  advance(); // ':'
  return true;
}

ExprPtr Parser::parseLabelled(Label label) {
  Range range = here();
  ExprPtr call = at(TokenKind::Identifier) && !atLabel() ? parsePostfix() : nullptr;
  if (!call && !at(TokenKind::Identifier)) {
    expected("a call after the label");
    return nullptr;
  }
  if (!call)
    return nullptr;
  auto *node = std::get_if<CallExpr>(&call->node);
  if (!node) {
    error(range, "a label stands before a call").suggest("write name: layer(...)");
    return nullptr;
  }
  node->label = std::move(label);
  return call;
}

ExprPtr Parser::parsePipe(ExprPtr head) {
  Range range = here();
  PipeExpr pipe;
  pipe.head = std::move(head);
  while (consume(TokenKind::Pipe))
    if (!parseStage(pipe))
      return nullptr;
  return makeExpr(range, std::move(pipe));
}

bool Parser::parseStage(PipeExpr &pipe) {
  Label label;
  bool labelled = atLabel();
  if (labelled && !parseLabel(label))
    return false;
  if (!at(TokenKind::Identifier)) {
    bool meansOr = at(TokenKind::Pipe) && peek().adjacent;
    bool numbered = (at(TokenKind::Integer) || at(TokenKind::Float)) &&
                    (peek(1).kind == TokenKind::Colon || peek(1).kind == TokenKind::Dot);
    expected("a layer or block after '|'")
        .suggest(meansOr    ? "for 'or' write 'or'"
                 : numbered ? "a label that begins with a number has it in braces: {0}: conv(...)"
                            : "the right side of '|' is [label:] call");
    return false;
  }
  ExprPtr stage = parsePostfix();
  if (!stage)
    return false;
  if (binaryOp(peek().kind) || at(TokenKind::DotDot)) {
    error(here(), fmt::format("{} after a call in a pipe: '|' binds looser than any operator",
                              describe(peek())))
        .suggest(fmt::format("put the pipe in parentheses: (x | f) {} y", peek().text));
    return false;
  }
  if (!std::holds_alternative<CallExpr>(stage->node)) {
    // `x | bn` is `x | bn()`.
    Range range = stage->range;
    CallExpr call;
    call.callee = std::move(stage);
    stage = makeExpr(range, std::move(call));
  }
  if (labelled)
    std::get<CallExpr>(stage->node).label = std::move(label);
  pipe.stages.push_back(std::move(*stage));
  return true;
}

bool Parser::parseArguments(std::vector<Argument> &args) {
  if (!open(TokenKind::LeftParen, "'('"))
    return false;
  while (!at(TokenKind::RightParen)) {
    if (!parseArgument(args))
      return false;
    if (!consume(TokenKind::Comma))
      break;
  }
  return close(TokenKind::RightParen, "',' or ')' in the arguments");
}

bool Parser::parseArgument(std::vector<Argument> &args) {
  Argument &arg = args.emplace_back();
  arg.nameRange = here();
  if (peek(1).kind == TokenKind::Assign) {
    if (!at(TokenKind::Identifier)) {
      expected("the name of an argument before '='");
      return false;
    }
    arg.name = advance().text;
    advance();
  }
  arg.value = parseExpression();
  return arg.value != nullptr;
}

} // namespace netc::frontend
