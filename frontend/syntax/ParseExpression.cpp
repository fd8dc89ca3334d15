//===- ParseExpression.cpp - operators, literals, branches ----------------===//
#include "frontend/syntax/Parser.h"

#include <fmt/format.h>

#include <charconv>

namespace netc::frontend {

const char *spelling(BinaryOp op) {
  static constexpr const char *names[] = {
      "or", "and", "==", "!=", "<", "<=", ">", ">=", "<<", ">>", "+", "-", "*", "/", "%"};
  return names[static_cast<int>(op)];
}

std::optional<BinaryOp> binaryOp(TokenKind kind) {
  switch (kind) {
  case TokenKind::Or:
    return BinaryOp::Or;
  case TokenKind::And:
    return BinaryOp::And;
  case TokenKind::Equal:
    return BinaryOp::Equal;
  case TokenKind::NotEqual:
    return BinaryOp::NotEqual;
  case TokenKind::Less:
    return BinaryOp::Less;
  case TokenKind::LessEqual:
    return BinaryOp::LessEqual;
  case TokenKind::Greater:
    return BinaryOp::Greater;
  case TokenKind::GreaterEqual:
    return BinaryOp::GreaterEqual;
  case TokenKind::ShiftLeft:
    return BinaryOp::ShiftLeft;
  case TokenKind::ShiftRight:
    return BinaryOp::ShiftRight;
  case TokenKind::Plus:
    return BinaryOp::Add;
  case TokenKind::Minus:
    return BinaryOp::Subtract;
  case TokenKind::Star:
    return BinaryOp::Multiply;
  case TokenKind::Slash:
    return BinaryOp::Divide;
  case TokenKind::Percent:
    return BinaryOp::Remainder;
  default:
    return std::nullopt;
  }
}

// Levels from loose to tight; `not` stands between `and` and the comparisons.
enum Level { OrLevel, AndLevel, NotLevel, CompareLevel, ShiftLevel, AddLevel, MultiplyLevel };

static int levelOf(BinaryOp op) {
  switch (op) {
  case BinaryOp::Or:
    return OrLevel;
  case BinaryOp::And:
    return AndLevel;
  case BinaryOp::ShiftLeft:
  case BinaryOp::ShiftRight:
    return ShiftLevel;
  case BinaryOp::Add:
  case BinaryOp::Subtract:
    return AddLevel;
  case BinaryOp::Multiply:
  case BinaryOp::Divide:
  case BinaryOp::Remainder:
    return MultiplyLevel;
  default:
    return CompareLevel;
  }
}

namespace {
/// Counts the nesting for as long as it lives.
struct Deeper {
  explicit Deeper(int &depth) : depth(depth) { ++depth; }
  ~Deeper() { --depth; }
  int &depth;
};
} // namespace

ExprPtr Parser::parseExpression() {
  Deeper deeper(depth);
  if (depth > maxNesting) {
    error(here(), fmt::format("expressions are nested more than {} deep", maxNesting))
        .suggest("give parts of the expression names of their own");
    return nullptr;
  }
  ExprPtr head = parseRange();
  if (!head || !at(TokenKind::Pipe))
    return head;
  return parsePipe(std::move(head));
}

ExprPtr Parser::parseRange() {
  ExprPtr low = parseBinary(OrLevel);
  if (!low || !at(TokenKind::DotDot))
    return low;
  Range range = rangeOf(advance());
  ExprPtr high = parseBinary(OrLevel);
  if (!high)
    return nullptr;
  return makeExpr(range, RangeExpr{std::move(low), std::move(high)});
}

ExprPtr Parser::parseBinary(int level) {
  if (level == NotLevel)
    return parseUnary(/*isNot=*/true);
  if (level > MultiplyLevel)
    return parseUnary(/*isNot=*/false);
  ExprPtr first = parseBinary(level + 1);
  if (!first)
    return nullptr;
  BinaryExpr chain;
  Range range;
  while (true) {
    std::optional<BinaryOp> op = binaryOp(peek().kind);
    if (!op || levelOf(*op) != level)
      break;
    Range opRange = here();
    if (level == CompareLevel && !chain.rest.empty()) {
      error(opRange, "comparisons don't chain").suggest("write 'a < b and b < c'");
      return nullptr;
    }
    advance();
    ExprPtr right = parseBinary(level + 1);
    if (!right)
      return nullptr;
    if (chain.rest.empty())
      range = opRange;
    chain.rest.push_back({*op, opRange, std::move(right)});
  }
  if (chain.rest.empty())
    return first;
  chain.first = std::move(first);
  return makeExpr(range, std::move(chain));
}

/// `not not a` and `- - a` nest, so they count as nesting.
ExprPtr Parser::parseUnary(bool isNot) {
  TokenKind kind = isNot ? TokenKind::Not : TokenKind::Minus;
  if (!at(kind))
    return isNot ? parseBinary(CompareLevel) : parsePostfix();
  Deeper deeper(depth);
  if (depth > maxNesting) {
    error(here(), fmt::format("expressions are nested more than {} deep", maxNesting))
        .suggest("give parts of the expression names of their own");
    return nullptr;
  }
  Range range = rangeOf(advance());
  ExprPtr operand = parseUnary(isNot);
  if (!operand)
    return nullptr;
  return makeExpr(range, UnaryExpr{isNot ? UnaryOp::Not : UnaryOp::Negate, std::move(operand)});
}

ExprPtr Parser::parsePostfix() {
  ExprPtr base = parsePrimary();
  // Each suffix makes the tree deeper by one, so a chain counts as nesting.
  int before = depth;
  while (base) {
    bool call = at(TokenKind::LeftParen), index = at(TokenKind::LeftBracket);
    if (!at(TokenKind::Dot) && !call && !(index && peek().adjacent))
      break;
    if (++depth > maxNesting) {
      error(here(), fmt::format("expressions are nested more than {} deep", maxNesting));
      base = nullptr;
      break;
    }
    Range range = base->range;
    if (call) {
      CallExpr node;
      if (!parseArguments(node.args)) {
        base = nullptr;
        break;
      }
      node.callee = std::move(base);
      base = makeExpr(range, std::move(node));
    } else if (index) {
      Range open = rangeOf(advance());
      ExprPtr value = parseExpression();
      if (!value || !close(TokenKind::RightBracket, "']' after the index")) {
        base = nullptr;
        break;
      }
      base = makeExpr(open, IndexExpr{std::move(base), std::move(value)});
    } else {
      advance();
      std::optional<Target> name = parseName("a name after '.'");
      if (!name) {
        base = nullptr;
        break;
      }
      base = makeExpr(name->range, MemberExpr{std::move(base), name->name, name->range});
    }
  }
  depth = before;
  return base;
}

ExprPtr Parser::parsePrimary() {
  if (atLabel()) {
    Label label;
    if (!parseLabel(label))
      return nullptr;
    return parseLabelled(std::move(label));
  }
  switch (peek().kind) {
  case TokenKind::Identifier: {
    Range range = here();
    return makeExpr(range, NameExpr{std::string(advance().text)});
  }
  case TokenKind::LeftParen:
    return parseParenthesized();
  case TokenKind::LeftBracket:
    return parseList();
  case TokenKind::If:
    return parseIf(/*isStatement=*/false);
  case TokenKind::Not:
    error(here(), "'not' binds looser than the operator before it")
        .suggest("put it in parentheses: (not a)");
    return nullptr;
  default:
    return parseLiteral();
  }
}

static std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] == '\\' && i + 2 < text.size()) {
      ++i;
      out += text[i] == 'n' ? '\n' : text[i] == 't' ? '\t' : text[i];
    } else {
      out += text[i];
    }
  }
  return out;
}

