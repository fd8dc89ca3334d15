//===- Converter.h - from nodes to calls of layers --------------*- C++ -*-===//
#ifndef NETC_FRONTEND_IMPORT_ONNX_CONVERTER_H
#define NETC_FRONTEND_IMPORT_ONNX_CONVERTER_H

#include "frontend/import/onnx/Blocks.h"
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
  std::optional<View> view = std::nullopt; // without a batch: as [1, shape…]
  bool failed = false; ///< of a node that has no layer: what reads it is not reported too
};

/// A tensor in the order of its sizes, for operators that are several layers.
struct Term {
  std::string text; ///< a variable
  Shape sizes;      ///< of the tensor; without the batch, where that is the first
  bool batched = false;

  size_t rank() const { return sizes.size() + (batched ? 1 : 0); }
};

/// A window along one axis.
struct WindowAxis {
  int64_t in, kernel, stride, dilation, low, high; ///< low, high: padding
  int64_t out = 0;

  int64_t span() const { return (kernel - 1) * dilation + 1; }
  /// Where the last window ends, from the beginning of the padding.
  int64_t reach() const { return (out - 1) * stride + span(); }
};

/// Converts one graph. Each node becomes a call, appended to what its first input is; what several
/// nodes read gets a variable.
class Converter {
public:
  Converter(const Graph &graph, const ImportSettings &settings, const IsWord &isWord,
            std::vector<std::string> &errors)
      : graph(graph), errors(errors), isWord(isWord), whole(settings.batch == Batch::None),
        keepsScales(settings.keepsScales) {}

  std::optional<Imported> run(const std::string &name, const std::string &source);

private:
  using Handler = void (Converter::*)(const Node &);
  static const std::map<std::string, Handler> &handlers();
  /// What is tried where the operator's own handler refuses a node.
  static const std::map<std::string, Handler> &generalHandlers();

  // The graph.
  void countReaders();
  bool readInputs();
  bool readWhole(const Port &port);
  void checkInputs();
  void convert(const Node &node);
  std::optional<Statement> outputs();
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

  // Operators that are several layers, by family.
  void unary(const Node &node);
  void elementwise(const Node &node);
  void choose(const Node &node);
  void cast(const Node &node);
  void reduction(const Node &node);
  void argument(const Node &node);
  void cumulative(const Node &node);
  void triangle(const Node &node);
  void meanVariance(const Node &node);
  void tile(const Node &node);
  void depthToSpace(const Node &node);
  void gatherElements(const Node &node);
  void gatherNd(const Node &node);
  void oneHot(const Node &node);
  void centerCropPad(const Node &node);
  void crossEntropy(const Node &node);
  void attention(const Node &node);
  void rotary(const Node &node);
  void einsum(const Node &node);
  std::optional<std::pair<double, double>> passedBytes(const Node &node) const;
  bool keepScale(const Node &node);
  void quantize(const Node &node);
  void dequantize(const Node &node);
  void generalNorm(const Node &node);
  void generalLayerNorm(const Node &node);
  void generalMatmul(const Node &node);
  void generalGemm(const Node &node);
  void generalSoftmax(const Node &node);
  void generalSlice(const Node &node);
  void generalGather(const Node &node);
  void generalExpand(const Node &node);
  void generalReshape(const Node &node);
  void generalSplit(const Node &node);
  void generalPad(const Node &node);
  void generalResize(const Node &node);
  void generalClip(const Node &node);
  void generalConcat(const Node &node);
  void generalPool(const Node &node);
  void generalConvolution(const Node &node);
  void generalTransposedConvolution(const Node &node);
  void dynamicQuantize(const Node &node);

  /// Windows of a pool or convolution along the sizes of an image; nothing: they do not fit.
  std::optional<std::vector<WindowAxis>> windows(const Node &node, const Shape &spatial,
                                                 std::vector<int64_t> kernel);
  Term pooled(const Term &x, const char *layer, const std::vector<WindowAxis> &axes);
  /// A scale with the sizes of x; false: it does not fit.
  bool spreadScale(const Node &node, Term &x, std::optional<Term> &scale);
  Term bounded(const Node &node, const Term &x, double low, double high);

