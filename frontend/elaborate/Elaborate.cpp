//===- Elaborate.cpp - runs a model ---------------------------------------===//
#include "frontend/elaborate/Analyze.h"
#include "frontend/elaborate/Elaborator.h"
#include "frontend/elaborate/Resolve.h"
#include "frontend/elaborate/Select.h"

#include <fmt/format.h>

#include <algorithm>

namespace netc::frontend {

std::vector<Frame> Elaborator::frames() const {
  std::vector<Frame> result;
  for (size_t i = activations.size(); i-- > 1;)
    result.push_back(
        {activations[i].def->name, activations[i].scope.name(), diags.locate(activations[i].from)});
  return result;
}

Diagnostic &Elaborator::error(Range at, std::string message) {
  stopped = stopped || diags.full(); // no further error would be shown
  return diags.error(at, std::move(message), frames());
}

void Elaborator::observe(Range at, const Value &value) const {
  if (!observer || value.isPoison() || value.isNothing())
    return;
  const auto *tensor = value.as<Value::Tensor>();
  observer->saw(at, value, tensor ? &network.layers[tensor->layer].output : nullptr);
}

Value Elaborator::evaluateAlone(const Expr &expr) {
  static const Definition nowhere; // branches may bind names
  activations.push_back({&nowhere, Scope(), {}, {}});
  alone = true;
  Value value = evaluate(expr);
  if (!value.isNothing())
    return value;
  error(expr.range, "this has no value");
  return Value::poison();
}

/// Binds the parameters of the model that the user chose.
bool Elaborator::bindModel(const Definition &model, const Bindings &set) {
  bool good = true;
  for (const Param &param : model.params) {
    auto given = std::find_if(set.begin(), set.end(),
                              [&](const auto &pair) { return pair.first == param.name; });
    Value value = Value::poison();
    if (given != set.end())
      value = given->second;
    else if (param.byDefault)
      value = evaluate(*param.byDefault);
    good = good && !value.isPoison();
    observe(param.range, value);
    current().variables[param.name] = std::move(value);
  }
  return good;
}

/// Follows `model a = b(…)` to the model with a body, whose activation is then
/// the current one; null after an error.
const Definition *Elaborator::resolveAlias(const Definition &model, const Bindings &set) {
  const Definition *def = &model;
  std::vector<const Definition *> seen{def};
  std::vector<std::string> taken;
  for (const Param &param : def->params)
    taken.push_back(param.name);
  while (def->alias) {
    const auto &call = std::get<CallExpr>(def->alias->node);
    const Definition *target = aliasTarget(program, *def);
    if (!target) {
      const auto *name = std::get_if<NameExpr>(&call.callee->node);
      std::string what = name ? name->name : "this";
      Diagnostic &diag = error(def->alias->range, fmt::format("'{}' is no model", what));
      if (name && program.find(name->name))
        diag.suggest("a block becomes a model with an input: model m(...) { input image: ... }");
      return nullptr;
    }
    if (std::find(seen.begin(), seen.end(), target) != seen.end()) {
      error(def->alias->range, fmt::format("model '{}' stands for itself", target->name));
      return nullptr;
    }
    seen.push_back(target);
    std::vector<ParamSpec> params;
    for (const Param &param : target->params) {
      bool isSet = std::any_of(set.begin(), set.end(),
                               [&](const auto &pair) { return pair.first == param.name; });
      params.push_back({param.name, param.byDefault || isSet ? ParamSpec::Need::Optional
                                                             : ParamSpec::Need::Required});
    }
    Bound bound;
    if (!bind(target->name, params, call, def->alias->range, nullptr, bound))
      return nullptr;
    // What the alias leaves open may come from the command line.
    for (size_t i = 0; i < params.size(); ++i) {
      bool outer = std::find(taken.begin(), taken.end(), params[i].name) != taken.end();
      for (const auto &[name, value] : set)
        if (!bound[i] && !outer && name == params[i].name)
          bound[i] = {value, target->params[i].range};
      taken.push_back(params[i].name);
    }
    activations.back() = Activation{target, Scope(), target->range, {}};
    bindParams(*target, bound, target->range);
    def = target;
  }
  return def;
}

Network Elaborator::run(const Definition &model, const Bindings &set) {
  network = {};
  network.name = model.name;
  overrides = set;
  activations.push_back({&model, Scope(), model.range, {}});
  const Definition *def =
      bindModel(model, set) || diags.hasErrors() ? resolveAlias(model, set) : nullptr;
  if (!def)
    return std::move(network);
  Value result = runBody(def->body);
  Range at = def->body.statements.empty() ? def->range : def->body.statements.back().range;
  if (network.inputCount() == 0 && !diags.hasErrors())
    error(def->range, fmt::format("model '{}' has no input", def->name))
        .suggest("begin it with input image: [channels, height, width]");
  if (const auto *tensor = result.as<Value::Tensor>()) {
    network.outputs.push_back({"output", tensor->layer});
    resultRanges.push_back(at);
  } else if (network.outputs.empty() && !result.isPoison() && !diags.hasErrors()) {
    Diagnostic &diag =
        error(at, fmt::format("a model returns a tensor, have {}", describeValue(result)));
    if (result.as<Value::List>())
      diag.suggest("several outputs have names: return {scores: a, features: b}");
  }
  if (diags.hasErrors() || network.outputs.empty())
    return std::move(network);
  checkNames();
  checkHeads();
  findProbabilities();
  settleBiases();
  dropUnused();
  return std::move(network);
}

Network elaborateModel(const Program &program, const Definition &model, const Bindings &set,
                       const std::vector<ModelRecipe> &recipes, Diagnostics &diags,
                       Observer *observer) {
  Elaborator elaborator(program, diags, observer);
  Network network = elaborator.run(model, set);
  network.file = program.files().empty() ? "" : diags.source(program.files().front().source).name;
  if (diags.hasErrors())
    return network;
  bool overridden = std::any_of(set.begin(), set.end(), [&](const auto &pair) {
    return pair.first == network.layers[0].name;
  });
  const Shape &first = network.layers[0].output;
  const ModelRecipe *written = findRecipe(program, model, recipes);
  network.recipe = recipeFor(written, first[channelAxis(first)], overridden, diags);
  settleLosses(network, elaborator.outputRanges(), written, diags);
  elaborator.warnOfProbabilities(network.recipe);
  return network;
}

std::optional<Network> elaborateFile(const std::string &path, const ElaborateOptions &options,
                                     std::string &diagnostics) {
  Diagnostics diags;
  Program program(diags);
  program.load(path);
  std::optional<Network> result;
  // Where definitions are missing, more errors would only follow from that.
  if (program.whole()) {
    std::vector<ModelRecipe> recipes = readRecipes(program, diags);
    if (const Definition *model = selectModel(program, options, diags)) {
      Bindings set = readSettings(program, *model, options, diags);
      Network network = elaborateModel(program, *model, set, recipes, diags);
      if (!diags.hasErrors())
        result = std::move(network);
    }
    resolveNames(program, diags);
    if (diags.hasErrors())
      result.reset();
  }
  diagnostics += diags.render();
  return result;
}

} // namespace netc::frontend
