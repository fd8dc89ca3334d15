//===- Convert.cpp - each type of layer -----------------------------------===//
#include "frontend/import/caffe/Conversion.h"

#include "dialect/interfaces/WindowShape.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace netc::frontend::caffe {

using onnx::integer;
using onnx::ints;
using onnx::real;

const std::map<std::string, Conversion::Handler> &Conversion::handlers() {
  static const std::map<std::string, Handler> table{
      {"Input", &Conversion::input},
      {"Convolution", &Conversion::convolution},
      {"Deconvolution", &Conversion::deconvolution},
      {"InnerProduct", &Conversion::innerProduct},
      {"BatchNorm", &Conversion::batchNorm},
      {"Scale", &Conversion::scale},
      {"Bias", &Conversion::bias},
      {"Pooling", &Conversion::pooling},
      {"LRN", &Conversion::lrn},
      {"ReLU", &Conversion::activation},
      {"Sigmoid", &Conversion::activation},
      {"TanH", &Conversion::activation},
      {"ELU", &Conversion::activation},
      {"PReLU", &Conversion::prelu},
      {"Power", &Conversion::power},
      {"Dropout", &Conversion::dropout},
      {"Softmax", &Conversion::softmax},
      {"Concat", &Conversion::concat},
      {"Slice", &Conversion::slice},
      {"Eltwise", &Conversion::eltwise},
      {"Flatten", &Conversion::flatten},
      {"Split", &Conversion::copies},
      {"Silence", &Conversion::silence},
  };
  return table;
}

void Conversion::input(const Layer &layer) {
  for (size_t i = 0; i < layer.tops.size(); ++i) {
    bool hasShape = !layer.shapes.empty() && (layer.shapes.size() == 1 || i < layer.shapes.size());
    if (!hasShape || layer.shapes[std::min(i, layer.shapes.size() - 1)].size() < 2) {
      builder.fail("expected in its input_param a shape for each top: a batch and one to four "
                   "sizes");
      return;
    }
    const Sizes &shape = layer.shapes[std::min(i, layer.shapes.size() - 1)];
    if (builder.shapeOf(layer.tops[i])) {
      builder.fail(fmt::format("there is a blob '{}' before it", layer.tops[i]));
      return;
    }
    if (!builder.input(top(layer, i), Sizes(shape.begin() + 1, shape.end())))
      return;
  }
}

void Conversion::convolution(const Layer &layer) {
  const Sizes *in = bottom(layer, 0, 3);
  Window w;
  if (!in || !window(layer, "convolution_param", w))
    return;
  auto channels = int64_t(number(layer, "convolution_param.num_output", 0)),
       groups = int64_t(number(layer, "convolution_param.group", 1));
  if (channels < 1 || groups < 1 || in->front() % groups || channels % groups) {
    builder.fail(fmt::format("{} groups with {} channels in and {} out; expected groups that "
                             "divide both",
                             groups, in->front(), channels));
    return;
  }
  Sizes out;
  std::vector<std::string> inputs{value(layer)};
  if (!builder.slide(*in, w, /*roundUp=*/false, out) ||
      !parameter(layer, 0, "weight", {channels, in->front() / groups, w.kernel[0], w.kernel[1]},
                 inputs) ||
      (number(layer, "convolution_param.bias_term", 1) != 0 &&
       !parameter(layer, 1, "bias", {channels}, inputs)))
    return;
  out[0] = channels;
  auto attributes = windowAttributes(w);
  attributes["group"] = integer(groups);
  define(layer, "Conv", inputs, out, std::move(attributes));
}