template <typename T> static bool readNumber(std::string_view text, T &value) {
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size();
}

ExprPtr Parser::parseLiteral() {
  const Token token = peek();
  Range range = here();
  switch (token.kind) {
  case TokenKind::Integer:
  case TokenKind::Iterations: {
    int64_t value = 0;
    bool iterations = token.kind == TokenKind::Iterations;
    std::string_view digits = token.text.substr(0, token.text.size() - iterations);
    if (!readNumber(digits, value) || (iterations && value > INT64_MAX / 1000)) {
      error(range, "this integer does not fit into 64 bits");
      advance();
      return makeExpr(range, std::monostate()); // its value is unknown
    }
    advance();
    if (iterations)
      return makeExpr(range, IterationsLiteral{value * 1000});
    return makeExpr(range, value);
  }
  case TokenKind::Float: {
    double value = 0;
    if (!readNumber(token.text, value)) {
      error(range, "this number is too large or too small for a double");
      advance();
      return makeExpr(range, std::monostate());
    }
    advance();
    return makeExpr(range, value);
  }
  case TokenKind::String:
    advance();
    return makeExpr(range, unescape(token.text));
  case TokenKind::True:
    advance();
    return makeExpr(range, true);
  case TokenKind::False:
    advance();
    return makeExpr(range, false);
  default: {
    Diagnostic &diag = expected("an expression");
    if (binaryOp(token.kind) && position > 0 &&
        stream.tokens[position - 1].kind == TokenKind::Newline)
      diag.suggest(fmt::format("a newline ends a statement: put {} at the end of the line before",
                               describe(token)));
    return nullptr;
  }
  }
}

