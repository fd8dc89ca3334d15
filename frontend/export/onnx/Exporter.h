//===- Exporter.h - from layers to nodes ------------------------*- C++ -*-===//
//
// Every value has the batch as its first size; a learned value has 1 there, which ONNX repeats
// where it meets another.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_FRONTEND_EXPORT_ONNX_EXPORTER_H
#define NETC_FRONTEND_EXPORT_ONNX_EXPORTER_H

#include "frontend/export/onnx/Export.h"

#include <onnx/onnx_pb.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace netc::frontend::onnx {

using Names = std::vector<std::string>;

void set(::onnx::NodeProto &node, const char *name, int64_t value);
void set(::onnx::NodeProto &node, const char *name, double value);
void set(::onnx::NodeProto &node, const char *name, const char *value);
void set(::onnx::NodeProto &node, const char *name, const std::vector<int64_t> &list);
template <size_t count>
void set(::onnx::NodeProto &node, const char *name, const std::array<int64_t, count> &list) {
  set(node, name, std::vector<int64_t>(list.begin(), list.end()));
}

/// Writes the nodes of one network, layer by layer.
class Exporter {
public:
  Exporter(const Network &network, const FindValues &values, const FindScale &scales)
      : network(network), values(values), scales(scales), graph(*model.mutable_graph()) {}

  std::optional<std::string> run(const std::string &version, std::string &error);

private:
  // Nodes and constants (ExportNodes.cpp).
  ::onnx::NodeProto &node(const char *op, const Layer &layer, Names inputs, std::string output);
  /// A node whose result is called after the layer and `part`; returns its name.
  std::string step(const char *op, const Layer &layer, Names inputs, const char *part);
  /// The same of a sum, product, quotient with one number.
  std::string stepWith(const char *op, const Layer &layer, const std::string &input, double number,
                       const char *part);
  std::string constant(const std::string &name, const std::vector<int64_t> &dims,
                       const std::vector<float> &numbers);
  std::string constant(const std::string &name, const std::vector<int64_t> &numbers);
  std::string constant(const std::string &name, const std::vector<int64_t> &dims,
                       const std::vector<int8_t> &numbers, int32_t type);
  ::onnx::TensorProto &addTensor(const std::string &name, int32_t type,
                                 const std::vector<int64_t> &dims, const void *data, size_t size);
  std::string parameter(const Layer &layer, size_t index);
  bool fail(const Layer &layer, const std::string &why);

  // Values in bytes (ExportQuantize.cpp).
  std::string weights(const Layer &layer, const std::string &name, const Shape &shape,
                      const std::vector<float> &numbers, size_t outputs);
  void quantize(const Layer &layer, size_t index);

  // Layers. False: it cannot be exported, which was said.
  bool convert(const Layer &layer, const std::string &out);
  bool emit(const Layer &layer, const ConvAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const ConvTransposeAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const LinearAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const BatchNormAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const LayerNormAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const GroupNormAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const ActivationAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const PreluAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const BinaryAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const PoolAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const AdaptivePoolAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const LrnAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const AffineAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const SoftmaxAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const DropoutAttrs &attrs, const std::string &out);

  // Layers that move values (ExportShapes.cpp).
  bool emit(const Layer &layer, const AddAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const MulAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const MatmulAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const MeanAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const ConcatAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const FlattenAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const ReshapeAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const ExpandAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const PermuteAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const SliceAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const RollAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const PadAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const PadChannelsAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const SubsampleAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const ChannelShuffleAttrs &attrs, const std::string &out);
  bool emit(const Layer &layer, const UpsampleAttrs &attrs, const std::string &out);
  bool emitPair(const char *op, const Layer &layer, const std::string &out);
  bool emitGelu(const Layer &layer, bool isExact, const std::string &out);
  /// Averages as two products with constants: the windows of each axis as a matrix [out, in].
  bool emitAverages(const Layer &layer, const std::array<std::vector<float>, 2> &matrices,
                    const std::string &out);
  std::string reshaped(const Layer &layer, const std::string &input, const Shape &shape,
                       const char *part);
  std::string sliced(const Layer &layer, const std::string &input, int64_t axis, int64_t begin,
                     int64_t end, const std::string &part);
  /// Input `index`, a learned value repeated for each image.
  std::string batched(const Layer &layer, size_t index);
  std::string repeated(const Layer &layer, const std::string &value, const Shape &shape,
                       const std::string &part);

  const std::string &input(const Layer &layer, size_t index = 0) const {
    return tensors[size_t(layer.inputs[index])];
  }
  const Shape &shapeOf(const Layer &layer, size_t index = 0) const {
    return network.layers[size_t(layer.inputs[index])].output;
  }

  const Network &network;
  const FindValues &values;
  const FindScale &scales;
  std::vector<bool> isByte, isNonNegative; ///< by layer
  std::vector<bool> varies;                ///< by layer: depends on an input of the model
  ::onnx::ModelProto model;
  ::onnx::GraphProto &graph;
  std::vector<std::string> tensors; ///< by layer
  int64_t bytes = 0;                ///< of initializers
  std::string problem;
};

inline constexpr int64_t kMostBytes = (int64_t(1) << 31) - (int64_t(1) << 20); // of a message

} // namespace netc::frontend::onnx

#endif // NETC_FRONTEND_EXPORT_ONNX_EXPORTER_H
