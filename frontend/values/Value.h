//===- Value.h - what is known while compiling ------------------*- C++ -*-===//
#ifndef NETC_FRONTEND_VALUES_VALUE_H
#define NETC_FRONTEND_VALUES_VALUE_H

#include "frontend/network/Network.h"
#include "frontend/syntax/Ast.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace netc::frontend {

struct LayerKind;
struct Function;
struct ListData;

/// An initializer before the layer's fans are known.
struct InitScheme {
  enum class Kind { Constant, Uniform, Normal, HeNormal, HeUniform, XavierNormal, XavierUniform };
  Kind kind = Kind::Constant;
  double a = 0, b = 0;
};

/// A value of the language. Poison stands for a value whose computation was
/// reported as an error; operations on it report nothing more.
struct Value {
  struct Poison {};
  struct Nothing {}; ///< what a statement gives
  struct Tensor {
    int layer;
  };
  using List = std::shared_ptr<const ListData>;

  std::variant<Poison, Nothing, int64_t, double, bool, std::string, Iterations, List, Tensor,
               const Definition *, const LayerKind *, const Function *, InitScheme>
      data;

  bool isPoison() const { return std::holds_alternative<Poison>(data); }
  bool isNothing() const { return std::holds_alternative<Nothing>(data); }
  template <typename T> const T *as() const { return std::get_if<T>(&data); }
  static Value poison() { return {Poison{}}; }
};

struct ListData {
  std::vector<Value> items;
  int depth = 1; ///< of nested lists
};

constexpr size_t maxListLength = 1'000'000;
constexpr int maxListDepth = 32;
constexpr size_t maxStringLength = 4096;

/// Lists within lists are bounded, so no walk over one overflows the stack.
/// Poison where `items` nests deeper than maxListDepth.
Value makeList(std::vector<Value> items);

/// Defined beside the tables of layers and functions.
std::string_view nameOf(const LayerKind &kind);
std::string_view nameOf(const Function &function);

/// "the integer 3", "the list [3, 5]"; tensors are described where shapes are known.
std::string describe(const Value &value);
/// As it would be written: "3", "[3, 5]".
std::string spell(const Value &value);
std::string spell(const Shape &shape);
/// "image", "vector", …: what a tensor of this shape is called in messages.
const char *kindOf(const Shape &shape);

/// What an operator made of two compile-time values: a value or an error's text.
struct Computed {
  Value value;
  std::string error, help;
};
/// Of integers, floats, booleans, strings and lists. Not `and`, `or`, and not tensors.
Computed compute(BinaryOp op, const Value &left, const Value &right);
Computed negate(const Value &value);

/// Whether `a == b` in the language's sense; lists by their items. `budget` counts down.
bool equalValues(const Value &a, const Value &b, int64_t &budget);

/// a * b, or nothing where it leaves 64 bits.
std::optional<int64_t> checkedMultiply(int64_t a, int64_t b);
std::optional<int64_t> checkedAdd(int64_t a, int64_t b);

} // namespace netc::frontend

#endif // NETC_FRONTEND_VALUES_VALUE_H
