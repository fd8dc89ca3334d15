//===- ParseFile.cpp - imports, blocks, models and recipes ----------------===//
#include "frontend/syntax/Parser.h"

#include <fmt/format.h>

#include <algorithm>

namespace netc::frontend {

bool Parser::parseVersion() {
  skipNewlines();
  bool isNet = at(TokenKind::Identifier) && peek().text == "net";
  if (!isNet) {
    error(here(), fmt::format("expected 'net 1' as the first line, have {}", describe(peek())))
        .suggest("begin the file with the language version: net 1");
    return true;
  }
  advance();
  if (!at(TokenKind::Integer) || peek().text != "1") {
    error(here(), fmt::format("expected language version 1, have {}", describe(peek())))
        .suggest("this compiler reads version 1: net 1");
    // A later version may mean anything by what follows.
    return !(at(TokenKind::Integer) || at(TokenKind::Float));
  }
  advance();
  if (!endStatement())
    recover();
  return true;
}

File Parser::parseFile() {
  File out;
  out.source = file;
  out.whole = stream.whole;
  if (!stream.usable || !parseVersion()) {
    out.whole = false;
    return out;
  }
  skipNewlines();
  while (!at(TokenKind::End) && !diags.full()) {
    size_t before = position;
    parseItem(out);
    if (position == before)
      advance();
    skipNewlines();
  }
  return out;
}

void Parser::parseItem(File &out) {
  std::string_view word = at(TokenKind::Identifier) ? peek().text : std::string_view();
  bool good = true;
  if (word == "import")
    good = parseImport(out);
  else if (word == "block" || word == "model")
    good = parseDefinition(out, word == "model");
  else if (word == "train")
    good = parseTrain(out);
  else {
    std::vector<std::string> known{"import", "block", "model", "train"};
    Diagnostic &diag =
        error(here(), fmt::format("expected import, block, model or train, have {}{}",
                                  describe(peek()), didYouMean(word, known)));
    if (word == "net")
      diag.suggest("the language version stands once, in the first line");
    else if (peek(1).kind == TokenKind::Assign)
      diag.suggest("values are bound inside a block or model");
    out.whole = false;
    // What follows up to the end of the braces belongs to the unknown word.
    while (!at(TokenKind::End) && !at(TokenKind::Newline)) {
      if (at(TokenKind::LeftBrace) || at(TokenKind::LeftParen) || at(TokenKind::LeftBracket))
        position = peek().match;
      advance();
    }
    return;
  }
  if (good && endStatement())
    return;
  // Without a recipe everything else can be judged all the same.
  out.whole = out.whole && (good || word == "train");
  recover();
  consume(TokenKind::RightBrace);
}

bool Parser::parseImport(File &out) {
  Import import;
  advance();
  import.range = here();
  if (!at(TokenKind::String)) {
    expected("a file name in double quotes").suggest("write import \"blocks.net\"");
    return false;
  }
  ExprPtr path = parseLiteral();
  import.path = std::get<std::string>(path->node);
  out.imports.push_back(std::move(import));
  return true;
}

bool Parser::parseDefinition(File &out, bool isModel) {
  advance();
  auto def = std::make_unique<Definition>();
  def->isModel = isModel;
  std::optional<Target> name = parseName(isModel ? "the model's name" : "the block's name");
  if (!name)
    return false;
  def->name = name->name;
  def->range = name->range;
  bool hasParams = at(TokenKind::LeftParen);
  if (hasParams && !parseParams(def->params))
    return false;
  if (!hasParams && !isModel) {
    expected("'(' and the block's parameters").suggest("write block name(x, ...) { ... }");
    return false;
  }
  if (consume(TokenKind::Assign)) {
    if (!isModel) {
      error(def->range, "only a model can stand for another with '='");
      return false;
    }
    ExprPtr alias = parseExpression();
    if (!alias)
      return false;
    auto *call = std::get_if<CallExpr>(&alias->node);
    if (!call || call->label) {
      error(alias->range, "expected a model's call after '='").suggest("write model a = b(...)");
      return false;
    }
    def->alias = std::move(*alias);
    out.definitions.push_back(std::move(def));
    return true;
  }
  bool unread = at(TokenKind::LeftBrace) && peek().unclosed;
  if (!parseBody(def->body))
    return false;
  checkReturns(*def, unread);
  out.definitions.push_back(std::move(def));
  return true;
}

bool Parser::parseParams(std::vector<Param> &params) {
  if (!open(TokenKind::LeftParen, "'('"))
    return false;
  while (!at(TokenKind::RightParen)) {
    std::optional<Target> name = parseName("a parameter's name");
    if (!name)
      return false;
    if (params.size() >= maxParams) {
      error(name->range, fmt::format("more than {} parameters", maxParams))
          .suggest("a list holds many values");
      return false;
    }
    Param param{name->name, name->range, nullptr};
    for (const Param &other : params)
      if (other.name == param.name)
        error(param.range, fmt::format("two parameters are named '{}'", param.name))
            .note(other.range, "the first is here");
    if (consume(TokenKind::Assign) && !(param.byDefault = parseExpression()))
      return false;
    params.push_back(std::move(param));
    if (!consume(TokenKind::Comma))
      break;
  }
  return close(TokenKind::RightParen, "',' or ')' in the parameters");
}

namespace {
/// Reports each `return` and `input` that does not stand in the outermost body.
struct NestedStatements {
  std::vector<Range> returns, inputs;

