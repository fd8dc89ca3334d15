//===- Select.cpp - which model, with which values ------------------------===//
#include "frontend/elaborate/Select.h"

#include "frontend/syntax/Parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace netc::frontend {

static const Range commandLine{0, 0, 0, 1};

const Definition *aliasTarget(const Program &program, const Definition &alias) {
  if (!alias.alias)
    return nullptr;
  const auto &call = std::get<CallExpr>(alias.alias->node);
  const auto *name = std::get_if<NameExpr>(&call.callee->node);
  const Definition *target = name ? program.find(name->name) : nullptr;
  return target && target->isModel ? target : nullptr;
}

bool aliasBinds(const CallExpr &call, const Definition &target, size_t index) {
  size_t positional = 0;
  for (const Argument &arg : call.args) {
    if (arg.name == target.params[index].name)
      return true;
    positional += arg.name.empty();
  }
  return index < positional;
}

std::vector<std::string> settableNames(const Program &program, const Definition &model) {
  std::vector<std::string> names;
  auto add = [&](const std::string &name) {
    if (std::find(names.begin(), names.end(), name) == names.end())
      names.push_back(name);
  };
  for (const Param &param : model.params)
    add(param.name);
  std::set<const Definition *> seen{&model};
  const Definition *def = &model;
  while (const Definition *target = aliasTarget(program, *def)) {
    if (!seen.insert(target).second)
      break;
    const auto &call = std::get<CallExpr>(def->alias->node);
    for (size_t i = 0; i < target->params.size(); ++i)
      if (!aliasBinds(call, *target, i))
        add(target->params[i].name);
    def = target;
  }
  for (const Stmt &stmt : def->body.statements)
    if (const auto *input = std::get_if<InputStmt>(&stmt.node))
      add(input->name.name);
    else if (const auto *hole = std::get_if<HoleStmt>(&stmt.node))
      for (const Target &target : hole->targets) // may have been the input
        add(target.name);
  return names;
}

/// What keeps `model` from being a candidate: parameters without values.
static std::vector<std::string> openParams(const Definition &model,
                                           const ElaborateOptions &options) {
  std::vector<std::string> open;
  for (const Param &param : model.params) {
    bool set = std::any_of(options.set.begin(), options.set.end(),
                           [&](const auto &pair) { return pair.first == param.name; });
    if (!param.byDefault && !set)
      open.push_back(param.name);
  }
  return open;
}

static bool knowsSettings(const Program &program, const Definition &model,
                          const ElaborateOptions &options) {
  std::vector<std::string> known = settableNames(program, model);
  return std::all_of(options.set.begin(), options.set.end(), [&](const auto &pair) {
    return std::find(known.begin(), known.end(), pair.first) != known.end();
  });
}

static std::string listCandidates(const std::vector<const Definition *> &models) {
  std::vector<std::string> names;
  for (const Definition *model : models)
    names.push_back(model->name);
  constexpr size_t most = 40;
  if (names.size() > most) {
    size_t rest = names.size() - most;
    names.resize(most);
    names.push_back(fmt::format("{} more", rest));
  }
  return joinNames(names);
}

static std::string tellModels(const std::vector<const Definition *> &models) {
  if (models.empty())
    return "the file has no model";
  return (models.size() == 1 ? "the model is " : "the models are ") + listCandidates(models);
}

static const Definition *selectByName(const Program &program, const ElaborateOptions &options,
                                      const std::vector<const Definition *> &models,
                                      Diagnostics &diags) {
  const Definition *model = program.find(options.model);
  if (!model || !model->isModel) {
    std::vector<std::string> names;
    for (const Definition *each : models)
      names.push_back(each->name);
    Diagnostic &diag =
        model ? diags.error(commandLine,
                            fmt::format("--model {}: it is a block, no model", options.model))
              : diags.error(commandLine,
                            fmt::format("--model {}: there is no such model{}", options.model,
                                        didYouMean(options.model, names)));
    diag.suggest(tellModels(models));
    return nullptr;
  }
  std::vector<std::string> open = openParams(*model, options);
  if (open.empty())
    return model;
  diags
      .error(model->range,
             fmt::format("model '{}' has no value for {}", model->name, joinNames(open)))
      .suggest(fmt::format("give it one: --set {}=VALUE", open.front()));
  return nullptr;
}

const Definition *selectModel(const Program &program, const ElaborateOptions &options,
                              Diagnostics &diags) {
  // An importing file's own models come first; one that only imports offers those.
  std::vector<const Definition *> own, all;
  for (const File &file : program.files())
    for (const auto &def : file.definitions)
      if (def->isModel) {
        all.push_back(def.get());
        if (&file == &program.files().front())
          own.push_back(def.get());
      }
  const std::vector<const Definition *> &offered = own.empty() ? all : own;
  if (!options.model.empty())
    return selectByName(program, options, all, diags);
  std::vector<const Definition *> candidates;
  for (const Definition *def : offered)
    if (openParams(*def, options).empty())
      candidates.push_back(def);
  // --set of a name that only some have tells which are meant.
  std::vector<const Definition *> meant;
  for (const Definition *def : candidates)
    if (knowsSettings(program, *def, options))
      meant.push_back(def);
  if (!meant.empty())
    candidates = std::move(meant);
  if (candidates.size() == 1)
    return candidates.front();
  if (!candidates.empty()) {
    diags
        .error(commandLine,
               fmt::format("the file has {} models: choose one with --model", candidates.size()))
        .suggest(tellModels(candidates));
    return nullptr;
  }
  if (offered.empty() && diags.hasErrors())
    return nullptr; // what is wrong may have been the model
  if (offered.empty()) {
    diags.error(commandLine, "the file has no model")
        .suggest("write model name(...) { input image: [3, 224, 224] ... }");
    return nullptr;
  }
  const Definition *first = offered.front();
  std::vector<std::string> open = openParams(*first, options);
  diags
      .error(first->range,
             fmt::format("model '{}' has no value for {}", first->name, joinNames(open)))
      .suggest(fmt::format("give it one: --set {}=VALUE, or a default", open.front()));
  return nullptr;
}

Bindings readSettings(const Program &program, const Definition &model,
                      const ElaborateOptions &options, Diagnostics &diags) {
  Bindings result;
  std::vector<std::string> known = settableNames(program, model);
  for (const auto &[name, text] : options.set) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      diags
          .error(commandLine, fmt::format("--set {}: model '{}' has no such value{}", name,
                                          model.name, didYouMean(name, known)))
          .suggest("what can be set: " + joinNames(known));
      continue;
    }
    bool twice = std::any_of(result.begin(), result.end(),
                             [&](const auto &pair) { return pair.first == name; });
    if (twice) {
      diags.error(commandLine, fmt::format("--set {}: given twice", name));
      continue;
    }
    uint32_t source = diags.addSource("--set " + name, text);
    ExprPtr expr = parseExpressionSource(source, diags);
    if (!expr)
      continue;
    Value value = Elaborator(program, diags).evaluateAlone(*expr);
    result.push_back({name, std::move(value)});
  }
  return result;
}

} // namespace netc::frontend
