//===- Converter.h - from nodes to calls of layers --------------*- C++ -*-===//
#ifndef NETC_FRONTEND_IMPORT_ONNX_CONVERTER_H
#define NETC_FRONTEND_IMPORT_ONNX_CONVERTER_H

#include "frontend/import/onnx/Constants.h"
#include "frontend/import/onnx/Import.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace netc::frontend::onnx {

using Shape = std::vector<int64_t>;

/// What a name of the graph stands for in the model file.
struct Value {
  /// An expression and the calls that it passes: "x1 | conv(8, k=3) | relu". One entry: a variable.
  std::vector<std::string> chain;
  Shape shape;         ///< without the batch
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
  void pad(const Node &node);
  void slice(const Node &node);
  void identity(const Node &node);
  void shapeOf(const Node &node);

  // What operators share.
  /// Says that a node cannot be converted; its results are failed.
  void fail(const Node &node, const std::string &why);
  /// The value of input `index`. Null: it failed, or there is none, which was said.
  const Value *tensor(const Node &node, size_t index = 0);
  const Tensor *constant(const std::string &name) const;
  /// The constant of input `index`, if it is given. Null: it is not, or is no constant.
  const Tensor *constant(const Node &node, size_t index) const;
  int64_t number(const Node &node, const char *name, int64_t otherwise) const;
  double real(const Node &node, const char *name, double otherwise) const;
  std::vector<int64_t> numbers(const Node &node, const char *name) const;
  /// `axes`, an attribute or the second input, counted from the batch and in order.
  std::vector<int64_t> axes(const Node &node, const Value &input) const;
  /// Binds the node's result: `chain` with its shape.
  void define(const Node &node, std::vector<std::string> chain, Shape shape);
  /// The input's chain with one more call.
  void append(const Node &node, const Value &input, const std::string &call, Shape shape);
  /// The variable of a value, which gets one if it has none.
  std::string variable(const std::string &name);
  std::string bind(const std::vector<std::string> &chain, const Shape &shape);
  /// The only node that reads the node's result; null: there are several, or it is an output.
  const Node *onlyReader(const std::string &name) const;
  /// A label for the layer of a node: what its parameter (input 1) is called without ".weight",
  /// or, where exporters only numbered it, the path in the node's name.
  std::string label(const Node &node, const char *kind);
  void addTensor(const std::string &name, Shape shape, std::vector<float> values);
  /// Four paddings of a window, explicit or by auto_pad. Nothing: it was refused.
  std::optional<std::vector<int64_t>> padding(const Node &node, const Shape &in,
                                              const std::vector<int64_t> &kernel,
                                              const std::vector<int64_t> &stride,
                                              const std::vector<int64_t> &dilation);
  void pool(const Node &node, const char *layer);
  void hardSigmoid(const Node &node, const Value &input);
  /// Whether a HardSigmoid is the one of hardswish.
  bool isSwishGate(const Node &node) const;
  void affine(const Node &node, const Value &input, const Tensor &weight, bool isTransposed,
              const Tensor *bias);

  const Graph &graph;
  std::vector<std::string> &errors;
  std::map<std::string, Value> values;
  std::map<std::string, Tensor> folded;
  std::map<std::string, std::vector<const Node *>> readers; ///< of nodes that outputs depend on
  std::set<std::string> outputNames, labels, variables;
  std::set<const Node *> live, absorbed; ///< absorbed: part of a layer that another node became
  std::string body;
  int counter = 0;
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
