//===- Converter.h - from nodes to calls of layers --------------*- C++ -*-===//
#ifndef NETC_FRONTEND_IMPORT_ONNX_CONVERTER_H
#define NETC_FRONTEND_IMPORT_ONNX_CONVERTER_H

#include "frontend/import/onnx/Constants.h"
#include "frontend/import/onnx/Import.h"
#include "frontend/import/onnx/View.h"

#include <fmt/ranges.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace netc::frontend::onnx {

/// What a name of the graph stands for in the model file.
struct Value {
  /// An expression and the calls that it passes: "x1 | conv(8, k=3) | relu". One entry: a variable.
  std::vector<std::string> chain;
  Shape shape; ///< of the value, without the batch
  /// How the ONNX tensor lies in it; none: as [batch, shape…].
  std::optional<View> view = std::nullopt;
  bool failed = false; ///< of a node that has no layer: what reads it is not reported too
};

/// Converts one graph. Each node becomes a call, appended to what its first input is; what several
/// nodes read gets a variable.
class Converter {
public:
  Converter(const Graph &graph, std::vector<std::string> &errors) : graph(graph), errors(errors) {}

  std::optional<Imported> run(const std::string &name, const std::string &source);

private:
  using Handler = void (Converter::*)(const Node &);
  static const std::map<std::string, Handler> &handlers();

  // The graph.
  void countReaders();
  bool readInputs();
  void convert(const Node &node);
  std::string outputs();
  std::string recipe(const std::string &name);

  // Operators, by family (ConvertLayers.cpp, ConvertShapes.cpp).
  void convolution(const Node &node);
  void gemm(const Node &node);
  void matmul(const Node &node);
  void batchNorm(const Node &node);
  void maxPool(const Node &node);
  void averagePool(const Node &node);
  void globalPool(const Node &node);
  void reduceMean(const Node &node);
  void activation(const Node &node);
  void clip(const Node &node);
  void softmax(const Node &node);
  void lrn(const Node &node);
  void dropout(const Node &node);
  void sum(const Node &node);
  void product(const Node &node);
  void concat(const Node &node);
  void flatten(const Node &node);
  void reshape(const Node &node);
  void squeeze(const Node &node);
  void transpose(const Node &node);
  void gather(const Node &node);
  void split(const Node &node);
  void expand(const Node &node);
  void resize(const Node &node);
  void transposedConvolution(const Node &node);
  void layerNorm(const Node &node);
  void groupNorm(const Node &node);
  void prelu(const Node &node);
  void power(const Node &node);
  void negate(const Node &node);
  void pad(const Node &node);
  void slice(const Node &node);
  void identity(const Node &node);
  void shapeOf(const Node &node);

  // What operators share.
  /// Says that a node cannot be converted; its results are failed.
  void fail(const Node &node, const std::string &why);
  /// The value of input `index`. Null: it failed, or there is none, which was said.
  /// As [batch, shape…], which may need a permute.
  const Value *tensor(const Node &node, size_t index = 0);
  /// As it lies in its value, for operators that work on each number or on one axis.
  Value *viewed(const Node &node, size_t index = 0);
  /// Brings the axes of a value into an order; the result has `shape`. False: it was refused.
  bool arrange(const Node &node, const std::string &name, const std::vector<int> &order,
               const Shape &shape);
  /// The sizes of the tensor in their order, the batch wherever it stands.
  bool arrangeInOrder(const Node &node, const std::string &name);
  /// The last size innermost: [features] or [tokens, features]. `isChannels`: it is the first axis
  /// of an image as it lies, so that a layer of channels does the same.
  bool arrangeLast(const Node &node, const std::string &name, bool &isChannels);
  /// The axis of the value that is size `dim` of the tensor; nothing: it was refused.
  std::optional<size_t> axisFor(const Node &node, const std::string &name, int64_t dim);
  /// A constant as a parameter: a tensor of `shape`.
  std::string parameter(const Node &node, size_t index, const Shape &shape,
                        std::vector<float> values);
  /// A constant that is joined with a tensor, [1, …]: it becomes a value.
  bool promote(const Node &node, size_t index);
  const Tensor *constant(const std::string &name) const;
  /// The constant of input `index`, if it is given. Null: it is not, or is no constant.
  const Tensor *constant(const Node &node, size_t index) const;
  int64_t number(const Node &node, const char *name, int64_t otherwise) const;
  double real(const Node &node, const char *name, double otherwise) const;
  std::vector<int64_t> numbers(const Node &node, const char *name) const;
  /// `axes`, an attribute or the second input, counted from the batch and in order.
  std::vector<int64_t> axes(const Node &node, const Value &input) const;
  /// Binds the node's result: `chain` with its shape.
  void define(const Node &node, std::vector<std::string> chain, Shape shape,
              std::optional<View> view = std::nullopt);
  void defineResult(const Node &node, const std::string &output, std::vector<std::string> chain,
                    Shape shape, std::optional<View> view);
  /// The input's chain with one more call.
  void append(const Node &node, const Value &input, const std::string &call, Shape shape);
  /// The variable of a value, which gets one if it has none.
  std::string variable(const std::string &name);
  std::string bind(const std::vector<std::string> &chain, const Shape &shape);
  /// The only node that reads the node's result; null: there are several, or it is an output.
  const Node *onlyReader(const std::string &name) const;
  /// A label for the layer of a node: what its parameter (input 1) is called without ".weight",
  /// or, where exporters only numbered it, the path in the node's name.
  std::string label(const Node &node, const char *kind, size_t index = 1);
  void addTensor(const std::string &name, Shape shape, std::vector<float> values);
  /// Four paddings of a window, explicit or by auto_pad. Nothing: it was refused.
  std::optional<std::vector<int64_t>> padding(const Node &node, const Shape &in,
                                              const std::vector<int64_t> &kernel,
                                              const std::vector<int64_t> &stride,
                                              const std::vector<int64_t> &dilation);
  void pool(const Node &node, const char *layer);
  void hardSigmoid(const Node &node, const Value &input);
  void clamp(const Node &node, const std::string &name, const Value &input, double low,
             double high);
  void sliceAxis(const Node &node, const std::string &output, const std::string &name, int64_t dim,
                 int64_t begin, int64_t end, bool drops);
  void productOfTensors(const Node &node);
  void withConstant(const Node &node, size_t side, bool isSum);
  bool alignOperands(const Node &node);
  /// Whether a HardSigmoid is the one of hardswish.
  bool isSwishGate(const Node &node) const;
  void affine(const Node &node, const Value &input, const Tensor &weight, bool isTransposed,
              const Tensor *bias);

  const Graph &graph;
  std::vector<std::string> &errors;
  std::map<std::string, Value> values;
  std::map<std::string, Tensor> folded;
  std::map<std::string, std::vector<const Node *>> readers; ///< of nodes that outputs depend on
  std::set<std::string> outputNames, labels, variables, tensorNames;
  std::set<const Node *> live, absorbed; ///< absorbed: part of a layer that another node became
  std::string body;
  int counter = 0;
  int64_t batch = 0; ///< its size where the graph fixes one
  Imported result;
};

/// "3", or "[3, 5]" where they differ.
std::string pairText(const std::vector<int64_t> &values);
/// "batch, 3, 224"
std::string sizesText(const std::vector<int64_t> &sizes);
/// A floating-point number as the language reads it.
std::string realText(double value);

} // namespace netc::frontend::onnx

#endif // NETC_FRONTEND_IMPORT_ONNX_CONVERTER_H
