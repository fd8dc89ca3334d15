//===- Statements.cpp - runs bodies, loops and branches -------------------===//
#include "frontend/elaborate/Elaborator.h"

#include <fmt/format.h>

namespace netc::frontend {

/// Gives the value of the last statement, if that is an expression.
Value Elaborator::runBody(const Body &body) {
  Value last{Value::Nothing{}};
  for (const Stmt &stmt : body.statements) {
    if (stopped)
      return Value::poison();
    last = runStatement(stmt);
  }
  return last;
}

Value Elaborator::runStatement(const Stmt &stmt) {
  if (const auto *expr = std::get_if<ExprStmt>(&stmt.node))
    return evaluate(*expr->value);
  if (const auto *assign = std::get_if<AssignStmt>(&stmt.node)) {
    Value value = evaluate(*assign->value);
    if (value.isNothing()) {
      error(assign->value->range, "this has no value that could be bound");
      value = Value::poison();
    }
    bindTargets(assign->targets, value, assign->value->range);
  } else if (const auto *loop = std::get_if<ForStmt>(&stmt.node)) {
    runFor(*loop);
  } else if (const auto *loop = std::get_if<RepeatStmt>(&stmt.node)) {
    runRepeat(*loop);
  } else if (const auto *input = std::get_if<InputStmt>(&stmt.node)) {
    runInput(*input);
  } else if (const auto *hole = std::get_if<HoleStmt>(&stmt.node)) {
    fall(*hole);
    return Value::poison();
  } else if (const auto *result = std::get_if<ReturnStmt>(&stmt.node)) {
    if (!result->named.empty()) {
      runNamedResults(result->named);
      return {Value::Nothing{}};
    }
    Value value = evaluate(*result->value);
    observe(stmt.range, value);
    if (!value.isNothing())
      return value;
    error(result->value->range, "this has no value that could be returned");
    return Value::poison();
  }
  return {Value::Nothing{}};
}

/// A statement with an error has been reported; its values stay unknown.
void Elaborator::fall(const HoleStmt &hole) {
  for (const Target &target : hole.targets)
    current().variables[target.name] = Value::poison();
  if (!hole.blind)
    return;
  current().blind = true;
  for (auto &[name, value] : current().variables)
    value = Value::poison();
}

void Elaborator::bindTargets(const std::vector<Target> &targets, const Value &value, Range at) {
  auto &variables = current().variables;
  if (targets.size() == 1) {
    variables[targets.front().name] = value;
    observe(targets.front().range, value);
    return;
  }
  const auto *list = value.as<Value::List>();
  bool fits = list && (*list)->items.size() == targets.size();
  if (!fits && !value.isPoison())
    error(at, fmt::format("{} names want a list of {} items each, have {}", targets.size(),
                          targets.size(), describeValue(value)));
  for (size_t i = 0; i < targets.size(); ++i) {
    Value &variable = variables[targets[i].name];
    variable = fits ? (*list)->items[i] : Value::poison();
    observe(targets[i].range, variable);
  }
}

void Elaborator::runFor(const ForStmt &loop) {
  Value over = evaluate(*loop.over);
  const auto *list = over.as<Value::List>();
  if (!list) {
    if (!over.isPoison()) {
      Diagnostic &diag = error(loop.over->range, fmt::format("'for' wants a list or a range, "
                                                             "have {}",
                                                             describeValue(over)));
      if (over.as<int64_t>())
        diag.suggest("write for i in 0..n");
    }
    // Once, to find the errors in it.
    ++speculative;
    bindTargets(loop.targets, Value::poison(), loop.over->range);
    runBody(loop.body);
    poisonAssigned(loop.body);
    --speculative;
    return;
  }
  Value::List items = *list;
  for (const Value &item : items->items) {
    if (!spend(loop.over->range))
      return;
    bindTargets(loop.targets, item, loop.over->range);
    runBody(loop.body);
  }
}

void Elaborator::runRepeat(const RepeatStmt &loop) {
  Value count = evaluate(*loop.count);
  const auto *times = count.as<int64_t>();
  bool good = times && *times >= 0 && *times <= maxIterations;
  if (!good) {
    if (times)
      error(loop.count->range,
            fmt::format("a count between 0 and {} is wanted, have {}", maxIterations, *times));
    else if (!count.isPoison())
      error(loop.count->range,
            fmt::format("'repeat' wants an integer, have {}", describeValue(count)));
    ++speculative;
    runBody(loop.body);
    poisonAssigned(loop.body);
    --speculative;
    return;
  }
  for (int64_t i = 0; i < *times; ++i) {
    if (!spend(loop.count->range))
      return;
    runBody(loop.body);
  }
}

Value Elaborator::runIf(const IfExpr &expr) {
  for (const IfExpr::Arm &arm : expr.arms) {
    std::optional<bool> holds = condition(*arm.condition);
    if (holds && *holds)
      return runBody(arm.body);
    if (holds)
      continue;
    // The condition is unknown: all branches are checked, and none takes effect.
    ++speculative;
    for (const IfExpr::Arm &each : expr.arms)
      runBody(each.body);
    if (expr.otherwise)
      runBody(*expr.otherwise);
    for (const IfExpr::Arm &each : expr.arms)
      poisonAssigned(each.body);
    if (expr.otherwise)
      poisonAssigned(*expr.otherwise);
    --speculative;
    return Value::poison();
  }
  return expr.otherwise ? runBody(*expr.otherwise) : Value{Value::Nothing{}};
}

void Elaborator::poisonAssigned(const Body &body) {
  auto poisonBranches = [&](const Expr &expr) {
    const auto *branch = std::get_if<IfExpr>(&expr.node);
    if (!branch)
      return;
    for (const IfExpr::Arm &arm : branch->arms)
      poisonAssigned(arm.body);
    if (branch->otherwise)
      poisonAssigned(*branch->otherwise);
  };
  for (const Stmt &stmt : body.statements) {
    if (const auto *assign = std::get_if<AssignStmt>(&stmt.node)) {
      for (const Target &target : assign->targets)
        current().variables[target.name] = Value::poison();
    } else if (const auto *loop = std::get_if<ForStmt>(&stmt.node)) {
      poisonAssigned(loop->body);
    } else if (const auto *loop = std::get_if<RepeatStmt>(&stmt.node)) {
      poisonAssigned(loop->body);
    } else if (const auto *inner = std::get_if<ExprStmt>(&stmt.node)) {
      poisonBranches(*inner->value);
    } else if (const auto *hole = std::get_if<HoleStmt>(&stmt.node)) {
      fall(*hole);
    }
  }
}

/// `return {scores: a, features: b}`
void Elaborator::runNamedResults(const std::vector<NamedResult> &results) {
  for (const NamedResult &result : results) {
    Value value = evaluate(*result.value);
    if (const auto *tensor = value.as<Value::Tensor>()) {
      network.outputs.push_back({result.name.name, tensor->layer});
      resultRanges.push_back(result.name.range);
    } else if (!value.isPoison()) {
      error(result.value->range, fmt::format("the output '{}' must be a tensor, have {}",
                                             result.name.name, describeValue(value)));
    }
  }
}

/// Reads one to four sizes; empty where `value` is no such list.
static Shape asShape(const Value &value) {
  const auto *list = value.as<Value::List>();
  if (!list || (*list)->items.empty() || (*list)->items.size() > 4)
    return {};
  Shape shape;
  for (const Value &item : (*list)->items) {
    const auto *size = item.as<int64_t>();
    if (!size || *size < 1 || *size > 65536)
      return {};
    shape.push_back(*size);
  }
  return shape;
}

void Elaborator::runInput(const InputStmt &input) {
  Value value = Value::poison();
  Range at = input.shape->range;
  bool overridden = false;
  for (const auto &[name, shape] : overrides)
    if (name == input.name.name) {
      value = shape;
      overridden = true;
    }
  if (!overridden)
    value = evaluate(*input.shape);
  auto &variables = current().variables;
  variables[input.name.name] = Value::poison();
  if (value.isPoison())
    return;
  Shape shape = asShape(value);
  if (shape.empty()) {
    error(at, fmt::format("an input's shape is [channels, height, width], [features], "
                          "[tokens, features] or four sizes, each from 1 to 65536; have {}{}",
                          describeValue(value), overridden ? " from --set " + input.name.name : ""))
        .suggest("write input image: [3, 224, 224]; the batch is never written");
    return;
  }
  if (network.layers.size() != network.inputCount()) {
    error(input.name.range, "'input' stands before the first layer");
    return;
  }
  Draft draft;
  draft.attrs = InputAttrs{};
  draft.output = std::move(shape);
  variables[input.name.name] =
      addLayer("input", std::move(draft), {}, input.name.name, input.name.range);
  observe(input.name.range, variables[input.name.name]);
}

} // namespace netc::frontend
