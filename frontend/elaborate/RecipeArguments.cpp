//===- RecipeArguments.cpp - the arguments of a recipe's call -------------===//
#include "frontend/elaborate/RecipeReader.h"

#include <fmt/format.h>

namespace netc::frontend {

static std::string takes(const recipe::Call &kind) {
  return "it takes " + joinNames(namesOf(kind.params()));
}

/// The bare word that an argument is; null where it is something else.
static const NameExpr *wordOf(const Argument &arg) {
  return std::get_if<NameExpr>(&arg.value->node);
}

/// `sgd(nesterov)`: a bare word is a switch here as well; null: it is none.
static const recipe::Param *toggleOf(const Argument &arg, const recipe::Call &kind) {
  const NameExpr *word = wordOf(arg);
  const recipe::Param *param = word && arg.name.empty() ? kind.find(word->name) : nullptr;
  return param && param->type == recipe::Type::Flag ? param : nullptr;
}

/// The parameter that `arg` is for: `toggle`, the one of its name, or the next of those `before`
/// come. `named`: an argument with a name was met. Null after an error.
const recipe::Param *RecipeReader::paramOf(const Argument &arg, const recipe::Call &kind,
                                           const recipe::Param *toggle, size_t &before,
                                           bool named) {
  if (toggle)
    return toggle;
  size_t most = kind.params().size();
  if (arg.name.empty() && (named || before >= most)) {
    diags
        .error(arg.value->range,
               !named ? fmt::format("'{}' takes at most {} argument{}", kind.name, most,
                                    most == 1 ? "" : "s")
                      : std::string("a positional argument stands after a named one"))
        .suggest(takes(kind));
    return nullptr;
  }
  std::string name(arg.name.empty() ? kind.params()[before++].name : arg.name);
  const recipe::Param *param = kind.find(name);
  if (!param)
    diags
        .error(arg.nameRange, fmt::format("'{}' has no argument '{}'{}", kind.name, name,
                                          didYouMean(name, namesOf(kind.params()))))
        .suggest(takes(kind));
  return param;
}

/// Its value, which fits; nothing after an error.
std::optional<RecipeValue> RecipeReader::readArgument(const Argument &arg, const recipe::Call &kind,
                                                      const recipe::Param &param, bool isToggle) {
  if (isToggle)
    return RecipeValue{true};
  std::string have;
  std::optional<RecipeValue> value;
  const NameExpr *word = wordOf(arg);
  if (word && param.type == recipe::Type::Order) { // a bare word names a choice
    value = RecipeValue{std::string(word->name)};
    have = fmt::format("'{}'", word->name);
  } else {
    value = evaluate(*arg.value, have);
  }
  if (!value || recipe::fits(param.type, *value))
    return value;
  diags.error(arg.value->range, fmt::format("'{}' of '{}' must be {}, have {}", param.name,
                                            kind.name, recipe::wanted(param.type, *value), have));
  return std::nullopt;
}

/// `decay(norm=0, bias=0)` among the arguments of an optimizer.
static bool isDecay(const Argument &arg, const recipe::Call &kind) {
  const auto *call = std::get_if<CallExpr>(&arg.value->node);
  const auto *callee = call ? std::get_if<NameExpr>(&call->callee->node) : nullptr;
  return arg.name.empty() && callee && callee->name == recipe::decay.name &&
         kind.find("norm_decay");
}

bool RecipeReader::readDecay(const Expr &item, recipe::Arguments &arguments) {
  static constexpr recipe::Call calls[] = {recipe::decay};
  static constexpr recipe::Clause beside = {
      .name = "optimizer", .form = recipe::Form::Calls, .calls = calls};
  std::optional<RecipeCall> decay = readCall(item, beside);
  if (!decay)
    return false;
  for (auto &[name, value] : decay->named) {
    if (recipe::find(arguments, name + "_decay"))
      diags.error(item.range, fmt::format("the weight decay of '{}' is given twice", name));
    arguments.push_back({name + "_decay", value});
  }
  return true;
}

bool RecipeReader::readArguments(const recipe::Call &kind, const CallExpr &call, RecipeCall &out) {
  size_t before = 0;
  bool named = false;
  for (const Argument &arg : call.args) {
    if (isDecay(arg, kind)) {
      if (!readDecay(*arg.value, out.named))
        return false;
      continue;
    }
    named = named || !arg.name.empty();
    const recipe::Param *toggle = toggleOf(arg, kind);
    const recipe::Param *param = paramOf(arg, kind, toggle, before, named);
    if (!param)
      return false;
    std::string name(param->name);
    if (recipe::find(out.named, name)) {
      diags.error(arg.nameRange,
                  fmt::format("argument '{}' of '{}' is given twice", name, kind.name));
      return false;
    }
    std::optional<RecipeValue> value = readArgument(arg, kind, *param, toggle != nullptr);
    if (!value)
      return false;
    // Whoever reads the recipe finds every argument by its name.
    out.named.push_back({name, std::move(*value)});
  }
  return checkArguments(kind, call, out);
}

/// What only all arguments together show.
bool RecipeReader::checkArguments(const recipe::Call &kind, const CallExpr &call,
                                  const RecipeCall &out) {
  if (const recipe::Param *missing = recipe::findMissing(kind, out.named)) {
    diags
        .error(call.callee->range,
               fmt::format("'{}' needs the argument '{}'", kind.name, missing->name))
        .suggest(takes(kind));
    return false;
  }
  std::string_view wrong = kind.together ? kind.together(out.named) : "";
  if (!wrong.empty())
    diags.error(call.callee->range, fmt::format("'{}': {}", kind.name, wrong));
  return wrong.empty();
}

} // namespace netc::frontend
