//===- Expressions.cpp - evaluates compile-time expressions ---------------===//
#include "frontend/elaborate/Elaborator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace netc::frontend {

/// One step of work; false once the run has used up its share.
bool Elaborator::spend(Range at) {
  if (stopped)
    return false;
  if (--fuel > 0)
    return true;
  stopped = true;
  error(at, fmt::format("elaboration takes more than {} steps", maxSteps))
      .suggest("is the count of a loop right?");
  return false;
}

std::string Elaborator::describeValue(const Value &value) const {
  if (const auto *tensor = value.as<Value::Tensor>())
    return "a tensor " + spell(network.layers[tensor->layer].output);
  return describe(value);
}

Value Elaborator::evaluate(const Expr &expr) {
  if (!spend(expr.range))
    return Value::poison();
  if (depth >= maxDepth) {
    error(expr.range, fmt::format("evaluation is nested more than {} deep", maxDepth));
    stopped = true;
    return Value::poison();
  }
  ++depth;
  Value result = Value::poison();
  const auto &node = expr.node;
  if (const auto *integer = std::get_if<int64_t>(&node))
    result = {*integer};
  else if (const auto *number = std::get_if<double>(&node))
    result = {*number};
  else if (const auto *flag = std::get_if<bool>(&node))
    result = {*flag};
  else if (const auto *text = std::get_if<std::string>(&node))
    result = {*text};
  else if (const auto *iterations = std::get_if<IterationsLiteral>(&node))
    result = {Iterations{iterations->count}};
  else if (const auto *name = std::get_if<NameExpr>(&node))
    result = evaluateName(*name, expr.range);
  else if (const auto *list = std::get_if<ListExpr>(&node))
    result = evaluateList(*list, expr.range);
  else if (const auto *unary = std::get_if<UnaryExpr>(&node))
    result = evaluateUnary(*unary, expr.range);
  else if (const auto *binary = std::get_if<BinaryExpr>(&node))
    result = evaluateBinary(*binary);
  else if (const auto *callee = std::get_if<CallExpr>(&node))
    result = call(*callee, expr.range, nullptr);
  else if (const auto *member = std::get_if<MemberExpr>(&node))
    result = evaluateMember(*member);
  else if (const auto *index = std::get_if<IndexExpr>(&node))
    result = evaluateIndex(*index, expr.range);
  else if (const auto *range = std::get_if<RangeExpr>(&node))
    result = evaluateRange(*range, expr.range);
  else if (const auto *branch = std::get_if<IfExpr>(&node))
    result = runIf(*branch);
  else if (const auto *pipe = std::get_if<PipeExpr>(&node))
    result = evaluatePipe(*pipe);
  --depth;
  return result;
}

bool Elaborator::isBound(const std::string &name) const {
  return !activations.empty() && activations.back().variables.count(name);
}

std::vector<std::string> Elaborator::visibleNames() const {
  std::vector<std::string> names;
  if (!activations.empty())
    for (const auto &[name, value] : activations.back().variables)
      names.push_back(name);
  for (const File &file : program.files())
    for (const auto &def : file.definitions)
      names.push_back(def->name);
  for (const LayerKind &kind : layerTable())
    names.push_back(kind.name);
  for (const Function &function : functionTable())
    names.push_back(function.name);
  for (const char *word : {"same", "up", "down"})
    names.push_back(word);
  // Which of two equally close names is proposed must not depend on hashing.
  std::sort(names.begin(), names.end());
  return names;
}

namespace {
/// Finds where a body first binds a name, to tell "unbound yet" from "unknown".
struct FindBinding {
  const std::string &name;
  std::optional<Range> found;

  void targets(const std::vector<Target> &targets) {
    for (const Target &target : targets)
      if (!found && target.name == name)
        found = target.range;
  }
  void branches(const Expr &expr) {
    const auto *node = std::get_if<IfExpr>(&expr.node);
    if (!node)
      return;
    for (const IfExpr::Arm &arm : node->arms)
      visit(arm.body);
    if (node->otherwise)
      visit(*node->otherwise);
  }
  void visit(const Body &body) {
    for (const Stmt &stmt : body.statements) {
      if (const auto *assign = std::get_if<AssignStmt>(&stmt.node)) {
        targets(assign->targets);
        branches(*assign->value);
      } else if (const auto *loop = std::get_if<ForStmt>(&stmt.node)) {
        targets(loop->targets);
        visit(loop->body);
      } else if (const auto *loop = std::get_if<RepeatStmt>(&stmt.node)) {
        visit(loop->body);
      } else if (const auto *expr = std::get_if<ExprStmt>(&stmt.node)) {
        branches(*expr->value);
      } else if (const auto *input = std::get_if<InputStmt>(&stmt.node)) {
        targets({input->name});
      } else if (const auto *hole = std::get_if<HoleStmt>(&stmt.node)) {
        targets(hole->targets);
      }
    }
  }
};
} // namespace

