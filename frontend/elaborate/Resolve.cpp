//===- Resolve.cpp - names of code that no model reaches ------------------===//
//
// Elaboration sees only what the chosen model calls. A typo elsewhere is found
// here, without regard to the order of statements.
//
//===----------------------------------------------------------------------===//
#include "frontend/elaborate/Resolve.h"

#include "frontend/layers/LayerTable.h"
#include "frontend/syntax/Walk.h"

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
  void visit(const Body &body);
  void visitParts(const Stmt &stmt);
  void visit(const Expr &expr);
  void visitCall(const CallExpr &call);
  void visitName(const std::string &name, Range at);
  bool isKnown(const std::string &name) const;
  std::optional<std::vector<std::string>> paramsOf(const std::string &callee) const;

  const Program &program;
  Diagnostics &diags;
  std::set<std::string> bound; ///< whatever the definition binds anywhere
  bool blind = false;          ///< a statement in error may bind more
};
} // namespace

void Resolver::visit(const Body &body) {
  // A branch that stands deep in an expression binds names too.
  blind |= collectBound(body, bound);
  for (const Stmt &stmt : body.statements)
    visitParts(stmt);
}

void Resolver::visitParts(const Stmt &stmt) {
  forParts(stmt, [&](const auto &part) { visit(part); });
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

void Resolver::visitCall(const CallExpr &call) {
  if (call.label)
    forParts(*call.label, [&](const Expr &value) { visit(value); });
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
  if (const auto *name = std::get_if<NameExpr>(&expr.node))
    visitName(name->name, expr.range);
  else if (const auto *call = std::get_if<CallExpr>(&expr.node))
    visitCall(*call);
  else
    forParts(expr, [&](const auto &part) { visit(part); });
}

void Resolver::run(const Definition &def) {
  for (const Param &param : def.params)
    bound.insert(param.name);
  blind |= collectBound(def.body, bound);
  for (const Param &param : def.params)
    if (param.byDefault)
      visit(*param.byDefault);
  if (def.alias)
    visit(*def.alias);
  for (const Stmt &stmt : def.body.statements)
    visitParts(stmt);
}

void resolveNames(const Program &program, Diagnostics &diags) {
  for (const File &file : program.files())
    for (const auto &def : file.definitions)
      if (!diags.full())
        Resolver(program, diags).run(*def);
}

} // namespace netc::frontend
