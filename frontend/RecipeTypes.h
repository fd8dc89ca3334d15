//===- RecipeTypes.h - what an argument of a recipe may be ------*- C++ -*-===//
#ifndef NETC_FRONTEND_RECIPETYPES_H
#define NETC_FRONTEND_RECIPETYPES_H

#include "frontend/Network.h"
#include "frontend/RecipeTable.h"

#include <optional>

namespace netc::frontend {

/// An integer or a float as a number.
std::optional<double> numberOf(const RecipeValue &value);

/// Whether `value` is one of `type`.
bool fits(RecipeType type, const RecipeValue &value);

/// "a number from 0 on", for messages.
const char *wantedFor(RecipeType type);

} // namespace netc::frontend

#endif // NETC_FRONTEND_RECIPETYPES_H
