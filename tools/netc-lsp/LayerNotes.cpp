//===- LayerNotes.cpp - what an editor says about a word of the language --===//
#include "tools/netc-lsp/LayerNotes.h"

#include "frontend/layers/LayerTable.h"

namespace netc::lsp {

static constexpr LayerNote notes[] = {
    {"conv", "torch.nn.Conv2d", "stride=1, pad=0, dilation=1, groups=1",
     "Convolution of an image. It has no bias where a bn alone reads it, unless `bias=true`."},
    {"conv_transpose", "torch.nn.ConvTranspose2d", "stride=1, pad=0, out_pad=0, groups=1",
     "The transposed convolution: a convolution's gradient by its input."},
    {"linear", "torch.nn.Linear", "", "A matrix and a bias, on the last axis."},
    {"bn", "torch.nn.BatchNorm2d", "eps=1e-5, momentum=0.1",
     "Batch normalisation. `frozen`: by its running statistics in training too."},
    {"layer_norm", "torch.nn.LayerNorm", "eps=1e-5",
     "Normalises the features of each token, or the channels of each pixel."},
    {"group_norm", "torch.nn.GroupNorm", "eps=1e-5", "Normalises each group of channels."},
    {"relu", "torch.nn.ReLU", "", "max(x, 0)"},
    {"relu6", "torch.nn.ReLU6", "", "min(max(x, 0), 6)"},
    {"leaky_relu", "torch.nn.LeakyReLU", "slope=0.01", "x above 0, slope * x below."},
    {"tanh", "torch.nn.Tanh", "", "tanh(x)"},
    {"sigmoid", "torch.nn.Sigmoid", "", "1 / (1 + exp(-x))"},
    {"silu", "torch.nn.SiLU", "", "x * sigmoid(x)"},
    {"hardswish", "torch.nn.Hardswish", "", "x * min(max(x + 3, 0), 6) / 6"},
    {"gelu", "torch.nn.GELU", "", "x * Phi(x), exact; `tanh`: its approximation."},
    {"elu", "torch.nn.ELU", "alpha=1", "x above 0, alpha * (exp(x) - 1) below."},
    {"mish", "torch.nn.Mish", "", "x * tanh(log(1 + exp(x)))"},
    {"hardsigmoid", "torch.nn.Hardsigmoid", "", "min(max(x + 3, 0), 6) / 6"},
    {"abs", "torch.abs", "", "|x|"},
    {"exp", "torch.exp", "", "e^x"},
    {"log", "torch.log", "", "The natural logarithm."},
    {"sqrt", "torch.sqrt", "", "The square root."},
    {"reciprocal", "torch.reciprocal", "", "1 / x"},
    {"sin", "torch.sin", "", "sin(x)"},
    {"cos", "torch.cos", "", "cos(x)"},
    {"atan", "torch.atan", "", "The inverse tangent."},
    {"erf", "torch.erf", "", "The error function."},
    {"floor", "torch.floor", "", "The largest whole number up to x."},
    {"ceil", "torch.ceil", "", "The smallest whole number from x on."},
    {"round", "torch.round", "", "The nearest whole number; of two the even one."},
    {"sign", "torch.sign", "", "1, 0 or -1"},
    {"softplus", "torch.nn.Softplus", "", "log(1 + e^x)"},
    {"divide", "torch.div", "", "a / b at each element; of equal shapes."},
    {"power", "torch.pow", "", "a^b at each element; of equal shapes."},
    {"maximum", "torch.maximum", "", "The larger value at each element; of equal shapes."},
    {"minimum", "torch.minimum", "", "The smaller value at each element; of equal shapes."},
    {"less", "torch.lt", "", "1 where a < b, else 0."},
    {"equal", "torch.eq", "", "1 where a = b, else 0."},
    {"mask", "torch.where", "", "a where b is not 0, else 0."},
    {"prelu", "torch.nn.PReLU", "init=0.25", "A learned slope below 0 for each channel."},
    {"softmax", "torch.nn.Softmax", "axis=-1", "exp(x) divided by its sum along an axis."},
    {"maxpool", "torch.nn.MaxPool2d", "stride=k, pad=0, dilation=1, round=down",
     "The largest value of each window. `global`: of the whole image."},
    {"avgpool", "torch.nn.AvgPool2d", "stride=k, pad=0, dilation=1, round=down",
     "The mean of each window, padding counted. `global`: of the whole image. `out`: adaptive."},
    {"lrn", "torch.nn.LocalResponseNorm", "size=5, alpha=1e-4, beta=0.75, k=2",
     "x / (k + alpha * sum of squares)^beta as AlexNet's paper; PyTorch divides alpha by size."},
    {"dropout", "torch.nn.Dropout", "p=0.5", "Zeroes values in training; nothing in inference."},
    {"stochastic_depth", "torchvision.ops.StochasticDepth", "",
     "Zeroes all values of an image in training; nothing in inference."},
    {"concat", "torch.cat", "axis=0", "Joins tensors along an axis."},
    {"matmul", "torch.matmul", "", "Products of the matrices in the last two axes."},
    {"parameter", "torch.nn.Parameter", "init=0", "A learned value, the same for all images."},
    {"reshape", "torch.reshape", "", "The same values in order; one size may be -1."},
    {"expand", "torch.expand", "", "Sizes of 1 repeated to those of `shape`."},
    {"permute", "torch.permute", "", "Axis i of the result is axis order[i]."},
    {"slice", "torch.narrow", "", "Indices of an axis from `begin` to below `end`."},
    {"split", "torch.chunk", "", "A list of n equal parts of an axis."},
    {"roll", "torch.roll", "", "Moves values along axes, around the end."},
    {"mean", "torch.mean", "", "The mean over axes, which are gone from the shape."},
    {"channel_shuffle", "torch.nn.ChannelShuffle", "",
     "Channel g * (c / groups) + i becomes channel i * groups + g."},
    {"upsample", "torch.nn.Upsample", "scale=2",
     "A larger image: `nearest`, or `bilinear` between pixel centres. `out`: its size."},
    {"flatten", "torch.nn.Flatten", "", "One vector of all values."},
    {"pad", "torch.nn.ZeroPad2d", "", "Zeros around an image."},
    {"identity", "torch.nn.Identity", "", "The input itself."},
    {"subsample", "x[:, :, ::s, ::s]", "", "Every stride-th pixel, the first included."},
    {"pad_channels", "torch.nn.functional.pad", "", "`c` channels in all; new ones are zero."},
};

const LayerNote *findLayerNote(std::string_view layer) {
  for (const LayerNote &note : notes)
    if (note.layer == layer)
      return &note;
  return nullptr;
}

std::string_view describeWord(std::string_view word) {
  static constexpr std::pair<std::string_view, std::string_view> words[] = {
      {"min", "The smallest of its arguments, or of a list."},
      {"max", "The largest of its arguments, or of a list."},
      {"len", "How many items a list has."},
      {"enumerate", "A list of [index, item]."},
      {"range", "range(end), range(begin, end) or range(begin, end, step): a list of integers."},
      {"normal", "Initial values of a normal distribution."},
      {"uniform", "Initial values between low and high."},
      {"constant", "Initial values that are all the same."},
      {"aux", "A further loss on a tensor, in training only."},
      {"channels", "The number of channels of an image, or of features of a vector."},
      {"height", "The height of an image in pixels."},
      {"width", "The width of an image in pixels."},
      {"tokens", "The number of tokens of a sequence."},
      {"features", "The number of features of a sequence or vector."},
      {"shape", "The sizes without the batch, a list."},
      {"same", "As much padding as keeps the size (divided by the stride, rounded up)."},
      {"up", "The last window may reach beyond the input."},
      {"down", "Windows lie within the input and its padding."},
      {"augment", "What happens to training images, in order."},
      {"eval", "What happens to images in evaluation and prediction."},
      {"normalize", "Mean and standard deviation by which pixels are normalised."},
      {"loss", "What is minimised."},
      {"optimizer", "How weights follow their gradients."},
      {"schedule", "How the learning rate changes."},
      {"clip_norm", "The largest norm of all gradients together."},
      {"accumulate", "Batches whose mean gradient makes one update."},
      {"shards", "Equal runs of images that each batch is cut into."},
      {"ema", "The decay of a moving average of the weights."},
      {"batch", "Images per step."},
      {"epochs", "Passes over the training set."},
  };
  for (const auto &[name, text] : words)
    if (name == word)
      return text;
  return {};
}

/// "stride=1" where the defaults have one for `name`, else the name alone.
static std::string withDefault(std::string_view name, std::string_view defaults) {
  while (!defaults.empty()) {
    std::string_view item = defaults.substr(0, defaults.find(", "));
    if (item.substr(0, item.find('=')) == name)
      return std::string(item);
    defaults.remove_prefix(std::min(item.size() + 2, defaults.size()));
  }
  return std::string(name);
}

std::string signatureOfLayer(std::string_view layer) {
  const frontend::LayerKind *kind = frontend::findLayerKind(layer);
  if (!kind)
    return {};
  const LayerNote *note = findLayerNote(layer);
  std::string text = std::string(layer) + "(";
  using Inputs = frontend::LayerKind::Inputs;
  text += kind->inputs == Inputs::One ? "x" : kind->inputs == Inputs::Many ? "x, ..." : "";
  for (const frontend::ParamSpec &param : kind->params)
    text += (text.back() == '(' ? "" : ", ") + withDefault(param.name, note ? note->defaults : "");
  return text + ")";
}

std::string signatureOfFunction(std::string_view name) {
  const frontend::Function *function = frontend::findFunction(name);
  if (!function)
    return {};
  std::string text = std::string(name) + "(";
  for (const frontend::ParamSpec &param : function->params)
    text += (text.back() == '(' ? "" : ", ") + param.name + (function->variadic ? ", ..." : "");
  return text + ")";
}

} // namespace netc::lsp
