//===- Reference.h - a model's loss in double precision ---------*- C++ -*-===//
#ifndef NETC_RUNTIME_REFERENCE_REFERENCE_H
#define NETC_RUNTIME_REFERENCE_REFERENCE_H

#include "runtime/reference/Graph.h"

namespace netc::runtime::reference {

/// What a batch is compared with, by ModelInfo::targets: of cross entropy class indices, one for
/// each vector of scores of each image, else values.
struct Target {
  std::vector<int64_t> labels;
  std::vector<double> values;
};

/// One batch through the graph, with every value kept, so that the loss at another
/// value of one parameter costs only what depends on it. Const members are thread-safe.
class Reference {
public:
  /// `n` images, `inputs` [n, shape…] each; `parameters` and `targets` in the order of ModelInfo.
  /// Fails where the values do not fit into memory.
  Reference(const Graph &graph, int64_t n, std::vector<std::vector<double>> parameters,
            std::vector<std::vector<double>> inputs, std::vector<Target> targets);

  double loss() const { return baseLoss; }
  const std::vector<double> &parameter(size_t index) const { return parameters[index]; }

  /// The loss with `value` in the place of parameter `index`.
  double lossWith(size_t index, const std::vector<double> &value) const;

private:
  using Values = std::vector<std::vector<double>>;
  /// Computes the nodes marked in `dirty` into `own`; the others' values are the base's.
  double evaluate(const std::vector<bool> &dirty, size_t index, const std::vector<double> *value,
                  Values &own, bool keep) const;
  double costOf(const LossTerm &term, const double *values) const;

  const Graph &graph;
  int64_t n;
  std::vector<std::vector<double>> parameters;
  std::vector<Target> targets;
  std::vector<size_t> lastUse; // of each value: the last node that reads it
  Values base;
  double baseLoss = 0;
};

} // namespace netc::runtime::reference

#endif // NETC_RUNTIME_REFERENCE_REFERENCE_H
