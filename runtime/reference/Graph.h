//===- Graph.h - what a model computes, as written --------------*- C++ -*-===//
#ifndef NETC_RUNTIME_REFERENCE_GRAPH_H
#define NETC_RUNTIME_REFERENCE_GRAPH_H

#include "runtime/exec/Model.h"

#include <string>
#include <vector>

namespace netc::runtime::reference {

/// Value 0 is the input; node i makes value i + 1.
struct Node {
  std::string op; ///< of the net dialect: conv2d, batch_norm, …
  std::vector<int> inputs;
  std::vector<int64_t> shape; ///< of the result; activations without the batch
  int parameter = -1;         ///< get_parameter: index into ModelInfo::parameters
  std::string kind;           ///< activation
  std::vector<int64_t> kernel, strides, pads, dilations, spreads, offsets;
  int64_t groups = 1, channelOffset = 0, size = 0;
  double eps = 0, slope = 0, alpha = 0, beta = 0, k = 0, scale = 1, shift = 0;
  bool frozen = false; ///< batch_norm

  int64_t elements() const;
};

/// The forward pass that the compiler started from (@forward), before any rewriting.
struct Graph {
  std::vector<Node> nodes;
  std::vector<int> results; ///< logits, then auxiliary heads
  std::vector<double> auxiliaryWeights;
  double smoothing = 0; ///< of the labels
};

/// Reads the description's graph. Fails with an Error where the executable has none,
/// or one that this reference does not know how to compute.
Graph readGraph(const ModelInfo &info);

} // namespace netc::runtime::reference

#endif // NETC_RUNTIME_REFERENCE_GRAPH_H
