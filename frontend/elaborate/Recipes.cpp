//===- Recipes.cpp - checks and reads `train` clauses ---------------------===//
#include "frontend/elaborate/Recipes.h"

#include "frontend/elaborate/Elaborator.h"
#include "frontend/elaborate/RecipeReader.h"
#include "frontend/elaborate/Select.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace netc::frontend {

static std::optional<RecipeValue> convert(const Value &value) {
  if (const auto *flag = value.as<bool>())
    return RecipeValue{*flag};
  if (const auto *integer = value.as<int64_t>())
    return RecipeValue{*integer};
  if (const auto *number = value.as<double>())
    return RecipeValue{*number};
  if (const auto *text = value.as<std::string>())
    return RecipeValue{*text};
  if (const auto *iterations = value.as<Iterations>())
    return RecipeValue{*iterations};
  const auto *list = value.as<Value::List>();
  if (!list || (*list)->items.size() > 1000)
    return std::nullopt;
  RecipeList items;
  for (const Value &item : (*list)->items) {
    std::optional<RecipeValue> converted = convert(item);
    if (!converted)
      return std::nullopt;
    items.push_back(std::move(*converted));
  }
  return RecipeValue{std::move(items)};
}

std::optional<RecipeValue> RecipeReader::evaluate(const Expr &expr, std::string &have) {
  Value value = Elaborator(program, diags).evaluateAlone(expr);
  if (value.isPoison())
    return std::nullopt;
  have = describe(value);
  std::optional<RecipeValue> converted = convert(value);
  if (!converted)
    diags.error(expr.range, fmt::format("a recipe can't use {}", describe(value)));
  return converted;
}

/// `normalize(auto)`: computed from the training set.
static bool isAuto(const CallExpr &call) {
  const auto *word = call.args.empty() ? nullptr : std::get_if<NameExpr>(&call.args[0].value->node);
  return word && call.args[0].name.empty() && word->name == "auto";
}

std::optional<RecipeCall> RecipeReader::readCall(const Expr &item, const recipe::Clause &clause) {
  CallExpr bare;
  const auto *call = std::get_if<CallExpr>(&item.node);
  const auto *name = std::get_if<NameExpr>(call ? &call->callee->node : &item.node);
  if (!name || (call && call->label)) {
    diags.error(item.range,
                fmt::format("'{}' takes calls like {}", clause.name, clause.calls[0].name));
    return std::nullopt;
  }
  const recipe::Call *kind = recipe::findCall(clause, name->name);
  if (!kind) {
    std::vector<std::string> names = namesOf(clause.calls);
    diags
        .error(item.range, fmt::format("'{}' knows no '{}'{}", clause.name, name->name,
                                       didYouMean(name->name, names)))
        .suggest("it knows " + joinNames(names));
    return std::nullopt;
  }
  RecipeCall out;
  out.name = kind->name;
  out.location = diags.locate(item.range);
  if (clause.name == "normalize" && call && isAuto(*call)) {
    kind = &recipe::automaticNormalization;
  }
  if (!call) {
    bare.callee = std::make_unique<Expr>();
    bare.callee->range = item.range;
    call = &bare;
  }
  if (!readArguments(*kind, *call, out))
    return std::nullopt;
  return out;
}

std::vector<RecipeCall> RecipeReader::readCalls(const Clause &clause, const recipe::Clause &kind) {
  std::vector<RecipeCall> calls;
  for (const Expr &item : clause.items)
    if (std::optional<RecipeCall> call = readCall(item, kind))
      calls.push_back(std::move(*call));
  return calls;
}

std::optional<RecipeValue> RecipeReader::readNumber(const Clause &clause,
                                                    const recipe::Clause &kind) {
  bool count = kind.type == recipe::Type::Count;
  if (clause.items.size() != 1) {
    diags.error(clause.items[1].range,
                fmt::format("'{}' takes one {}", kind.name, count ? "integer" : "number"));
    return std::nullopt;
  }
  std::string have;
  std::optional<RecipeValue> value = evaluate(clause.items[0], have);
  if (!value || recipe::fits(kind.type, *value))
    return value;
  diags
      .error(clause.items[0].range, fmt::format("'{}' must be {}, have {}", kind.name,
                                                recipe::wanted(kind.type, *value), have))
      .suggest(kind.name == "epochs" && std::holds_alternative<Iterations>(value->value)
                   ? "only points of the schedule may be iterations"
                   : "");
  return std::nullopt;
}

