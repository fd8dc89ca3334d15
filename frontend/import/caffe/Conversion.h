//===- Conversion.h - from layers of Caffe to nodes -------------*- C++ -*-===//
#ifndef NETC_FRONTEND_IMPORT_CAFFE_CONVERSION_H
#define NETC_FRONTEND_IMPORT_CAFFE_CONVERSION_H

#include "frontend/import/caffe/Import.h"
#include "frontend/import/onnx/GraphBuilder.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace netc::frontend::caffe {

using onnx::Sizes;
using onnx::Window;

/// Converts one network, layer by layer. A blob that a layer overwrites (`top` equal to `bottom`)
/// is a new value of the graph each time.
class Conversion {
public:
  Conversion(const Net &net, const Weights *weights, std::vector<std::string> &errors)
      : net(net), weights(weights), errors(errors), builder("Caffe", errors) {}

  std::optional<onnx::Graph> run();

private:
  using Handler = void (Conversion::*)(const Layer &);
  static const std::map<std::string, Handler> &handlers();

  void convert(const Layer &layer);
  std::vector<std::string> outputs();

  // Layers (Convert.cpp).
  void input(const Layer &layer);
  void convolution(const Layer &layer);
  void deconvolution(const Layer &layer);
  void innerProduct(const Layer &layer);
  void batchNorm(const Layer &layer);
  void scale(const Layer &layer);
  void bias(const Layer &layer);
  void pooling(const Layer &layer);
  void lrn(const Layer &layer);
  void activation(const Layer &layer);
  void prelu(const Layer &layer);
  void power(const Layer &layer);
  void dropout(const Layer &layer);
  void softmax(const Layer &layer);
  void concat(const Layer &layer);
  void slice(const Layer &layer);
  void eltwise(const Layer &layer);
  void flatten(const Layer &layer);
  void copies(const Layer &layer);
  void silence(const Layer &layer);

  // What layers share.
  double number(const Layer &layer, const char *name, double otherwise) const;
  std::string word(const Layer &layer, const char *name, const char *otherwise) const;
  /// The shape of bottom `index`; `rank`: of an image 3, 0: any. Null: it does not fit, which was
  /// said, or its layer failed.
  const Sizes *bottom(const Layer &layer, size_t index = 0, size_t rank = 0);
  const std::string &value(const Layer &layer, size_t index = 0) {
    return current[layer.bottoms[index]];
  }
  /// The name of the value that the layer's top becomes.
  std::string top(const Layer &layer, size_t index = 0);
  /// [height, width] of `kernel_size`, a number or two, or `kernel_h` and `kernel_w`.
  bool pair(const Layer &layer, const std::string &list, const std::string &group, const char *name,
            const char *shortName, int64_t otherwise, std::array<int64_t, 2> &result);
  bool window(const Layer &layer, const std::string &group, Window &result);
  /// The axis behind the batch, counted from the channels; nothing: it was refused.
  std::optional<size_t> axis(const Layer &layer, const char *name, const char *older,
                             const Sizes &shape);
  /// Adds blob `index` of the layer as the parameter `name`, whose graph name is appended.
  bool parameter(const Layer &layer, size_t index, const char *name, const Sizes &dims,
                 std::vector<std::string> &inputs);
  /// The same of a number per channel, [c, 1, 1] beside an image.
  bool channelParameter(const Layer &layer, size_t index, const char *name, const Sizes &shape,
                        std::vector<std::string> &inputs);
  /// The values of blob `index`; false: it is missing or of another size.
  bool values(const Layer &layer, size_t index, const char *name, const Sizes &dims,
              std::vector<float> &result);
  void define(const Layer &layer, const char *op, std::vector<std::string> inputs,
              const Sizes &shape, std::map<std::string, onnx::Attribute> attributes = {});
  void numberOperation(const Layer &layer, const char *op, double number);
  /// Whether a Scale follows its BatchNorm, so that both are one node.
  bool scalesNorm(const Layer &layer) const;
  void scaleNorm(const Layer &layer, const Sizes &channels);

  const Net &net;
  const Weights *weights;
  std::vector<std::string> &errors;
  onnx::GraphBuilder builder;
  std::map<std::string, std::string> current;   ///< of a blob: its value; empty: its layer failed
  std::map<std::string, int> versions, readers; ///< by blob
  std::set<std::string> names;                  ///< of layers
  std::set<std::string> silenced;               ///< values that are no outputs
  std::string openNorm; ///< the blob of a BatchNorm that no Scale belongs to yet
};

} // namespace netc::frontend::caffe

#endif // NETC_FRONTEND_IMPORT_CAFFE_CONVERSION_H
