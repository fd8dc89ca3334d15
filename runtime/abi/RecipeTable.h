//===- RecipeTable.h - the clauses, calls and arguments of recipes -*- C++ -*-===//
//
// The one table of what a recipe may say. The front end checks `train` clauses against it, the
// runtime what an executable holds and what `--set` changes, and a test compares the manual's table
// with it.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_ABI_RECIPETABLE_H
#define NETC_RUNTIME_ABI_RECIPETABLE_H

#include "runtime/abi/RecipeTypes.h"

#include <array>
#include <cassert>
#include <initializer_list>
#include <span>

namespace netc::recipe {

struct Param {
  std::string_view name;
  Type type;
  bool required = false;
  std::string_view instead = {};     ///< a parameter that may stand in its place
  std::optional<double> otherwise{}; ///< what a number is where nothing is written
  std::array<double, 2> between{};   ///< the same for Bounds
  std::string_view compiledIn = {};  ///< what of the code depends on it: it can't be set later
};

/// Why the arguments of a call don't go together; empty: they do.
using Together = std::string_view (*)(const Arguments &);

class Call {
public:
  constexpr Call(std::string_view name, std::initializer_list<Param> list,
                 Together together = nullptr)
      : name(name), together(together) {
    for (const Param &param : list)
      table[count++] = param;
  }

  constexpr std::span<const Param> params() const { return {table.data(), count}; }

  /// Null where there is none of that name.
  constexpr const Param *find(std::string_view param) const {
    for (const Param &each : params())
      if (each.name == param)
        return &each;
    return nullptr;
  }