Diagnostic &Elaborator::unboundName(const std::string &name, Range at,
                                    const std::vector<ParamSpec> *switches) {
  if (diags.full() || (!activations.empty() && current().blind))
    return silenced = {};
  if (!activations.empty()) {
    FindBinding finder{name, {}};
    finder.visit(current().def->body);
    if (finder.found)
      return error(at, fmt::format("'{}' is read before it is bound", name))
          .note(*finder.found, "it gets a value here")
          .suggest("bind it on every way that leads here");
  }
  std::vector<std::string> known = visibleNames();
  if (switches)
    for (const ParamSpec &param : *switches)
      if (param.need == ParamSpec::Need::Switch)
        known.insert(known.begin(), param.name);
  return error(at, fmt::format("unknown name '{}'{}", name, didYouMean(name, known)));
}

Value Elaborator::evaluateName(const NameExpr &expr, Range at) {
  if (!activations.empty()) {
    auto it = current().variables.find(expr.name);
    if (it != current().variables.end()) {
      observe(at, it->second);
      return it->second;
    }
  }
  if (const Definition *def = program.find(expr.name))
    return {def};
  if (const LayerKind *kind = findLayerKind(expr.name))
    return {kind};
  if (const Function *function = findFunction(expr.name))
    return {function};
  if (isChoiceWord(expr.name))
    return {expr.name};
  unboundName(expr.name, at);
  return Value::poison();
}

Value Elaborator::evaluateList(const ListExpr &expr, Range at) {
  std::vector<Value> items;
  bool poisoned = false;
  for (const Expr &item : expr.items) {
    items.push_back(evaluate(item));
    if (items.back().isNothing()) {
      error(item.range, "this has no value: it can't stand in a list");
      poisoned = true;
    }
    poisoned |= items.back().isPoison();
  }
  if (poisoned)
    return Value::poison();
  if (items.size() > maxListLength) {
    error(at, fmt::format("the list has more than {} items", maxListLength));
    return Value::poison();
  }
  Value list = makeList(std::move(items));
  if (list.isPoison())
    error(at, fmt::format("lists are nested more than {} deep", maxListDepth));
  return list;
}

std::optional<bool> Elaborator::condition(const Expr &expr) {
  Value value = evaluate(expr);
  if (value.isPoison())
    return std::nullopt;
  if (const auto *flag = value.as<bool>())
    return *flag;
  Diagnostic &diag =
      error(expr.range, fmt::format("expected true or false, have {}", describeValue(value)));
  if (value.as<int64_t>())
    diag.suggest("compare it: n != 0");
  return std::nullopt;
}

Value Elaborator::evaluateUnary(const UnaryExpr &expr, Range at) {
  if (expr.op == UnaryOp::Not) {
    std::optional<bool> value = condition(*expr.operand);
    return value ? Value{!*value} : Value::poison();
  }
  // The smallest integer has no positive counterpart to negate.
  Value value = evaluate(*expr.operand);
  if (value.isPoison())
    return value;
  Computed result = negate(value);
  if (!result.error.empty())
    error(at, result.error);
  return result.value;
}

Value Elaborator::evaluateLogic(const BinaryExpr &expr) {
  std::optional<bool> value = condition(*expr.first);
  for (const BinaryExpr::Link &link : expr.rest) {
    bool isAnd = link.op == BinaryOp::And;
    // The other side is not looked at where it can't matter.
    if (value && *value != isAnd)
      continue;
    std::optional<bool> right = condition(*link.right);
    if (!value || !right)
      return Value::poison();
    value = right;
  }
  return value ? Value{*value} : Value::poison();
}

Value Elaborator::evaluateBinary(const BinaryExpr &expr) {
  BinaryOp op = expr.rest.front().op;
  if (op == BinaryOp::And || op == BinaryOp::Or)
    return evaluateLogic(expr);
  Value value = evaluate(*expr.first);
  for (const BinaryExpr::Link &link : expr.rest) {
    Value right = evaluate(*link.right);
    value = combine(link.op, link.opRange, value, right);
  }
  return value;
}

