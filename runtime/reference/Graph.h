//===- Graph.h - what a model computes, as written --------------*- C++ -*-===//
#ifndef NETC_RUNTIME_REFERENCE_GRAPH_H
#define NETC_RUNTIME_REFERENCE_GRAPH_H

#include "runtime/exec/Model.h"

#include <string>
#include <vector>

namespace netc::runtime::reference {

/// The first values are the inputs; each node makes the next one.
struct Node {
  std::string op; ///< of the net dialect: conv2d, batch_norm, …
  std::vector<int> inputs;
  std::vector<int64_t> shape; ///< of the result; activations without the batch
  int parameter = -1;         ///< get_parameter: index into ModelInfo::parameters
  std::string kind;           ///< activation
  std::vector<int64_t> kernel, strides, pads, dilations, spreads, offsets;
  std::vector<int64_t> order; ///< permute
  int64_t groups = 1, channelOffset = 0, size = 0;
  int64_t axis = 0, begin = 0; ///< slice, concat: counts from the batch; 0: of the channels
  double eps = 0, slope = 0, alpha = 0, beta = 0, k = 0, scale = 1, shift = 0;
  bool frozen = false; ///< batch_norm
  bool transposeLhs = false, transposeRhs = false, bilinear = false;
  bool fixed = false; ///< made of parameters alone: it has no batch

  int64_t elements() const;
};

/// A term of the loss: the mean over images of what `value` costs.
struct LossTerm {
  LossKind kind = LossKind::CrossEntropy;
  int value = 0;     ///< an output or an auxiliary head
  size_t target = 0; ///< index of ModelInfo::targets
  double weight = 1;
  std::optional<int64_t> ignore = {};   ///< see LossInfo
  std::optional<double> threshold = {}; ///< see LossInfo
  double smooth = 1;                    ///< see LossInfo
};

/// The forward pass that the compiler started from (@forward), before any rewriting.
struct Graph {
  std::vector<std::vector<int64_t>> inputs; ///< shapes without the batch
  std::vector<Node> nodes;
  std::vector<LossTerm> losses; ///< of outputs, then of auxiliary heads
  double smoothing = 0;         ///< of the labels

  size_t values() const { return inputs.size() + nodes.size(); }
  bool isInput(int value) const { return size_t(value) < inputs.size(); }
  /// The node that makes a value.
  const Node &node(int value) const { return nodes[size_t(value) - inputs.size()]; }
  const std::vector<int64_t> &shape(int value) const {
    return isInput(value) ? inputs[size_t(value)] : node(value).shape;
  }
};

/// Reads the description's graph. Fails with an Error where the executable has none,
/// or one that this reference does not know how to compute.
Graph readGraph(const ModelInfo &info);

} // namespace netc::runtime::reference

#endif // NETC_RUNTIME_REFERENCE_GRAPH_H
