//===- Constants.h - what a graph computes of sizes -------------*- C++ -*-===//
#ifndef NETC_FRONTEND_IMPORT_ONNX_CONSTANTS_H
#define NETC_FRONTEND_IMPORT_ONNX_CONSTANTS_H

#include "frontend/import/onnx/Graph.h"

#include <functional>
#include <optional>

namespace netc::frontend::onnx {

/// Stands for the batch in lists of sizes: exporters write a flatten as a reshape to sizes that
/// they compute of the input's.
inline constexpr int64_t kBatch = INT64_MIN + 1;

/// Finds the constant of a name; null: it is none.
using FindConstant = std::function<const Tensor *(const std::string &)>;

/// The result of a node all of whose inputs are constants, if it is arithmetic on sizes or a
/// rearrangement of weights. Nothing: it is not.
std::optional<Tensor> foldNode(const Node &node, const FindConstant &find);

} // namespace netc::frontend::onnx

#endif // NETC_FRONTEND_IMPORT_ONNX_CONSTANTS_H
