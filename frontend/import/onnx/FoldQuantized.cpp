//===- FoldQuantized.cpp - weights that the file has as whole numbers -----===//
#include "frontend/import/onnx/Constants.h"

#include <algorithm>
#include <cmath>

namespace netc::frontend::onnx {

namespace {
/// One scale and zero point, or one for each index of an axis.
struct Scales {
  const Tensor *scale = nullptr, *zero = nullptr;
  size_t inner = 1; ///< elements from one index of the axis to the next

  size_t at(int64_t i) const {
    return scale->elements() == 1 ? 0 : size_t(i) / inner % size_t(scale->elements());
  }
  float by(int64_t i) const { return scale->floats[at(i)]; }
  double zeroAt(int64_t i) const {
    return zero ? zero->at(zero->elements() == 1 ? 0 : int64_t(at(i))) : 0;
  }
};
} // namespace

/// Nothing: they do not fit the tensor, or are by blocks.
static std::optional<Scales> scalesOf(const Node &node, const Tensor &data,
                                      const FindConstant &find) {
  Scales scales;
  scales.scale = node.inputs.size() > 1 ? find(node.inputs[1]) : nullptr;
  scales.zero = node.inputs.size() > 2 ? find(node.inputs[2]) : nullptr;
  const Tensor *scale = scales.scale, *zero = scales.zero;
  auto block = node.attributes.find("block_size");
  if (!scale || !scale->isFloat || scale->elements() == 0 ||
      (zero && zero->elements() != 1 && zero->elements() != scale->elements()) ||
      (zero && zero->elements() == 0) || (block != node.attributes.end() && block->second.i))
    return std::nullopt;
  if (scale->elements() == 1)
    return zero && zero->elements() != 1 ? std::nullopt : std::optional(scales);
  auto given = node.attributes.find("axis");
  int64_t axis = given == node.attributes.end() ? 1 : given->second.i;
  auto rank = int64_t(data.dims.size());
  axis += axis < 0 ? rank : 0;
  if (axis < 0 || axis >= rank || scale->dims.size() != 1 ||
      data.dims[size_t(axis)] != scale->elements())
    return std::nullopt;
  for (auto d = size_t(axis) + 1; d < data.dims.size(); ++d)
    scales.inner *= size_t(std::max<int64_t>(1, data.dims[d]));
  return scales;
}

std::optional<Tensor> foldDequantize(const Node &node, const FindConstant &find) {
  const Tensor &data = *find(node.inputs[0]);
  std::optional<Scales> scales = data.isFloat ? std::nullopt : scalesOf(node, data, find);
  if (!scales)
    return std::nullopt;
  Tensor result;
  result.dims = data.dims;
  result.type = kFloat;
  for (int64_t i = 0; i < data.elements(); ++i)
    result.floats.push_back(float(data.at(i) - scales->zeroAt(i)) * scales->by(i));
  return result;
}

std::optional<Tensor> foldQuantize(const Node &node, const FindConstant &find) {
  const Tensor &data = *find(node.inputs[0]);
  std::optional<Scales> scales = data.isFloat ? scalesOf(node, data, find) : std::nullopt;
  auto given = node.attributes.find("output_dtype");
  int32_t type = scales && scales->zero           ? scales->zero->type
                 : given != node.attributes.end() ? int32_t(given->second.i)
                                                  : int32_t(kUint8);
  std::optional<std::pair<double, double>> range = rangeOf(type);
  if (!scales || !range)
    return std::nullopt;
  Tensor result;
  result.dims = data.dims;
  result.isFloat = false;
  result.type = type;
  for (int64_t i = 0; i < data.elements(); ++i) {
    double value = std::nearbyint(data.floats[size_t(i)] / scales->by(i)) + scales->zeroAt(i);
    // Not a number where the scale is 0.
    result.ints.push_back(value >= range->first ? int64_t(std::min(value, range->second))
                                                : int64_t(range->first));
  }
  return result;
}

std::optional<std::pair<double, double>> rangeOf(int32_t type) {
  switch (type) {
  case kUint8:
    return std::pair(0.0, 255.0);
  case kInt8:
    return std::pair(-128.0, 127.0);
  case kUint16:
    return std::pair(0.0, 65535.0);
  case kInt16:
    return std::pair(-32768.0, 32767.0);
  default:
    return std::nullopt;
  }
}

} // namespace netc::frontend::onnx