Value Elaborator::combine(BinaryOp op, Range at, const Value &left, const Value &right) {
  if (left.isPoison() || right.isPoison() || !spend(at))
    return Value::poison();
  const auto *a = left.as<Value::Tensor>(), *b = right.as<Value::Tensor>();
  bool comparesAny = op == BinaryOp::Equal || op == BinaryOp::NotEqual;
  bool isLayer = op == BinaryOp::Add || op == BinaryOp::Multiply;
  if (a && b && isLayer)
    return combineTensors(op, at, a->layer, b->layer);
  const Value &other = a ? right : left;
  bool isNumber = other.as<int64_t>() || other.as<double>();
  if ((a || b) && isLayer && isNumber)
    return combineWithNumber(op, at, (a ? a : b)->layer, other);
  if ((a || b) && !comparesAny) {
    Diagnostic &diag = error(at, fmt::format("'{}' of {} and {}", spelling(op), describeValue(left),
                                             describeValue(right)));
    if (a && b)
      diag.suggest("tensors have only '+' (skip-add) and '*' (gate)");
    else if (isNumber && op == BinaryOp::Subtract && a)
      diag.suggest(fmt::format("add the negative number: x + -{}", spell(other)));
    else if (isNumber && op == BinaryOp::Divide && a)
      diag.suggest("multiply by the reciprocal: x * 0.5 for x / 2");
    else
      diag.suggest("a tensor has '+' and '*', with a tensor or a number");
    return Value::poison();
  }
  Computed result = compute(op, left, right);
  if (!result.error.empty()) {
    error(at, result.error).suggest(result.help);
    return Value::poison();
  }
  if (result.value.as<Value::List>())
    fuel -= static_cast<int64_t>((*result.value.as<Value::List>())->items.size());
  return result.value;
}

/// Whether `operand` has one value for each channel or feature of `of`.
static bool isPerChannel(const Shape &operand, const Shape &of) {
  if (of.size() == 3)
    return operand == Shape{of[0]} || operand == Shape{of[0], 1, 1};
  return of.size() != 1 && operand == Shape{of.back()};
}

Value Elaborator::combineTensors(BinaryOp op, Range at, int left, int right) {
  const Shape a = network.layers[left].output, b = network.layers[right].output;
  bool isAdd = op == BinaryOp::Add;
  bool swapped = a != b && isPerChannel(a, b);
  if (a != b && !isPerChannel(b, a) && !swapped) {
    Diagnostic &diag = error(
        at, isAdd ? fmt::format("skip-add of unequal shapes: {} + {}", spell(a), spell(b))
                  : fmt::format("gate of shapes that don't fit: {} * {}", spell(a), spell(b)));
    for (int index : {left, right})
      diag.note(layerRanges[index],
                fmt::format("{} comes from '{}'", spell(network.layers[index].output),
                            network.layers[index].name));
    if (!isAdd)
      diag.suggest("'*' wants equal shapes, or on one side a value per channel: [c] or [c, 1, 1]");
    else if (a.size() == 3 && b.size() == 3 && (a[1] != b[1] || a[2] != b[2]))
      diag.suggest("bring both to one height and width: the same stride on both ways");
    else if (a.size() == 3 && b.size() == 3)
      diag.suggest("bring both to as many channels: conv(c, k=1) or pad_channels(c) on the "
                   "shortcut");
    return Value::poison();
  }
  LayerAttrs attrs = isAdd ? LayerAttrs(AddAttrs{}) : LayerAttrs(MulAttrs{});
  if (swapped)
    return addOperator(isAdd, attrs, b, {right, left}, at);
  return addOperator(isAdd, attrs, a, {left, right}, at);
}

/// `x * 0.5`, `3 + x`: the number as f32 computes with it.
Value Elaborator::combineWithNumber(BinaryOp op, Range at, int tensor, const Value &number) {
  const auto *integer = number.as<int64_t>();
  double value = integer ? static_cast<double>(*integer) : *number.as<double>();
  if (!std::isfinite(static_cast<float>(value))) {
    error(at, fmt::format("'{}' of a tensor and {}: tensors hold 32-bit floats, at most 3.4e38",
                          spelling(op), spell(number)));
    return Value::poison();
  }
  bool isAdd = op == BinaryOp::Add;
  AffineAttrs attrs = isAdd ? AffineAttrs{1, value} : AffineAttrs{value, 0};
  return addOperator(isAdd, attrs, network.layers[tensor].output, {tensor}, at);
}

Value Elaborator::addOperator(bool isAdd, LayerAttrs attrs, Shape output, std::vector<int> inputs,
                              Range at) {
  Draft draft;
  draft.attrs = attrs;
  draft.output = std::move(output);
  const char *kind = isAdd ? "add" : "mul";
  return addLayer(kind, std::move(draft), std::move(inputs), current().scope.next(kind), at);
}