void RecipeReader::readClause(const Clause &clause) {
  const std::string &name = clause.name.name;
  const recipe::Clause *kind = recipe::findClause(name);
  if (!kind) {
    std::vector<std::string> names = namesOf(recipe::clauses);
    diags
        .error(clause.name.range,
               fmt::format("a recipe has no '{}'{}", name, didYouMean(name, names)))
        .suggest("its clauses are " + joinNames(names));
    return;
  }
  if (name == "loss")
    return readLosses(clause, *kind);
  if (kind->form == recipe::Form::Number) {
    if (std::optional<RecipeValue> value = readNumber(clause, *kind))
      store(name, *value);
    return;
  }
  if (name == "optimizer")
    return readOptimizer(clause, *kind);
  if (kind->form == recipe::Form::Call && clause.items.size() > 1)
    diags.error(clause.items[1].range, fmt::format("'{}' takes one call", name));
  else
    store(name, readCalls(clause, *kind));
}

/// `sgd(lr=0.1)`, and beside it `decay(norm=0, bias=0)`, which becomes arguments of it.
void RecipeReader::readOptimizer(const Clause &clause, const recipe::Clause &kind) {
  if (clause.items.empty())
    return;
  std::optional<RecipeCall> optimizer = readCall(clause.items[0], kind);
  if (clause.items.size() > 2)
    diags.error(clause.items[2].range, "'optimizer' takes one optimizer and one decay(…)");
  recipe::Arguments decay;
  if (clause.items.size() > 1 && !readDecay(clause.items[1], decay))
    return;
  if (!optimizer)
    return;
  for (auto &argument : decay)
    optimizer->named.push_back(std::move(argument));
  recipe.optimizer = std::move(*optimizer);
}

void RecipeReader::store(std::string_view name, std::vector<RecipeCall> calls) {
  if (name == "augment")
    recipe.augment = std::move(calls);
  else if (name == "eval")
    recipe.eval = std::move(calls);
  else if (name == "schedule")
    recipe.schedule = std::move(calls);
  else
    recipe.normalize = std::move(calls);
}

void RecipeReader::store(std::string_view name, const RecipeValue &value) {
  double number = *recipe::numberOf(value);
  if (name == "clip_norm")
    recipe.clipNorm = number;
  else if (name == "ema")
    recipe.average = number;
  else if (name == "accumulate")
    recipe.accumulate = static_cast<int64_t>(number);
  else if (name == "shards")
    recipe.shards = static_cast<int64_t>(number);
  else if (name == "batch")
    recipe.batch = static_cast<int64_t>(number);
  else
    recipe.epochs = static_cast<int64_t>(number);
}

static RecipeCall defaultOptimizer() {
  RecipeCall call;
  call.name = "sgd";
  call.named = {{"lr", {0.05}}, {"momentum", {0.9}}, {"weight_decay", {1e-4}}};
  return call;
}

static Recipe defaultRecipe() {
  Recipe recipe;
  recipe.losses = defaultLosses();
  recipe.optimizer = defaultOptimizer();
  return recipe;
}

Recipe RecipeReader::read(const Train &train) {
  recipe = defaultRecipe();
  recipe.written = true;
  std::map<std::string, Range> seen;
  for (const Clause &clause : train.clauses) {
    if (diags.full())
      break;
    auto [first, fresh] = seen.insert({clause.name.name, clause.name.range});
    if (!fresh)
      diags
          .error(clause.name.range,
                 fmt::format("'{}' stands twice in the recipe", clause.name.name))
          .note(first->second, "the first is here")
          .suggest("separate several items by commas");
    readClause(clause);
  }
  if (auto shards = seen.find("shards"); shards != seen.end() && recipe.batch % recipe.shards)
    diags
        .error(shards->second,
               fmt::format("{} shards do not divide the batch of {}", recipe.shards, recipe.batch))
        .suggest("each batch is cut into equal runs of images");
  return recipe;
}

