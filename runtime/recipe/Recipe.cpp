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
    {"vflip", TransformKind::VerticalFlip},
    {"random_rotation", TransformKind::RandomRotation},
    {"random_affine", TransformKind::RandomAffine},
    {"rand_augment", TransformKind::RandAugment},
    {"trivial_augment", TransformKind::TrivialAugment},
    {"auto_augment", TransformKind::AutoAugment},
    {"grayscale", TransformKind::Grayscale},
    {"gaussian_blur", TransformKind::GaussianBlur},
    {"repeated", TransformKind::Repeated},
};

static constexpr struct {
  const char *name;
  ScheduleKind kind;
} scheduleNames[] = {
    {"constant", ScheduleKind::Constant}, {"step", ScheduleKind::Step},
    {"cosine", ScheduleKind::Cosine},     {"poly", ScheduleKind::Polynomial},
    {"linear", ScheduleKind::Polynomial}, {"exponential", ScheduleKind::Exponential},
    {"plateau", ScheduleKind::Plateau},   {"warmup", ScheduleKind::Warmup},
};

/// The kind of a call that the recipes' table has.
template <typename Table> static auto kindOf(const Table &table, const RecipeCall &call) {
  for (const auto &entry : table)
    if (call.name() == entry.name)
      return entry.kind;
  call.reject("this runtime does not know it");
}

bool Recipe::hasTransform(TransformKind kind) const {
  return std::any_of(augment.begin(), augment.end(),
                     [&](const Transform &transform) { return transform.kind == kind; });
}

/// The nearest step; one beyond all runs stays there.
static int64_t nearestStep(double step) {
  constexpr double most = 0x1p62;
  return step < most ? std::llround(step) : int64_t(most);
}

int64_t SchedulePoint::toStep(int64_t stepsPerEpoch, int64_t totalSteps) const {
  switch (unit) {
  case Unit::Epochs:
    return nearestStep(value * double(stepsPerEpoch));
  case Unit::Iterations:
    return nearestStep(value);
  case Unit::Fraction:
    return nearestStep(value * double(totalSteps));
  }
  __builtin_unreachable();
}

static Transform parseTransform(const Json &json, const char *clause) {
  RecipeCall call(json, clause);
  Transform transform;
  transform.kind = kindOf(transformNames, call);
  auto readSize = [&](bool square) {
    auto [height, width] = call.size("size", square);
    transform.height = height;
    transform.width = width;
  };
  switch (transform.kind) {
  case TransformKind::RandomCrop:
    readSize(true);
    transform.pad = call.integer("pad");
    break;
  case TransformKind::RandomResizedCrop:
    readSize(true);
    transform.area = call.bounds("scale");
    transform.ratio = call.bounds("ratio");
    break;
  case TransformKind::Resize:
    readSize(false);
    transform.bicubic = call.flag("bicubic");
    break;
  case TransformKind::CenterCrop:
  case TransformKind::TenCrop:
    readSize(true);
    break;
  case TransformKind::HorizontalFlip:
  case TransformKind::VerticalFlip:
  case TransformKind::Grayscale:
    transform.probability = call.number("p");
    break;
  case TransformKind::GaussianBlur:
    transform.probability = call.number("p");
    transform.area = call.bounds("sigma");
    break;
  case TransformKind::RandomRotation:
    transform.degrees = call.interval("degrees");
    break;
  case TransformKind::RandomAffine: {
    transform.degrees = call.interval("degrees");
    transform.area = call.bounds("scale");
    transform.shear = call.interval("shear");
    std::vector<float> shares = call.numbers("translate");
    if (shares.size() == 2)
      transform.translate = {double(shares[0]), double(shares[1])};
    break;
  }
  case TransformKind::RandAugment:
    transform.count = call.integer("n");
    transform.strength = call.number("m");
    break;
  case TransformKind::TrivialAugment:
    break;
  case TransformKind::AutoAugment:
    call.flag("imagenet"); // the policy that there is
    break;
  case TransformKind::Repeated:
    transform.count = call.integer("n");
    break;
  case TransformKind::ColorJitter:
    transform.color = {call.number("brightness"), call.number("contrast"),
                       call.number("saturation"), call.number("hue")};
    break;
  case TransformKind::PcaJitter:
    transform.strength = call.number("std");
    transform.values = call.numbers("values");
    transform.vectors = call.numbers("vectors");
    break;
  case TransformKind::RandomErasing:
    transform.probability = call.number("p");
    transform.area = call.bounds("scale");
    transform.ratio = call.bounds("ratio");
    break;
  case TransformKind::SubtractMean:
    transform.perPixel = call.flag("pixel");
    call.flag("channel"); // the default
    break;
  case TransformKind::Mixup:
  case TransformKind::Cutmix:
    transform.strength = call.number("alpha");
    break;
  }
  call.finish();
  return transform;
}

