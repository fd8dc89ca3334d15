//===- ConvertGeneralNorms.cpp - normalisations written out ---------------===//
//
// Where weights are computed, or a norm is over sizes that no layer has.
//
//===----------------------------------------------------------------------===//
#include "frontend/import/onnx/Converter.h"

namespace netc::frontend::onnx {

/// LayerNormalization from any axis on, with its statistics; RMSNormalization without the mean.
void Converter::generalLayerNorm(const Node &node) {
  bool failed = false, isRms = node.op == "RMSNormalization";
  std::optional<Term> x = term(node);
  std::optional<size_t> axis = x ? termAxis(node, *x, number(node, "axis", -1)) : std::nullopt;
  if (!axis)
    return;
  std::optional<Term> scale = optionalTerm(node, 1, failed),
                      shift = isRms ? std::nullopt : optionalTerm(node, 2, failed);
  if (failed)
    return;
  std::vector<size_t> axes;
  Shape ones = x->sizes;
  for (size_t i = *axis; i < x->sizes.size(); ++i) {
    axes.push_back(i);
    ones[i] = 1;
  }
  Term mean = *x, centered = *x;
  if (!isRms) {
    mean = *reduced(node, *x, axes, "ReduceMean");
    centered = subtract(*x, spread(mean, *x, axes));
  }
  Term variance = *reduced(node, multiply(centered, centered), axes, "ReduceMean");
  Term inverse = call(call(affine(variance, 1, real(node, "epsilon", 1e-5)), "sqrt"), "reciprocal");
  Term result = multiply(centered, spread(inverse, *x, axes));
  for (std::optional<Term> *each : {&scale, &shift}) {
    if (!*each)
      continue;
    if (!broadcast(node, result, **each))
      return;
    result = each == &scale ? multiply(result, **each) : add(result, **each);
  }
  defineTerm(node, result);
  if (isRms)
    return;
  defineTerm(node, reshaped(mean, ones), 1);
  defineTerm(node, reshaped(inverse, ones), 2);
}

/// Batch, group and instance norm with weights that are computed.
void Converter::generalNorm(const Node &node) {
  std::optional<Term> x = term(node);
  if (!x)
    return;
  size_t channelAxis = x->batched ? 0 : 1;
  if (x->sizes.size() <= channelAxis)
    return fail(node, "expected [batch, channels, …]");
  int64_t channels = x->sizes[channelAxis];
  bool isBatch = node.op == "BatchNormalization", trains = number(node, "training_mode", 0) != 0;
  std::vector<Term> parameters; // scale, shift, mean, variance
  for (size_t i = 1; i < (isBatch ? 5u : 3u); ++i) {
    std::optional<Term> each = term(node, i);
    if (!each)
      return;
    int64_t have = elementsOf(each->sizes);
    if (each->batched || channels % have)
      return fail(node, "expected one number per channel");
    if (have != channels) // one per group, before opset 21
      each = reshaped(expanded(reshaped(*each, {have, 1}), {have, channels / have}), {channels});
    parameters.push_back(*each);
  }
  // [images, channels, pixels]
  Shape flat{x->batched ? 1 : x->sizes[0], channels, 1};
  flat[2] = elementsOf(x->sizes) / (flat[0] * channels);
  Term value = reshaped(*x, flat);
  auto perChannel = [&](const Term &v) { return expanded(reshaped(v, {1, channels, 1}), flat); };
  double eps = real(node, "epsilon", 1e-5);
  Term mean = value, variance = value;
  if (isBatch && !trains) {
    mean = perChannel(parameters[2]);
    variance = perChannel(parameters[3]);
  } else if (isBatch) {
    if (x->batched)
      return fail(node, "statistics of all images; export the model in eval mode");
    Term batchMean = *reduced(node, value, {0, 2}, "ReduceMean");
    mean = perChannel(batchMean);
    Term off = subtract(value, mean);
    Term batchVariance = *reduced(node, multiply(off, off), {0, 2}, "ReduceMean");
    variance = perChannel(batchVariance);
    double keep = real(node, "momentum", 0.9);
    defineTerm(node, add(affine(parameters[2], keep, 0), affine(batchMean, 1 - keep, 0)), 1);
    defineTerm(node, add(affine(parameters[3], keep, 0), affine(batchVariance, 1 - keep, 0)), 2);
  } else {
    int64_t groups = node.op == "GroupNormalization" ? number(node, "num_groups", 1) : channels;
    if (groups < 1 || channels % groups)
      return fail(node, "groups that do not divide its channels");
    Shape grouped{flat[0], groups, channels / groups * flat[2]};
    Term parts = reshaped(value, grouped);
    auto groupMean = [&](const Term &v) {
      return spread(*reduced(node, v, {2}, "ReduceMean"), parts, {2});
    };
    Term center = groupMean(parts), off = subtract(parts, center);
    mean = reshaped(center, flat);
    variance = reshaped(groupMean(multiply(off, off)), flat);
  }
  Term inverse = call(call(affine(variance, 1, eps), "sqrt"), "reciprocal");
  Term result = multiply(multiply(subtract(value, mean), inverse), perChannel(parameters[0]));
  defineTerm(node, reshaped(add(result, perChannel(parameters[1])), x->sizes));
}

/// Cross entropy of class scores, or of their logarithms, with class indices.
void Converter::crossEntropy(const Node &node) {
  bool failed = false, isLog = node.op == "NegativeLogLikelihoodLoss";
  std::optional<Term> x = term(node, 0), labels = x ? term(node, 1) : std::nullopt;
  if (!labels)
    return;
  std::optional<Term> weight = optionalTerm(node, 2, failed);
  if (failed)
    return;
  auto word = node.attributes.find("reduction");
  std::string reduction = word == node.attributes.end() ? "mean" : word->second.s;
  if (x->batched || x->sizes.size() < 2)
    return fail(node, "a loss: recipes name losses; to compute one, import with --no-batch");
  int64_t n = x->sizes[0], classes = x->sizes[1], rest = elementsOf(x->sizes) / (n * classes);
  Shape all{n, classes, rest};
  Term scores = reshaped(*x, all);
  Term logs = isLog ? scores : logSoftmaxOf(node, scores, 1);
  if (!isLog)
    defineTerm(node, reshaped(logs, x->sizes), 1);
  Term places = counting(node, all, 1);
  Term own = reshaped(*labels, {n, 1, rest});
  Term hot = binary("equal", expanded(own, all), places);
  Term loss = affine(*reduced(node, binary("mask", logs, hot), {1}, "ReduceSum"), -1, 0);
  std::optional<Term> factor; // of each pixel
  if (weight) {
    Term each = expanded(reshaped(*weight, {1, classes, 1}), all);
    factor = *reduced(node, binary("mask", each, hot), {1}, "ReduceSum");
  }
  if (node.attributes.count("ignore_index")) {
    Term flat = reshaped(*labels, loss.sizes);
    Term ignored = filled(node, flat, double(number(node, "ignore_index", -1)));
    Term counts = affine(binary("equal", flat, ignored), -1, 1);
    factor = factor ? multiply(*factor, counts) : counts;
  }
  if (factor)
    loss = multiply(loss, *factor);
  if (reduction == "none")
    return defineTerm(node, reshaped(loss, labels->sizes));
  Term sum = *reduced(node, loss, {0, 1}, "ReduceSum");
  if (reduction == "mean")
    sum = factor ? binary("divide", sum, *reduced(node, *factor, {0, 1}, "ReduceSum"))
                 : affine(sum, 1 / double(n * rest), 0);
  defineTerm(node, sum);
}

} // namespace netc::frontend::onnx
