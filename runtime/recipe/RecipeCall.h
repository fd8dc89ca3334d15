//===- RecipeCall.h - reads the arguments of one recipe call ----*- C++ -*-===//
#ifndef NETC_RUNTIME_RECIPE_RECIPECALL_H
#define NETC_RUNTIME_RECIPE_RECIPECALL_H

#include "runtime/recipe/Recipe.h"

#include <nlohmann/json.hpp>

#include <set>
#include <string>
#include <vector>

namespace netc::runtime {

/// `random_crop(32, pad=4)`: arguments by name or, where a position is given,
/// by place. Errors name the call and the argument.
class RecipeCall {
public:
  /// `room`: the clause it stands in ("augment"), for errors.
  RecipeCall(const nlohmann::ordered_json &call, std::string room);

  const std::string &name() const { return callName; }

  double number(const char *argument, int position, double otherwise);
  int integer(const char *argument, int position, int otherwise);
  bool flag(const char *argument);
  std::array<double, 2> bounds(const char *argument, int position, std::array<double, 2> otherwise);
  /// An integer or [height, width]; 0, 0 where absent. `square`: an integer means both.
  std::array<int, 2> size(const char *argument, int position, bool square);
  std::vector<float> numbers(const char *argument, int position);
  std::optional<SchedulePoint> point(const char *argument, int position);
  std::vector<SchedulePoint> points(const char *argument, int position);

  /// Fails where an argument was given that nobody asked for.
  void finish() const;
  [[noreturn]] void reject(const std::string &reason) const;

private:
  const nlohmann::ordered_json *find(const char *argument, int position);
  SchedulePoint toPoint(const nlohmann::ordered_json &value, const char *argument) const;

  const nlohmann::ordered_json &call;
  std::string room, callName;
  std::vector<std::string> asked;
  size_t positionsRead = 0;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_RECIPE_RECIPECALL_H
