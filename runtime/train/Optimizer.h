//===- Optimizer.h - the numbers that an update reads -----------*- C++ -*-===//
#ifndef NETC_RUNTIME_TRAIN_OPTIMIZER_H
#define NETC_RUNTIME_TRAIN_OPTIMIZER_H

#include "runtime/exec/Executor.h"
#include "runtime/recipe/Recipe.h"

#include <string>
#include <vector>

namespace netc::runtime {

class StateShard;

/// Runs `update`, and `norm` and `accumulate` if the recipe needs them.
class Optimizer {
public:
  /// Sets every parameter's own factors. Fails where a pattern names no parameter, or the
  /// executable was compiled before these programs were known.
  Optimizer(const Recipe &recipe, Executor &executor);

  /// Starts the moving average at the weights as they are.
  void startAverage();

  /// Adds the gradients of one batch, times `weight` (its share of the update's images). `first`,
  /// `last`: whether it is the first or last batch of the update.
  void accumulate(double weight, bool first, bool last);

  /// From now on each process updates its part.
  void divide(StateShard &among) { shard = &among; }

  /// Update number `step` (from 0) at learning rate `rate`.
  void update(int64_t step, double rate, int64_t n);

  /// During its lifetime PARAMETERS are the moving average, if the recipe has one.
  class Averaged {
  public:
    explicit Averaged(const Optimizer &optimizer);
    ~Averaged();
    Averaged(const Averaged &) = delete;

  private:
    Executor &executor;
    char *weights;
  };

  /// Trainable parameters that stay as they are.
  const std::vector<std::string> &frozen() const { return frozenNames; }

private:
  void setFactors();
  void clip(int64_t n);

  const Recipe &recipe;
  Executor &executor;
  StateShard *shard = nullptr;
  std::vector<std::string> frozenNames;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_TRAIN_OPTIMIZER_H
