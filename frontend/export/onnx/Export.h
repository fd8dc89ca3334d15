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

/// The scale of a layer's values in 8 bits, as calibrate found it; nothing: they stay f32.
using FindScale = std::function<std::optional<float>(const std::string &layer)>;

/// The bytes of an ONNX model of opset 18: inference, with the weights inside; the batch may be
/// any. Nothing: `error` names the layer that ONNX has no operator for. `version`: of netc.
/// Values with a scale pass QuantizeLinear and DequantizeLinear, and so do the weights of
/// convolutions and linear layers that read them, with a scale for each output channel.
std::optional<std::string> exportNetwork(const Network &network, const FindValues &values,
                                         const FindScale &scales, const std::string &version,
                                         std::string &error);

} // namespace netc::frontend::onnx

#endif // NETC_FRONTEND_EXPORT_ONNX_EXPORT_H
