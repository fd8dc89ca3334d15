//===- Recipes.cpp - checks and reads `train` clauses ---------------------===//
#include "frontend/elaborate/Recipes.h"

#include "frontend/elaborate/Elaborator.h"
#include "frontend/elaborate/Select.h"
#include "frontend/recipe/RecipeTable.h"
#include "frontend/recipe/RecipeTypes.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace netc::frontend {

namespace {
/// Reads one `train` clause.
class RecipeReader {
public:
  RecipeReader(const Program &program, Diagnostics &diags) : program(program), diags(diags) {}
  Recipe read(const Train &train);

private:
  void readClause(const Clause &clause);
  void readCount(const Clause &clause, int64_t &count);
  void readNumber(const Clause &clause, RecipeType type, double &number);
  void readCalls(const Clause &clause, const std::vector<RecipeCallKind> &known,
                 std::vector<RecipeCall> &calls);
  std::optional<RecipeCall> readCall(const std::string &clause, const Expr &item,
                                     const std::vector<RecipeCallKind> &known);
  bool readArguments(const RecipeCallKind &kind, const CallExpr &call, RecipeCall &out);
  /// `have`: the value in words, for a message.
  std::optional<RecipeValue> evaluate(const Expr &expr, std::string &have);
  void one(const Clause &clause, std::vector<RecipeCall> calls, RecipeCall &out);

  const Program &program;
  Diagnostics &diags;
  Recipe recipe;
};
} // namespace

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

bool RecipeReader::readArguments(const RecipeCallKind &kind, const CallExpr &call,
                                 RecipeCall &out) {
  std::vector<std::string> names, givenNames;
  for (const RecipeParam &param : kind.params)
    names.push_back(param.name);
  std::string takes = "it takes " + joinNames(names);
  size_t before = 0;
  bool named = false;
  for (const Argument &arg : call.args) {
    named = named || !arg.name.empty();
    // `sgd(nesterov)`: a bare word is a switch here as well.
    const auto *word = std::get_if<NameExpr>(&arg.value->node);
    auto toggle = std::find_if(kind.params.begin(), kind.params.end(), [&](const RecipeParam &p) {
      return word && arg.name.empty() && p.type == RecipeType::Flag && p.name == word->name;
    });
    std::string name = toggle != kind.params.end() ? toggle->name : arg.name;
    if (name.empty()) {
      if (named || before >= kind.params.size()) {
        diags
            .error(arg.value->range,
                   !named ? fmt::format("'{}' takes at most {} argument{}", kind.name,
                                        kind.params.size(), kind.params.size() == 1 ? "" : "s")
                          : std::string("a positional argument stands after a named one"))
            .suggest(takes);
        return false;
      }
      name = kind.params[before++].name;
    }
    auto param = std::find_if(kind.params.begin(), kind.params.end(),
                              [&](const RecipeParam &p) { return p.name == name; });
    if (param == kind.params.end()) {
      diags
          .error(arg.nameRange, fmt::format("'{}' has no argument '{}'{}", kind.name, name,
                                            didYouMean(name, names)))
          .suggest(takes);
      return false;
    }
    if (std::find(givenNames.begin(), givenNames.end(), name) != givenNames.end()) {
      diags.error(arg.nameRange,
                  fmt::format("argument '{}' of '{}' is given twice", name, kind.name));
      return false;
    }
    givenNames.push_back(name);
    std::string have;
    std::optional<RecipeValue> value =
        toggle != kind.params.end() ? RecipeValue{true} : evaluate(*arg.value, have);
    if (value && !fits(param->type, *value)) {
      diags.error(arg.value->range, fmt::format("'{}' of '{}' must be {}, have {}", param->name,
                                                kind.name, wantedFor(param->type), have));
      return false;
    }
    if (!value)
      return false;
    // Whoever reads the recipe finds every argument by its name.
    out.named.push_back({name, std::move(*value)});
  }
  auto isGiven = [&](const std::string &name) {
    return std::find(givenNames.begin(), givenNames.end(), name) != givenNames.end();
  };
  for (const RecipeParam &param : kind.params)
    if (param.required && !isGiven(param.name) && !isGiven(param.instead)) {
      diags
          .error(call.callee->range,
                 fmt::format("'{}' needs the argument '{}'", kind.name, param.name))
          .suggest(takes);
      return false;
    }
  return true;
}

/// `normalize(auto)`: computed from the training set.
static bool isAuto(const CallExpr &call) {
  const auto *word =
      call.args.size() == 1 ? std::get_if<NameExpr>(&call.args[0].value->node) : nullptr;
  return word && call.args[0].name.empty() && word->name == "auto";
}

