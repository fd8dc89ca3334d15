//===- Graph.cpp - what a model computes, as written ----------------------===//
#include "runtime/reference/Graph.h"

#include "runtime/base/Error.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace netc::runtime::reference {

using Json = nlohmann::ordered_json;

int64_t Node::elements() const {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

static Node readNode(const Json &json, const ModelInfo &info) {
  Node node;
  node.op = json.at("op").get<std::string>();
  node.inputs = json.at("in").get<std::vector<int>>();
  node.shape = json.at("shape").get<std::vector<int64_t>>();
  node.fixed = node.shape.empty() || node.shape[0] >= 0;
  if (!node.fixed)
    node.shape.erase(node.shape.begin()); // the batch
  auto list = [&](const char *name) { return json.value(name, std::vector<int64_t>()); };
  node.kernel = list("kernel");
  node.strides = list("strides");
  node.pads = list("pads");
  node.dilations = list("dilations");
  node.spreads = list("spreads");
  node.offsets = list("offsets");
  node.groups = json.value("groups", int64_t(1));
  node.channelOffset = json.value("channel_offset", int64_t(0));
  node.size = json.value("size", int64_t(0));
  node.eps = json.value("eps", 0.0);
  node.slope = json.value("slope", 0.0);
  node.alpha = json.value("alpha", 0.0);
  node.beta = json.value("beta", 0.0);
  node.k = json.value("k", 0.0);
  node.scale = json.value("scale", 1.0);
  node.shift = json.value("shift", 0.0);
  node.frozen = json.value("frozen", false);
  node.order = list("order");
  node.axis = json.value("axis", int64_t(0));
  node.begin = json.value("begin", int64_t(0));
  node.transposeLhs = json.value("transpose_lhs", false);
  node.transposeRhs = json.value("transpose_rhs", false);
  node.bilinear = json.value("bilinear", false);
  if (node.op == "activation")
    node.kind = json.at("kind").get<std::string>();
  if (node.op != "get_parameter")
    return node;
  std::string name = json.at("parameter").get<std::string>();
  auto found = std::find_if(info.parameters.begin(), info.parameters.end(),
                            [&](const ParameterInfo &parameter) { return parameter.name == name; });
  if (found == info.parameters.end())
    fail("executable is damaged: its graph reads the unknown parameter {}", name);
  node.parameter = int(found - info.parameters.begin());
  return node;
}

/// Terms on outputs as the model has them; an auxiliary head has those of the first term's output.
static std::vector<LossTerm> lossTerms(const ModelInfo &info, const std::vector<int> &results,
                                       const std::vector<double> &auxiliaryWeights) {
  std::vector<LossTerm> terms;
  for (const LossInfo &loss : info.losses)
    terms.push_back({loss.kind, results.at(loss.output), loss.target, loss.weight, loss.ignore,
                     loss.threshold, loss.smooth});
  for (size_t head = 0; head < auxiliaryWeights.size(); ++head)
    for (const LossInfo &loss : info.losses)
      if (loss.output == info.losses.front().output)
        terms.push_back({loss.kind, results.at(info.outputs.size() + head), loss.target,
                         auxiliaryWeights[head] * loss.weight, loss.ignore, loss.threshold,
                         loss.smooth});
  return terms;
}

Graph readGraph(const ModelInfo &info) {
  if (info.graph.empty())
    fail("{} carries no graph to compare with: compile it anew, without --mode infer", info.name);
  Graph graph;
  for (const TensorInfo &input : info.inputs)
    graph.inputs.push_back(input.shape);
  std::vector<int> results;
  std::vector<double> auxiliaryWeights;
  try {
    Json json = Json::parse(info.graph);
    graph.smoothing = json.value("smoothing", 0.0);
    auxiliaryWeights = json.value("auxiliary_weights", std::vector<double>());
    results = json.at("results").get<std::vector<int>>();
    for (const Json &node : json.at("nodes"))
      graph.nodes.push_back(readNode(node, info));
  } catch (const nlohmann::json::exception &error) {
    fail("executable is damaged: its graph does not parse: {}", error.what());
  }
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    for (int input : graph.nodes[i].inputs)
      if (input < 0 || size_t(input) >= graph.inputs.size() + i)
        fail("executable is damaged: node {} of its graph reads value {}", i, input);
  for (int result : results)
    if (result < 0 || size_t(result) >= graph.values() || graph.isInput(result))
      fail("executable is damaged: its graph returns value {}", result);
  if (auxiliaryWeights.size() + info.outputs.size() != results.size())
    fail("executable is damaged: its graph has {} results for {} outputs and {} auxiliary heads",
         results.size(), info.outputs.size(), auxiliaryWeights.size());
  graph.losses = lossTerms(info, results, auxiliaryWeights);
  return graph;
}

} // namespace netc::runtime::reference