static ScheduleStage parseStage(const Json &json) {
  RecipeCall call(json, "schedule");
  ScheduleStage stage;
  stage.kind = kindOf(scheduleNames, call);
  switch (stage.kind) {
  case ScheduleKind::Constant:
    break;
  case ScheduleKind::Step:
    stage.at = call.points("at");
    stage.factor = call.number("factor");
    stage.every = call.point("every");
    break;
  case ScheduleKind::Cosine:
    stage.floor = call.number("to");
    stage.every = call.point("cycle");
    break;
  case ScheduleKind::Polynomial:
    stage.power = call.name() == "poly" ? call.number("power") : 1;
    stage.floor = call.number("to");
    break;
  case ScheduleKind::Exponential:
    stage.factor = call.number("factor");
    break;
  case ScheduleKind::Plateau:
    stage.factor = call.number("factor");
    stage.patience = call.integer("patience");
    stage.floor = call.number("min");
    break;
  case ScheduleKind::Warmup:
    stage.length = *call.point("length");
    stage.from = call.number("from");
    stage.flat = call.flag("flat");
    break;
  }
  call.finish();
  return stage;
}

/// Warns where the values are of pixels from 0 to 255 and pixels are from 0 to 1, or the reverse.
static void checkRange(const Normalization &normalize, double scale) {
  auto most = [](const std::vector<float> &list) {
    return list.empty() ? 0.0 : double(*std::max_element(list.begin(), list.end()));
  };
  double mean = most(normalize.mean), std = most(normalize.std);
  if (mean > scale || std > 16 * scale)
    warn(fmt::format("recipe: normalize: mean {} and std {} are beyond pixels from 0 to {}{}", mean,
                     std, scale, scale == 1 ? "; with scale=255 pixels are from 0 to 255" : ""));
  else if (scale > 16 && mean > 0 && mean <= 1 && std < 1)
    warn(
        fmt::format("recipe: normalize: mean {} and std {} are of pixels from 0 to 1, but scale={} "
                    "makes them 0 to {}",
                    mean, std, scale, scale));
}

static Normalization parseNormalization(const Json &json) {
  Normalization result;
  if (json.is_null())
    return result;
  std::string order = json.value("order", "rgb");
  if (!recipe::fits(recipe::Type::Order, recipe::Value{order}))
    fail("recipe: normalize: order is {}, expected {}", order, recipe::wanted(recipe::Type::Order));
  result.bgr = order == "bgr";
  result.automatic = json.value("auto", false);
  if (result.automatic)
    return result;
  result.mean = json.value("mean", std::vector<float>());
  result.std = json.value("std", std::vector<float>());
  double scale = json.value("scale", 1.0);
  if (!(scale > 0))
    fail("recipe: normalize: scale is {}, expected more than 0", scale);
  checkRange(result, scale);
  if (scale != 1)
    for (std::vector<float> *list : {&result.mean, &result.std})
      for (float &value : *list)
        value = float(double(value) / scale);
  return result;
}

