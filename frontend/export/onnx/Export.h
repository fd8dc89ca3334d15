//===- Export.h - an elaborated model as an ONNX file -----------*- C++ -*-===//
#ifndef NETC_FRONTEND_EXPORT_ONNX_EXPORT_H
#define NETC_FRONTEND_EXPORT_ONNX_EXPORT_H

#include "frontend/network/Network.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace netc::frontend::onnx {

/// The values of a parameter, row-major, as many as its shape says.
using FindValues = std::function<std::vector<float>(const Parameter &)>;

/// The bytes of an ONNX model of opset 18: inference, with the weights inside; the batch may be
/// any. Nothing: `error` names the layer that ONNX has no operator for. `version`: of netc.
std::optional<std::string> exportNetwork(const Network &network, const FindValues &values,
                                         const std::string &version, std::string &error);

} // namespace netc::frontend::onnx

#endif // NETC_FRONTEND_EXPORT_ONNX_EXPORT_H
