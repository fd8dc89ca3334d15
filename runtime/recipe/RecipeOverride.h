//===- RecipeOverride.h - the command line's word on a recipe ---*- C++ -*-===//
#ifndef NETC_RUNTIME_RECIPE_RECIPEOVERRIDE_H
#define NETC_RUNTIME_RECIPE_RECIPEOVERRIDE_H

#include "runtime/abi/RecipeTable.h"

#include <nlohmann/json.hpp>

#include <string>

namespace netc::runtime {

/// What the value of a clause that takes a number must be, where it is not; empty: it is.
std::string_view refusal(const recipe::Clause &clause, const nlohmann::ordered_json &value);

/// Changes one value of a recipe as the executable holds it: "optimizer.beta2=0.95",
/// "loss.label_smoothing=0.1", "schedule.step.factor=0.2", "augment.random_crop.pad=2",
/// "eval.resize.size=256", "normalize.mean=[0.5, 0.5, 0.5]", "normalize.order=bgr", "clip_norm=1",
/// "ema=0.99", "accumulate=4", "batch=64", "epochs=3". Values are numbers, true or false,
/// iterations (`32k`) and lists of them. Fails with an Error that names what there is, or says that
/// the value is compiled in. `mayAddEvaluation`: a step that the recipe's eval lacks is added.
void applyOverride(nlohmann::ordered_json &recipe, const std::string &text,
                   bool mayAddEvaluation = false);

} // namespace netc::runtime

#endif // NETC_RUNTIME_RECIPE_RECIPEOVERRIDE_H
