//===- RecipeTable.h - the calls that recipes know --------------*- C++ -*-===//
#ifndef NETC_FRONTEND_RECIPE_RECIPETABLE_H
#define NETC_FRONTEND_RECIPE_RECIPETABLE_H

#include <string>
#include <string_view>
#include <vector>

namespace netc::frontend {

/// What an argument of a recipe's call may be.
enum class RecipeType {
  Number,      ///< at least 0
  Probability, ///< 0 to 1
  Half,        ///< 0 to 0.5
  Fraction,    ///< from 0 to below 1
  Positive,    ///< above 0
  Count,       ///< an integer from 1 on
  Border,      ///< an integer from 0 on
  Flag,
  Size,      ///< an integer from 1 on, or [height, width]
  Bounds,    ///< [low, high]
  Numbers,   ///< a list of numbers, or one number for all channels
  Positives, ///< the same, above 0
  Vectors,   ///< a list of lists of numbers
  Point,     ///< epochs, iterations (32k) or a fraction of the run
  Points,    ///< a rising list of them
};

struct RecipeParam {
  std::string name;
  RecipeType type;
  bool required = false;
  std::string instead = {}; ///< a parameter that may stand in its place
};

struct RecipeCallKind {
  std::string name;
  std::vector<RecipeParam> params;
};

/// The calls of one clause ("augment", "optimizer", …); null for an unknown clause
/// and for those that take a number (`batch`, `epochs`, `accumulate`, `clip_norm`, `ema`).
const std::vector<RecipeCallKind> *recipeCalls(std::string_view clause);
const std::vector<std::string> &recipeClauses();

} // namespace netc::frontend

#endif // NETC_FRONTEND_RECIPE_RECIPETABLE_H