ExprPtr Parser::parseList() {
  Range range = here();
  if (!open(TokenKind::LeftBracket, "'['"))
    return nullptr;
  ListExpr list;
  while (!at(TokenKind::RightBracket)) {
    ExprPtr item = parseExpression();
    if (!item)
      return nullptr;
    list.items.push_back(std::move(*item));
    if (!consume(TokenKind::Comma))
      break;
  }
  if (!close(TokenKind::RightBracket, "',' or ']' in the list"))
    return nullptr;
  return makeExpr(range, std::move(list));
}

ExprPtr Parser::parseParenthesized() {
  if (!open(TokenKind::LeftParen, "'('"))
    return nullptr;
  ExprPtr inner = parseExpression();
  if (!inner || !close(TokenKind::RightParen, "')'"))
    return nullptr;
  return inner;
}

ExprPtr Parser::parseIf(bool isStatement) {
  Deeper deeper(depth);
  Range range = here();
  IfExpr node;
  while (true) {
    advance(); // if
    IfExpr::Arm &arm = node.arms.emplace_back();
    arm.condition = parseExpression();
    if (!arm.condition || !parseBody(arm.body))
      return nullptr;
    size_t mark = position;
    skipNewlines();
    if (!consume(TokenKind::Else)) {
      position = mark;
      break;
    }
    if (at(TokenKind::If))
      continue;
    node.otherwise.emplace();
    if (!parseBody(*node.otherwise))
      return nullptr;
    break;
  }
  // Errors inside the branches were told already: they don't stop the statement.
  if (!isStatement && !checkGivesValue(node, range))
    return nullptr;
  return makeExpr(range, std::move(node));
}

bool Parser::checkGivesValue(const IfExpr &expr, Range range) {
  if (!expr.otherwise) {
    error(range, "an 'if' used as a value needs an 'else'")
        .suggest("write if ... { a } else { b }");
    return false;
  }
  bool good = checkGivesValue(*expr.otherwise);
  for (const IfExpr::Arm &arm : expr.arms)
    good = checkGivesValue(arm.body) && good;
  return good;
}

bool Parser::checkGivesValue(const Body &body) {
  const ExprStmt *last = nullptr;
  if (!body.statements.empty() && std::holds_alternative<HoleStmt>(body.statements.back().node))
    return true;
  if (!body.statements.empty())
    last = std::get_if<ExprStmt>(&body.statements.back().node);
  if (!last) {
    error(body.close, "this branch does not end in a value")
        .suggest("its last line must be an expression, not an assignment or a loop");
    return false;
  }
  if (const auto *inner = std::get_if<IfExpr>(&last->value->node))
    return checkGivesValue(*inner, last->value->range);
  return true;
}

} // namespace netc::frontend
