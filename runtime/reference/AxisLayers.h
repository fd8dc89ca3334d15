//===- AxisLayers.h - layers on tensors of any rank -------------*- C++ -*-===//
#ifndef NETC_RUNTIME_REFERENCE_AXISLAYERS_H
#define NETC_RUNTIME_REFERENCE_AXISLAYERS_H

#include "runtime/reference/Layers.h"

namespace netc::runtime::reference {

/// Computes `node` where it is one of slices, joins of an axis, permutations, products of matrices,
/// norms of rows and groups, transposed convolutions and resampled images; whether it is.
bool computeOnAxes(const Node &node, const std::vector<Operand> &in, int64_t n, double *out);

} // namespace netc::runtime::reference

#endif // NETC_RUNTIME_REFERENCE_AXISLAYERS_H
