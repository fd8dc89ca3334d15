//===- Symbols.cpp - which names of a text mean the same ------------------===//
#include "tools/netc-lsp/Symbols.h"

#include "frontend/syntax/Walk.h"
#include "runtime/abi/RecipeTable.h"

#include <algorithm>
#include <filesystem>
#include <set>

using namespace netc::frontend;

namespace netc::lsp {

/// Walks the trees of all files. A definition's variables share one scope.
class SymbolWalk {
public:
  SymbolWalk(const Analysis &analysis, Symbols &out) : analysis(analysis), out(out) {}

  void run() {
    for (const File &file : analysis.program.files()) {
      for (const auto &def : file.definitions)
        visit(*def);
      for (const Train &train : file.recipes)
        visit(train);
    }
  }

private:
  void add(Range range, std::vector<std::string> symbols, bool binds = false) {
    if (!symbols.empty())
      out.occurrences.push_back({range, std::move(symbols), binds});
  }

  std::string fileOf(Range range) const {
    std::error_code code;
    const std::string &name = analysis.diags.source(range.file).name;
    std::filesystem::path path = std::filesystem::weakly_canonical(name, code);
    return code ? name : path.string();
  }
  std::string keyOf(const Definition &def) const {
    return "def:" + fileOf(def.range) + ":" + def.name;
  }
  std::string variableKey(const Definition &def, const std::string &name) const {
    return "var:" + fileOf(def.range) + ":" + def.name + ":" + name;
  }

  void bind(const Target &target) {
    add(target.range, {variableKey(*current, target.name)}, /*binds=*/true);
  }

  void visit(const Definition &def);
  void visit(const Train &train);
  void visit(const Body &body);
  void visit(const Stmt &stmt);
  void visit(const Expr &expr);
  void visit(const CallExpr &call);
  void visitRecipe(const Expr &expr, const recipe::Clause *clause);
  std::vector<std::string> symbolOf(const std::string &name) const;
  std::vector<std::string> argumentOf(const Expr &callee, const std::string &name) const;
  std::vector<const Definition *> blocksAt(Range range) const;

