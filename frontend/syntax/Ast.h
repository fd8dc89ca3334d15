//===- Ast.h - the syntax tree of a .net file -------------------*- C++ -*-===//
//
// Plain structs. Chains (`a + b + c`, pipes, calls after calls) are lists, not
// nests, so the depth of a tree is bounded by the parser's nesting limit.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_FRONTEND_SYNTAX_AST_H
#define NETC_FRONTEND_SYNTAX_AST_H

#include "frontend/syntax/Diagnostics.h"

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace netc::frontend {

struct Expr;
struct Stmt;
using ExprPtr = std::unique_ptr<Expr>;

/// `{ … }`
struct Body {
  std::vector<Stmt> statements;
  Range open, close;
};

enum class UnaryOp { Negate, Not };
enum class BinaryOp {
  Or,
  And,
  Equal,
  NotEqual,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  ShiftLeft,
  ShiftRight,
  Add,
  Subtract,
  Multiply,
  Divide,
  Remainder,
};
/// As written: "+".
const char *spelling(BinaryOp op);

/// `layer{stage + 1}.{i}`: text and expressions, to be put together as they stand.
struct Label {
  struct Part {
    std::string text; ///< used where `value` is null
    ExprPtr value;
  };
  Range range;
  std::vector<Part> parts;
};

/// `3`, `name=3`, or the bare word `global`.
struct Argument {
  std::string name; ///< empty: positional
  Range nameRange;
  ExprPtr value;
};

/// `32k`
struct IterationsLiteral {
  int64_t count = 0;
};
struct NameExpr {
  std::string name;
};
struct ListExpr {
  std::vector<Expr> items;
};
struct UnaryExpr {
  UnaryOp op;
  ExprPtr operand;
};
/// A chain of operators of one precedence, applied from the left.
struct BinaryExpr {
  struct Link {
    BinaryOp op;
    Range opRange;
    ExprPtr right;
  };
  ExprPtr first;
  std::vector<Link> rest;
};
/// `callee(args)`; in a pipe also `callee` alone.
struct CallExpr {
  std::optional<Label> label;
  ExprPtr callee;
  std::vector<Argument> args;
};
struct MemberExpr {
  ExprPtr base;
  std::string name;
  Range nameRange;
};
struct IndexExpr {
  ExprPtr base, index;
};
struct RangeExpr {
  ExprPtr low, high;
};
struct IfExpr {
  struct Arm {
    ExprPtr condition;
    Body body;
  };
  std::vector<Arm> arms;
  std::optional<Body> otherwise;
};
/// `head | call | call`; each stage is a CallExpr.
struct PipeExpr {
  ExprPtr head;
  std::vector<Expr> stages;
};

/// `range` is where a message about it points: an operator's own place for a
/// chain, the callee's name for a call.
struct Expr {
  Range range;
  std::variant<std::monostate, int64_t, double, bool, std::string, IterationsLiteral, NameExpr,
               ListExpr, UnaryExpr, BinaryExpr, CallExpr, MemberExpr, IndexExpr, RangeExpr, IfExpr,
               PipeExpr>
      node;

  Expr() = default;
  Expr(Expr &&) = default;
  Expr &operator=(Expr &&) = default;
};

struct Target {
  std::string name;
  Range range;
};
struct AssignStmt {
  std::vector<Target> targets; ///< more than one: the value is a list of as many
  ExprPtr value;
};
struct InputStmt {
  Target name;
  ExprPtr shape;
};
struct ForStmt {
  std::vector<Target> targets;
  ExprPtr over;
  Body body;
};
struct RepeatStmt {
  ExprPtr count;
  Body body;
};
/// `scores: a` among the results of `return {scores: a, features: b}`.
struct NamedResult {
  Target name;
  ExprPtr value;
};
struct ReturnStmt {
  ExprPtr value; ///< null where the results are named
  std::vector<NamedResult> named;
};
struct ExprStmt {
  ExprPtr value;
};
/// Stands for a statement with an error: the values of its targets, and its own, are unknown.
/// Blind: so are those of all variables, for example if a loop could not be parsed.
struct HoleStmt {
  std::vector<Target> targets;
  bool blind = false;
};
struct Stmt {
  Range range;
  std::variant<AssignStmt, InputStmt, ForStmt, RepeatStmt, ReturnStmt, ExprStmt, HoleStmt> node;
};

struct Param {
  std::string name;
  Range range;
  ExprPtr byDefault; ///< may be null
};

/// A block, a model, or a model that is another's alias (`model a = b(…)`).
struct Definition {
  bool isModel = false;
  std::string name;
  Range range;
  std::vector<Param> params;
  Body body;
  std::optional<Expr> alias; ///< a CallExpr
};

/// `loss cross_entropy` in a recipe; its items are expressions.
struct Clause {
  Target name;
  std::vector<Expr> items;
  /// Of `loss`, by item: the output before its ':'; an empty name where none is written.
  std::vector<Target> outputs;
};
struct Train {
  Range range;
  std::vector<Target> models;
  std::vector<Clause> clauses;
};
struct Import {
  Range range;
  std::string path; ///< as written, relative to the file
};

struct File {
  uint32_t source = 0;
  bool whole =
      true; ///< false: more than statements is missing, so names may be unknown only for that
  std::vector<Import> imports;
  std::vector<std::unique_ptr<Definition>> definitions;
  std::vector<Train> recipes;
};

/// The tree as indented text, for `--emit ast`.
std::string dump(const File &file);

} // namespace netc::frontend

#endif // NETC_FRONTEND_SYNTAX_AST_H
