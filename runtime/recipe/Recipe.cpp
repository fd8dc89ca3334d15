//===- Recipe.cpp - how a model is trained, as written --------------------===//
#include "runtime/recipe/Recipe.h"

#include "runtime/base/Error.h"
#include "runtime/recipe/RecipeCall.h"
#include "runtime/recipe/RecipeOverride.h"

#include <algorithm>
#include <cmath>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

static constexpr struct {
  const char *name;
  TransformKind kind;
} transformNames[] = {
    {"random_crop", TransformKind::RandomCrop},
    {"random_resized_crop", TransformKind::RandomResizedCrop},
    {"hflip", TransformKind::HorizontalFlip},
    {"resize", TransformKind::Resize},
    {"center_crop", TransformKind::CenterCrop},
    {"ten_crop", TransformKind::TenCrop},
    {"color_jitter", TransformKind::ColorJitter},
    {"pca_jitter", TransformKind::PcaJitter},
    {"random_erasing", TransformKind::RandomErasing},
    {"subtract_mean", TransformKind::SubtractMean},
    {"mixup", TransformKind::Mixup},
    {"cutmix", TransformKind::Cutmix},
};

static constexpr struct {
  const char *name;
  ScheduleKind kind;
} scheduleNames[] = {
    {"constant", ScheduleKind::Constant},       {"step", ScheduleKind::Step},
    {"cosine", ScheduleKind::Cosine},           {"poly", ScheduleKind::Polynomial},
    {"polynomial", ScheduleKind::Polynomial},   {"linear", ScheduleKind::Polynomial},
    {"exponential", ScheduleKind::Exponential}, {"plateau", ScheduleKind::Plateau},
    {"warmup", ScheduleKind::Warmup},
};

template <typename Table> static std::string names(const Table &table) {
  std::string text;
  for (const auto &entry : table)
    text += (text.empty() ? "" : ", ") + std::string(entry.name);
  return text;
}

bool Recipe::hasTransform(TransformKind kind) const {
  return std::any_of(augment.begin(), augment.end(),
                     [&](const Transform &transform) { return transform.kind == kind; });
}

int64_t SchedulePoint::toStep(int64_t stepsPerEpoch, int64_t totalSteps) const {
  switch (unit) {
  case Unit::Epochs:
    return std::llround(value * double(stepsPerEpoch));
  case Unit::Iterations:
    return std::llround(value);
  case Unit::Fraction:
    return std::llround(value * double(totalSteps));
  }
  __builtin_unreachable();
}

static Transform parseTransform(const Json &json, const char *room) {
  RecipeCall call(json, room);
  auto known = std::find_if(std::begin(transformNames), std::end(transformNames),
                            [&](const auto &entry) { return call.name() == entry.name; });
  if (known == std::end(transformNames))
    call.reject(fmt::format("unknown, expected one of {}", names(transformNames)));

  Transform transform;
  transform.kind = known->kind;
  auto readSize = [&](bool square) {
    auto [height, width] = call.size("size", 0, square);
    transform.height = height;
    transform.width = width;
  };
  switch (transform.kind) {
  case TransformKind::RandomCrop:
    readSize(true);
    transform.pad = call.integer("pad", 1, 0);
    break;
  case TransformKind::RandomResizedCrop:
    readSize(true);
    transform.area = call.bounds("scale", 1, {0.08, 1.0});
    transform.ratio = call.bounds("ratio", 2, {3.0 / 4, 4.0 / 3});
    break;
  case TransformKind::Resize:
    readSize(false);
    break;
  case TransformKind::CenterCrop:
  case TransformKind::TenCrop:
    readSize(true);
    break;
  case TransformKind::HorizontalFlip:
    transform.probability = call.number("p", 0, 0.5);
    break;
  case TransformKind::ColorJitter: {
    static constexpr const char *parts[] = {"brightness", "contrast", "saturation", "hue"};
    for (int i = 0; i < 4; ++i)
      transform.color[size_t(i)] = call.number(parts[i], i, 0);
    if (transform.color[3] > 0.5)
      call.reject("hue is a fraction of the circle, at most 0.5");
    break;
  }
  case TransformKind::PcaJitter:
    transform.strength = call.number("std", 0, 0.1);
    transform.values = call.numbers("values", 1);
    transform.vectors = call.numbers("vectors", 2);
    if (transform.values.empty() != transform.vectors.empty() ||
        transform.vectors.size() != transform.values.size() * transform.values.size())
      call.reject("expected n values with n vectors of n numbers, or neither");
    break;
  case TransformKind::RandomErasing:
    transform.probability = call.number("p", 0, 0.5);
    transform.area = call.bounds("scale", 1, {0.02, 0.33});
    transform.ratio = call.bounds("ratio", 2, {0.3, 3.3});
    break;
  case TransformKind::SubtractMean:
    transform.perPixel = call.flag("pixel");
    call.flag("channel");
    break;
  case TransformKind::Mixup:
    transform.strength = call.number("alpha", 0, 0.2);
    break;
  case TransformKind::Cutmix:
    transform.strength = call.number("alpha", 0, 1.0);
    break;
  }
  bool mixes = transform.kind == TransformKind::Mixup || transform.kind == TransformKind::Cutmix;
  if (mixes && transform.strength <= 0)
    call.reject("alpha must be positive");
  if (transform.probability < 0 || transform.probability > 1)
    call.reject(fmt::format("p is {}, expected 0 to 1", transform.probability));
  if (transform.pad < 0)
    call.reject("pad must not be negative");
  call.finish();
  return transform;
}

