//===- Finish.cpp - what can be said once the whole network is known ------===//
#include "frontend/elaborate/Elaborator.h"

#include <fmt/format.h>

#include <algorithm>

namespace netc::frontend {

/// `reached[i]`: layer i's value flows into one of `roots`.
static std::vector<bool> reach(const Network &network, const std::vector<int> &roots) {
  std::vector<bool> reached(network.layers.size());
  for (int root : roots)
    reached[root] = true;
  for (size_t i = network.layers.size(); i-- > 0;)
    if (reached[i])
      for (int input : network.layers[i].inputs)
        reached[input] = true;
  return reached;
}

static std::vector<int> outputLayers(const Network &network) {
  std::vector<int> layers;
  for (const Output &output : network.outputs)
    layers.push_back(output.layer);
  return layers;
}

static std::vector<int> rootsOf(const Network &network) {
  std::vector<int> roots = outputLayers(network);
  for (const AuxiliaryHead &head : network.auxiliaries)
    roots.push_back(head.value);
  return roots;
}

/// Inputs, outputs and what a loss compares with are arrays of one file.
void Elaborator::checkNames() {
  for (size_t i = 0; i < network.inputCount(); ++i)
    for (const char *taken : {"labels", "targets"})
      if (network.layers[i].name == taken)
        error(layerRanges[i], fmt::format("an input can't be named '{}'", taken))
            .suggest("data files hold what the loss compares with under that name");
  for (size_t i = 0; i < network.outputs.size(); ++i)
    if (network.outputs[i].name == "loss")
      error(resultRanges[i], "an output can't be named 'loss'")
          .suggest("run --train writes the loss under that name");
}

/// An auxiliary head is compared with what the main output is compared with.
void Elaborator::checkHeads() {
  const Shape &scores = network.layers[network.outputs[network.mainOutput()].layer].output;
  for (size_t i = 0; i < network.auxiliaries.size(); ++i) {
    const Shape &head = network.layers[network.auxiliaries[i].value].output;
    if (head == scores)
      continue;
    diags
        .error(heads[i].range,
               fmt::format("an auxiliary head gives class scores as the model does, {}; have {}",
                           spell(scores), spell(head)),
               heads[i].stack)
        .suggest("end it with x | flatten | linear(classes)");
  }
}

/// Layers that change no class's rank, behind which an output's real end is looked for.
static bool passesThrough(const Layer &layer) {
  return std::holds_alternative<DropoutAttrs>(layer.attrs) ||
         std::holds_alternative<FlattenAttrs>(layer.attrs);
}

/// Outputs that are probabilities already, where the loss and everything that shows results take
/// the softmax of what the model returns.
void Elaborator::findProbabilities() {
  auto look = [&](const std::string &output, int at) {
    while (passesThrough(network.layers[at]))
      at = network.layers[at].inputs.front();
    const Layer &layer = network.layers[at];
    const auto *activation = std::get_if<ActivationAttrs>(&layer.attrs);
    if (std::holds_alternative<SoftmaxAttrs>(layer.attrs) ||
        (activation && activation->kind == ActivationKind::Sigmoid))
      probabilities.push_back({output, layer.kind, {layerRanges[at], layer.stack}});
  };
  for (const Output &output : network.outputs)
    look(output.name, output.layer);
  for (const AuxiliaryHead &head : network.auxiliaries)
    look("", head.value);
}

void Elaborator::warnOfProbabilities(const Recipe &recipe) {
  for (const Probabilities &end : probabilities) {
    bool scored = std::any_of(recipe.losses.begin(), recipe.losses.end(), [&](const LossTerm &t) {
      return t.call.name == "cross_entropy" && (end.output.empty() || t.output == end.output);
    });
    if (scored)
      diags
          .warning(end.claim.range,
                   fmt::format("the output ends in '{}', and the loss cross_entropy takes the "
                               "softmax of it: that of probabilities, not of scores",
                               end.kind),
                   end.claim.stack)
          .suggest(fmt::format(
              "leave '{}' out: train, eval and predict take the softmax themselves", end.kind));
  }
}

/// A convolution without `bias=` has one unless a bn reads it alone: the bn's shift
/// would make it redundant.
void Elaborator::settleBiases() {
  std::vector<bool> used = reach(network, rootsOf(network));
  std::vector<int> users(network.layers.size()), norms(network.layers.size());
  for (size_t i = 0; i < network.layers.size(); ++i)
    if (used[i])
      for (int input : network.layers[i].inputs) {
        ++users[input];
        norms[input] += std::holds_alternative<BatchNormAttrs>(network.layers[i].attrs);
      }
  for (int root : rootsOf(network))
    ++users[root];
  for (size_t i = 0; i < network.layers.size(); ++i) {
    if (!biasByUse[i] || users[i] != 1 || norms[i] != 1)
      continue;
    Layer &layer = network.layers[i];
    if (auto *transposed = std::get_if<ConvTransposeAttrs>(&layer.attrs))
      transposed->conv.bias = false;
    else
      std::get<ConvAttrs>(layer.attrs).bias = false;
    std::erase_if(layer.parameters, [](const Parameter &parameter) {
      return parameter.role == Parameter::Role::Bias;
    });
  }
}

/// Layers that nothing needs are left out, with a warning at each loose end.
void Elaborator::dropUnused() {
  std::vector<bool> used = reach(network, rootsOf(network));
  std::vector<bool> inInference = reach(network, outputLayers(network));
  std::vector<bool> read(network.layers.size());
  for (const Layer &layer : network.layers)
    for (int input : layer.inputs)
      read[input] = true;
  size_t inputs = network.inputCount();
  for (size_t i = 0; i < inputs; ++i)
    if (!inInference[i]) {
      if (inputs == 1)
        error(layerRanges[network.outputs[0].layer],
              "the model's result does not depend on its input");
      else
        error(layerRanges[i], fmt::format("no result of the model depends on the input '{}'",
                                          network.layers[i].name))
            .suggest("leave the input out");
      return;
    }
  std::vector<int> moved(network.layers.size(), -1);
  std::vector<Layer> kept;
  for (size_t i = 0; i < network.layers.size(); ++i) {
    Layer &layer = network.layers[i];
    if (!used[i]) {
      if (!read[i])
        diags.warning(layerRanges[i], fmt::format("nothing uses '{}': it is left out", layer.name),
                      layer.stack);
      continue;
    }
    moved[i] = static_cast<int>(kept.size());
    layer.auxiliary = !inInference[i];
    for (int &input : layer.inputs)
      input = moved[input];
    kept.push_back(std::move(layer));
  }
  network.layers = std::move(kept);
  for (Output &output : network.outputs)
    output.layer = moved[output.layer];
  for (AuxiliaryHead &head : network.auxiliaries)
    head.value = moved[head.value];
}

} // namespace netc::frontend
