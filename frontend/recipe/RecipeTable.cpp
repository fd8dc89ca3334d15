//===- RecipeTable.cpp - the calls that recipes know ----------------------===//
#include "frontend/recipe/RecipeTable.h"

namespace netc::frontend {

using Type = RecipeType;
using Table = std::vector<RecipeCallKind>;

static const Table &augmentations() {
  static const Table table{
      {"random_crop", {{"size", Type::Size}, {"pad", Type::Border}}},
      {"random_resized_crop",
       {{"size", Type::Size}, {"scale", Type::Bounds}, {"ratio", Type::Bounds}}},
      {"center_crop", {{"size", Type::Size}}},
      {"resize", {{"size", Type::Size}}},
      {"hflip", {{"p", Type::Probability}}},
      {"pca_jitter",
       {{"std", Type::Number}, {"values", Type::Numbers}, {"vectors", Type::Vectors}}},
      {"color_jitter",
       {{"brightness", Type::Number},
        {"contrast", Type::Number},
        {"saturation", Type::Number},
        {"hue", Type::Half}}},
      {"random_erasing",
       {{"p", Type::Probability}, {"scale", Type::Bounds}, {"ratio", Type::Bounds}}},
      {"subtract_mean", {{"pixel", Type::Flag}, {"channel", Type::Flag}}},
      {"mixup", {{"alpha", Type::Positive}}},
      {"cutmix", {{"alpha", Type::Positive}}},
  };
  return table;
}

static const Table &evaluations() {
  static const Table table{
      {"resize", {{"size", Type::Size}}},
      {"center_crop", {{"size", Type::Size}}},
      {"ten_crop", {{"size", Type::Size}}},
  };
  return table;
}

static const Table &optimizers() {
  static const std::vector<RecipeParam> adaptive{
      {"lr", Type::Number, true},     {"beta1", Type::Fraction},
      {"beta2", Type::Fraction},      {"eps", Type::Number},
      {"weight_decay", Type::Number}, {"decay_weights_only", Type::Flag}};
  static const Table table{
      {"sgd",
       {{"lr", Type::Number, true},
        {"momentum", Type::Number},
        {"weight_decay", Type::Number},
        {"nesterov", Type::Flag},
        {"decay_weights_only", Type::Flag}}},
      {"adam", adaptive},
      {"adamw", adaptive},
      {"lars",
       {{"lr", Type::Number, true},
        {"momentum", Type::Number},
        {"weight_decay", Type::Number},
        {"trust", Type::Number},
        {"decay_weights_only", Type::Flag}}},
  };
  return table;
}

static const Table &schedules() {
  static const Table table{
      {"constant", {}},
      {"step",
       {{"at", Type::Points, true, "every"}, {"factor", Type::Number}, {"every", Type::Point}}},
      {"cosine", {{"to", Type::Number}}},
      {"linear", {{"to", Type::Number}}},
      {"poly", {{"power", Type::Number}, {"to", Type::Number}}},
      {"exponential", {{"factor", Type::Number}}},
      {"plateau", {{"factor", Type::Number}, {"patience", Type::Count}, {"min", Type::Number}}},
      {"warmup", {{"length", Type::Point, true}, {"from", Type::Number}, {"flat", Type::Flag}}},
  };
  return table;
}

const Table *recipeCalls(std::string_view clause) {
  static const Table losses{{"cross_entropy", {{"label_smoothing", Type::Probability}}}};
  static const Table normalize{
      {"normalize", {{"mean", Type::Numbers, true}, {"std", Type::Positives, true}}}};
  if (clause == "augment")
    return &augmentations();
  if (clause == "eval")
    return &evaluations();
  if (clause == "normalize")
    return &normalize;
  if (clause == "loss")
    return &losses;
  if (clause == "optimizer")
    return &optimizers();
  if (clause == "schedule")
    return &schedules();
  return nullptr;
}

const std::vector<std::string> &recipeClauses() {
  static const std::vector<std::string> names{"augment",   "eval",     "normalize", "loss",
                                              "optimizer", "schedule", "clip_norm", "accumulate",
                                              "ema",       "batch",    "epochs"};
  return names;
}

} // namespace netc::frontend
