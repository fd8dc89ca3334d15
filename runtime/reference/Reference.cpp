//===- Reference.cpp - a model's loss in double precision -----------------===//
#include "runtime/reference/Reference.h"

#include "runtime/base/Error.h"
#include "runtime/reference/Layers.h"
#include "runtime/system/Memory.h"

#include <algorithm>
#include <cmath>

namespace netc::runtime::reference {

Reference::Reference(const Graph &graph, int64_t n, std::vector<std::vector<double>> parameters,
                     std::vector<std::vector<double>> inputs, std::vector<Target> targets)
    : graph(graph), n(n), parameters(std::move(parameters)), targets(std::move(targets)),
      lastUse(graph.values(), 0), base(graph.values()) {
  uint64_t bytes = 0;
  for (const Node &node : graph.nodes)
    bytes += uint64_t(node.elements()) * uint64_t(node.fixed ? 1 : n) * sizeof(double);
  if (bytes / 2 > availableMemory() / 3)
    fail("the double-precision reference needs {} for {} images, {} are available: take a smaller "
         "--batch",
         describeBytes(bytes), n, shortBytes(availableMemory()));
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    for (int value : graph.nodes[i].inputs)
      lastUse[size_t(value)] = i;
  for (const LossTerm &term : graph.losses)
    lastUse[size_t(term.value)] = graph.nodes.size();
  std::move(inputs.begin(), inputs.end(), base.begin());
  Values own(base.size());
  baseLoss = evaluate(std::vector<bool>(base.size(), true), SIZE_MAX, nullptr, own, true);
  std::move(own.begin() + ptrdiff_t(graph.inputs.size()), own.end(),
            base.begin() + ptrdiff_t(graph.inputs.size()));
}

double Reference::costOf(const LossTerm &term, const double *values) const {
  const Target &target = targets[term.target];
  const std::vector<int64_t> &shape = graph.shape(term.value);
  if (term.kind == LossKind::CrossEntropy)
    return crossEntropy(values, shape, target.labels.data(), n, graph.smoothing, term.ignore);
  if (term.kind == LossKind::Dice)
    return diceLoss(values, shape, target.labels.data(), n, term.smooth, term.ignore);
  double sum = 0;
  double classes = double(shape.size() == 3 ? shape.front() : shape.back());
  for (size_t i = 0; i < target.values.size(); ++i) {
    double x = values[i], t = target.values[i], d = x - t;
    if (term.kind == LossKind::Bce) {
      t = t * (1 - graph.smoothing) + graph.smoothing / classes;
      t = term.threshold ? double(t > *term.threshold) : t;
      sum += std::max(x, 0.0) - x * t + std::log1p(std::exp(-std::abs(x)));
    } else {
      sum += term.kind == LossKind::Mse ? d * d : std::abs(d);
    }
  }
  return sum / double(target.values.size());
}

double Reference::evaluate(const std::vector<bool> &dirty, size_t index,
                           const std::vector<double> *value, Values &own, bool keep) const {
  auto valueOf = [&](int id) -> const double * {
    if (graph.isInput(id))
      return base[size_t(id)].data();
    const Node &node = graph.node(id);
    if (node.parameter >= 0)
      return size_t(node.parameter) == index ? value->data()
                                             : parameters[size_t(node.parameter)].data();
    return dirty[size_t(id)] ? own[size_t(id)].data() : base[size_t(id)].data();
  };
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node &node = graph.nodes[i];
    size_t made = graph.inputs.size() + i;
    if (node.parameter < 0 && dirty[made]) {
      std::vector<Operand> operands;
      for (int id : node.inputs)
        operands.push_back(
            {valueOf(id), &graph.shape(id), !graph.isInput(id) && graph.node(id).fixed});
      int64_t images = node.fixed ? 1 : n;
      own[made].resize(size_t(images * node.elements()));
      computeNode(node, operands, images, own[made].data());
    }
    for (int id : node.inputs)
      if (!keep && lastUse[size_t(id)] == i)
        std::vector<double>().swap(own[size_t(id)]);
  }
  double loss = 0;
  for (const LossTerm &term : graph.losses)
    loss += term.weight * costOf(term, valueOf(term.value));
  return loss;
}

/// The values that depend on parameter `index`.
static std::vector<bool> dependents(const Graph &graph, size_t index) {
  std::vector<bool> dirty(graph.values());
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node &node = graph.nodes[i];
    dirty[graph.inputs.size() + i] = node.parameter >= 0
                                         ? size_t(node.parameter) == index
                                         : std::any_of(node.inputs.begin(), node.inputs.end(),
                                                       [&](int id) { return dirty[size_t(id)]; });
  }
  return dirty;
}

double Reference::lossWith(size_t index, const std::vector<double> &value) const {
  Values own(base.size());
  return evaluate(dependents(graph, index), index, &value, own, false);
}

} // namespace netc::runtime::reference
