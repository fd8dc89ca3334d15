//===- RecipeCall.h - reads the arguments of one recipe call ----*- C++ -*-===//
#ifndef NETC_RUNTIME_RECIPE_RECIPECALL_H
#define NETC_RUNTIME_RECIPE_RECIPECALL_H

#include "runtime/abi/RecipeTable.h"
#include "runtime/recipe/Recipe.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace netc::runtime {

/// A value of a recipe as an executable holds it; none where it is not one.
std::optional<recipe::Value> toRecipeValue(const nlohmann::ordered_json &json);

/// `random_crop(32, pad=4)` as an executable holds it, checked against the recipes' table.
/// Arguments are given by name or by position; names take precedence. Fails with an Error that
/// names the clause, the call and the argument.
class RecipeCall {
public:
  RecipeCall(const nlohmann::ordered_json &call, std::string_view clause);

  const std::string &name() const { return callName; }
  /// Whether the table has an argument of that name for it.
  bool takes(std::string_view argument) const { return kind->find(argument); }

  // Arguments of the table's types; the table's default if not given.
  double number(std::string_view argument);
  std::optional<double> optionalNumber(std::string_view argument); ///< none where absent
  int integer(std::string_view argument);
  bool flag(std::string_view argument);
  std::array<double, 2> bounds(std::string_view argument);
  /// [-d, d] where it is a number; 0, 0 where absent.
  std::array<double, 2> interval(std::string_view argument);
  /// 0, 0 where absent; an integer means both sides where `square`, else the first.
  std::array<int, 2> size(std::string_view argument, bool square);
  /// All numbers of a list, or of a list of lists.
  std::vector<float> numbers(std::string_view argument);
  std::optional<SchedulePoint> point(std::string_view argument);
  std::vector<SchedulePoint> points(std::string_view argument);

  /// Fails if the table has an argument that was not read, which is a fault of the runtime.
  void finish() const;
  [[noreturn]] void reject(const std::string &reason) const;

private:
  void bind(const nlohmann::ordered_json &call);
  void bindPosition(const nlohmann::ordered_json &value, size_t &position, size_t count);
  void add(const recipe::Param &param, const nlohmann::ordered_json &value);
  /// What is given for an argument of the table; null: nothing.
  const recipe::Value *read(std::string_view argument);

  std::string clause, callName;
  const recipe::Call *kind = nullptr;
  recipe::Arguments given;
  std::vector<std::string_view> asked;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_RECIPE_RECIPECALL_H
