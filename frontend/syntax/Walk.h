//===- Walk.h - what a piece of syntax is made of ---------------*- C++ -*-===//
#ifndef NETC_FRONTEND_SYNTAX_WALK_H
#define NETC_FRONTEND_SYNTAX_WALK_H

#include "frontend/syntax/Ast.h"

#include <set>
#include <string>

namespace netc::frontend {

/// Calls `visit` with each expression that a label contains.
template <typename Visit> void forParts(const Label &label, Visit visit) {
  for (const Label::Part &part : label.parts)
    if (part.value)
      visit(*part.value);
}

/// Calls `visit` with each expression and each body that is a direct part of `expr`, in the order
/// of the text. Of a call these are its label's values, the callee and the arguments' values.
template <typename Visit> void forParts(const Expr &expr, Visit visit) {
  const auto &node = expr.node;
  if (const auto *list = std::get_if<ListExpr>(&node)) {
    for (const Expr &item : list->items)
      visit(item);
  } else if (const auto *unary = std::get_if<UnaryExpr>(&node)) {
    visit(*unary->operand);
  } else if (const auto *binary = std::get_if<BinaryExpr>(&node)) {
    visit(*binary->first);
    for (const BinaryExpr::Link &link : binary->rest)
      visit(*link.right);
  } else if (const auto *call = std::get_if<CallExpr>(&node)) {
    if (call->label)
      forParts(*call->label, visit);
    visit(*call->callee);
    for (const Argument &arg : call->args)
      visit(*arg.value);
  } else if (const auto *member = std::get_if<MemberExpr>(&node)) {
    visit(*member->base);
  } else if (const auto *index = std::get_if<IndexExpr>(&node)) {
    visit(*index->base);
    visit(*index->index);
  } else if (const auto *range = std::get_if<RangeExpr>(&node)) {
    visit(*range->low);
    visit(*range->high);
  } else if (const auto *branch = std::get_if<IfExpr>(&node)) {
    for (const IfExpr::Arm &arm : branch->arms) {
      visit(*arm.condition);
      visit(arm.body);
    }
    if (branch->otherwise)
      visit(*branch->otherwise);
  } else if (const auto *pipe = std::get_if<PipeExpr>(&node)) {
    visit(*pipe->head);
    for (const Expr &stage : pipe->stages)
      visit(stage);
  }
}

/// The same of a statement.
template <typename Visit> void forParts(const Stmt &stmt, Visit visit) {
  if (const auto *assign = std::get_if<AssignStmt>(&stmt.node)) {
    visit(*assign->value);
  } else if (const auto *input = std::get_if<InputStmt>(&stmt.node)) {
    visit(*input->shape);
  } else if (const auto *loop = std::get_if<ForStmt>(&stmt.node)) {
    visit(*loop->over);
    visit(loop->body);
  } else if (const auto *loop = std::get_if<RepeatStmt>(&stmt.node)) {
    visit(*loop->count);
    visit(loop->body);
  } else if (const auto *result = std::get_if<ReturnStmt>(&stmt.node)) {
    if (result->value)
      visit(*result->value);
    for (const NamedResult &named : result->named)
      visit(*named.value);
  } else if (const auto *value = std::get_if<ExprStmt>(&stmt.node)) {
    visit(*value->value);
  }
}

/// Calls `visit` with each name that `stmt` itself binds.
template <typename Visit> void forTargets(const Stmt &stmt, Visit visit) {
  const std::vector<Target> *targets = nullptr;
  if (const auto *assign = std::get_if<AssignStmt>(&stmt.node))
    targets = &assign->targets;
  else if (const auto *loop = std::get_if<ForStmt>(&stmt.node))
    targets = &loop->targets;
  else if (const auto *hole = std::get_if<HoleStmt>(&stmt.node))
    targets = &hole->targets;
  else if (const auto *input = std::get_if<InputStmt>(&stmt.node))
    visit(input->name);
  if (targets)
    for (const Target &target : *targets)
      visit(target);
}

/// Adds to `names` what the statements of `body` bind, loops and branches included, except for
/// branches that stand deep in an expression. Returns whether a statement in error may bind more.
bool collectBound(const Body &body, std::set<std::string> &names);

} // namespace netc::frontend

#endif // NETC_FRONTEND_SYNTAX_WALK_H
