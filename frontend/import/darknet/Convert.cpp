//===- Convert.cpp - from sections to nodes -------------------------------===//
#include "frontend/import/darknet/Network.h"
#include "frontend/import/onnx/GraphBuilder.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <set>

namespace netc::frontend::darknet {

using onnx::integer;
using onnx::ints;
using onnx::real;
using onnx::Sizes;
using onnx::Window;

namespace {
/// Converts one network. Layers count from 0, as Darknet prints them; `route` and `shortcut` name
/// them by that number.
class Conversion {
public:
  Conversion(const std::vector<Section> &sections, const Weights *weights,
             std::vector<std::string> &errors)
      : sections(sections), weights(weights), errors(errors), builder("Darknet", errors) {}

  std::optional<onnx::Graph> run();

private:
  /// A kind of layer: what converts it, and the options that it knows. Those that only training or
  /// speed depend on are in the list, too.
  struct Kind {
    void (Conversion::*convert)();
    std::set<std::string> options;
  };
  static const std::map<std::string, Kind> &kinds();

  bool net();
  void layer();
  void convolutional();
  void connected();
  void maxpool();
  void avgpool();
  void route();
  void shortcut();
  void dropout();
  void softmax();
  void upsample();
  void activationLayer();
  void cost();

  bool checkOptions(const std::set<std::string> &known);
  std::string text(const char *name, const std::string &otherwise) const;
  int64_t number(const char *name, int64_t otherwise);
  double realNumber(const char *name, double otherwise);
  /// Of "-1, 61": values of layers before this one.
  std::vector<std::string> layers(const char *name);
  const Sizes &shape() { return *builder.shapeOf(value); }
  /// The layer's parameter, taken from the weights; its graph name is appended.
  bool parameter(const char *layerName, const char *name, const Sizes &dims,
                 std::vector<std::string> &inputs);
  void define(const char *op, std::vector<std::string> inputs, const Sizes &shape,
              std::map<std::string, onnx::Attribute> attributes = {});
  /// bias; scale, mean and variance where it normalises: their order in the file.
  bool normParameters(const char *layerName, int64_t channels, std::vector<std::string> &norm);
  void normalise(const std::vector<std::string> &norm);
  void activate(const std::string &otherwise);