static ScheduleStage parseStage(const Json &json) {
  RecipeCall call(json, "schedule");
  auto known = std::find_if(std::begin(scheduleNames), std::end(scheduleNames),
                            [&](const auto &entry) { return call.name() == entry.name; });
  if (known == std::end(scheduleNames))
    call.reject(fmt::format("unknown, expected one of {}", names(scheduleNames)));
  ScheduleStage stage;
  stage.kind = known->kind;
  switch (stage.kind) {
  case ScheduleKind::Constant:
    break;
  case ScheduleKind::Step:
    stage.at = call.points("at", 0);
    stage.factor = call.number("factor", 1, 0.1);
    stage.every = call.point("every", -1);
    if (stage.at.empty() && !stage.every)
      call.reject("expected at=[…] or every=…");
    break;
  case ScheduleKind::Cosine:
    stage.floor = call.number("to", 0, call.number("min", -1, 0));
    break;
  case ScheduleKind::Polynomial:
    stage.power = call.number("power", 0, 1);
    stage.floor = call.number("to", 1, call.number("min", -1, 0));
    break;
  case ScheduleKind::Exponential:
    stage.factor = call.number("factor", 0, 0.95);
    break;
  case ScheduleKind::Plateau:
    stage.factor = call.number("factor", 0, 0.1);
    stage.patience = call.integer("patience", 1, 5);
    if (stage.patience < 1)
      call.reject("patience is 0, expected an integer from 1 on");
    stage.floor = call.number("min", 2, 0);
    break;
  case ScheduleKind::Warmup: {
    auto length = call.point("length", 0);
    for (const char *word : {"epochs", "until"})
      if (auto other = call.point(word, -1))
        length = other;
    if (!length)
      call.reject("expected how long: warmup(5), in epochs, or warmup(1k), in iterations");
    stage.length = *length;
    stage.from = call.number("from", 1, 0);
    stage.flat = call.flag("flat");
    break;
  }
  }
  call.finish();
  return stage;
}

static Normalization parseNormalization(const Json &json) {
  Normalization result;
  if (json.is_null())
    return result;
  result.automatic = json.value("auto", false);
  if (result.automatic)
    return result;
  result.mean = json.value("mean", std::vector<float>());
  result.std = json.value("std", std::vector<float>());
  return result;
}

static void checkNormalization(const Normalization &normalize, int channels) {
  for (const auto *list : {&normalize.mean, &normalize.std})
    if (!list->empty() && list->size() != 1 && int(list->size()) != channels)
      fail("recipe: normalize has {} values, the input has {} channels", list->size(), channels);
  if (normalize.mean.empty() != normalize.std.empty())
    fail("recipe: normalize expects both mean and std");
  for (float value : normalize.std)
    if (!(value > 0))
      fail("recipe: normalize: std is {}, expected more than 0", value);
}

