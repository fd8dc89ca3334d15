//===- RecipeTypes.h - what an argument of a recipe may be ------*- C++ -*-===//
#ifndef NETC_FRONTEND_RECIPE_RECIPETYPES_H
#define NETC_FRONTEND_RECIPE_RECIPETYPES_H

#include "frontend/network/Network.h"
#include "frontend/recipe/RecipeTable.h"

#include <optional>

namespace netc::frontend {

/// An integer or a float as a number.
std::optional<double> numberOf(const RecipeValue &value);

/// Whether `value` is one of `type`.
bool fits(RecipeType type, const RecipeValue &value);

/// "a number from 0 on", for messages.
const char *wantedFor(RecipeType type);

} // namespace netc::frontend

#endif // NETC_FRONTEND_RECIPE_RECIPETYPES_H