void Conversion::deconvolution(const Layer &layer) {
  const Sizes *in = bottom(layer, 0, 3);
  Window w;
  if (!in || !window(layer, "convolution_param", w))
    return;
  auto channels = int64_t(number(layer, "convolution_param.num_output", 0)),
       groups = int64_t(number(layer, "convolution_param.group", 1));
  Sizes out, unpadded{1, 1 << 24, 1 << 24};
  bool fits = builder.slide(unpadded, w, false, out);
  if (!fits || channels < 1 || groups < 1 || channels % groups || in->front() % groups ||
      w.dilation != std::array<int64_t, 2>{1, 1}) {
    if (fits)
      builder.fail("expected groups that divide its channels, and no dilation");
    return;
  }
  out = {channels, 0, 0};
  for (size_t d = 0; d < 2; ++d)
    out[1 + d] = ((*in)[1 + d] - 1) * w.stride[d] + w.kernel[d] - 2 * w.pads[d];
  std::vector<std::string> inputs{value(layer)};
  if (!parameter(layer, 0, "weight", {in->front(), channels / groups, w.kernel[0], w.kernel[1]},
                 inputs) ||
      (number(layer, "convolution_param.bias_term", 1) != 0 &&
       !parameter(layer, 1, "bias", {channels}, inputs)))
    return;
  auto attributes = windowAttributes(w);
  attributes["group"] = integer(groups);
  define(layer, "ConvTranspose", inputs, out, std::move(attributes));
}

void Conversion::innerProduct(const Layer &layer) {
  const Sizes *in = bottom(layer);
  if (!in)
    return;
  auto features = int64_t(number(layer, "inner_product_param.num_output", 0));
  if (features < 1 || number(layer, "inner_product_param.axis", 1) != 1) {
    builder.fail("expected num_output above 0 and axis 1: of all that is behind the batch");
    return;
  }
  bool isTransposed = number(layer, "inner_product_param.transpose", 0) != 0;
  int64_t count = 1; // an image of at most 2^31 values
  for (int64_t size : *in)
    count *= size;
  std::vector<std::string> parameters;
  Sizes dims = isTransposed ? Sizes{count, features} : Sizes{features, count};
  if (!parameter(layer, 0, "weight", dims, parameters) ||
      (number(layer, "inner_product_param.bias_term", 1) != 0 &&
       !parameter(layer, 1, "bias", {features}, parameters)))
    return;
  std::string from = value(layer);
  builder.linear(from, top(layer), features, parameters, isTransposed);
}

/// Normalises alone; the Scale that follows has weight and bias. Blobs: mean and variance times a
/// factor, and that factor.
void Conversion::batchNorm(const Layer &layer) {
  const Sizes *in = bottom(layer);
  if (!in)
    return;
  Sizes channels{in->front()};
  std::vector<float> mean, variance, factor;
  if (!values(layer, 0, "mean", channels, mean) ||
      !values(layer, 1, "variance", channels, variance) || !values(layer, 2, "factor", {1}, factor))
    return;
  float by = factor[0] == 0 ? 0 : 1 / factor[0];
  for (std::vector<float> *list : {&mean, &variance})
    for (float &each : *list)
      each *= by;
  std::vector<std::string> inputs{value(layer)};
  auto add = [&](const char *name, std::vector<float> numbers) {
    inputs.push_back(layer.name + "." + name);
    builder.constant(inputs.back(), channels, std::move(numbers));
  };
  add("weight", std::vector<float>(mean.size(), 1.0f));
  add("bias", std::vector<float>(mean.size(), 0.0f));
  add("running_mean", std::move(mean));
  add("running_var", std::move(variance));
  define(layer, "BatchNormalization", inputs, *in,
         {{"epsilon", real(number(layer, "batch_norm_param.eps", 1e-5))},
          {"momentum", real(number(layer, "batch_norm_param.moving_average_fraction", 0.999))}});
  openNorm = layer.tops.front();
}

bool Conversion::scalesNorm(const Layer &layer) const {
  const onnx::Node *last = builder.graph.nodes.empty() ? nullptr : &builder.graph.nodes.back();
  const std::string &blob = layer.bottoms.front();
  bool isOnlyReader = layer.tops.front() == blob || readers.at(blob) == 1;
  return last && last->op == "BatchNormalization" && openNorm == blob && isOnlyReader;
}