/// As written, with what the command line changed.
static Json effectiveJson(const ModelInfo &info, Json json, const Recipe &recipe) {
  Json result;
  result["model"] = info.name;
  for (const char *field : {"augment", "eval", "normalize", "loss", "optimizer", "schedule"})
    if (json.contains(field))
      result[field] = json[field];
  result["optimizer"]["name"] = recipe.optimizer;
  result["optimizer"]["args"] = Json::array();
  result["optimizer"]["named"]["lr"] = recipe.lr;
  bool adaptive = recipe.optimizer == "adam" || recipe.optimizer == "adamw";
  result["optimizer"]["named"][adaptive ? "beta1" : "momentum"] = recipe.momentum;
  result["optimizer"]["named"]["weight_decay"] = recipe.weightDecay;
  if (adaptive) {
    result["optimizer"]["named"]["beta2"] = recipe.beta2;
    result["optimizer"]["named"]["eps"] = recipe.epsilon;
  }
  if (recipe.optimizer == "lars")
    result["optimizer"]["named"]["trust"] = recipe.trust;
  if (recipe.labelSmoothing > 0)
    result["loss"]["named"]["label_smoothing"] = recipe.labelSmoothing;
  else if (result.contains("loss") && result["loss"].contains("named"))
    result["loss"]["named"].erase("label_smoothing");
  if (recipe.clipNorm > 0)
    result["clip_norm"] = recipe.clipNorm;
  if (recipe.accumulate > 1)
    result["accumulate"] = recipe.accumulate;
  if (recipe.average > 0)
    result["ema"] = recipe.average;
  if (!recipe.freeze.empty())
    result["freeze"] = recipe.freeze;
  for (const auto &[pattern, rate] : recipe.ownRates)
    result["lr_for"][pattern] = rate;
  result["batch"] = recipe.batch;
  result["epochs"] = recipe.epochs;
  result["seed"] = recipe.seed;
  result["limit"] = recipe.limit;
  return result;
}

/// The kind of optimizer, and `nesterov`, are compiled into the update.
static void parseOptimizer(const Json &json, Recipe &recipe) {
  RecipeCall call(json, "optimizer");
  recipe.optimizer = call.name();
  bool adaptive = recipe.optimizer == "adam" || recipe.optimizer == "adamw";
  recipe.lr = call.number("lr", 0, adaptive ? 0.001 : recipe.lr);
  recipe.momentum = adaptive ? call.number("beta1", -1, 0.9)
                             : call.number("momentum", 1, recipe.optimizer == "lars" ? 0.9 : 0);
  if (adaptive) {
    recipe.beta2 = call.number("beta2", -1, recipe.beta2);
    recipe.epsilon = call.number("eps", -1, recipe.epsilon);
  }
  if (recipe.optimizer == "lars")
    recipe.trust = call.number("trust", -1, recipe.trust);
  recipe.weightDecay = call.number("weight_decay", -1, recipe.optimizer == "adamw" ? 0.01 : 0);
  recipe.decayWeightsOnly = call.flag("decay_weights_only");
  call.flag("nesterov"); // compiled in
  call.finish();
  if (adaptive && recipe.momentum >= 1)
    call.reject(fmt::format("beta1 is {}, expected less than 1", recipe.momentum));
  if (recipe.beta2 >= 1)
    call.reject(fmt::format("beta2 is {}, expected less than 1", recipe.beta2));
}

