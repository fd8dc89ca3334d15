//===- Resolve.cpp - names of code that no model reaches ------------------===//
//
// Elaboration sees only what the chosen model calls. A typo elsewhere is found
// here, without regard to the order of statements.
//
//===----------------------------------------------------------------------===//
#include "frontend/elaborate/Resolve.h"

#include "frontend/layers/LayerTable.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace netc::frontend {

namespace {
class Resolver {
public:
  Resolver(const Program &program, Diagnostics &diags) : program(program), diags(diags) {}
  void run(const Definition &def);

private:
  void collect(const Body &body);
  void collectBranches(const Expr &expr);
  void collect(const std::vector<Target> &targets);
  void visit(const Body &body);
  void visit(const Stmt &stmt);
  void visit(const Expr &expr);
  void visitCall(const CallExpr &call);
  void visitLabel(const Label &label);
  void visitName(const std::string &name, Range at);
  bool isKnown(const std::string &name) const;
  std::optional<std::vector<std::string>> paramsOf(const std::string &callee) const;

  const Program &program;
  Diagnostics &diags;
  std::set<std::string> bound; ///< whatever the definition binds anywhere
  bool blind = false;          ///< a statement in error may bind more
};
} // namespace

void Resolver::collect(const std::vector<Target> &targets) {
  for (const Target &target : targets)
    bound.insert(target.name);
}

void Resolver::collectBranches(const Expr &expr) {
  const auto *branch = std::get_if<IfExpr>(&expr.node);
  if (!branch)
    return;
  for (const IfExpr::Arm &arm : branch->arms)
    collect(arm.body);
  if (branch->otherwise)
    collect(*branch->otherwise);
}

void Resolver::collect(const Body &body) {
  for (const Stmt &stmt : body.statements) {
    if (const auto *assign = std::get_if<AssignStmt>(&stmt.node)) {
      collect(assign->targets);
      collectBranches(*assign->value);
    } else if (const auto *input = std::get_if<InputStmt>(&stmt.node)) {
      bound.insert(input->name.name);
    } else if (const auto *hole = std::get_if<HoleStmt>(&stmt.node)) {
      collect(hole->targets);
      blind |= hole->blind;
    } else if (const auto *loop = std::get_if<ForStmt>(&stmt.node)) {
      collect(loop->targets);
      collect(loop->body);
    } else if (const auto *loop = std::get_if<RepeatStmt>(&stmt.node)) {
      collect(loop->body);
    } else if (const auto *expr = std::get_if<ExprStmt>(&stmt.node)) {
      collectBranches(*expr->value);
    }
  }
}

void Resolver::visit(const Body &body) {
  // A branch that stands deep in an expression binds names too.
  collect(body);
  for (const Stmt &stmt : body.statements)
    visit(stmt);
}

void Resolver::visit(const Stmt &stmt) {
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
  } else if (!std::holds_alternative<HoleStmt>(stmt.node)) {
    visit(*std::get<ExprStmt>(stmt.node).value);
  }
}

bool Resolver::isKnown(const std::string &name) const {
  return bound.count(name) || program.find(name) || findLayerKind(name) || findFunction(name) ||
         isChoiceWord(name);
}

void Resolver::visitName(const std::string &name, Range at) {
  if (blind || diags.full() || isKnown(name))
    return;
  std::vector<std::string> known(bound.begin(), bound.end());
  for (const LayerKind &kind : layerTable())
    known.push_back(kind.name);
  for (const File &file : program.files())
    for (const auto &def : file.definitions)
      known.push_back(def->name);
  for (const Function &function : functionTable())
    known.push_back(function.name);
  diags.error(at, fmt::format("unknown name '{}'{}", name, didYouMean(name, known)));
}

/// The parameters of a callee that is no variable; nothing if they are unknown.
std::optional<std::vector<std::string>> Resolver::paramsOf(const std::string &callee) const {
  if (bound.count(callee))
    return std::nullopt;
  std::vector<std::string> names;
  if (const Definition *def = program.find(callee)) {
    for (const Param &param : def->params)
      names.push_back(param.name);
    return names;
  }
  const LayerKind *kind = findLayerKind(callee);
  const Function *function = findFunction(callee);
  if (!kind && !function)
    return std::nullopt;
  if (kind)
    names.push_back("x");
  for (const ParamSpec &param : kind ? kind->params : function->params)
    names.push_back(param.name);
  return names;
}

void Resolver::visitLabel(const Label &label) {
  for (const Label::Part &part : label.parts)
    if (part.value)
      visit(*part.value);
}

void Resolver::visitCall(const CallExpr &call) {
  if (call.label)
    visitLabel(*call.label);
  visit(*call.callee);
  const auto *callee = std::get_if<NameExpr>(&call.callee->node);
  std::optional<std::vector<std::string>> params;
  if (callee)
    params = paramsOf(callee->name);
  auto isParam = [&](const std::string &name) {
    return std::find(params->begin(), params->end(), name) != params->end();
  };
  for (const Argument &arg : call.args) {
    if (!arg.name.empty() && params && !isParam(arg.name))
      diags
          .error(arg.nameRange, fmt::format("'{}' has no argument '{}'{}", callee->name, arg.name,
                                            didYouMean(arg.name, *params)))
          .suggest("it takes " + joinNames(*params));
    // A bare word may be a switch of the callee.
    const auto *word = std::get_if<NameExpr>(&arg.value->node);
    bool mayBeSwitch = word && arg.name.empty() && (!params || isParam(word->name));
    if (!mayBeSwitch)
      visit(*arg.value);
  }
}

void Resolver::visit(const Expr &expr) {
  const auto &node = expr.node;
  if (const auto *name = std::get_if<NameExpr>(&node)) {
    visitName(name->name, expr.range);
  } else if (const auto *list = std::get_if<ListExpr>(&node)) {
    for (const Expr &item : list->items)
      visit(item);
  } else if (const auto *unary = std::get_if<UnaryExpr>(&node)) {
    visit(*unary->operand);
  } else if (const auto *binary = std::get_if<BinaryExpr>(&node)) {
    visit(*binary->first);
    for (const BinaryExpr::Link &link : binary->rest)
      visit(*link.right);
  } else if (const auto *call = std::get_if<CallExpr>(&node)) {
    visitCall(*call);
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

void Resolver::run(const Definition &def) {
  for (const Param &param : def.params)
    bound.insert(param.name);
  collect(def.body);
  for (const Param &param : def.params)
    if (param.byDefault)
      visit(*param.byDefault);
  if (def.alias)
    visit(*def.alias);
  for (const Stmt &stmt : def.body.statements)
    visit(stmt);
}

void resolveNames(const Program &program, Diagnostics &diags) {
  for (const File &file : program.files())
    for (const auto &def : file.definitions)
      if (!diags.full())
        Resolver(program, diags).run(*def);
}

} // namespace netc::frontend