static void checkNormalization(const Normalization &normalize, int channels) {
  for (const auto *list : {&normalize.mean, &normalize.std})
    if (!list->empty() && list->size() != 1 && int(list->size()) != channels)
      fail("recipe: normalize has {} values, the input has {} channels", list->size(), channels);
  if (normalize.mean.empty() != normalize.std.empty())
    fail("recipe: normalize expects both mean and std");
  for (float value : normalize.mean)
    if (!std::isfinite(value))
      fail("recipe: normalize: mean is {}, expected finite numbers", value);
  for (float value : normalize.std)
    if (!(value > 0) || !std::isfinite(value))
      fail("recipe: normalize: std is {}, expected more than 0", value);
}

/// As written, with what the command line changed.
static Json effectiveJson(const ModelInfo &info, Json json, const Recipe &recipe) {
  Json result;
  result["model"] = info.name;
  for (const char *field :
       {"augment", "eval", "normalize", "loss", "losses", "optimizer", "schedule"})
    if (json.contains(field))
      result[field] = json[field];
  result["optimizer"]["name"] = recipe.optimizer;
  result["optimizer"]["args"] = Json::array();
  result["optimizer"]["named"]["lr"] = recipe.lr;
  bool adaptive = recipe.hasMoments(), scales = recipe.optimizer == "rmsprop";
  result["optimizer"]["named"][adaptive ? "beta1" : "momentum"] = recipe.momentum;
  result["optimizer"]["named"]["weight_decay"] = recipe.weightDecay;
  if (adaptive || scales) {
    result["optimizer"]["named"][adaptive ? "beta2" : "alpha"] = recipe.beta2;
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
  if (recipe.shards > 1)
    result["shards"] = recipe.shards;
  if (recipe.average > 0)
    result["ema"] = recipe.average;
  if (!recipe.freeze.empty())
    result["freeze"] = recipe.freeze;
  if (!recipe.freezeBatchNorm.empty())
    result["freeze_bn"] = recipe.freezeBatchNorm;
  for (const auto &[pattern, rate] : recipe.ownRates)
    result["lr_for"][pattern] = rate;
  result["batch"] = recipe.batch;
  result["epochs"] = recipe.epochs;
  result["seed"] = recipe.seed;
  result["limit"] = recipe.limit;
  if (recipe.validationLimit)
    result["val_limit"] = recipe.validationLimit;
  return result;
}

/// The kind of optimizer, and `nesterov`, are compiled into the update.
static void parseOptimizer(const Json &json, Recipe &recipe) {
  RecipeCall call(json, "optimizer");
  recipe.optimizer = call.name();
  bool adaptive = recipe.hasMoments(), scales = recipe.optimizer == "rmsprop";
  recipe.lr = call.number("lr");
  recipe.momentum = call.number(adaptive ? "beta1" : "momentum");
  if (adaptive || scales) {
    recipe.beta2 = call.number(adaptive ? "beta2" : "alpha");
    recipe.epsilon = call.number("eps");
  }
  recipe.normDecay = call.optionalNumber("norm_decay");
  recipe.biasDecay = call.optionalNumber("bias_decay");
  if (recipe.optimizer == "lars")
    recipe.trust = call.number("trust");
  recipe.weightDecay = call.number("weight_decay");
  recipe.decayWeightsOnly = call.flag("decay_weights_only");
  if (recipe.optimizer == "sgd")
    call.flag("nesterov");
  call.finish();
}

static void parseLoss(Json json, Recipe &recipe) {
  if (!json.contains("name"))
    json["name"] = "cross_entropy";
  RecipeCall call(json, "loss");
  if (call.name() == "cross_entropy" || call.name() == "bce")
    recipe.labelSmoothing = call.number("label_smoothing");
  for (const char *compiledIn : {"ignore", "threshold", "smooth"})
    if (call.takes(compiledIn))
      call.optionalNumber(compiledIn);
  call.finish();
}

/// The value of a clause that takes a number; `otherwise` where it is absent.
static double parseNumber(const Json &json, const char *clause, double otherwise) {
  auto found = json.find(clause);
  if (found == json.end())
    return otherwise;
  if (std::string_view wanted = refusal(*recipe::findClause(clause), *found); !wanted.empty())
    fail("recipe: {} is {}, expected {}", clause, found->dump(), wanted);
  return found->get<double>();
}

static Recipe parse(const ModelInfo &info, const RecipeOverrides &overrides) {
  Json json = Json::parse(info.recipe);
  for (const std::string &text : overrides.set)
    applyOverride(json, text, overrides.addsEvaluation);
  Recipe recipe;
  recipe.written = json.value("written", false);
  for (const Json &call : json.value("augment", Json::array()))
    recipe.augment.push_back(parseTransform(call, "augment"));
  for (const Json &call : json.value("eval", Json::array()))
    recipe.eval.push_back(parseTransform(call, "eval"));
  if (json.contains("normalize"))
    recipe.normalize = parseNormalization(json["normalize"]);
  for (const std::string &text : overrides.set) {
    recipe.normalize.orderSet |= text.starts_with("normalize.order=");
    recipe.normalize.valuesSet |= text.starts_with("normalize.mean=") ||
                                  text.starts_with("normalize.std=") ||
                                  text.starts_with("normalize.scale=");
  }
  checkNormalization(recipe.normalize, info.channels);
  if (json.contains("optimizer"))
    parseOptimizer(json["optimizer"], recipe);
  for (const Json &call : json.value("schedule", Json::array()))
    recipe.schedule.push_back(parseStage(call));
  if (json.contains("loss"))
    parseLoss(json["loss"], recipe);
  recipe.batch = overrides.batch.value_or(int64_t(parseNumber(json, "batch", recipe.batch)));
  recipe.epochs = overrides.epochs.value_or(int64_t(parseNumber(json, "epochs", recipe.epochs)));
  recipe.labelSmoothing = overrides.labelSmoothing.value_or(recipe.labelSmoothing);
  bool scores = info.losses.empty() ||
                std::any_of(info.losses.begin(), info.losses.end(), [](const LossInfo &loss) {
                  return loss.kind == LossKind::CrossEntropy || loss.kind == LossKind::Bce;
                });
  if (recipe.labelSmoothing > 0 && !scores)
    fail("recipe: label_smoothing {}, but no loss of {} is a cross entropy", recipe.labelSmoothing,
         info.name);
  recipe.clipNorm = overrides.clipNorm.value_or(parseNumber(json, "clip_norm", 0));
  recipe.accumulate = overrides.accumulate.value_or(int64_t(parseNumber(json, "accumulate", 1)));
  recipe.average = parseNumber(json, "ema", 0);
  recipe.lr = overrides.lr.value_or(recipe.lr);
  recipe.momentum = overrides.momentum.value_or(recipe.momentum);
  if (recipe.momentum >= 1 && recipe.hasMoments())
    fail("--momentum {}: Adam's beta1 is less than 1", recipe.momentum);
  recipe.weightDecay = overrides.weightDecay.value_or(recipe.weightDecay);
  recipe.freeze = overrides.freeze;
  recipe.freezeBatchNorm = overrides.freezeBatchNorm;
  recipe.ownRates = overrides.ownRates;
  recipe.seed = overrides.seed;
  recipe.shards = overrides.shards.value_or(int64_t(parseNumber(json, "shards", 1)));
  recipe.limit = overrides.limit;
  recipe.validationLimit = overrides.validationLimit;
  if (recipe.accumulate < 1 || !(recipe.clipNorm >= 0))
    fail("recipe: accumulate {} and clip_norm {}, expected at least 1 and 0", recipe.accumulate,
         recipe.clipNorm);
  if (recipe.batch < 1 || recipe.epochs < 0)
    fail("recipe: batch {} and epochs {}, expected at least 1 and 0", recipe.batch, recipe.epochs);
  if (recipe.shards < 1 || recipe.batch % recipe.shards)
    fail("recipe: batch {} cannot be cut into {} equal shards: choose a number that divides it, "
         "with --shards or --batch",
         recipe.batch, recipe.shards);
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