  std::string_view name;
  Together together;

private:
  std::array<Param, 8> table{};
  size_t count = 0;
};

enum class Form {
  Calls,  ///< calls, separated by commas
  Call,   ///< one call
  Number, ///< a number of Clause::type
};

struct Clause {
  std::string_view name;
  Form form;
  std::span<const Call> calls = {};
  Type type = Type::Number;
  bool zeroIsNone = false; ///< executables and `--set` write 0 for a clause that is not there
  std::string_view compiledIn = {}; ///< see Param; for a number: whether there is one
};

namespace detail {

constexpr Param needed(std::string_view name, Type type, std::string_view instead = {}) {
  return {.name = name, .type = type, .required = true, .instead = instead};
}
constexpr Param optional(std::string_view name, Type type) { return {.name = name, .type = type}; }
constexpr Param number(std::string_view name, Type type, double otherwise) {
  return {.name = name, .type = type, .otherwise = otherwise};
}
constexpr Param bounds(std::string_view name, double low, double high) {
  return {.name = name, .type = Type::Bounds, .between = {low, high}};
}
constexpr Param flag(std::string_view name, std::string_view compiledIn = {}) {
  return {.name = name, .type = Type::Flag, .compiledIn = compiledIn};
}

constexpr Param smoothing(std::string_view name, double otherwise) {
  return {.name = name,
          .type = Type::Positive,
          .otherwise = otherwise,
          .compiledIn = "the smoothing of dice"};
}
constexpr Param compiled(std::string_view name, Type type, std::string_view compiledIn) {
  return {.name = name, .type = type, .compiledIn = compiledIn};
}

/// `pca_jitter`'s colours: n values with a vector of n numbers each.
inline std::string_view checkComponents(const Arguments &arguments) {
  const Value *values = find(arguments, "values"), *vectors = find(arguments, "vectors");
  if (!values && !vectors)
    return {};
  size_t count = values ? std::max<size_t>(1, lengthOf(*values)) : 0;
  bool square = vectors && lengthOf(*vectors) == count &&
                isList(*vectors, [&](const Value &item) { return lengthOf(item) == count; });
  return values && square ? "" : "expected n values with n vectors of n numbers, or neither";
}

/// Pixels are 0 to `scale`: mean and std are divided by it, and std stays above 0.
inline std::string_view checkScale(const Arguments &arguments) {
  const Value *scale = find(arguments, "scale");
  double by = scale ? numberOf(*scale).value_or(1) : 1;
  auto fits = [&](const Value &value) { return fitsFloat(numberOf(value).value_or(0) / by); };
  auto isAbove = [&](const Value &value) {
    return fits(value) && float(numberOf(value).value_or(0) / by) > 0;
  };
  auto all = [](const Value *value, auto good) {
    return !value ||
           (std::holds_alternative<List>(value->value) ? isList(*value, good) : good(*value));
  };
  return all(find(arguments, "mean"), fits) && all(find(arguments, "std"), isAbove)
             ? ""
             : "expected mean and std that are numbers of single precision when divided by scale";
}

} // namespace detail

inline constexpr Call augmentations[] = {
    {"random_crop", {detail::optional("size", Type::Size), detail::number("pad", Type::Border, 0)}},
    {"random_resized_crop",
     {detail::optional("size", Type::Size), detail::bounds("scale", 0.08, 1),
      detail::bounds("ratio", 3.0 / 4, 4.0 / 3)}},
    {"center_crop", {detail::optional("size", Type::Size)}},
    {"resize", {detail::optional("size", Type::Size), detail::flag("bicubic")}},
    {"hflip", {detail::number("p", Type::Probability, 0.5)}},
    {"vflip", {detail::number("p", Type::Probability, 0.5)}},
    {"random_rotation", {detail::needed("degrees", Type::Interval)}},
    {"random_affine",
     {detail::needed("degrees", Type::Interval), detail::optional("translate", Type::Shares),
      detail::bounds("scale", 1, 1), detail::optional("shear", Type::Interval)}},
    {"rand_augment",
     {detail::number("n", Type::Count, 2), detail::number("m", Type::Magnitude, 9)}},
    {"trivial_augment", {}},
    {"auto_augment", {detail::flag("imagenet")}},
    {"pca_jitter",
     {detail::number("std", Type::Number, 0.1), detail::optional("values", Type::Numbers),
      detail::optional("vectors", Type::Vectors)},
     detail::checkComponents},
    {"color_jitter",
     {detail::number("brightness", Type::Number, 0), detail::number("contrast", Type::Number, 0),
      detail::number("saturation", Type::Number, 0), detail::number("hue", Type::Half, 0)}},
    {"grayscale", {detail::number("p", Type::Probability, 0.1)}},
    {"gaussian_blur",
     {detail::number("p", Type::Probability, 0.5), detail::bounds("sigma", 0.1, 2)}},
    {"random_erasing",
     {detail::number("p", Type::Probability, 0.5), detail::bounds("scale", 0.02, 0.33),
      detail::bounds("ratio", 0.3, 3.3)}},
    {"subtract_mean", {detail::flag("pixel"), detail::flag("channel")}},
    {"mixup", {detail::number("alpha", Type::Positive, 0.2)}},
    {"cutmix", {detail::number("alpha", Type::Positive, 1)}},
    {"repeated", {detail::number("n", Type::Count, 3)}},
};

inline constexpr Call evaluations[] = {
    {"resize", {detail::optional("size", Type::Size), detail::flag("bicubic")}},
    {"center_crop", {detail::optional("size", Type::Size)}},
    {"ten_crop", {detail::optional("size", Type::Size)}},
};

inline constexpr Call normalizations[] = {
    {"normalize",
     {detail::needed("mean", Type::Numbers), detail::needed("std", Type::Positives),
      detail::number("scale", Type::Positive, 1), detail::optional("order", Type::Order)},
     detail::checkScale},
};

/// `normalize(auto, …)`: mean and std are computed from the training set.
inline constexpr Call automaticNormalization = {
    "normalize", {detail::flag("auto"), detail::optional("order", Type::Order)}};

/// The label of a map's pixels that count nowhere, unless the recipe says otherwise.
inline constexpr int64_t ignoredLabel = 255;

inline constexpr Call losses[] = {
    {"cross_entropy",
     {detail::number("label_smoothing", Type::Probability, 0),
      detail::compiled("ignore", Type::Label, "the label that is ignored")}},
    {"bce",
     {detail::number("label_smoothing", Type::Probability, 0),
      detail::compiled("threshold", Type::Fraction, "the threshold of bce")}},
    {"mse", {}},
    {"l1", {}},
    {"dice",
     {detail::smoothing("smooth", 1),
      detail::compiled("ignore", Type::Label, "the label that is ignored")}},
};

inline constexpr Call optimizers[] = {
    {"sgd",
     {detail::needed("lr", Type::Number), detail::number("momentum", Type::Number, 0),
      detail::number("weight_decay", Type::Number, 0),
      detail::flag("nesterov", "Nesterov's momentum"), detail::flag("decay_weights_only"),
      detail::optional("norm_decay", Type::Number), detail::optional("bias_decay", Type::Number)}},
    {"adam",
     {detail::needed("lr", Type::Number), detail::number("beta1", Type::Fraction, 0.9),
      detail::number("beta2", Type::Fraction, 0.999), detail::number("eps", Type::Number, 1e-8),
      detail::number("weight_decay", Type::Number, 0), detail::flag("decay_weights_only"),
      detail::optional("norm_decay", Type::Number), detail::optional("bias_decay", Type::Number)}},
    {"adamw",
     {detail::needed("lr", Type::Number), detail::number("beta1", Type::Fraction, 0.9),
      detail::number("beta2", Type::Fraction, 0.999), detail::number("eps", Type::Number, 1e-8),
      detail::number("weight_decay", Type::Number, 0.01), detail::flag("decay_weights_only"),
      detail::optional("norm_decay", Type::Number), detail::optional("bias_decay", Type::Number)}},
    {"lars",
     {detail::needed("lr", Type::Number), detail::number("momentum", Type::Number, 0.9),
      detail::number("weight_decay", Type::Number, 0), detail::number("trust", Type::Number, 0.001),
      detail::flag("decay_weights_only"), detail::optional("norm_decay", Type::Number),
      detail::optional("bias_decay", Type::Number)}},
    {"lamb",
     {detail::needed("lr", Type::Number), detail::number("beta1", Type::Fraction, 0.9),
      detail::number("beta2", Type::Fraction, 0.999), detail::number("eps", Type::Number, 1e-6),
      detail::number("weight_decay", Type::Number, 0.01), detail::flag("decay_weights_only"),
      detail::optional("norm_decay", Type::Number), detail::optional("bias_decay", Type::Number)}},
    {"rmsprop",
     {detail::needed("lr", Type::Number), detail::number("alpha", Type::Fraction, 0.99),
      detail::number("momentum", Type::Number, 0), detail::number("eps", Type::Number, 1e-8),
      detail::number("weight_decay", Type::Number, 0), detail::flag("decay_weights_only"),
      detail::optional("norm_decay", Type::Number), detail::optional("bias_decay", Type::Number)}},
};

/// `optimizer sgd(…), decay(norm=0, bias=0)`: weight decay of normalisations and of biases. The
/// front end makes arguments of the optimizer of them: `norm_decay`, `bias_decay`.
inline constexpr Call decay = {
    "decay", {detail::optional("norm", Type::Number), detail::optional("bias", Type::Number)}};

inline constexpr Call schedules[] = {
    {"constant", {}},
    {"step",
     {detail::needed("at", Type::Points, "every"), detail::number("factor", Type::Number, 0.1),
      detail::optional("every", Type::Period)}},
    {"cosine", {detail::number("to", Type::Number, 0), detail::optional("cycle", Type::Period)}},
    {"linear", {detail::number("to", Type::Number, 0)}},
    {"poly", {detail::number("power", Type::Number, 1), detail::number("to", Type::Number, 0)}},
    {"exponential", {detail::number("factor", Type::Number, 0.95)}},
    {"plateau",
     {detail::number("factor", Type::Number, 0.1), detail::number("patience", Type::Count, 5),
      detail::number("min", Type::Number, 0)}},
    {"warmup",
     {detail::needed("length", Type::Point), detail::number("from", Type::Number, 0),
      detail::flag("flat")}},
};

inline constexpr Clause clauses[] = {
    {.name = "augment", .form = Form::Calls, .calls = augmentations},
    {.name = "eval", .form = Form::Calls, .calls = evaluations},
    {.name = "normalize", .form = Form::Call, .calls = normalizations},
    {.name = "loss", .form = Form::Call, .calls = losses, .compiledIn = "the kind of loss"},
    {.name = "optimizer",
     .form = Form::Call,
     .calls = optimizers,
     .compiledIn = "the kind of optimizer"},
    {.name = "schedule", .form = Form::Calls, .calls = schedules},
    {.name = "clip_norm", .form = Form::Number, .type = Type::Positive, .zeroIsNone = true},
    {.name = "accumulate", .form = Form::Number, .type = Type::Count},
    {.name = "shards", .form = Form::Number, .type = Type::Count},
    {.name = "ema",
     .form = Form::Number,
     .type = Type::Fraction,
     .zeroIsNone = true,
     .compiledIn = "whether there is a moving average"},
    {.name = "batch", .form = Form::Number, .type = Type::Count},
    {.name = "epochs", .form = Form::Number, .type = Type::Count},
};

/// Null where there is none of that name.
constexpr const Clause *findClause(std::string_view name) {
  for (const Clause &clause : clauses)
    if (clause.name == name)
      return &clause;
  return nullptr;
}

/// Null where the clause has no call of that name.
constexpr const Call *findCall(const Clause &clause, std::string_view name) {
  for (const Call &call : clause.calls)
    if (call.name == name)
      return &call;
  return nullptr;
}

/// A required parameter that is neither given nor replaced; null where nothing is missing.
inline const Param *findMissing(const Call &call, const Arguments &arguments) {
  for (const Param &param : call.params())
    if (param.required && !find(arguments, param.name) &&
        (param.instead.empty() || !find(arguments, param.instead)))
      return &param;
  return nullptr;
}

} // namespace netc::recipe

#endif // NETC_RUNTIME_ABI_RECIPETABLE_H