static Recipe parse(const ModelInfo &info, const RecipeOverrides &overrides) {
  Json json = Json::parse(info.recipe);
  for (const std::string &text : overrides.set)
    applyOverride(json, text);
  Recipe recipe;
  recipe.written = json.value("written", false);
  for (const Json &call : json.value("augment", Json::array()))
    recipe.augment.push_back(parseTransform(call, "augment"));
  for (const Json &call : json.value("eval", Json::array()))
    recipe.eval.push_back(parseTransform(call, "eval"));
  if (json.contains("normalize"))
    recipe.normalize = parseNormalization(json["normalize"]);
  checkNormalization(recipe.normalize, info.channels);
  if (json.contains("optimizer"))
    parseOptimizer(json["optimizer"], recipe);
  for (const Json &call : json.value("schedule", Json::array()))
    recipe.schedule.push_back(parseStage(call));
  recipe.batch = overrides.batch.value_or(json.value("batch", recipe.batch));
  recipe.epochs = overrides.epochs.value_or(json.value("epochs", recipe.epochs));
  recipe.labelSmoothing = overrides.labelSmoothing.value_or(
      json.value("/loss/named/label_smoothing"_json_pointer, 0.0));
  if (!(recipe.labelSmoothing >= 0 && recipe.labelSmoothing <= 1))
    fail("recipe: label_smoothing {}, expected 0 to 1", recipe.labelSmoothing);
  recipe.clipNorm = overrides.clipNorm.value_or(json.value("clip_norm", 0.0));
  recipe.accumulate = overrides.accumulate.value_or(json.value("accumulate", int64_t(1)));
  recipe.average = json.value("ema", 0.0);
  recipe.lr = overrides.lr.value_or(recipe.lr);
  recipe.momentum = overrides.momentum.value_or(recipe.momentum);
  if (recipe.momentum >= 1 && recipe.optimizer.starts_with("adam"))
    fail("--momentum {}: Adam's beta1 is less than 1", recipe.momentum);
  recipe.weightDecay = overrides.weightDecay.value_or(recipe.weightDecay);
  recipe.freeze = overrides.freeze;
  recipe.ownRates = overrides.ownRates;
  recipe.seed = overrides.seed;
  recipe.limit = overrides.limit;
  if (recipe.accumulate < 1 || !(recipe.clipNorm >= 0))
    fail("recipe: accumulate {} and clip_norm {}, expected at least 1 and 0", recipe.accumulate,
         recipe.clipNorm);
  if (recipe.batch < 1 || recipe.epochs < 0)
    fail("recipe: batch {} and epochs {}, expected at least 1 and 0", recipe.batch, recipe.epochs);
  recipe.effective = effectiveJson(info, json, recipe).dump(2) + "\n";
  return recipe;
}

Recipe parseRecipe(const ModelInfo &info, const RecipeOverrides &overrides) {
  try {
    return parse(info, overrides);
  } catch (const Error &error) {
    if (overrides.set.empty() && !overrides.momentum)
      throw;
    throw UsageError(error.what()); // what was compiled has been checked
  } catch (const nlohmann::json::exception &error) {
    fail("executable is damaged: its recipe does not parse: {}", error.what());
  }
}

int64_t recipeEpochs(const std::string &effective) {
  return Json::parse(effective).value("epochs", int64_t(0));
}

/// Calls differ by arguments, which are named one by one; everything else is shown whole.
static void compareValues(const std::string &what, const Json &was, const Json &is,
                          std::string &text) {
  if (was == is)
    return;
  auto isCall = [](const Json &value) { return value.is_object() && value.contains("named"); };
  if (isCall(was) && isCall(is) && was["name"] == is["name"] && was["named"] != is["named"]) {
    Json arguments = was["named"];
    arguments.update(is["named"]);
    for (const auto &[name, value] : arguments.items())
      compareValues(name, was["named"].value(name, Json()), is["named"].value(name, Json()), text);
    return;
  }
  auto show = [](const Json &value) {
    return value.is_null() ? std::string("none") : value.dump();
  };
  text += fmt::format("{}{} was {}, is {}", text.empty() ? "" : "; ", what, show(was), show(is));
}

std::string compareRecipes(const std::string &before, const std::string &now, bool ignoreEpochs) {
  Json old = Json::parse(before), current = Json::parse(now);
  std::string text;
  Json fields = old; // what only one of them says counts too
  fields.update(current);
  for (const auto &[field, value] : fields.items())
    if (!ignoreEpochs || field != "epochs")
      compareValues(field, old.value(field, Json()), current.value(field, Json()), text);
  return text;
}

} // namespace netc::runtime