void Conversion::scaleNorm(const Layer &layer, const Sizes &channels) {
  std::vector<float> weight, bias;
  bool hasBias = number(layer, "scale_param.bias_term", 0) != 0;
  if (!values(layer, 0, "weight", channels, weight) ||
      (hasBias && !values(layer, 1, "bias", channels, bias)))
    return;
  onnx::Node &norm = builder.graph.nodes.back();
  builder.graph.initializers[norm.inputs[1]].floats = std::move(weight);
  if (hasBias)
    builder.graph.initializers[norm.inputs[2]].floats = std::move(bias);
  openNorm.clear();
  std::string result = norm.outputs.front();
  current[layer.tops.front()] = result;
  ++versions[layer.tops.front()];
}

void Conversion::scale(const Layer &layer) {
  const Sizes *in = bottom(layer);
  if (!in)
    return;
  if (number(layer, "scale_param.axis", 1) != 1 || number(layer, "scale_param.num_axes", 1) != 1) {
    builder.fail("expected one factor per channel: axis 1, num_axes 1");
    return;
  }
  if (scalesNorm(layer))
    return scaleNorm(layer, {in->front()});
  Sizes shape = *in;
  std::vector<std::string> inputs{value(layer)};
  bool hasBias = number(layer, "scale_param.bias_term", 0) != 0;
  std::vector<std::string> shift;
  if (!channelParameter(layer, 0, "weight", shape, inputs) ||
      (hasBias && !channelParameter(layer, 1, "bias", shape, shift)))
    return;
  define(layer, "Mul", inputs, shape);
  if (hasBias) {
    shift.insert(shift.begin(), current[layer.tops.front()]);
    define(layer, "Add", shift, shape);
  }
}

void Conversion::bias(const Layer &layer) {
  const Sizes *in = bottom(layer);
  if (!in)
    return;
  if (number(layer, "bias_param.axis", 1) != 1 || number(layer, "bias_param.num_axes", 1) != 1) {
    builder.fail("expected one number per channel: axis 1, num_axes 1");
    return;
  }
  Sizes shape = *in;
  std::vector<std::string> inputs{value(layer)};
  if (channelParameter(layer, 0, "bias", shape, inputs))
    define(layer, "Add", inputs, shape);
}

void Conversion::pooling(const Layer &layer) {
  const Sizes *in = bottom(layer, 0, 3);
  if (!in)
    return;
  std::string method = word(layer, "pooling_param.pool", "MAX");
  if (method == "STOCHASTIC") {
    builder.fail("expected the pool MAX or AVE; random choices are not available");
    return;
  }
  bool isMax = method == "MAX";
  if (number(layer, "pooling_param.global_pooling", 0) != 0)
    return define(layer, isMax ? "GlobalMaxPool" : "GlobalAveragePool", {value(layer)},
                  {in->front(), 1, 1});
  Window w;
  Sizes out;
  bool up = word(layer, "pooling_param.round_mode", "CEIL") == "CEIL";
  if (!window(layer, "pooling_param", w) || !builder.slide(*in, w, up, out))
    return;
  for (size_t d = 0; d < 2; ++d) {
    bool startsBeyond =
        up && w.pads[d] == 0 &&
        ((*in)[1 + d] - w.kernel[d] + w.stride[d] - 1) / w.stride[d] + 1 > out[1 + d];
    if (startsBeyond || w.pads[d] >= w.kernel[d]) {
      builder.fail("a window of it lies wholly outside of the image");
      return;
    }
  }
  auto attributes = windowAttributes(w);
  attributes["ceil_mode"] = integer(up);
  attributes["count_include_pad"] = integer(1);
  define(layer, isMax ? "MaxPool" : "AveragePool", {value(layer)}, out, std::move(attributes));
}

void Conversion::lrn(const Layer &layer) {
  const Sizes *in = bottom(layer, 0, 3);
  if (!in)
    return;
  if (word(layer, "lrn_param.norm_region", "ACROSS_CHANNELS") != "ACROSS_CHANNELS") {
    builder.fail("expected the region ACROSS_CHANNELS; within a channel there is no layer");
    return;
  }
  define(layer, "LRN", {value(layer)}, *in,
         {{"size", integer(int64_t(number(layer, "lrn_param.local_size", 5)))},
          {"alpha", real(number(layer, "lrn_param.alpha", 1))},
          {"beta", real(number(layer, "lrn_param.beta", 0.75))},
          {"bias", real(number(layer, "lrn_param.k", 1))}});
}

