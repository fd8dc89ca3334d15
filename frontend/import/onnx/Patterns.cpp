//===- Patterns.cpp - layers that exporters write as many nodes -----------===//
#include "frontend/import/onnx/Patterns.h"

#include <cmath>
#include <set>

namespace netc::frontend::onnx {

namespace {
/// Looks from node to node of a graph.
class Patterns {
public:
  explicit Patterns(Graph &graph);
  void run();

private:
  const Node *producer(const std::string &name, const char *op) const;
  /// The only reader of a value, of kind `op`; null otherwise.
  Node *reader(const Node &node, const char *op);
  const Tensor *constant(const std::string &name) const;
  bool isNumber(const std::string &name, double value) const;
  /// Of a node of two inputs: the one that is a constant of several numbers; null: none.
  const std::string *constantOf(const Node &node) const;
  const std::string *otherOf(const Node &node, const std::string &input) const;

  void layerNorm(Node &division);
  void gelu(const Node &erf);
  void groupNorm(Node &norm);

  Graph &graph;
  std::map<std::string, Node *> producers;
  std::map<std::string, std::vector<Node *>> readers;
  std::set<std::string> outputs;
};
} // namespace

Patterns::Patterns(Graph &graph) : graph(graph) {
  for (Node &node : graph.nodes) {
    for (const std::string &output : node.outputs)
      producers[output] = &node;
    for (const std::string &input : node.inputs)
      readers[input].push_back(&node);
  }
  for (const Port &output : graph.outputs)
    outputs.insert(output.name);
}

const Node *Patterns::producer(const std::string &name, const char *op) const {
  auto found = producers.find(name);
  if (found == producers.end() || found->second->op != op)
    return nullptr;
  // A hostile file may give an operator fewer inputs than it has.
  const std::string &kind = found->second->op;
  size_t least = kind == "Constant" ? 0 : kind == "Sqrt" || kind == "ReduceMean" ? 1 : 2;
  return found->second->inputs.size() >= least ? found->second : nullptr;
}

Node *Patterns::reader(const Node &node, const char *op) {
  if (node.outputs.empty())
    return nullptr;
  auto found = readers.find(node.outputs.front());
  bool isOnly =
      found != readers.end() && found->second.size() == 1 && !outputs.count(node.outputs.front());
  return isOnly && found->second.front()->op == op ? found->second.front() : nullptr;
}

const Tensor *Patterns::constant(const std::string &name) const {
  if (auto found = graph.initializers.find(name); found != graph.initializers.end())
    return &found->second;
  // Exporters share equal weights through an Identity.
  if (auto found = producers.find(name); found != producers.end() &&
                                         found->second->op == "Identity" &&
                                         found->second->inputs.size() == 1) {
    auto shared = graph.initializers.find(found->second->inputs[0]);
    return shared == graph.initializers.end() ? nullptr : &shared->second;
  }
  const Node *node = producer(name, "Constant");
  auto value = node ? node->attributes.find("value") : std::map<std::string, Attribute>::iterator();
  return node && value != node->attributes.end() && value->second.tensor ? &*value->second.tensor
                                                                         : nullptr;
}

bool Patterns::isNumber(const std::string &name, double value) const {
  const Tensor *given = constant(name);
  return given && given->elements() == 1 && std::fabs(given->at(0) - value) < 1e-4;
}

const std::string *Patterns::constantOf(const Node &node) const {
  for (const std::string &input : node.inputs)
    if (const Tensor *given = constant(input); given && given->elements() > 1)
      return &input;
  return nullptr;
}

const std::string *Patterns::otherOf(const Node &node, const std::string &input) const {
  if (node.inputs.size() != 2)
    return nullptr;
  return node.inputs[0] == input   ? &node.inputs[1]
         : node.inputs[1] == input ? &node.inputs[0]
                                   : nullptr;
}

/// (x - mean) / sqrt(mean((x - mean)^2) + eps), then a factor and a summand per feature.
void Patterns::layerNorm(Node &division) {
  const Node *centred = producer(division.inputs[0], "Sub");
  const Node *root = producer(division.inputs[1], "Sqrt");
  const Node *sum = root ? producer(root->inputs[0], "Add") : nullptr;
  if (!centred || !sum || sum->inputs.size() != 2 || centred->inputs.size() != 2)
    return;
  const Tensor *eps = constant(sum->inputs[1]);
  const Node *variance = producer(sum->inputs[0], "ReduceMean");
  const Node *mean = producer(centred->inputs[1], "ReduceMean");
  if (!eps || eps->elements() != 1 || !variance || !mean || mean->inputs[0] != centred->inputs[0])
    return;
  const Node *square = producer(variance->inputs[0], "Pow");
  const Node *product = producer(variance->inputs[0], "Mul");
  const std::string &difference = centred->outputs.front();
  bool isSquare = square && square->inputs[0] == difference && isNumber(square->inputs[1], 2);
  bool isProduct = product && product->inputs == std::vector<std::string>{difference, difference};
  auto axesOf = [&](const Node &node) {
    if (auto axes = node.attributes.find("axes"); axes != node.attributes.end())
      return axes->second.ints;
    const Tensor *given = node.inputs.size() > 1 ? constant(node.inputs[1]) : nullptr;
    return given ? given->ints : std::vector<int64_t>();
  };
  std::vector<int64_t> axes = axesOf(*mean);
  if ((!isSquare && !isProduct) || axes.size() != 1 || axesOf(*variance) != axes)
    return;
  Node norm{"LayerNormalization", "", division.name, {centred->inputs[0], "", ""}, {}, {}};
  norm.attributes["epsilon"].f = eps->at(0);
  norm.attributes["axis"].i = axes[0];
  Node *last = &division;
  Node *scale = reader(division, "Mul");
  if (const std::string *weight = scale ? constantOf(*scale) : nullptr) {
    norm.inputs[1] = *weight;
    last = scale;
    Node *shift = reader(*scale, "Add");
    if (const std::string *bias = shift ? constantOf(*shift) : nullptr) {
      norm.inputs[2] = *bias;
      last = shift;
    }
  }
  norm.outputs = last->outputs;
  norm.scope = division.scope;
  *last = std::move(norm);
}

/// x (1 + erf(x / sqrt(2))) / 2, the half before or after.
void Patterns::gelu(const Node &erf) {
  const Node *division = producer(erf.inputs[0], "Div");
  const Node *factor = producer(erf.inputs[0], "Mul");
  const Node *scaled = division ? division : factor;
  if (!scaled || scaled->inputs.size() != 2 ||
      !isNumber(scaled->inputs[1], division ? std::sqrt(2.0) : std::sqrt(0.5)))
    return;
  const std::string x = scaled->inputs[0];
  Node *sum = reader(erf, "Add");
  const std::string *one = sum ? otherOf(*sum, erf.outputs.front()) : nullptr;
  Node *product = one && isNumber(*one, 1) ? reader(*sum, "Mul") : nullptr;
  const std::string *with = product ? otherOf(*product, sum->outputs.front()) : nullptr;
  if (!with)
    return;
  Node *last = nullptr;
  if (*with == x) {
    Node *half = reader(*product, "Mul");
    const std::string *number = half ? otherOf(*half, product->outputs.front()) : nullptr;
    last = number && isNumber(*number, 0.5) ? half : nullptr;
  } else if (const Node *half = producer(*with, "Mul")) {
    const std::string *number = otherOf(*half, x);
    last = number && isNumber(*number, 0.5) ? product : nullptr;
  }
  if (last)
    *last = Node{"Gelu", "", last->name, {x}, last->outputs, {}};
}

/// PyTorch: a reshape to [batch, groups, -1], an instance norm without parameters, the reshape
/// back, a factor and a summand per channel.
void Patterns::groupNorm(Node &norm) {
  const Node *before = producer(norm.inputs[0], "Reshape");
  Node *back = reader(norm, "Reshape");
  Node *scale = back ? reader(*back, "Mul") : nullptr;
  Node *shift = scale ? reader(*scale, "Add") : nullptr;
  const Tensor *ones = norm.inputs.size() == 3 ? constant(norm.inputs[1]) : nullptr;
  const std::string *weight = scale ? constantOf(*scale) : nullptr;
  const std::string *bias = shift ? constantOf(*shift) : nullptr;
  const Tensor *sizes = before ? constant(before->inputs[1]) : nullptr;
  if (!ones || !weight || !bias || !sizes || sizes->ints.size() != 3 || sizes->ints[2] != -1 ||
      sizes->ints[1] != ones->elements())
    return;
  for (float value : ones->floats)
    if (value != 1)
      return;
  const Tensor *zeros = constant(norm.inputs[2]);
  for (float value : zeros ? zeros->floats : std::vector<float>{1})
    if (value != 0)
      return;
  Node group{"GroupNormalization", "", norm.name, {before->inputs[0], *weight, *bias},
             shift->outputs,       {}};
  group.scope = norm.scope;
  group.attributes["num_groups"].i = ones->elements();
  auto eps = norm.attributes.find("epsilon");
  group.attributes["epsilon"].f = eps == norm.attributes.end() ? 1e-5 : eps->second.f;
  *shift = std::move(group);
}

void Patterns::run() {
  for (Node &node : graph.nodes) {
    if (node.outputs.empty())
      continue;
    if (node.op == "Div" && node.inputs.size() == 2)
      layerNorm(node);
    else if (node.op == "Erf" && node.inputs.size() == 1)
      gelu(node);
    else if (node.op == "InstanceNormalization" && node.inputs.size() == 3)
      groupNorm(node);
  }
}

Graph fusePatterns(Graph graph) {
  Patterns(graph).run();
  return graph;
}

} // namespace netc::frontend::onnx