  void visit(const Body &body) {
    for (const Stmt &stmt : body.statements) {
      if (std::holds_alternative<ReturnStmt>(stmt.node))
        returns.push_back(stmt.range);
      else if (std::holds_alternative<InputStmt>(stmt.node))
        inputs.push_back(stmt.range);
      else
        visitInner(stmt);
    }
  }
  void visitInner(const Stmt &stmt) {
    if (const auto *loop = std::get_if<ForStmt>(&stmt.node))
      visit(loop->body);
    else if (const auto *loop = std::get_if<RepeatStmt>(&stmt.node))
      visit(loop->body);
    else if (const auto *expr = std::get_if<ExprStmt>(&stmt.node))
      visitIf(*expr->value);
    else if (const auto *assign = std::get_if<AssignStmt>(&stmt.node))
      visitIf(*assign->value);
  }
  void visitIf(const Expr &expr) {
    const auto *node = std::get_if<IfExpr>(&expr.node);
    if (!node)
      return;
    for (const IfExpr::Arm &arm : node->arms)
      visit(arm.body);
    if (node->otherwise)
      visit(*node->otherwise);
  }
};
} // namespace

/// `unread`: the body's '{' is never closed, so where it ends is a guess.
void Parser::checkReturns(Definition &def, bool unread) {
  int before = diags.errorCount();
  if (unread)
    return;
  NestedStatements nested;
  // Statements in error after a `return` are told already.
  size_t end = def.body.statements.size();
  while (end > 0 && std::holds_alternative<HoleStmt>(def.body.statements[end - 1].node))
    --end;
  for (const Stmt &stmt : def.body.statements) {
    nested.visitInner(stmt);
    if (std::holds_alternative<ReturnStmt>(stmt.node) && &stmt != &def.body.statements[end - 1])
      error(stmt.range, "'return' stands last; what follows would never be reached");
    const auto *result = std::get_if<ReturnStmt>(&stmt.node);
    if (result && !result->named.empty() && !def.isModel)
      error(stmt.range, "only a model names its results")
          .suggest("a block returns several values as a list: return [a, b]");
    if (std::holds_alternative<InputStmt>(stmt.node) && !def.isModel)
      error(stmt.range, "only a model has an 'input'")
          .suggest("a block takes its tensors as parameters");
  }
  for (Range at : nested.returns)
    error(at, "'return' stands last in a block, not in a loop or a branch")
        .suggest("bind the value in the branch and return it at the end");
  for (Range at : nested.inputs)
    error(at, "'input' stands in the model's body, not in a loop or a branch");
  bool returns = diags.errorCount() != before;
  if (!def.body.statements.empty()) {
    const auto &last = def.body.statements.back().node;
    returns |= std::holds_alternative<ReturnStmt>(last) || std::holds_alternative<HoleStmt>(last);
  }
  if (!returns)
    error(def.range,
          fmt::format("{} '{}' returns nothing", def.isModel ? "model" : "block", def.name))
        .suggest("its last line must be 'return value'");
  if (diags.errorCount() != before)
    def.body.statements.push_back({def.body.close, HoleStmt{}}); // the result is unknown
}

bool Parser::parseTrain(File &out) {
  Train train;
  train.range = here();
  advance();
  if (at(TokenKind::LeftBrace)) {
    expected("the models that the recipe is for").suggest("write train resnet18, resnet34 { ... }");
    return false;
  }
  if (!parseTargets(train.models))
    return false;
  if (!at(TokenKind::LeftBrace)) {
    expected("'{' and the recipe");
    return false;
  }
  size_t end = peek().match;
  advance();
  skipNewlines();
  while (position < end && !diags.full()) {
    if (!parseClause(train) || !endStatement())
      recover();
    skipNewlines();
    if (at(TokenKind::RightBrace) && position < end)
      advance();
  }
  position = end;
  advance();
  out.recipes.push_back(std::move(train));
  return true;
}

bool Parser::parseClause(Train &train) {
  Clause clause;
  std::optional<Target> name = parseName("a clause of the recipe");
  if (!name)
    return false;
  clause.name = *name;
  // `normalize(mean=…)` is written as a call.
  if (name->name == "normalize" && at(TokenKind::LeftParen)) {
    Expr item;
    item.range = name->range;
    CallExpr call;
    call.callee = std::make_unique<Expr>();
    call.callee->range = name->range;
    call.callee->node = NameExpr{name->name};
    if (!parseArguments(call.args))
      return false;
    item.node = std::move(call);
    clause.items.push_back(std::move(item));
    train.clauses.push_back(std::move(clause));
    return true;
  }
  do {
    if (name->name == "loss") { // `loss scores: cross_entropy, depth: 0.1 * l1`
      Target output;
      if (at(TokenKind::Identifier) && peek(1).kind == TokenKind::Colon) {
        output = *parseName("an output");
        advance(); // ':'
      }
      clause.outputs.push_back(std::move(output));
    }
    ExprPtr item = parseExpression();
    if (!item)
      return false;
    clause.items.push_back(std::move(*item));
  } while (consume(TokenKind::Comma));
  train.clauses.push_back(std::move(clause));
  return true;
}

File parseFile(uint32_t file, Diagnostics &diags) {
  return Parser(file, lex(file, diags), diags).parseFile();
}

ExprPtr parseExpressionSource(uint32_t file, Diagnostics &diags) {
  Parser parser(file, lex(file, diags), diags);
  ExprPtr value = parser.parseExpression();
  if (!value)
    return nullptr;
  parser.skipNewlines();
  if (!parser.at(TokenKind::End)) {
    parser.expected("the end of the value");
    return nullptr;
  }
  return value;
}

} // namespace netc::frontend
