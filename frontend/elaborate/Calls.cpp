//===- Calls.cpp - calls of blocks, layers and functions ------------------===//
#include "frontend/elaborate/Elaborator.h"

#include <fmt/format.h>

#include <algorithm>

namespace netc::frontend {

Value Elaborator::call(const CallExpr &expr, Range at, const Value *piped) {
  Value callee = evaluate(*expr.callee);
  if (const auto *kind = callee.as<const LayerKind *>())
    return callLayer(**kind, expr, at, piped);
  if (const auto *def = callee.as<const Definition *>())
    return callBlock(**def, expr, at, piped);
  if (const auto *function = callee.as<const Function *>())
    return callFunction(**function, expr, at, piped);
  // Errors in the arguments are worth telling all the same.
  for (const Argument &arg : expr.args)
    if (!std::holds_alternative<NameExpr>(arg.value->node))
      evaluate(*arg.value);
  if (callee.isPoison())
    return callee;
  const auto *name = std::get_if<NameExpr>(&expr.callee->node);
  bool hides = name && (findLayerKind(name->name) || findFunction(name->name));
  error(at, fmt::format("{} can't be called", describeValue(callee)))
      .suggest(
          hides ? fmt::format(
                      "here '{0}' is a variable, which hides the '{0}' of the language: rename it",
                      name->name)
                : std::string("layers, blocks and functions can"));
  return Value::poison();
}

static std::string listParams(const std::vector<ParamSpec> &params) {
  std::vector<std::string> names;
  for (const ParamSpec &param : params)
    names.push_back(param.name);
  return joinNames(names);
}

bool Elaborator::bindNamed(const std::string &callee, const std::vector<ParamSpec> &params,
                           const Argument &arg, Bound &bound) {
  auto param = std::find_if(params.begin(), params.end(),
                            [&](const ParamSpec &p) { return p.name == arg.name; });
  if (param == params.end()) {
    std::vector<std::string> known;
    for (const ParamSpec &p : params)
      known.push_back(p.name);
    error(arg.nameRange,
          fmt::format("'{}' has no argument '{}'{}", callee, arg.name, didYouMean(arg.name, known)))
        .suggest(fmt::format("it takes {}", listParams(params)));
    evaluate(*arg.value);
    return false;
  }
  size_t index = param - params.begin();
  Value value = evaluate(*arg.value);
  if (bound[index]) {
    error(arg.nameRange, fmt::format("argument '{}' of '{}' is given twice", arg.name, callee))
        .note(bound[index]->range, "the first is here");
    return false;
  }
  bound[index] = {std::move(value), arg.value->range};
  return true;
}

/// A layer's first argument; a list of tensors is concat's.
bool Elaborator::checkTensor(const std::string &callee, const BoundArgument &arg) {
  bool lists = (callee == "concat" || callee == "matmul") && arg.value.as<Value::List>();
  if (arg.value.as<Value::Tensor>() || arg.value.isPoison() || lists)
    return true;
  error(arg.range,
        fmt::format("'{}' wants a tensor first, have {}", callee, describeValue(arg.value)))
      .suggest(fmt::format("write x | {}(...)", callee));
  return false;
}

/// Binds the piped value, positional, named and bare-word arguments to `params`.
/// `extra`: takes further positional ones; without it they are an error.
bool Elaborator::bind(const std::string &callee, const std::vector<ParamSpec> &params,
                      const CallExpr &expr, Range at, const Value *piped, Bound &bound,
                      std::vector<BoundArgument> *extra) {
  bound.assign(params.size(), std::nullopt);
  bool good = true, named = false;
  size_t next = 0;
  bool tensorOnly = params.size() == 1 && params[0].need == ParamSpec::Need::Tensor;
  // Of a layer of many tensors, every positional argument is one.
  bool tensors = extra && !params.empty() && params[0].need == ParamSpec::Need::Tensor;
  auto positional = [&](Value value, Range range) {
    if (tensors && next > 0) {
      extra->push_back({std::move(value), range});
    } else if (next < params.size() && bound[next]) {
      error(range, fmt::format("argument '{}' of '{}' is given twice", params[next].name, callee))
          .note(bound[next]->range, "the first is here");
      good = false;
    } else if (next < params.size()) {
      bound[next++] = {std::move(value), range};
    } else if (extra) {
      extra->push_back({std::move(value), range});
    } else {
      if (good)
        error(range, fmt::format("'{}' takes at most {} argument{}", callee, params.size(),
                                 params.size() == 1 ? "" : "s"))
            .suggest(params.empty() ? std::string("it takes none")
                     : tensorOnly   ? std::string("it takes nothing but a tensor")
                                    : fmt::format("it takes {}", listParams(params)));
      good = false;
    }
  };
  if (piped)
    positional(*piped, at);
  for (const Argument &arg : expr.args) {
    if (!arg.name.empty()) {
      named = true;
      good = bindNamed(callee, params, arg, bound) && good;
      continue;
    }
    const auto *word = std::get_if<NameExpr>(&arg.value->node);
    bool bare = word && !isBound(word->name) && !program.find(word->name);
    auto toggle = std::find_if(params.begin(), params.end(), [&](const ParamSpec &p) {
      return bare && p.need == ParamSpec::Need::Switch && p.name == word->name;
    });
    if (toggle != params.end()) {
      std::optional<BoundArgument> &slot = bound[toggle - params.begin()];
      if (slot) {
        error(arg.value->range,
              fmt::format("argument '{}' of '{}' is given twice", word->name, callee))
            .note(slot->range, "the first is here");
        good = false;
      }
      slot = {Value{true}, arg.value->range};
      continue;
    }
    bool unknown = bare && !findLayerKind(word->name) && !findFunction(word->name) &&
                   !isChoiceWord(word->name);
    if (unknown) {
      unboundName(word->name, arg.value->range, &params);
      good = false;
      ++next;
      continue;
    }
    Value value = evaluate(*arg.value);
    if (named) {
      error(arg.value->range, "a positional argument stands after a named one")
          .suggest("put it first, or write its name");
      good = false;
      continue;
    }
    positional(std::move(value), arg.value->range);
  }
  if (good && !params.empty() && params[0].need == ParamSpec::Need::Tensor && bound[0])
    good = checkTensor(callee, *bound[0]);
  for (size_t i = 0; i < params.size() && good; ++i)
    if (!bound[i] && params[i].need == ParamSpec::Need::Required) {
      error(at, fmt::format("'{}' needs the argument '{}'", callee, params[i].name))
          .suggest(fmt::format("it takes {}", listParams(params)));
      good = false;
    }
  for (const auto &arg : bound)
    if (arg && arg->value.isNothing()) {
      error(arg->range, "this has no value: it can't be an argument");
      good = false;
    }
  return good;
}

//===----------------------------------------------------------------------===//
// Labels and names
//===----------------------------------------------------------------------===//

std::optional<std::string> Elaborator::evaluateLabel(const Label &label) {
  std::string text;
  bool good = true;
  for (const Label::Part &part : label.parts) {
    if (!part.value) {
      text += part.text;
      continue;
    }
    Value value = evaluate(*part.value);
    if (const auto *integer = value.as<int64_t>(); integer && *integer >= 0) {
      text += std::to_string(*integer);
    } else if (const auto *word = value.as<std::string>()) {
      text += *word;
    } else {
      good = false;
      if (!value.isPoison())
        error(part.value->range,
              fmt::format("a label takes integers from 0 on and strings, have {}",
                          describeValue(value)));
    }
  }
  if (!good)
    return std::nullopt;
  constexpr size_t longest = 256;
  bool wellFormed = !text.empty() && text.front() != '.' && text.back() != '.' &&
                    text.find("..") == std::string::npos && text.size() <= longest;
  for (char c : text)
    wellFormed &= (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '_' || c == '-' || c == '.';
  if (wellFormed)
    return text;
  if (text.size() > longest) {
    error(label.range,
          fmt::format("a label of {} bytes; a name may have {}", text.size(), longest));
    return std::nullopt;
  }
  error(label.range, fmt::format("'{}' is no name for a layer", text.substr(0, 80)))
      .suggest("a name is made of letters, digits, '_' and '-', joined by dots");
  return std::nullopt;
}

/// The full name of a layer or a block's instance.
std::string Elaborator::nameFor(const std::optional<Label> &label, const std::string &kind) {
  if (!label)
    return current().scope.next(kind);
  std::optional<std::string> text = evaluateLabel(*label);
  // After an error the name matters no more, but it must not collide.
  return text ? current().scope.qualify(*text) : std::string();
}

/// False: a layer or block of that name is there already.
bool Elaborator::claimName(const std::string &name, Range at) {
  if (speculative > 0 || name.empty())
    return true;
  auto [place, fresh] = names.insert({name, {at, {}}});
  if (fresh)
    return true;
  error(at, fmt::format("two layers are named '{}'", name))
      .note(place->second.range, "the first is here")
      .suggest("give one of them a label of its own: name: layer(...)");
  return false;
}

Value Elaborator::addLayer(const char *kind, Draft draft, std::vector<int> inputs, std::string name,
                           Range at) {
  if (network.layers.size() >= maxLayers) {
    if (!stopped)
      error(at, fmt::format("the model has more than {} layers", maxLayers))
          .suggest("is the count of a loop right?");
    stopped = true;
    return Value::poison();
  }
  claimName(name, at);
  int index = static_cast<int>(network.layers.size());
  Layer &layer = network.layers.emplace_back();
  layer.kind = kind;
  layer.name = std::move(name);
  layer.attrs = std::move(draft.attrs);
  layer.inputs = std::move(inputs);
  layer.output = std::move(draft.output);
  layer.parameters = std::move(draft.parameters);
  for (Parameter &parameter : layer.parameters)
    parameter.name = parameter.name.empty() ? layer.name : layer.name + "." + parameter.name;
  layer.location = diags.locate(at);
  layer.stack = frames();
  // Deep instances cost memory: they count as work.
  fuel -= static_cast<int64_t>(8 * layer.stack.size() + layer.name.size() / 4);
  layerRanges.push_back(at);
  biasByUse.push_back(draft.biasByUse);
  return {Value::Tensor{index}};
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

/// Takes the tensors among the arguments; `bound[0]` is the layer's input.
bool Elaborator::takeInputs(const LayerKind &kind, Bound &bound, std::vector<BoundArgument> &extra,
                            LayerCall &layerCall) {
  std::vector<BoundArgument> given;
  if (bound[0])
    given.push_back(*bound[0]);
  given.insert(given.end(), extra.begin(), extra.end());
  bool many = kind.inputs == LayerKind::Inputs::Many;
  if (many && given.size() == 1)
    if (const auto *list = given[0].value.as<Value::List>()) {
      Value::List items = *list;
      Range at = given[0].range;
      given.clear();
      for (const Value &item : items->items)
        given.push_back({item, at});
    }
  bool good = true;
  for (const BoundArgument &arg : given) {
    if (const auto *tensor = arg.value.as<Value::Tensor>()) {
      layerCall.inputs.push_back(tensor->layer);
      continue;
    }
    good = false;
    if (!arg.value.isPoison())
      error(arg.range,
            fmt::format("'{}' wants tensors, have {}", kind.name, describeValue(arg.value)));
  }
  if (good && given.empty()) {
    error(layerCall.range, fmt::format("'{}' needs a tensor", kind.name))
        .suggest(fmt::format("write x | {}(...)", kind.name));
    good = false;
  }
  return good;
}

/// In a recipe or on the command line.
Value Elaborator::refuseCall(const char *what, const std::string &name, Range at) {
  error(at, fmt::format("{} '{}' can't be called here: no model runs", what, name))
      .suggest("here stand numbers, strings, lists and what is computed from them");
  return Value::poison();
}

Value Elaborator::callLayer(const LayerKind &kind, const CallExpr &expr, Range at,
                            const Value *piped) {
  if (alone)
    return refuseCall("layer", kind.name, at);
  std::vector<ParamSpec> params;
  bool ownValue = kind.inputs == LayerKind::Inputs::None;
  if (!ownValue)
    params.push_back({"x", ParamSpec::Need::Tensor});
  params.insert(params.end(), kind.params.begin(), kind.params.end());
  Bound bound;
  std::vector<BoundArgument> extra;
  bool good = bind(kind.name, params, expr, at, piped, bound,
                   kind.inputs == LayerKind::Inputs::Many ? &extra : nullptr);
  // Named or not, the layer counts, so that its successors keep their names.
  std::string name;
  if (std::string_view(kind.name) != "identity" || expr.label)
    name = nameFor(expr.label, kind.name);
  LayerCall layerCall(*this, kind, at);
  good = good && (ownValue || takeInputs(kind, bound, extra, layerCall));
  for (size_t i = ownValue ? 0 : 1; i < bound.size(); ++i)
    if (bound[i] && bound[i]->value.isPoison())
      good = false;
  if (!good || stopped)
    return Value::poison();
  layerCall.args.assign(bound.begin() + (ownValue ? 0 : 1), bound.end());
  std::optional<Draft> draft = kind.build(layerCall);
  if (!draft)
    return Value::poison();
  if (draft->identity)
    return {Value::Tensor{layerCall.inputs[0]}};
  if (!draft->parts.empty())
    return addParts(std::move(draft->parts), layerCall, name, at);
  return addLayer(kind.name, std::move(*draft), layerCall.inputs, std::move(name), at);
}

/// A list of layers, named after the call and counted from 0.
Value Elaborator::addParts(std::vector<Draft> parts, const LayerCall &call, const std::string &name,
                           Range at) {
  std::vector<Value> values;
  for (size_t i = 0; i < parts.size(); ++i)
    values.push_back(addLayer(call.kind.name, std::move(parts[i]), call.inputs,
                              fmt::format("{}.{}", name, i), at));
  return makeList(std::move(values));
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

/// Refuses a block within itself, and too many levels.
bool Elaborator::enter(const Definition &def, Range at) {
  for (size_t i = 0; i < activations.size(); ++i) {
    if (activations[i].def != &def)
      continue;
    Diagnostic &diag = error(at, fmt::format("block '{}' is used within itself", def.name));
    for (size_t j = i + 1; j < activations.size(); ++j)
      diag.note(activations[j].from, fmt::format("by way of block '{}'", activations[j].def->name));
    diag.suggest("a block can't call itself: use a loop");
    return false;
  }
  if (activations.size() <= maxBlockDepth)
    return true;
  error(at, fmt::format("blocks are nested more than {} deep", maxBlockDepth));
  return false;
}

/// Fills the current activation; defaults may read the parameters before them.
bool Elaborator::bindParams(const Definition &def, Bound &bound, Range at) {
  for (size_t i = 0; i < def.params.size(); ++i) {
    const Param &param = def.params[i];
    Value value = Value::poison();
    if (bound[i])
      value = std::move(bound[i]->value);
    else if (param.byDefault)
      value = evaluate(*param.byDefault);
    observe(param.range, value);
    current().variables[param.name] = std::move(value);
  }
  return true;
}

static std::vector<ParamSpec> paramsOf(const Definition &def) {
  std::vector<ParamSpec> params;
  for (const Param &param : def.params) {
    ParamSpec::Need need = ParamSpec::Need::Required;
    if (param.byDefault)
      need = std::holds_alternative<bool>(param.byDefault->node) ? ParamSpec::Need::Switch
                                                                 : ParamSpec::Need::Optional;
    params.push_back({param.name, need});
  }
  return params;
}

Value Elaborator::callBlock(const Definition &def, const CallExpr &expr, Range at,
                            const Value *piped) {
  if (alone)
    return refuseCall("block", def.name, at);
  if (def.isModel) {
    error(at,
          fmt::format("'{}' is a model: only 'model a = {}(...)' can use it", def.name, def.name))
        .note(def.range, "it is defined here")
        .suggest("what models share belongs into a block");
    return Value::poison();
  }
  Bound bound;
  bool good = bind(def.name, paramsOf(def), expr, at, piped, bound);
  std::string name = nameFor(expr.label, def.name);
  if (stopped || !enter(def, at))
    return Value::poison();
  // A block called with wrong arguments runs all the same, to find its errors.
  if (good && !claimName(name, at))
    ++speculative, good = false;
  else if (!good)
    ++speculative;
  activations.push_back({&def, Scope(std::move(name)), at, {}});
  bindParams(def, bound, at);
  Value result = runBody(def.body);
  activations.pop_back();
  if (!good)
    --speculative;
  return good ? result : Value::poison();
}

Value Elaborator::callFunction(const Function &function, const CallExpr &expr, Range at,
                               const Value *piped) {
  if (expr.label)
    error(expr.label->range,
          fmt::format("a label names a layer or a block; '{}' is neither", function.name));
  Bound bound;
  std::vector<BoundArgument> extra, args;
  if (!bind(function.name, function.params, expr, at, piped, bound,
            function.variadic ? &extra : nullptr))
    return Value::poison();
  for (auto &arg : bound)
    if (arg)
      args.push_back(std::move(*arg));
  args.insert(args.end(), extra.begin(), extra.end());
  for (const BoundArgument &arg : args)
    if (arg.value.isPoison())
      return Value::poison();
  return runFunction(function, args, at);
}

} // namespace netc::frontend
