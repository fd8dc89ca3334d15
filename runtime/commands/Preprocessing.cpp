//===- Preprocessing.cpp - what happens to images before a model ----------===//
#include "runtime/commands/Preprocessing.h"

#include "runtime/augment/Augment.h"
#include "runtime/base/Error.h"

#include <algorithm>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

static constexpr const char *byWeights = "by the weights";

Recipe recipeWith(const ModelInfo &info, const std::vector<std::string> &set,
                  const std::vector<std::string> &clauses, uint64_t seed) {
  for (const std::string &text : set) {
    std::string clause = text.substr(0, text.find_first_of(".="));
    if (std::find(clauses.begin(), clauses.end(), clause) == clauses.end())
      failUsage("--set {}: expected a name that begins with {}", text, fmt::join(clauses, " or "));
  }
  RecipeOverrides overrides;
  overrides.set = set;
  overrides.addsEvaluation = true;
  overrides.seed = seed;
  return parseRecipe(info, overrides);
}

/// Whether training computes the mean, or the mean image, which then lies with the weights.
static bool isComputed(const Recipe &recipe) {
  return recipe.normalize.automatic || recipe.hasTransform(TransformKind::SubtractMean);
}

Json preprocessingJson(const ModelInfo &info) {
  Recipe recipe = parseRecipe(info, {});
  Pipeline pipeline = Pipeline::forEvaluation(recipe, info, {}, {}, 0);
  Json steps = Json::array();
  for (const Transform &step : pipeline.steps()) {
    bool resizes = step.kind == TransformKind::Resize;
    Json size = step.width ? Json{step.height, step.width} : Json(step.height);
    steps.push_back({{"name", resizes ? "resize" : "center_crop"}, {"size", std::move(size)}});
  }
  // Whatever is not the input's size by then.
  if (pipeline.views() > 1)
    steps.push_back({{"name", "ten_crop"}, {"size", {info.height, info.width}}});
  else if (steps.empty() || steps.back()["name"] != "center_crop")
    steps.push_back({{"name", "center_crop"}, {"size", {info.height, info.width}}});
  Json json = {{"steps", std::move(steps)}};
  const Normalization &normalize = recipe.normalize;
  if (isComputed(recipe))
    json["normalize"] = byWeights;
  else if (!normalize.mean.empty())
    json["normalize"] = {{"mean", normalize.mean}, {"std", normalize.std}};
  else
    json["normalize"] = nullptr;
  json["order"] = normalize.bgr ? "bgr" : "rgb";
  return json;
}

/// "[0.485, 0.456, 0.406]"
static std::string listed(const Json &values) {
  std::vector<float> numbers = values.get<std::vector<float>>();
  return fmt::format("[{}]", fmt::join(numbers, ", "));
}

std::string describePreprocessing(const ModelInfo &info) {
  Json json = preprocessingJson(info);
  std::string text;
  for (const Json &step : json["steps"]) {
    const Json &size = step["size"];
    std::string extent = size.is_array()
                             ? fmt::format("{}x{}", size[0].get<int>(), size[1].get<int>())
                             : fmt::format("{} (shorter side)", size.get<int>());
    text += fmt::format("{} {}, ", step["name"].get<std::string>(), extent);
  }
  const Json &normalize = json["normalize"];
  if (normalize.is_string())
    text += fmt::format("normalized {}", byWeights);
  else if (normalize.is_null())
    text += "pixels from 0 to 1";
  else
    text += fmt::format("mean {} std {} of pixels from 0 to 1", listed(normalize["mean"]),
                        listed(normalize["std"]));
  return text + (json["order"] == "bgr" ? ", channels blue, green, red" : "");
}

} // namespace netc::runtime
