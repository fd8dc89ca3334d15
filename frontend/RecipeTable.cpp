//===- RecipeTable.cpp - the calls that recipes know ----------------------===//
#include "frontend/RecipeTable.h"

namespace netc::frontend {

using Type = RecipeType;
using Table = std::vector<RecipeCallKind>;

static const Table &transforms() {
  static const Table table{
      {"random_crop", {{"size", Type::Size}, {"pad", Type::Size}}},
      {"random_resized_crop",
       {{"size", Type::Size}, {"scale", Type::Numbers}, {"ratio", Type::Numbers}}},
      {"center_crop", {{"size", Type::Size}}},
      {"resize", {{"size", Type::Size}}},
      {"ten_crop", {{"size", Type::Size}}},
      {"hflip", {{"p", Type::Probability}}},
      {"vflip", {{"p", Type::Probability}}},
      {"pca_jitter", {{"std", Type::Number}}},
      {"color_jitter",
       {{"brightness", Type::Number},
        {"contrast", Type::Number},
        {"saturation", Type::Number},
        {"hue", Type::Number}}},
      {"mean_subtract", {}},
      {"mixup", {{"alpha", Type::Number}}},
      {"cutmix", {{"alpha", Type::Number}}},
      {"random_erasing",
       {{"p", Type::Probability}, {"scale", Type::Numbers}, {"ratio", Type::Numbers}}},
  };
  return table;
}

static const Table &optimizers() {
  static const std::vector<RecipeParam> adam{{"lr", Type::Number, true},
                                             {"beta1", Type::Probability},
                                             {"beta2", Type::Probability},
                                             {"eps", Type::Number},
                                             {"weight_decay", Type::Number}};
  static const Table table{
      {"sgd",
       {{"lr", Type::Number, true},
        {"momentum", Type::Number},
        {"weight_decay", Type::Number},
        {"nesterov", Type::Flag},
        {"dampening", Type::Number}}},
      {"adam", adam},
      {"adamw", adam},
      {"lars",
       {{"lr", Type::Number, true},
        {"momentum", Type::Number},
        {"weight_decay", Type::Number},
        {"trust", Type::Number},
        {"eps", Type::Number}}},
  };
  return table;
}

static const Table &schedules() {
  static const Table table{
      {"constant", {}},
      {"step", {{"at", Type::Points, true}, {"factor", Type::Number}}},
      {"cosine", {{"to", Type::Number}}},
      {"linear", {{"to", Type::Number}}},
      {"poly", {{"power", Type::Number}, {"to", Type::Number}}},
      {"plateau",
       {{"factor", Type::Number}, {"patience", Type::Count}, {"least", Type::Number}}},
      {"warmup", {{"length", Type::Point, true}, {"from", Type::Number}}},
  };
  return table;
}

const Table *recipeCalls(std::string_view clause) {
  static const Table losses{{"cross_entropy", {{"label_smoothing", Type::Probability}}}};
  static const Table normalize{
      {"normalize", {{"mean", Type::Numbers, true}, {"std", Type::Numbers, true}}}};
  if (clause == "augment" || clause == "eval")
    return &transforms();
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
                                              "optimizer", "schedule", "batch",     "epochs"};
  return names;
}

} // namespace netc::frontend
