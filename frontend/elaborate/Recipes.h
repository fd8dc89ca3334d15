//===- Recipes.h - `train` clauses ------------------------------*- C++ -*-===//
#ifndef NETC_FRONTEND_ELABORATE_RECIPES_H
#define NETC_FRONTEND_ELABORATE_RECIPES_H

#include "frontend/elaborate/Program.h"
#include "frontend/network/Network.h"

namespace netc::frontend {

struct ModelRecipe {
  const Definition *model;
  Recipe recipe;
  Range range;
  Range normalize;  ///< its `normalize`, where it has one
  Range loss;       ///< its `loss`, where it has one
  bool own = false; ///< from the main file, which takes precedence over its imports
};

/// Checks all recipes of all files, whichever model is wanted.
std::vector<ModelRecipe> readRecipes(const Program &program, Diagnostics &diags);

/// The recipe written for `model`, else for the model that it is an alias of; null
/// where there is none.
const ModelRecipe *findRecipe(const Program &program, const Definition &model,
                              const std::vector<ModelRecipe> &recipes);

/// `written`, or the defaults, for an input of `channels`. `overridden`: --set has
/// changed the input's shape, for which the recipe was not written.
Recipe recipeFor(const ModelRecipe *written, int64_t channels, bool overridden, Diagnostics &diags);

/// Assigns each term of the loss to its output, and checks that the loss fits the output's shape.
/// `ranges`: where the outputs are written.
void settleLosses(Network &network, const std::vector<Range> &ranges, const ModelRecipe *written,
                  Diagnostics &diags);

} // namespace netc::frontend

#endif // NETC_FRONTEND_ELABORATE_RECIPES_H
