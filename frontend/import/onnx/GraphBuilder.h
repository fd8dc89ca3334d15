//===- GraphBuilder.h - a graph from another format's layers ----*- C++ -*-===//
//
// Caffe's and Darknet's layers become nodes of an ONNX graph, with the shape of every value known,
// so that one converter writes model files.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_FRONTEND_IMPORT_ONNX_GRAPHBUILDER_H
#define NETC_FRONTEND_IMPORT_ONNX_GRAPHBUILDER_H

#include "frontend/import/onnx/Graph.h"

#include <array>
#include <map>
#include <string>
#include <vector>

namespace netc::frontend::onnx {

using Sizes = std::vector<int64_t>;

/// A window over an image: [height, width], pads [top, left, bottom, right].
struct Window {
  std::array<int64_t, 2> kernel{1, 1}, stride{1, 1}, dilation{1, 1};
  std::array<int64_t, 4> pads{};
};

/// An attribute of numbers, or of one.
Attribute ints(Sizes values);
Attribute integer(int64_t value);
Attribute real(double value);

/// Adds nodes. What returns false or an empty name has recorded why.
class GraphBuilder {
public:
  GraphBuilder(std::string format, std::vector<std::string> &errors);

  /// The layer that nodes and errors are about from now on: its name, and as errors call it.
  void enter(std::string name, std::string where);
  bool fail(const std::string &why);
  /// Null: nothing of that name was added.
  const Sizes *shapeOf(const std::string &value) const;

  /// An input [batch, shape…].
  bool input(const std::string &name, const Sizes &shape);
  /// A node; returns `result`, whose shape is `shape` behind the batch.
  std::string add(const char *op, std::vector<std::string> inputs, const std::string &result,
                  const Sizes &shape, std::map<std::string, Attribute> attributes = {});
  /// The values of a parameter as `name`; their number is that of `dims`.
  void constant(const std::string &name, const Sizes &dims, std::vector<float> values);
  /// How many values a parameter of these sizes has; 0: too many, or none, which was said.
  size_t countOf(const Sizes &dims);
  /// A Gemm behind a Flatten.
  std::string linear(const std::string &input, const std::string &result, int64_t features,
                     std::vector<std::string> parameters, bool isTransposed);

  /// The size of an image behind a window; false: the window does not fit, or is no window.
  bool slide(const Sizes &image, const Window &window, bool roundUp, Sizes &result);

  /// The model's only outputs.
  Graph finish(const std::vector<std::string> &outputs);

  Graph graph;
  size_t failures = 0; ///< calls of `fail`

private:
  std::vector<std::string> &errors;
  std::map<std::string, Sizes> shapes;
  std::string layer, where;
  int64_t parameters = 0;
};

/// The attributes of a node with this window.
std::map<std::string, Attribute> windowAttributes(const Window &window);

} // namespace netc::frontend::onnx

#endif // NETC_FRONTEND_IMPORT_ONNX_GRAPHBUILDER_H