void Conversion::activation(const Layer &layer) {
  const Sizes *in = bottom(layer);
  if (!in)
    return;
  double slope = number(layer, "relu_param.negative_slope", 0);
  if (layer.type == "ReLU" && slope != 0)
    return define(layer, "LeakyRelu", {value(layer)}, *in, {{"alpha", real(slope)}});
  if (layer.type == "ELU")
    return define(layer, "Elu", {value(layer)}, *in,
                  {{"alpha", real(number(layer, "elu_param.alpha", 1))}});
  define(layer,
         layer.type == "ReLU"   ? "Relu"
         : layer.type == "TanH" ? "Tanh"
                                : "Sigmoid",
         {value(layer)}, *in);
}

void Conversion::prelu(const Layer &layer) {
  const Sizes *in = bottom(layer);
  if (!in)
    return;
  bool isShared = number(layer, "prelu_param.channel_shared", 0) != 0;
  std::vector<std::string> inputs{value(layer)};
  if (parameter(layer, 0, "weight", {isShared ? 1 : in->front()}, inputs))
    define(layer, "PRelu", inputs, *in);
}

void Conversion::numberOperation(const Layer &layer, const char *op, double number) {
  std::string name = fmt::format("{}.{}{}", layer.name, op, versions[layer.tops.front()]);
  builder.constant(name, {}, {float(number)});
  define(layer, op, {current[layer.tops.front()], name},
         *builder.shapeOf(current[layer.tops.front()]));
}

void Conversion::power(const Layer &layer) {
  if (!bottom(layer))
    return;
  double scale = number(layer, "power_param.scale", 1),
         shift = number(layer, "power_param.shift", 0);
  if (number(layer, "power_param.power", 1) != 1) {
    builder.fail("expected the power 1: scale * x + shift");
    return;
  }
  current[layer.tops.front()] = value(layer);
  if (scale != 1)
    numberOperation(layer, "Mul", scale);
  if (shift != 0)
    numberOperation(layer, "Add", shift);
}

void Conversion::dropout(const Layer &layer) {
  if (const Sizes *in = bottom(layer))
    define(layer, "Dropout", {value(layer)}, *in,
           {{"ratio", real(number(layer, "dropout_param.dropout_ratio", 0.5))}});
}

void Conversion::softmax(const Layer &layer) {
  const Sizes *in = bottom(layer);
  std::optional<size_t> place;
  if (in && (place = axis(layer, "softmax_param.axis", nullptr, *in)))
    define(layer, "Softmax", {value(layer)}, *in, {{"axis", integer(int64_t(*place) + 1)}});
}

void Conversion::concat(const Layer &layer) {
  const Sizes *first = bottom(layer);
  std::optional<size_t> place;
  if (!first || !(place = axis(layer, "concat_param.axis", "concat_param.concat_dim", *first)))
    return;
  Sizes shape = *first;
  std::vector<std::string> inputs;
  for (size_t i = 0; i < layer.bottoms.size(); ++i) {
    const Sizes *in = bottom(layer, i);
    if (!in)
      return;
    Sizes other = *in;
    bool fits = other.size() == shape.size();
    if (fits && i > 0) {
      shape[*place] += other[*place];
      other[*place] = shape[*place];
    }
    if (!fits || other != shape) {
      builder.fail(fmt::format("its bottoms '{}' [{}] and '{}' [{}] differ in more than the size "
                               "that is joined",
                               layer.bottoms[0], fmt::join(*first, ", "), layer.bottoms[i],
                               fmt::join(*in, ", ")));
      return;
    }
    inputs.push_back(value(layer, i));
  }
  define(layer, "Concat", inputs, shape, {{"axis", integer(int64_t(*place) + 1)}});
}