  const Analysis &analysis;
  Symbols &out;
  const Definition *current = nullptr;
  /// Known before its names are read: a loop reads what its end binds.
  std::set<std::string> bound;
};

std::vector<std::string> SymbolWalk::symbolOf(const std::string &name) const {
  if (current && bound.count(name))
    return {variableKey(*current, name)};
  if (const Definition *def = analysis.program.find(name))
    return {keyOf(*def)};
  if (findLayerKind(name))
    return {"layer:" + name};
  if (findFunction(name))
    return {"function:" + name};
  if (isChoiceWord(name))
    return {"word:" + name};
  return {};
}

std::vector<const Definition *> SymbolWalk::blocksAt(Range range) const {
  std::vector<const Definition *> blocks;
  for (const ModelAnalysis &model : analysis.models)
    if (auto seen = model.values.find(placeOf(range)); seen != model.values.end())
      for (const Definition *block : seen->second.blocks)
        if (std::find(blocks.begin(), blocks.end(), block) == blocks.end())
          blocks.push_back(block);
  return blocks;
}

static bool hasParam(const Definition &def, const std::string &name) {
  return std::any_of(def.params.begin(), def.params.end(),
                     [&](const Param &param) { return param.name == name; });
}

/// What `name=` or a bare word in the call of `callee` means.
std::vector<std::string> SymbolWalk::argumentOf(const Expr &callee, const std::string &name) const {
  const auto *word = std::get_if<NameExpr>(&callee.node);
  if (!word)
    return {};
  std::vector<const Definition *> blocks;
  bool isVariable = current && bound.count(word->name);
  if (isVariable)
    blocks = blocksAt(callee.range);
  else if (const Definition *def = analysis.program.find(word->name))
    blocks.push_back(def);
  std::vector<std::string> symbols;
  for (const Definition *block : blocks)
    if (hasParam(*block, name))
      symbols.push_back(variableKey(*block, name));
  if (!blocks.empty() || isVariable)
    return symbols;
  const LayerKind *kind = findLayerKind(word->name);
  const Function *function = findFunction(word->name);
  if (!kind && !function)
    return {};
  for (const ParamSpec &param : kind ? kind->params : function->params)
    if (param.name == name)
      symbols.push_back("argument:" + word->name + ":" + name);
  return symbols;
}

void SymbolWalk::visit(const Definition &def) {
  current = &def;
  bound.clear();
  for (const Param &param : def.params)
    bound.insert(param.name);
  collectBound(def.body, bound);
  add(def.range, {keyOf(def)}, /*binds=*/true);
  for (const Param &param : def.params) {
    bind({param.name, param.range});
    if (param.byDefault)
      visit(*param.byDefault);
  }
  if (def.alias)
    visit(*def.alias);
  visit(def.body);
  current = nullptr;
}

void SymbolWalk::visit(const Body &body) {
  collectBound(body, bound); // branches deep in an expression bind names too
  for (const Stmt &stmt : body.statements)
    visit(stmt);
}

void SymbolWalk::visit(const Stmt &stmt) {
  forTargets(stmt, [&](const Target &target) { bind(target); });
  forParts(stmt, [&](const auto &part) { visit(part); });
}

void SymbolWalk::visit(const CallExpr &call) {
  if (call.label)
    forParts(*call.label, [&](const Expr &value) { visit(value); });
  visit(*call.callee);
  for (const Argument &arg : call.args) {
    if (!arg.name.empty())
      add(arg.nameRange, argumentOf(*call.callee, arg.name));
    const auto *word = std::get_if<NameExpr>(&arg.value->node);
    bool mayBeSwitch = word && arg.name.empty() && !(current && bound.count(word->name)) &&
                       !analysis.program.find(word->name);
    std::vector<std::string> toggle;
    if (mayBeSwitch)
      toggle = argumentOf(*call.callee, word->name);
    if (toggle.empty())
      visit(*arg.value);
    else
      add(arg.value->range, std::move(toggle));
  }
}

void SymbolWalk::visit(const Expr &expr) {
  if (const auto *name = std::get_if<NameExpr>(&expr.node))
    return add(expr.range, symbolOf(name->name));
  if (const auto *call = std::get_if<CallExpr>(&expr.node))
    return visit(*call);
  forParts(expr, [&](const auto &part) { visit(part); });
  if (const auto *member = std::get_if<MemberExpr>(&expr.node))
    add(member->nameRange, {"member:" + member->name});
}

void SymbolWalk::visit(const Train &train) {
  for (const Target &model : train.models)
    if (const Definition *def = analysis.program.find(model.name))
      add(model.range, {keyOf(*def)});
  for (const Clause &clause : train.clauses) {
    const recipe::Clause *kind = recipe::findClause(clause.name.name);
    if (kind)
      add(clause.name.range, {"clause:" + clause.name.name});
    for (const Expr &item : clause.items)
      visitRecipe(item, kind);
  }
}

/// A call of a recipe, or a sum of them with factors.
void SymbolWalk::visitRecipe(const Expr &expr, const recipe::Clause *clause) {
  if (const auto *binary = std::get_if<BinaryExpr>(&expr.node)) {
    visitRecipe(*binary->first, clause);
    for (const BinaryExpr::Link &link : binary->rest)
      visitRecipe(*link.right, clause);
    return;
  }
  const auto *call = std::get_if<CallExpr>(&expr.node);
  const Expr &callee = call ? *call->callee : expr;
  const auto *name = std::get_if<NameExpr>(&callee.node);
  if (!clause || !name || !recipe::findCall(*clause, name->name))
    return;
  // `normalize(…)` is clause and call in one.
  if (clause->name != name->name)
    add(callee.range, {"recipe:" + std::string(clause->name) + ":" + name->name});
  if (!call)
    return;
  for (const Argument &arg : call->args) {
    if (!arg.name.empty())
      add(arg.nameRange, {"option:" + name->name + ":" + arg.name});
    if (!std::holds_alternative<NameExpr>(arg.value->node))
      visit(*arg.value);
  }
}

Symbols::Symbols(const Analysis &analysis) {
  SymbolWalk(analysis, *this).run();
  std::stable_sort(
      occurrences.begin(), occurrences.end(),
      [](const Occurrence &a, const Occurrence &b) { return placeOf(a.range) < placeOf(b.range); });
}

const Occurrence *Symbols::at(uint32_t file, uint32_t line, uint32_t column) const {
  for (const Occurrence &each : occurrences) {
    const Range &range = each.range;
    if (range.file == file && range.line == line && range.column <= column &&
        column <= range.column + range.length)
      return &each;
  }
  return nullptr;
}

std::vector<const Occurrence *> Symbols::meaning(const std::vector<std::string> &symbols) const {
  std::vector<const Occurrence *> found;
  for (const Occurrence &each : occurrences)
    if (std::find_first_of(each.symbols.begin(), each.symbols.end(), symbols.begin(),
                           symbols.end()) != each.symbols.end())
      found.push_back(&each);
  return found;
}

bool isOwn(const Occurrence &occurrence) {
  const std::string &symbol = occurrence.symbols.front();
  return symbol.starts_with("var:") || symbol.starts_with("def:");
}

} // namespace netc::lsp