  // Terms (ConvertTerms.cpp). Nothing: it was refused.
  std::optional<Term> term(const Node &node, size_t index = 0);
  /// As term(), or nothing without an error where the input is left out.
  std::optional<Term> optionalTerm(const Node &node, size_t index, bool &failed);
  Term constantTerm(const Node &node, const Shape &sizes, std::vector<float> numbers);
  Term filled(const Node &node, const Term &like, double number);
  /// 0, 1, … along an axis of `sizes`.
  Term counting(const Node &node, const Shape &sizes, size_t axis, double begin = 0);
  void defineTerm(const Node &node, const Term &value, size_t output = 0);
  Term call(const Term &x, const std::string &layer);
  Term reshaped(const Term &x, const Shape &sizes);
  Term permuted(const Term &x, const std::vector<int64_t> &order);
  Term expanded(const Term &x, const Shape &sizes);
  Term sliced(const Term &x, size_t axis, int64_t begin, int64_t end);
  Term joined(const std::vector<Term> &parts, size_t axis);
  /// Of equal sizes.
  Term add(const Term &x, const Term &y);
  Term multiply(const Term &x, const Term &y);
  Term subtract(const Term &x, const Term &y) { return add(x, affine(y, -1, 0)); }
  Term binary(const char *layer, const Term &x, const Term &y);
  Term affine(const Term &x, double scale, double shift);
  /// Towards zero.
  Term truncated(const Term &x);
  /// x where `condition` is not 0, else y.
  Term selected(const Term &condition, const Term &x, const Term &y);
  /// Both with the sizes that they are repeated to together; false: these do not fit.
  bool broadcast(const Node &node, Term &x, Term &y);
  Term product(const Term &x, const Term &y, bool transposes = false);
  /// Without the axes; `op`: ReduceMax, ….
  std::optional<Term> reduced(const Node &node, const Term &x, const std::vector<size_t> &axes,
                              const std::string &op);
  /// The reduced value with sizes of one for `axes`, repeated to the sizes of `like`.
  Term spread(const Term &x, const Term &like, const std::vector<size_t> &axes);
  /// The axis as the last one of a matrix, and back.
  Term rowsOf(const Term &x, size_t axis);
  Term fromRows(const Term &rows, const Shape &sizes, size_t axis);
  /// A matrix [out, in] times an axis.
  Term transformed(const Node &node, const Term &x, size_t axis, int64_t out,
                   std::vector<float> matrix);
  /// Chosen indices of an axis; -1: zeros.
  std::optional<Term> picked(const Node &node, const Term &x, size_t axis,
                             const std::vector<int64_t> &indices);
  /// Of each value along the last axis the one at the index: [rows, count] of [rows, n].
  Term softmaxOf(const Term &x, size_t axis);
  Term logSoftmaxOf(const Node &node, const Term &x, size_t axis);
  /// 1 at the index of each value of `indices`: one more size, the last, of `count`.
  Term oneHotOf(const Node &node, const Term &indices, int64_t count);
  /// The axis of a term that an attribute names, counted from the tensor's first size.
  std::optional<size_t> termAxis(const Node &node, const Term &x, int64_t axis);
  std::optional<std::vector<size_t>> termAxes(const Node &node, const Term &x,
                                              const std::vector<int64_t> &axes);
  bool isInteger(const std::string &name) const;
  void inferTypes();
  View viewOf(const Value &value) const { return value.view ? *value.view : plain(value.shape); }
  View plain(const Shape &shape) const {
    View view = plainView(shape);
    if (whole)
      view.dims.front().clear();
    return view;
  }

  // What operators share.
  /// Says that a node cannot be converted; its results are failed.
  void fail(const Node &node, const std::string &why);
  /// The value of input `index`. Null: it failed, or there is none, which was said.
  /// As [batch, shape…], which may need a permute.
  const Value *tensor(const Node &node, size_t index = 0);
  /// Of a graph without a batch: the first size, which must be 1, is left out.
  bool withoutFirst(const Node &node, const std::string &name);
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
  /// What a Slice takes, along each of `axes`.
  struct SliceRanges {
    std::vector<int64_t> begin, end, axes, steps;
  };
  /// Of all its axes; nothing: they are computed, and it was refused.
  std::optional<SliceRanges> sliceRanges(const Node &node);
  void sliceAxis(const Node &node, const std::string &output, const std::string &name, int64_t dim,
                 int64_t begin, int64_t end, bool drops);
  void productOfTensors(const Node &node);
  void withConstant(const Node &node, size_t side, bool isSum);
  bool alignOperands(const Node &node);
  bool isScalarBeside(const Node &node, size_t side);
  /// Whether a HardSigmoid is the one of hardswish.
  bool isSwishGate(const Node &node) const;
  void affine(const Node &node, const Value &input, const Tensor &weight, bool isTransposed,
              const Tensor *bias);

  const Graph &graph;
  std::vector<std::string> &errors;
  const IsWord &isWord;
  bool whole;                                     ///< no size is the batch
  bool keepsScales;                               ///< of values that pass bytes
  std::set<std::string> kept;                     ///< these values, as whole numbers
  std::map<std::string, std::string> dequantized; ///< weights: by name what they were computed of
  std::map<std::string, int32_t> types;           ///< element types of tensors
  std::map<std::string, Term> constantTerms;
  std::map<std::string, std::string> inputVariables;
  std::map<std::string, Value> values;
  bool isRefused = false; ///< the node that is converted
  std::map<std::string, Tensor> folded;
  std::map<std::string, std::vector<const Node *>> readers; ///< of nodes that outputs depend on
  std::set<std::string> outputNames, labels, tensorNames;
  std::set<const Node *> live, absorbed; ///< absorbed: part of a layer that another node became
  std::string inputLines;
  Body body;
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