void Conversion::slice(const Layer &layer) {
  const Sizes *in = bottom(layer);
  std::optional<size_t> place;
  if (!in || !(place = axis(layer, "slice_param.axis", "slice_param.slice_dim", *in)))
    return;
  std::string from = value(layer);
  Sizes shape = *in, ends;
  int64_t size = shape[*place];
  auto parts = int64_t(layer.tops.size());
  if (auto found = layer.parameters.find("slice_param.slice_point");
      found != layer.parameters.end())
    ends.assign(found->second.numbers.begin(), found->second.numbers.end());
  else
    for (int64_t i = 1; i < parts && size % parts == 0; ++i)
      ends.push_back(i * (size / parts));
  ends.push_back(size);
  bool fits = ends.size() == layer.tops.size() && ends[0] > 0;
  for (size_t i = 1; i < ends.size(); ++i)
    fits &= ends[i] > ends[i - 1];
  if (!fits) {
    builder.fail(fmt::format("{} channels in {} tops at [{}], expected parts of at least one", size,
                             parts, fmt::join(ends, ", ")));
    return;
  }
  for (size_t i = 0; i < ends.size(); ++i) {
    int64_t begin = i == 0 ? 0 : ends[i - 1];
    shape[*place] = ends[i] - begin;
    builder.add("Slice", {from}, top(layer, i), shape,
                {{"starts", ints({begin})},
                 {"ends", ints({ends[i]})},
                 {"axes", ints({int64_t(*place) + 1})}});
  }
}

void Conversion::eltwise(const Layer &layer) {
  const Sizes *first = bottom(layer);
  if (!first)
    return;
  const Sizes shape = *first;
  std::string operation = word(layer, "eltwise_param.operation", "SUM");
  std::vector<double> factors(layer.bottoms.size(), 1);
  if (auto found = layer.parameters.find("eltwise_param.coeff"); found != layer.parameters.end())
    factors = found->second.numbers;
  if (operation == "MAX" || layer.bottoms.size() < 2 || factors.size() != layer.bottoms.size()) {
    builder.fail("expected the operation SUM or PROD of two bottoms or more, with a coefficient "
                 "for each or none; there is no layer for a maximum");
    return;
  }
  std::vector<std::string> summands;
  for (size_t i = 0; i < layer.bottoms.size(); ++i) {
    const Sizes *in = bottom(layer, i);
    if (!in)
      return;
    if (*in != shape) {
      builder.fail(fmt::format("its bottoms '{}' [{}] and '{}' [{}] differ in shape",
                               layer.bottoms[0], fmt::join(shape, ", "), layer.bottoms[i],
                               fmt::join(*in, ", ")));
      return;
    }
    summands.push_back(value(layer, i));
    if (operation == "SUM" && factors[i] != 1) {
      std::string name = fmt::format("{}.coeff{}", layer.name, i);
      builder.constant(name, {}, {float(factors[i])});
      summands.back() = builder.add("Mul", {summands.back(), name}, name + "#scaled", shape);
    }
  }
  std::string sum = summands[0];
  for (size_t i = 1; i < summands.size(); ++i)
    sum = builder.add(operation == "SUM" ? "Add" : "Mul", {sum, summands[i]}, top(layer), shape);
}

void Conversion::flatten(const Layer &layer) {
  const Sizes *in = bottom(layer);
  if (!in)
    return;
  if (number(layer, "flatten_param.axis", 1) != 1 ||
      number(layer, "flatten_param.end_axis", -1) != -1) {
    builder.fail("expected axis 1 and end_axis -1: everything behind the batch");
    return;
  }
  int64_t count = 1;
  for (int64_t size : *in)
    count *= size;
  define(layer, "Flatten", {value(layer)}, {count}, {{"axis", integer(1)}});
}

/// What Caffe inserts where several layers read one blob.
void Conversion::copies(const Layer &layer) {
  if (bottom(layer))
    for (const std::string &name : layer.tops)
      current[name] = value(layer);
}

void Conversion::silence(const Layer &layer) {
  for (size_t i = 0; i < layer.bottoms.size(); ++i)
    silenced.insert(value(layer, i));
}

} // namespace netc::frontend::caffe