  const std::vector<Section> &sections;
  const Weights *weights;
  std::vector<std::string> &errors;
  onnx::GraphBuilder builder;
  const Section *section = nullptr;
  std::string value;               ///< what the layer reads and becomes
  std::vector<std::string> values; ///< of the layers so far
  size_t index = 0, taken = 0, steps = 0;
};
} // namespace

const std::map<std::string, Conversion::Kind> &Conversion::kinds() {
  static const Kind conv{&Conversion::convolutional,
                         {"batch_normalize", "filters", "size", "stride", "pad", "padding",
                          "groups", "activation", "dilation", "learning_rate", "stopbackward",
                          "flipped"}},
      full{&Conversion::connected, {"output", "activation", "batch_normalize", "learning_rate"}},
      soft{&Conversion::softmax, {"groups", "temperature"}}, average{&Conversion::avgpool, {}},
      loss{&Conversion::cost, {"type", "scale"}};
  static const std::map<std::string, Kind> table{
      {"convolutional", conv},
      {"conv", conv},
      {"connected", full},
      {"conn", full},
      {"maxpool", {&Conversion::maxpool, {"size", "stride", "padding"}}},
      {"max", {&Conversion::maxpool, {"size", "stride", "padding"}}},
      {"avgpool", average},
      {"avg", average},
      {"route", {&Conversion::route, {"layers"}}},
      {"shortcut", {&Conversion::shortcut, {"from", "activation"}}},
      {"dropout", {&Conversion::dropout, {"probability"}}},
      {"softmax", soft},
      {"soft", soft},
      {"upsample", {&Conversion::upsample, {"stride"}}},
      {"activation", {&Conversion::activationLayer, {"activation"}}},
      {"cost", loss},
  };
  return table;
}

bool Conversion::checkOptions(const std::set<std::string> &known) {
  size_t before = builder.failures;
  for (const auto &[name, option] : section->options)
    if (!known.count(name))
      builder.fail(
          fmt::format("its option '{}' (line {}) is not known here; take it out if it does "
                      "not change the layer's result",
                      name, option.line));
  return builder.failures == before;
}

std::string Conversion::text(const char *name, const std::string &otherwise) const {
  auto found = section->options.find(name);
  return found == section->options.end() ? otherwise : found->second.value;
}

template <typename T> static bool parse(const std::string &text, T &number) {
  const char *end = text.data() + text.size();
  auto [at, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && at == end;
}

int64_t Conversion::number(const char *name, int64_t otherwise) {
  int64_t result = otherwise;
  std::string given = text(name, "");
  if (!given.empty() && (!parse(given, result) || result < 0 || result >= 1 << 24)) {
    builder.fail(
        fmt::format("{}={}, expected a whole number from 0 to {}", name, given, (1 << 24) - 1));
    return otherwise;
  }
  return result;
}

double Conversion::realNumber(const char *name, double otherwise) {
  double result = otherwise;
  std::string given = text(name, "");
  if (!given.empty() && (!parse(given.front() == '.' ? "0" + given : given, result))) {
    builder.fail(fmt::format("{}={}, expected a number", name, given));
    return otherwise;
  }
  return result;
}

std::vector<std::string> Conversion::layers(const char *name) {
  std::vector<std::string> result;
  std::string list = text(name, "");
  for (size_t begin = 0; begin <= list.size();) {
    size_t end = std::min(list.find(',', begin), list.size());
    std::string word = list.substr(begin, end - begin);
    int64_t at = 0;
    bool isNumber = parse(word, at);
    if (at < 0)
      at += int64_t(index);
    if (!isNumber || at < 0 || at >= int64_t(index)) {
      builder.fail(fmt::format("{}={}, expected layers before this one, which is number {}", name,
                               list, index));
      return {};
    }
    result.push_back(values[size_t(at)]);
    begin = end + 1;
  }
  return result;
}

bool Conversion::parameter(const char *layerName, const char *name, const Sizes &dims,
                           std::vector<std::string> &inputs) {
  size_t count = builder.countOf(dims);
  if (count == 0)
    return false;
  std::vector<float> numbers(weights ? 0 : count);
  if (weights) {
    size_t left = weights->values.size() - taken;
    if (left < count)
      return builder.fail(fmt::format("the .weights file ends: it has {} more numbers, expected {} "
                                      "for the {}",
                                      left, count, name));
    auto begin = weights->values.begin() + ptrdiff_t(taken);
    numbers.assign(begin, begin + ptrdiff_t(count));
    taken += count;
  }
  inputs.push_back(fmt::format("{}{}.{}", layerName, index, name));
  builder.constant(inputs.back(), dims, std::move(numbers));
  return true;
}

void Conversion::define(const char *op, std::vector<std::string> inputs, const Sizes &shape,
                        std::map<std::string, onnx::Attribute> attributes) {
  std::string name = fmt::format("layer{}.{}", index, ++steps);
  if (!builder.add(op, std::move(inputs), name, shape, std::move(attributes)).empty())
    value = name;
}

bool Conversion::normParameters(const char *layerName, int64_t channels,
                                std::vector<std::string> &norm) {
  return parameter(layerName, "weight", {channels}, norm) &&
         parameter(layerName, "running_mean", {channels}, norm) &&
         parameter(layerName, "running_var", {channels}, norm);
}

/// `norm`: weight, mean, variance, bias.
void Conversion::normalise(const std::vector<std::string> &norm) {
  // 1e-5 as Darknet's GPU code has it; momentum .99 of the running statistics.
  define("BatchNormalization", {value, norm[0], norm[3], norm[1], norm[2]}, shape(),
         {{"epsilon", real(1e-5)}, {"momentum", real(0.99)}});
}

void Conversion::activate(const std::string &otherwise) {
  std::string name = text("activation", otherwise);
  static const std::map<std::string, const char *> plain{
      {"relu", "Relu"}, {"logistic", "Sigmoid"}, {"tanh", "Tanh"}, {"mish", "Mish"}};
  if (name == "linear")
    return;
  if (name == "leaky")
    return define("LeakyRelu", {value}, shape(), {{"alpha", real(0.1)}});
  if (name == "elu")
    return define("Elu", {value}, shape(), {{"alpha", real(1)}});
  if (auto found = plain.find(name); found != plain.end())
    return define(found->second, {value}, shape());
  if (name == "swish") {
    std::string from = value;
    define("Sigmoid", {from}, shape());
    return define("Mul", {from, value}, shape());
  }
  builder.fail(fmt::format("activation={}, expected linear, leaky, relu, logistic, tanh, elu, mish "
                           "or swish",
                           name));
}

void Conversion::convolutional() {
  int64_t filters = number("filters", 1), size = number("size", 1), stride = number("stride", 1),
          groups = number("groups", 1), dilation = number("dilation", 1);
  int64_t pad = number("pad", 0) != 0 ? size / 2 : number("padding", 0);
  bool normalises = number("batch_normalize", 0) != 0;
  Window w{{size, size}, {stride, stride}, {dilation, dilation}, {pad, pad, pad, pad}};
  Sizes out;
  if (!builder.slide(shape(), w, /*roundUp=*/false, out))
    return;
  int64_t channels = shape().front();
  if (filters < 1 || groups < 1 || channels % groups || filters % groups) {
    builder.fail(fmt::format("{} groups with {} channels in and {} filters; expected groups that "
                             "divide both",
                             groups, channels, filters));
    return;
  }
  std::vector<std::string> bias, norm, inputs{value};
  if (!parameter(normalises ? "bn" : "conv", "bias", {filters}, bias) ||
      (normalises && !normParameters("bn", filters, norm)) ||
      !parameter("conv", "weight", {filters, channels / groups, size, size}, inputs))
    return;
  (normalises ? norm : inputs).push_back(bias.front());
  out[0] = filters;
  auto attributes = windowAttributes(w);
  attributes["group"] = integer(groups);
  define("Conv", inputs, out, std::move(attributes));
  if (normalises)
    normalise(norm);
  activate("logistic");
}

void Conversion::connected() {
  int64_t features = number("output", 1), count = 1;
  for (int64_t size : shape())
    count *= size;
  bool normalises = number("batch_normalize", 0) != 0;
  bool isTransposed = weights && weights->isTransposed;
  std::vector<std::string> bias, norm, parameters;
  if (!parameter(normalises ? "bn" : "fc", "bias", {features}, bias) ||
      !parameter("fc", "weight", isTransposed ? Sizes{count, features} : Sizes{features, count},
                 parameters) ||
      (normalises && !normParameters("bn", features, norm)))
    return;
  (normalises ? norm : parameters).push_back(bias.front());
  value = builder.linear(value, fmt::format("layer{}.{}", index, ++steps), features, parameters,
                         isTransposed);
  if (normalises)
    normalise(norm);
  activate("logistic");
}

/// `padding` is that of both sides together; the first side has the smaller half.
void Conversion::maxpool() {
  int64_t stride = number("stride", 1), size = number("size", stride),
          padding = number("padding", size - 1), low = padding / 2, high = padding - low;
  Window w{{size, size}, {stride, stride}, {1, 1}, {low, low, high, high}};
  Sizes out;
  if (!builder.slide(shape(), w, /*roundUp=*/false, out))
    return;
  for (size_t d = 0; d < 2; ++d) { // without what no window reaches
    int64_t reached = (out[1 + d] - 1) * stride + size - low - shape()[1 + d];
    w.pads[2 + d] = std::clamp<int64_t>(reached, 0, high);
  }
  if (low >= size || w.pads[2] >= size || w.pads[3] >= size) {
    builder.fail("a window of it lies wholly outside of the image");
    return;
  }
  define("MaxPool", {value}, out, windowAttributes(w));
}

void Conversion::avgpool() {
  if (shape().size() == 3)
    return define("GlobalAveragePool", {value}, {shape().front(), 1, 1});
  builder.fail("expected an image");
}

void Conversion::route() {
  std::vector<std::string> inputs = layers("layers");
  if (inputs.empty())
    return;
  Sizes joined = *builder.shapeOf(inputs[0]);
  for (size_t i = 1; i < inputs.size(); ++i) {
    Sizes next = *builder.shapeOf(inputs[i]);
    bool fits = next.size() == joined.size();
    for (size_t d = 1; d < next.size() && fits; ++d)
      fits = next[d] == joined[d];
    if (!fits) {
      builder.fail(fmt::format("it joins [{}] and [{}], which differ in more than channels",
                               fmt::join(joined, ", "), fmt::join(next, ", ")));
      return;
    }
    joined[0] += next[0];
  }
  if (inputs.size() == 1)
    value = inputs[0];
  else
    define("Concat", inputs, joined, {{"axis", integer(1)}});
}

/// Adds a layer to the one before. A larger image is taken every n-th pixel of; of channels, those
/// that both have are added.
void Conversion::shortcut() {
  std::vector<std::string> from = layers("from");
  if (from.size() != 1) {
    if (!from.empty())
      builder.fail("expected one layer in 'from'");
    return;
  }
  std::string main = value, other = from.front();
  Sizes out = shape(), added = *builder.shapeOf(other);
  bool fits = out.size() == 3 && added.size() == 3;
  int64_t stride = fits ? std::max<int64_t>(1, added[1] / out[1]) : 1;
  for (size_t d = 1; d < 3 && fits; ++d)
    fits = added[d] == out[d] * stride;
  if (!fits) {
    builder.fail(fmt::format("it adds [{}] to [{}]; expected an image that is a whole number of "
                             "times as large",
                             fmt::join(added, ", "), fmt::join(out, ", ")));
    return;
  }
  if (stride > 1) {
    constexpr int64_t all = int64_t(1) << 40;
    define("Slice", {other}, {added[0], out[1], out[2]},
           {{"starts", ints({0, 0})},
            {"ends", ints({all, all})},
            {"axes", ints({2, 3})},
            {"steps", ints({stride, stride})}});
    other = value;
  }
  if (added[0] > out[0])
    define("Slice", {other}, out,
           {{"starts", ints({0})}, {"ends", ints({out[0]})}, {"axes", ints({1})}});
  if (added[0] < out[0])
    define("Pad", {other}, out, {{"pads", ints({0, 0, 0, 0, 0, out[0] - added[0], 0, 0})}});
  define("Add", {main, added[0] == out[0] ? other : value}, out);
  activate("linear");
}

void Conversion::dropout() {
  define("Dropout", {value}, shape(), {{"ratio", real(realNumber("probability", 0.5))}});
}

/// Over all values of an image. At the end it is left out: netc's recipes and predictions expect
/// scores.
void Conversion::softmax() {
  if (number("groups", 1) != 1 || realNumber("temperature", 1) != 1) {
    builder.fail("expected groups=1 and no temperature");
    return;
  }
  int64_t count = 1;
  for (int64_t size : shape())
    count *= size;
  if (shape().size() > 1)
    define("Flatten", {value}, {count}, {{"axis", integer(1)}});
  bool isLast = section == &sections.back() ||
                (section + 2 == sections.data() + sections.size() && section[1].name == "cost");
  if (!isLast)
    define("Softmax", {value}, shape(), {{"axis", integer(1)}});
}

void Conversion::upsample() {
  int64_t stride = number("stride", 2);
  if (shape().size() != 3 || stride < 1 || stride >= 1 << 10) {
    builder.fail("expected an image and a stride from 1 on");
    return;
  }
  std::string name = fmt::format("layer{}.scales", index);
  builder.constant(name, {4}, {1, 1, float(stride), float(stride)});
  onnx::Attribute mode, coordinates, nearest;
  mode.s = "nearest";
  coordinates.s = "asymmetric";
  nearest.s = "floor";
  Sizes out{shape()[0], shape()[1] * stride, shape()[2] * stride};
  define(
      "Resize", {value, "", name}, out,
      {{"mode", mode}, {"coordinate_transformation_mode", coordinates}, {"nearest_mode", nearest}});
}

void Conversion::activationLayer() { activate("linear"); }

/// Only training has it.
void Conversion::cost() {}

bool Conversion::net() {
  section = &sections.front();
  builder.enter("net", fmt::format("line {}: [{}]", section->line, section->name));
  if (section->name != "net" && section->name != "network")
    return builder.fail("expected [net] as the first section");
  int64_t height = number("height", 0), width = number("width", 0),
          channels = number("channels", 0), inputs = number("inputs", 0);
  bool isImage = height > 0 && width > 0 && channels > 0;
  if (!isImage && inputs < 1)
    return builder.fail("expected 'height', 'width' and 'channels' above 0, or 'inputs'");
  value = isImage ? "image" : "features";
  // Pixels of 0 to 1.
  if (isImage)
    builder.graph.clauses = "  normalize(mean=0.0, std=1.0)\n";
  return builder.failures == 0 &&
         builder.input(value, isImage ? Sizes{channels, height, width} : Sizes{inputs});
}

void Conversion::layer() {
  builder.enter(fmt::format("layer{}/", index),
                fmt::format("line {}: layer {} [{}]", section->line, index, section->name));
  steps = 0;
  auto kind = kinds().find(section->name);
  if (kind == kinds().end())
    builder.fail("there is no layer for this kind; import a classifier, or cut the file before it");
  else if (checkOptions(kind->second.options))
    (this->*kind->second.convert)();
  values.push_back(value);
  ++index;
}

std::optional<onnx::Graph> Conversion::run() {
  if (!net())
    return std::nullopt;
  std::string input = value;
  // What follows a layer that failed has no shapes; but layers of no known kind are all named.
  for (size_t i = 1; i < sections.size(); ++i) {
    section = &sections[i];
    if (errors.empty() || !kinds().count(section->name))
      layer();
    else
      ++index;
  }
  if (errors.empty() && value == input)
    errors.emplace_back("it has no layer that computes anything");
  if (errors.empty() && weights && taken != weights->values.size())
    errors.push_back(fmt::format("the .weights file has {} numbers, expected {}: it belongs to "
                                 "another network",
                                 weights->values.size(), taken));
  if (!errors.empty())
    return std::nullopt;
  return builder.finish({value});
}

std::optional<onnx::Graph> convert(const std::vector<Section> &sections, const Weights *weights,
                                   std::vector<std::string> &errors) {
  return Conversion(sections, weights, errors).run();
}

} // namespace netc::frontend::darknet
