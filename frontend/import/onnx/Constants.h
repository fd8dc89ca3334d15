//===- Constants.h - what a graph computes of sizes -------------*- C++ -*-===//
#ifndef NETC_FRONTEND_IMPORT_ONNX_CONSTANTS_H
#define NETC_FRONTEND_IMPORT_ONNX_CONSTANTS_H

#include "frontend/import/onnx/Graph.h"

#include <functional>
#include <optional>
#include <utility>

namespace netc::frontend::onnx {

/// Stands for the batch in lists of sizes: exporters write a flatten as a reshape to sizes that
/// they compute of the input's.
inline constexpr int64_t kBatch = INT64_MIN + 1;
/// The batch times `factor`, as in a reshape that merges it with the heads of an attention.
constexpr int64_t batchTimes(int64_t factor) { return INT64_MIN + factor; }
/// The factor of such a size; 0: the size has no batch.
constexpr int64_t batchFactor(int64_t size) {
  return size < INT64_MIN + (int64_t(1) << 40) ? size - INT64_MIN : 0;
}

/// Finds the constant of a name; null: it is none.
using FindConstant = std::function<const Tensor *(const std::string &)>;

/// The result of a node all of whose inputs are constants, if it is arithmetic on sizes or a
/// rearrangement of weights. Nothing: it is not.
std::optional<Tensor> foldNode(const Node &node, const FindConstant &find);

/// The same of DequantizeLinear and QuantizeLinear (FoldQuantized.cpp): weights as whole numbers
/// with a scale, or one for each index of an axis.
std::optional<Tensor> foldDequantize(const Node &node, const FindConstant &find);
std::optional<Tensor> foldQuantize(const Node &node, const FindConstant &find);
/// The smallest and largest number of an element type of 8 or 16 bits; nothing of others.
std::optional<std::pair<double, double>> rangeOf(int32_t type);

} // namespace netc::frontend::onnx

#endif // NETC_FRONTEND_IMPORT_ONNX_CONSTANTS_H
