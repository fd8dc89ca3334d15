//===- EmitRecipe.cpp - recipes as the executable reads them --------------===//
#include "frontend/emit/EmitRecipe.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace netc::frontend;
namespace recipe = netc::recipe;
namespace json = llvm::json;

static json::Value toJson(const RecipeValue &value) {
  return std::visit(
      [](const auto &v) -> json::Value {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, Iterations>) {
          return json::Object{{"iterations", v.count}};
        } else if constexpr (std::is_same_v<T, RecipeList>) {
          json::Array list;
          for (const RecipeValue &element : v)
            list.push_back(toJson(element));
          return list;
        } else {
          return v;
        }
      },
      value.value);
}

static json::Value toJson(const RecipeCall &call) {
  json::Array args;
  for (const RecipeValue &value : call.args)
    args.push_back(toJson(value));
  json::Object named;
  for (const auto &[name, value] : call.named)
    named[name] = toJson(value);
  return json::Object{{"name", call.name}, {"args", std::move(args)}, {"named", std::move(named)}};
}

static json::Value toJson(const std::vector<RecipeCall> &calls) {
  json::Array list;
  for (const RecipeCall &call : calls)
    list.push_back(toJson(call));
  return list;
}

static bool isTrue(const RecipeValue *value) {
  const bool *flag = value ? std::get_if<bool>(&value->value) : nullptr;
  return flag && *flag;
}

/// One number stands for all channels.
static json::Value asList(const RecipeValue &value) {
  if (std::holds_alternative<RecipeList>(value.value))
    return toJson(value);
  return json::Array{toJson(value)};
}

/// normalize(auto), normalize(mean=…, std=…, scale=…, order=…), or null.
static json::Value normalizeJson(const Recipe &recipe) {
  if (recipe.normalize.empty())
    return nullptr;
  const RecipeCall &call = recipe.normalize.front();
  const RecipeValue *mean = recipe::find(call.named, "mean"),
                    *std = recipe::find(call.named, "std");
  json::Object result{{"auto", !mean || !std}};
  if (mean)
    result["mean"] = asList(*mean);
  if (std)
    result["std"] = asList(*std);
  for (const char *name : {"scale", "order"})
    if (const RecipeValue *value = recipe::find(call.named, name))
      result[name] = toJson(*value);
  return result;
}

/// The term whose arguments the command line may change: a cross entropy, if there is one.
static const LossTerm &mainLoss(const Recipe &recipe) {
  for (const LossTerm &term : recipe.losses)
    if (term.call.name == "cross_entropy" || term.call.name == "bce")
      return term;
  return recipe.losses.front();
}

static json::Array lossesJson(const Recipe &recipe) {
  json::Array terms;
  for (const LossTerm &term : recipe.losses)
    terms.push_back(json::Object{
        {"output", term.output}, {"weight", term.weight}, {"loss", toJson(term.call)}});
  return terms;
}

std::string netc::frontend::recipeJson(const Recipe &recipe) {
  json::Value value = json::Object{{"written", recipe.written},
                                   {"augment", toJson(recipe.augment)},
                                   {"eval", toJson(recipe.eval)},
                                   {"normalize", normalizeJson(recipe)},
                                   {"loss", toJson(mainLoss(recipe).call)},
                                   {"optimizer", toJson(recipe.optimizer)},
                                   {"schedule", toJson(recipe.schedule)},
                                   {"clip_norm", recipe.clipNorm},
                                   {"accumulate", recipe.accumulate},
                                   {"shards", recipe.shards},
                                   {"ema", recipe.average},
                                   {"batch", recipe.batch},
                                   {"epochs", recipe.epochs}};
  // One loss of weight 1 is whole in "loss".
  if (recipe.losses.size() > 1 || recipe.losses.front().weight != 1)
    (*value.getAsObject())["losses"] = lossesJson(recipe);
  std::string text;
  llvm::raw_string_ostream(text) << value;
  return text;
}

double netc::frontend::labelSmoothing(const Recipe &recipe) {
  const RecipeValue *value = recipe::find(mainLoss(recipe).call.named, "label_smoothing");
  return value ? recipe::numberOf(*value).value_or(0) : 0;
}

bool netc::frontend::usesNesterov(const Recipe &recipe) {
  return isTrue(recipe::find(recipe.optimizer.named, "nesterov"));
}

bool netc::frontend::mixesImages(const Recipe &recipe) {
  return llvm::any_of(recipe.augment, [](const RecipeCall &call) {
    return call.name == "mixup" || call.name == "cutmix";
  });
}
