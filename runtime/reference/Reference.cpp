//===- Reference.cpp - a model's loss in double precision -----------------===//
#include "runtime/reference/Reference.h"

#include "runtime/base/Error.h"
#include "runtime/reference/Layers.h"
#include "runtime/system/Memory.h"

#include <algorithm>

namespace netc::runtime::reference {

Reference::Reference(const Graph &graph, std::vector<std::vector<double>> given,
                     std::vector<int64_t> imageShape, std::vector<double> input,
                     std::vector<int64_t> wanted)
    : graph(graph), parameters(std::move(given)), labels(std::move(wanted)),
      n(int64_t(labels.size())), inputShape(std::move(imageShape)),
      lastUse(graph.nodes.size() + 1, 0), base(graph.nodes.size() + 1) {
  uint64_t bytes = 0;
  for (const Node &node : graph.nodes)
    bytes += uint64_t(node.elements()) * uint64_t(node.parameter < 0 ? n : 1) * sizeof(double);
  if (bytes / 2 > availableMemory() / 3)
    fail("the double-precision reference needs {} for {} images, {} are available: take a smaller "
         "--batch",
         describeBytes(bytes), n, shortBytes(availableMemory()));
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    for (int value : graph.nodes[i].inputs)
      lastUse[size_t(value)] = i;
  for (int value : graph.results)
    lastUse[size_t(value)] = graph.nodes.size();
  base[0] = std::move(input);
  Values own(base.size());
  baseLoss = evaluate(std::vector<bool>(base.size(), true), SIZE_MAX, nullptr, own, true);
  for (size_t i = 1; i < own.size(); ++i)
    base[i] = std::move(own[i]);
}

double Reference::evaluate(const std::vector<bool> &dirty, size_t index,
                           const std::vector<double> *value, Values &own, bool keep) const {
  auto valueOf = [&](int id) -> const double * {
    if (id == 0)
      return base[0].data();
    const Node &node = graph.nodes[size_t(id) - 1];
    if (node.parameter >= 0)
      return size_t(node.parameter) == index ? value->data()
                                             : parameters[size_t(node.parameter)].data();
    return dirty[size_t(id)] ? own[size_t(id)].data() : base[size_t(id)].data();
  };
  auto shapeOf = [&](int id) { return id == 0 ? &inputShape : &graph.nodes[size_t(id) - 1].shape; };
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node &node = graph.nodes[i];
    if (node.parameter < 0 && dirty[i + 1]) {
      std::vector<Operand> operands;
      for (int id : node.inputs)
        operands.push_back({valueOf(id), shapeOf(id)});
      own[i + 1].resize(size_t(n * node.elements()));
      computeNode(node, operands, n, own[i + 1].data());
    }
    for (int id : node.inputs)
      if (!keep && lastUse[size_t(id)] == i)
        std::vector<double>().swap(own[size_t(id)]);
  }
  double loss = 0;
  for (size_t head = 0; head < graph.results.size(); ++head) {
    int id = graph.results[head];
    int64_t classes = graph.nodes[size_t(id) - 1].elements();
    double weight = head == 0 ? 1 : graph.auxiliaryWeights.at(head - 1);
    loss += weight * crossEntropy(valueOf(id), labels.data(), n, classes, graph.smoothing);
  }
  return loss;
}

/// The values that depend on parameter `index`.
static std::vector<bool> dependents(const Graph &graph, size_t index) {
  std::vector<bool> dirty(graph.nodes.size() + 1);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node &node = graph.nodes[i];
    dirty[i + 1] = node.parameter >= 0 ? size_t(node.parameter) == index
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