std::optional<RecipeCall> RecipeReader::readCall(const std::string &clause, const Expr &item,
                                                 const std::vector<RecipeCallKind> &known) {
  CallExpr bare;
  const auto *call = std::get_if<CallExpr>(&item.node);
  const auto *name = std::get_if<NameExpr>(call ? &call->callee->node : &item.node);
  if (!name || (call && call->label)) {
    diags.error(item.range, fmt::format("'{}' takes calls like {}", clause, known[0].name));
    return std::nullopt;
  }
  auto kind = std::find_if(known.begin(), known.end(),
                           [&](const RecipeCallKind &k) { return k.name == name->name; });
  if (kind == known.end()) {
    std::vector<std::string> names;
    for (const RecipeCallKind &k : known)
      names.push_back(k.name);
    diags
        .error(item.range, fmt::format("'{}' knows no '{}'{}", clause, name->name,
                                       didYouMean(name->name, names)))
        .suggest("it knows " + joinNames(names));
    return std::nullopt;
  }
  RecipeCall out;
  out.name = kind->name;
  out.location = diags.locate(item.range);
  if (clause == "normalize" && call && isAuto(*call)) {
    out.args.push_back({std::string("auto")});
    return out;
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

void RecipeReader::readCalls(const Clause &clause, const std::vector<RecipeCallKind> &known,
                             std::vector<RecipeCall> &calls) {
  for (const Expr &item : clause.items)
    if (std::optional<RecipeCall> call = readCall(clause.name.name, item, known))
      calls.push_back(std::move(*call));
}

void RecipeReader::readCount(const Clause &clause, int64_t &count) {
  const std::string &name = clause.name.name;
  if (clause.items.size() != 1) {
    diags.error(clause.items[1].range, fmt::format("'{}' takes one integer", name));
    return;
  }
  std::string have;
  std::optional<RecipeValue> value = evaluate(clause.items[0], have);
  if (!value)
    return;
  const auto *integer = std::get_if<int64_t>(&value->value);
  if (integer && *integer >= 1 && *integer <= 1'000'000) {
    count = *integer;
    return;
  }
  diags
      .error(clause.items[0].range,
             fmt::format("'{}' must be an integer from 1 to 1000000, have {}", name, have))
      .suggest(name == "epochs" && std::holds_alternative<Iterations>(value->value)
                   ? "only points of the schedule may be iterations"
                   : "");
}

void RecipeReader::readNumber(const Clause &clause, RecipeType type, double &number) {
  const std::string &name = clause.name.name;
  if (clause.items.size() != 1) {
    diags.error(clause.items[1].range, fmt::format("'{}' takes one number", name));
    return;
  }
  std::string have;
  std::optional<RecipeValue> value = evaluate(clause.items[0], have);
  if (!value)
    return;
  if (fits(type, *value))
    number = *numberOf(*value);
  else
    diags.error(clause.items[0].range,
                fmt::format("'{}' must be {}, have {}", name, wantedFor(type), have));
}

/// For a clause that takes one call.
void RecipeReader::one(const Clause &clause, std::vector<RecipeCall> calls, RecipeCall &out) {
  if (clause.items.size() > 1)
    diags.error(clause.items[1].range, fmt::format("'{}' takes one call", clause.name.name));
  else if (!calls.empty())
    out = std::move(calls.front());
}

void RecipeReader::readClause(const Clause &clause) {
  const std::string &name = clause.name.name;
  if (name == "batch")
    return readCount(clause, recipe.batch);
  if (name == "epochs")
    return readCount(clause, recipe.epochs);
  if (name == "accumulate")
    return readCount(clause, recipe.accumulate);
  if (name == "clip_norm")
    return readNumber(clause, RecipeType::Positive, recipe.clipNorm);
  if (name == "ema")
    return readNumber(clause, RecipeType::Fraction, recipe.average);
  const std::vector<RecipeCallKind> *known = recipeCalls(name);
  if (!known) {
    diags
        .error(clause.name.range,
               fmt::format("a recipe has no '{}'{}", name, didYouMean(name, recipeClauses())))
        .suggest("its clauses are " + joinNames(recipeClauses()));
    return;
  }
  std::vector<RecipeCall> calls;
  readCalls(clause, *known, calls);
  if (name == "augment")
    recipe.augment = std::move(calls);
  else if (name == "eval")
    recipe.eval = std::move(calls);
  else if (name == "schedule")
    recipe.schedule = std::move(calls);
  else if (name == "normalize")
    recipe.normalize = std::move(calls);
  else if (name == "loss")
    one(clause, std::move(calls), recipe.loss);
  else
    one(clause, std::move(calls), recipe.optimizer);
}

static RecipeCall defaultOptimizer() {
  RecipeCall call;
  call.name = "sgd";
  call.named = {{"lr", {0.05}}, {"momentum", {0.9}}, {"weight_decay", {1e-4}}};
  return call;
}

static Recipe defaultRecipe() {
  Recipe recipe;
  recipe.loss.name = "cross_entropy";
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
      Range normalize;
      for (const Clause &clause : train.clauses)
        if (clause.name.name == "normalize")
          normalize = clause.name.range;
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
        result.push_back({def, recipe, target.range, normalize, own});
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
  normalize.args.push_back({std::string("auto")});
  return normalize;
}

/// For how many channels a list is written; a number, or a list of one, is for all.
static int64_t channelsOf(const RecipeValue &value) {
  const auto *list = std::get_if<RecipeList>(&value.value);
  return list ? static_cast<int64_t>(list->size()) : 1;
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
  for (const auto &[name, value] : recipe.normalize.front().named) {
    int64_t given = channelsOf(value);
    if (given == 1 || given == channels)
      continue;
    std::string what = fmt::format("'{}' of 'normalize' has {} values, the input has {} channel{}",
                                   name, given, channels, channels == 1 ? "" : "s");
    if (overridden) {
      diags.warning(written->normalize, what + ": the training set's own are computed instead");
      recipe.normalize.front() = automaticNormalization();
    } else {
      diags.error(written->normalize, what)
          .suggest("give a number a channel, one number for all, or normalize(auto)");
    }
    break;
  }
  return recipe;
}

} // namespace netc::frontend
