//===- RecipeValue.h - a value inside a recipe ------------------*- C++ -*-===//
//
// What a recipe's arguments are made of, for the front end, which reads them from a `.net` file,
// and for the runtime, which reads them from the executable and from `--set`.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_ABI_RECIPEVALUE_H
#define NETC_RUNTIME_ABI_RECIPEVALUE_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace netc::recipe {

struct Value;
using List = std::vector<Value>;

/// `32k`: steps of training.
struct Iterations {
  int64_t count = 0;
};

struct Value {
  std::variant<bool, int64_t, double, std::string, Iterations, List> value;
};

/// The arguments of a call, by name.
using Arguments = std::vector<std::pair<std::string, Value>>;

/// The argument of that name; null where there is none.
inline const Value *find(const Arguments &arguments, std::string_view name) {
  for (const auto &[key, value] : arguments)
    if (key == name)
      return &value;
  return nullptr;
}

/// An integer or a float as a number.
inline std::optional<double> numberOf(const Value &value) {
  if (const auto *integer = std::get_if<int64_t>(&value.value))
    return static_cast<double>(*integer);
  if (const auto *number = std::get_if<double>(&value.value))
    return *number;
  return std::nullopt;
}

} // namespace netc::recipe

#endif // NETC_RUNTIME_ABI_RECIPEVALUE_H