std::vector<ModelRecipe> readRecipes(const Program &program, Diagnostics &diags) {
  std::vector<ModelRecipe> result;
  std::map<std::pair<const Definition *, bool>, Range> written; ///< by model and `own`
  std::vector<std::string> models;
  for (const File &file : program.files())
    for (const auto &def : file.definitions)
      if (def->isModel)
        models.push_back(def->name);
  for (const File &file : program.files())
    for (const Train &train : file.recipes) {
      Recipe recipe = RecipeReader(program, diags).read(train);
      bool own = &file == &program.files().front();
      Range normalize, loss;
      for (const Clause &clause : train.clauses) {
        if (clause.name.name == "normalize")
          normalize = clause.name.range;
        if (clause.name.name == "loss")
          loss = clause.name.range;
      }
      for (const Target &target : train.models) {
        if (diags.full())
          break;
        const Definition *def = program.find(target.name);
        if (!def || !def->isModel) {
          diags.error(target.range, fmt::format("a recipe for '{}', but there is no such model{}",
                                                target.name, didYouMean(target.name, models)));
          continue;
        }
        auto [first, fresh] = written.insert({{def, own}, target.range});
        if (!fresh)
          diags.error(target.range, fmt::format("model '{}' has two recipes", target.name))
              .note(first->second, "the first is here");
        result.push_back({def, recipe, target.range, normalize, loss, own});
      }
    }
  return result;
}

const ModelRecipe *findRecipe(const Program &program, const Definition &model,
                              const std::vector<ModelRecipe> &recipes) {
  std::vector<const Definition *> seen;
  const Definition *def = &model;
  while (def && std::find(seen.begin(), seen.end(), def) == seen.end()) {
    const ModelRecipe *best = nullptr;
    for (const ModelRecipe &each : recipes)
      if (each.model == def && (!best || (each.own && !best->own)))
        best = &each;
    if (best)
      return best;
    seen.push_back(def);
    def = aliasTarget(program, *def);
  }
  return nullptr;
}

static RecipeCall automaticNormalization() {
  RecipeCall normalize;
  normalize.name = "normalize";
  normalize.named.push_back({"auto", {true}});
  return normalize;
}

/// For how many channels a list is written; a number, or a list of one, is for all.
static int64_t channelsOf(const RecipeValue &value) {
  const auto *list = std::get_if<RecipeList>(&value.value);
  return list ? static_cast<int64_t>(list->size()) : 1;
}

static double largestOf(const RecipeValue &value) {
  const auto *list = std::get_if<RecipeList>(&value.value);
  if (!list)
    return recipe::numberOf(value).value_or(0);
  double most = 0;
  for (const RecipeValue &item : *list)
    most = std::max(most, largestOf(item));
  return most;
}

/// A mean of 127 belongs to pixels from 0 to 255; without a scale they are from 0 to 1.
static void warnOfUnits(const ModelRecipe &written, Diagnostics &diags) {
  double mean = 0, std = 0, scale = 1;
  for (const auto &[name, value] : written.recipe.normalize.front().named) {
    if (name == "mean")
      mean = largestOf(value);
    if (name == "std")
      std = largestOf(value);
    if (name == "scale")
      scale = largestOf(value);
  }
  if (scale == 1 && (mean > 1 || std > 16))
    diags
        .warning(written.normalize,
                 fmt::format("'normalize' has mean {} and std {}, but pixels are from 0 to 1", mean,
                             std))
        .suggest("with scale=255 they are from 0 to 255");
}

Recipe recipeFor(const ModelRecipe *written, int64_t channels, bool overridden,
                 Diagnostics &diags) {
  if (!written) {
    Recipe recipe = defaultRecipe();
    recipe.normalize.push_back(automaticNormalization());
    return recipe;
  }
  Recipe recipe = written->recipe;
  if (recipe.normalize.empty())
    return recipe;
  warnOfUnits(*written, diags);
  for (const auto &[name, value] : recipe.normalize.front().named) {
    if (name != "mean" && name != "std")
      continue;
    int64_t given = channelsOf(value);
    if (given == 1 || given == channels)
      continue;
    std::string what = fmt::format("'{}' of 'normalize' has {} values, the input has {} channel{}",
                                   name, given, channels, channels == 1 ? "" : "s");
    if (overridden) {
      diags.warning(written->normalize, what + ": the training set's own are computed instead");
      const RecipeValue *order = recipe::find(recipe.normalize.front().named, "order");
      RecipeCall automatic = automaticNormalization();
      if (order)
        automatic.named.push_back({"order", *order});
      recipe.normalize.front() = std::move(automatic);
    } else {
      diags.error(written->normalize, what)
          .suggest("give a number a channel, one number for all, or normalize(auto)");
    }
    break;
  }
  return recipe;
}

} // namespace netc::frontend
