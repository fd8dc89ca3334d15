//===- Layers.h - layers in double precision, as they are defined -*- C++ -*-===//
#ifndef NETC_RUNTIME_REFERENCE_LAYERS_H
#define NETC_RUNTIME_REFERENCE_LAYERS_H

#include "runtime/reference/Graph.h"

namespace netc::runtime::reference {

/// A value and its shape: [n, shape…] row-major, parameters without the n.
struct Operand {
  const double *data;
  const std::vector<int64_t> *shape;
  bool fixed = false; ///< the same for all images
};

/// Computes one node for n images, batch norm with the batch's statistics, dropout
/// off. `out` has the node's size. Fails with an Error on an operation that it does not implement.
void computeNode(const Node &node, const std::vector<Operand> &inputs, int64_t n, double *out);

/// Mean cross entropy of class scores [n, shape…] over images and pixels or tokens, with a label
/// for each; labels smoothed as PyTorch does. Those equal to `ignore` are left out of the mean.
double crossEntropy(const double *scores, const std::vector<int64_t> &shape, const int64_t *labels,
                    int64_t n, double smoothing, std::optional<int64_t> ignore = {});

/// 1 - mean over images and classes of (2 sum p t + smooth) / (sum (p + t) + smooth), where p is
/// the softmax of the scores; labels equal to `ignore` are left out of the sums.
double diceLoss(const double *scores, const std::vector<int64_t> &shape, const int64_t *labels,
                int64_t n, double smooth, std::optional<int64_t> ignore);

} // namespace netc::runtime::reference

#endif // NETC_RUNTIME_REFERENCE_LAYERS_H
