//===- Parser.h - tokens to the syntax tree ---------------------*- C++ -*-===//
//
// Recursive descent. An error skips to the end of its statement, so that one
// run reports the errors of all statements.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_FRONTEND_SYNTAX_PARSER_H
#define NETC_FRONTEND_SYNTAX_PARSER_H

#include "frontend/syntax/Ast.h"
#include "frontend/syntax/Lexer.h"

namespace netc::frontend {

/// Parses a whole file. Parts with errors are left out of the tree; `diags` has the errors.
File parseFile(uint32_t file, Diagnostics &diags);

/// Parses one expression that fills the source (`--set NAME=VALUE`); null on error.
ExprPtr parseExpressionSource(uint32_t file, Diagnostics &diags);

/// The operator that a token spells, if any.
std::optional<BinaryOp> binaryOp(TokenKind kind);

template <typename Node> ExprPtr makeExpr(Range range, Node node) {
  auto expr = std::make_unique<Expr>();
  expr->range = range;
  expr->node = std::move(node);
  return expr;
}

/// Shared by the files of the parser. A function that returns null or false has
/// reported its error.
class Parser {
public:
  Parser(uint32_t file, TokenStream tokens, Diagnostics &diags)
      : file(file), stream(std::move(tokens)), diags(diags) {}

  File parseFile();
  ExprPtr parseExpression();
  bool at(TokenKind kind) const { return peek().kind == kind; }
  void skipNewlines();
  Diagnostic &expected(const std::string &what);

private:
  // ParseFile.cpp
  bool parseVersion();
  void parseItem(File &out);
  bool parseImport(File &out);
  bool parseDefinition(File &out, bool isModel);
  bool parseParams(std::vector<Param> &params);
  bool parseTrain(File &out);
  bool parseClause(Train &train);
  void checkReturns(Definition &def, bool unread);

  // ParseStatement.cpp
  bool parseBody(Body &body);
  bool parseStatement(Body &body);
  bool parseInput(Stmt &stmt);
  bool parseReturn(Stmt &stmt);
  bool parseNamedResults(ReturnStmt &result);
  bool parseAssign(Stmt &stmt);
  bool parseFor(Stmt &stmt);
  bool parseRepeat(Stmt &stmt);
  bool parseTargets(std::vector<Target> &targets);
  bool endStatement();
  HoleStmt holeFrom(size_t start) const;
  bool droppedSince(size_t start) const;
  void recover();
  std::optional<Target> parseName(const std::string &what);

  // ParseExpression.cpp
  ExprPtr parseRange();
  ExprPtr parseBinary(int level);
  ExprPtr parseUnary(bool isNot);
  ExprPtr parsePostfix();
  ExprPtr parsePrimary();
  ExprPtr parseLiteral();
  ExprPtr parseList();
  ExprPtr parseParenthesized();
  ExprPtr parseIf(bool isStatement);
  bool checkGivesValue(const IfExpr &expr, Range range);
  bool checkGivesValue(const Body &body);

  // ParseCall.cpp
  ExprPtr parseLabelled(Label label);
  ExprPtr parsePipe(ExprPtr head);
  bool parseStage(PipeExpr &pipe);
  bool parseArguments(std::vector<Argument> &args);
  bool parseArgument(std::vector<Argument> &args);
  bool atLabel() const;
  bool parseLabel(Label &label);

  const Token &peek(size_t ahead = 0) const {
    return stream.tokens[std::min(position + ahead, stream.tokens.size() - 1)];
  }
  const Token &advance();
  bool consume(TokenKind kind);
  bool open(TokenKind kind, const std::string &what);
  bool close(TokenKind kind, const std::string &what);
  Range rangeOf(const Token &token) const;
  Range here() const { return rangeOf(peek()); }
  Diagnostic &error(Range at, const std::string &message);

  uint32_t file;
  TokenStream stream;
  Diagnostics &diags;
  size_t position = 0;
  int depth = 0;       ///< of nested expressions and bodies
  size_t silentTo = 0; ///< tokens before this one stand in a bracket reported as unclosed
  Diagnostic silenced; ///< receives the errors there, and is not shown
};

} // namespace netc::frontend

#endif // NETC_FRONTEND_SYNTAX_PARSER_H
