//===- Walk.cpp - what a piece of syntax is made of -----------------------===//
#include "frontend/syntax/Walk.h"

namespace netc::frontend {

static bool collectBranches(const Expr &expr, std::set<std::string> &names) {
  bool blind = false;
  if (const auto *branch = std::get_if<IfExpr>(&expr.node)) {
    for (const IfExpr::Arm &arm : branch->arms)
      blind |= collectBound(arm.body, names);
    if (branch->otherwise)
      blind |= collectBound(*branch->otherwise, names);
  }
  return blind;
}

bool collectBound(const Body &body, std::set<std::string> &names) {
  bool blind = false;
  for (const Stmt &stmt : body.statements) {
    forTargets(stmt, [&](const Target &target) { names.insert(target.name); });
    if (const auto *assign = std::get_if<AssignStmt>(&stmt.node))
      blind |= collectBranches(*assign->value, names);
    else if (const auto *value = std::get_if<ExprStmt>(&stmt.node))
      blind |= collectBranches(*value->value, names);
    else if (const auto *hole = std::get_if<HoleStmt>(&stmt.node))
      blind |= hole->blind;
    else if (const auto *loop = std::get_if<ForStmt>(&stmt.node))
      blind |= collectBound(loop->body, names);
    else if (const auto *loop = std::get_if<RepeatStmt>(&stmt.node))
      blind |= collectBound(loop->body, names);
  }
  return blind;
}

} // namespace netc::frontend
