//===- Finish.cpp - what can be said once the whole network is known ------===//
#include "frontend/elaborate/Elaborator.h"

#include <fmt/format.h>

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

static std::vector<int> rootsOf(const Network &network) {
  std::vector<int> roots{network.output};
  for (const AuxiliaryHead &head : network.auxiliaries)
    roots.push_back(head.value);
  return roots;
}

/// The loss compares class scores, the model's and each auxiliary head's, with labels.
void Elaborator::checkOutputs(Range at) {
  const Shape &scores = network.layers[network.output].output;
  if (scores.size() != 1) {
    error(at,
          fmt::format("a model returns class scores, a vector; have the image {}", spell(scores)))
        .suggest("end it with x | flatten | linear(classes)");
    return;
  }
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
    std::get<ConvAttrs>(layer.attrs).bias = false;
    std::erase_if(layer.parameters, [](const Parameter &parameter) {
      return parameter.role == Parameter::Role::Bias;
    });
  }
}

/// Layers that nothing needs are left out, with a warning at each loose end.
void Elaborator::dropUnused() {
  std::vector<bool> used = reach(network, rootsOf(network));
  std::vector<bool> inInference = reach(network, {network.output});
  std::vector<bool> read(network.layers.size());
  for (const Layer &layer : network.layers)
    for (int input : layer.inputs)
      read[input] = true;
  if (!inInference[0]) {
    error(layerRanges[network.output], "the model's result does not depend on its input");
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
  network.output = moved[network.output];
  for (AuxiliaryHead &head : network.auxiliaries)
    head.value = moved[head.value];
}

} // namespace netc::frontend
