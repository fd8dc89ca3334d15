//===- Preprocessing.h - what happens to images before a model --*- C++ -*-===//
#ifndef NETC_RUNTIME_COMMANDS_PREPROCESSING_H
#define NETC_RUNTIME_COMMANDS_PREPROCESSING_H

#include "runtime/recipe/Recipe.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace netc::runtime {

/// The model's recipe with `set`, all of whose names begin with one of `clauses`; else a
/// UsageError.
Recipe recipeWith(const ModelInfo &info, const std::vector<std::string> &set,
                  const std::vector<std::string> &clauses, uint64_t seed = 0);

/// What `predict` does to an image file, as compiled: {"steps": [{"name", "size"}], "normalize":
/// {"mean", "std"}, of pixels in 0..1, or "by the weights", "order"}.
nlohmann::ordered_json preprocessingJson(const ModelInfo &info);

/// The same in a line.
std::string describePreprocessing(const ModelInfo &info);

} // namespace netc::runtime

#endif // NETC_RUNTIME_COMMANDS_PREPROCESSING_H
