//===- Recipes.h - `train` clauses ------------------------------*- C++ -*-===//
#ifndef NETC_FRONTEND_RECIPES_H
#define NETC_FRONTEND_RECIPES_H

#include "frontend/Network.h"
#include "frontend/Program.h"

namespace netc::frontend {

struct ModelRecipe {
  const Definition *model;
  Recipe recipe;
  Range range;
  bool own = false; ///< from the main file, which overrules its imports
};

/// Checks all recipes of all files, whichever model is wanted.
std::vector<ModelRecipe> readRecipes(const Program &program, Diagnostics &diags);

/// The recipe written for `model`, else for the model that it is an alias of,
/// else the defaults.
Recipe recipeFor(const Program &program, const Definition &model,
                 const std::vector<ModelRecipe> &recipes);

} // namespace netc::frontend

#endif // NETC_FRONTEND_RECIPES_H