Value Elaborator::evaluateMember(const MemberExpr &expr) {
  Value base = evaluate(*expr.base);
  if (base.isPoison())
    return base;
  const auto *tensor = base.as<Value::Tensor>();
  if (!tensor) {
    error(expr.nameRange, fmt::format("{} has no '.{}'", describeValue(base), expr.name))
        .suggest("only tensors have .shape, and .channels, .height and .width of an image, "
                 ".tokens and .features of a sequence");
    return Value::poison();
  }
  const Shape &shape = network.layers[tensor->layer].output;
  if (expr.name == "shape") {
    std::vector<Value> items;
    for (int64_t size : shape)
      items.push_back({size});
    Value list = makeList(std::move(items));
    observe(expr.nameRange, list);
    return list;
  }
  Value size = sizeOf(shape, expr);
  observe(expr.nameRange, size);
  return size;
}

/// Names of the sizes of a shape, in order.
static std::vector<std::string> sizeNames(const Shape &shape) {
  switch (shape.size()) {
  case 1:
    return {"channels"};
  case 2:
    return {"tokens", "features"};
  case 3:
    return {"channels", "height", "width"};
  default:
    return {};
  }
}

Value Elaborator::sizeOf(const Shape &shape, const MemberExpr &expr) {
  std::vector<std::string> names = sizeNames(shape);
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == expr.name)
      return {shape[i]};
  if (shape.size() == 1 && expr.name == "features")
    return {shape[0]};
  static const std::vector<std::string> all{"channels", "height",   "width",
                                            "tokens",   "features", "shape"};
  bool known = std::find(all.begin(), all.end(), expr.name) != all.end();
  std::string has = "it has ";
  for (const std::string &name : names)
    has += (&name == &names.front() ? "." : ", .") + name;
  has += names.empty() ? ".shape" : " and .shape";
  if (known)
    error(expr.nameRange, fmt::format("{} {} {} has no {}", shape.size() == 3 ? "an" : "a",
                                      kindOf(shape), spell(shape), expr.name))
        .suggest(has);
  else
    error(expr.nameRange,
          fmt::format("a tensor has no '.{}'{}", expr.name, didYouMean(expr.name, all)))
        .suggest(has);
  return Value::poison();
}

Value Elaborator::evaluateIndex(const IndexExpr &expr, Range at) {
  Value base = evaluate(*expr.base), index = evaluate(*expr.index);
  if (base.isPoison() || index.isPoison())
    return Value::poison();
  const auto *list = base.as<Value::List>();
  if (!list) {
    error(at, fmt::format("only a list has items, have {}", describeValue(base)));
    return Value::poison();
  }
  const auto *position = index.as<int64_t>();
  if (!position) {
    error(expr.index->range, fmt::format("expected an integer, have {}", describeValue(index)));
    return Value::poison();
  }
  int64_t size = static_cast<int64_t>((*list)->items.size());
  int64_t place = *position < 0 && *position >= -size ? *position + size : *position;
  if (place < 0 || place >= size) {
    error(expr.index->range,
          fmt::format("item {} of a list of {}: items count from 0", *position, size));
    return Value::poison();
  }
  return (*list)->items[place];
}

Value Elaborator::makeRange(int64_t low, int64_t high, int64_t step, Range at) {
  std::vector<Value> items;
  for (int64_t i = low; step > 0 ? i < high : i > high;) {
    if (static_cast<int64_t>(items.size()) >= maxIterations) {
      error(at, fmt::format("a range of more than {} integers", maxIterations));
      return Value::poison();
    }
    items.push_back({i});
    if (__builtin_add_overflow(i, step, &i))
      break;
  }
  fuel -= static_cast<int64_t>(items.size());
  return makeList(std::move(items));
}

Value Elaborator::evaluateRange(const RangeExpr &expr, Range at) {
  Value low = evaluate(*expr.low), high = evaluate(*expr.high);
  if (low.isPoison() || high.isPoison())
    return Value::poison();
  if (low.as<int64_t>() && high.as<int64_t>())
    return makeRange(*low.as<int64_t>(), *high.as<int64_t>(), 1, at);
  error(at, fmt::format("'..' wants two integers, have {} and {}", describeValue(low),
                        describeValue(high)));
  return Value::poison();
}

Value Elaborator::evaluatePipe(const PipeExpr &expr) {
  Value value = evaluate(*expr.head);
  for (const Expr &stage : expr.stages) {
    if (value.isNothing()) {
      error(stage.range, "what stands left of '|' has no value");
      value = Value::poison();
    }
    if (!spend(stage.range))
      return Value::poison();
    Value next = call(std::get<CallExpr>(stage.node), stage.range, &value);
    value = std::move(next);
  }
  return value;
}

} // namespace netc::frontend
