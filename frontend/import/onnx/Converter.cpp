//===- Converter.cpp - from nodes to statements ---------------------------===//
#include "frontend/import/onnx/Converter.h"
#include "frontend/import/onnx/Patterns.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace netc::frontend::onnx {

static constexpr size_t kLongChain = 8; // calls; then the value gets a variable, and a comment
static constexpr size_t kMostErrors = 20;
static constexpr const char *kQuantizedEnding = "_quantized";
static constexpr int64_t kMostSize = 65536; // of an input

std::string pairText(const std::vector<int64_t> &values) {
  bool equal = std::all_of(values.begin(), values.end(),
                           [&](int64_t value) { return value == values.front(); });
  return equal ? std::to_string(values.front()) : fmt::format("[{}]", fmt::join(values, ", "));
}

std::string sizesText(const std::vector<int64_t> &sizes) {
  std::vector<std::string> words;
  for (int64_t size : sizes)
    words.push_back(size == kBatch      ? "batch"
                    : batchFactor(size) ? fmt::format("{} * batch", batchFactor(size))
                                        : std::to_string(size));
  return fmt::format("{}", fmt::join(words, ", "));
}

std::string realText(double value) {
  std::string text = fmt::format("{}", float(value));
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

static bool isLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool isDigit(char c) { return c >= '0' && c <= '9'; }

std::string identifier(const std::string &text) {
  std::string result;
  for (char c : text)
    result += isLetter(c) || isDigit(c) ? c : '_';
  static const std::set<std::string> reserved{
      "net",    "import", "block", "model", "train", "input", "if",    "else",   "for",    "in",
      "repeat", "return", "and",   "or",    "not",   "true",  "false", "labels", "targets"};
  if (result.empty() || !isLetter(result[0]) || reserved.count(result))
    result = "_" + result;
  return result;
}

/// "layer1.0.conv1" of "layer1.0.conv1.weight", "/layer1/0/conv1/Conv_W": identifiers and numbers
/// between dots.
static std::string labelText(const std::string &parameter) {
  std::string text, part;
  auto finish = [&] {
    if (part.empty())
      return;
    bool isNumber = std::all_of(part.begin(), part.end(), isDigit);
    std::string piece = isNumber && !text.empty() ? part : identifier(part);
    text += (text.empty() ? "" : ".") + piece;
    part.clear();
  };
  for (char c : parameter) {
    if (c == '.' || c == '/' || c == ':')
      finish();
    else
      part += c;
  }
  finish();
  return text;
}

/// "layer1.0.conv1" of PyTorch's node names, "/layer1/layer1.0/conv1/Conv": modules from the
/// outside in, some with the whole path so far, and the operator.
static std::string modulePath(const std::string &node) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t end; (end = node.find('/', begin)) != std::string::npos; begin = end + 1) {
    std::string part = node.substr(begin, end - begin);
    if (part.empty())
      continue;
    if (!parts.empty() && part.starts_with(parts.back() + "."))
      parts.pop_back();
    parts.push_back(part);
  }
  return fmt::format("{}", fmt::join(parts, "."));
}

/// Whether a layer without a label may be called so: "relu61" is a kind and a number.
static bool isNumberedKind(const std::string &name, const IsWord &isWord) {
  static const std::set<std::string> labelled{
      "conv", "conv_transpose", "linear", "bn", "layer_norm", "group_norm", "prelu", "parameter"};
  for (size_t end = name.size(); end > 1 && isDigit(name[end - 1]); --end) {
    std::string kind = name.substr(0, end - 1);
    if (kind == "add" || kind == "mul" || (isWord(kind) && !labelled.count(kind)))
      return true;
  }
  return false;
}

std::string Converter::label(const Node &node, const char *kind, size_t index) {
  static const std::string none;
  std::string parameter = index < node.inputs.size() ? node.inputs[index] : none;
  for (auto from = dequantized.find(parameter); from != dequantized.end();
       from = dequantized.find(parameter))
    parameter = from->second;
  if (parameter.ends_with(kQuantizedEnding)) // as ONNX Runtime calls them
    parameter.resize(parameter.size() - std::string_view(kQuantizedEnding).size());
  std::string name = labelText(parameter);
  for (const char *ending : {".weight", ".kernel", ".gamma", ".scale", "_weight", "_W", "_scale"})
    if (name.size() > std::string(ending).size() && name.ends_with(ending)) {
      name.resize(name.size() - std::string(ending).size());
      break;
    }
  // Exporters number the constants that they make: such names say nothing. Equal weights of several
  // modules have one name.
  bool isNumbered =
      parameter.find("::") != std::string::npos || name.starts_with("_") ||
      (name.starts_with("val_") && name.find_first_not_of("0123456789", 4) == std::string::npos);
  auto read = readers.find(parameter);
  bool isShared = read != readers.end() && read->second.size() > 1 && !node.scope.empty();
  if (isNumbered || isShared || name.empty())
    name = labelText(node.scope.empty() ? modulePath(node.name) : node.scope);
  std::string base = name.empty() ? fmt::format("{}_{}", kind, labels.size() + 1) : name;
  // A parameter by itself may be called as another layer's is.
  auto isTaken = [&](const std::string &each) {
    return labels.count(each) || tensorNames.count(each) || tensorNames.count(each + ".weight") ||
           tensorNames.count(each + ".bias") || isNumberedKind(each, isWord);
  };
  std::string unique = base;
  for (int i = 2; isTaken(unique); ++i)
    unique = fmt::format("{}_{}", base, i);
  labels.insert(unique);
  return unique;
}

void Converter::addTensor(const std::string &name, Shape shape, std::vector<float> values) {
  tensorNames.insert(name);
  result.tensors.push_back({name, std::move(shape), std::move(values)});
}

//===----------------------------------------------------------------------===//
// Inputs of nodes
//===----------------------------------------------------------------------===//

void Converter::fail(const Node &node, const std::string &why) {
  isRefused = true;
  if (errors.size() < kMostErrors)
    errors.push_back(node.where.empty() ? fmt::format("node '{}' ({}): {}", node.name, node.op, why)
                                        : node.where + ": " + why);
  else if (errors.size() == kMostErrors)
    errors.push_back("and more nodes");
  for (const std::string &output : node.outputs)
    values[output].failed = true;
}

Value *Converter::viewed(const Node &node, size_t index) {
  if (node.inputs.size() <= index || node.inputs[index].empty()) {
    fail(node, fmt::format("input {} is missing", index));
    return nullptr;
  }
  auto found = values.find(node.inputs[index]);
  if (found == values.end()) {
    fail(node, fmt::format("input {} ('{}') is a constant, expected a tensor that depends on the "
                           "model's input",
                           index, node.inputs[index]));
    return nullptr;
  }
  if (!found->second.failed)
    return &found->second;
  for (const std::string &output : node.outputs)
    values[output].failed = true;
  return nullptr;
}

bool Converter::withoutFirst(const Node &node, const std::string &name) {
  View view = viewOf(values[name]);
  Shape sizes;
  for (size_t dim = 1; dim < view.dims.size(); ++dim)
    sizes.push_back(sizeOf(view, dim));
  if (view.dims.size() < 2 || sizeOf(view, 0) != 1) {
    fail(node, "the first size of its input is not 1; where it is the batch, import without "
               "--no-batch");
    return false;
  }
  if (!arrange(node, name, orderOf(view), sizes))
    return false;
  values[name].view.reset();
  return true;
}

const Value *Converter::tensor(const Node &node, size_t index) {
  Value *value = viewed(node, index);
  if (!value || !value->view)
    return value;
  const std::vector<std::vector<int>> &dims = value->view->dims;
  if (whole)
    return withoutFirst(node, node.inputs[index]) ? &values[node.inputs[index]] : nullptr;
  if (dims.empty() || dims.front() != std::vector<int>{kBatchAxis}) {
    fail(node, "the batch is not the first size of its input, expected [batch, ...]");
    return nullptr;
  }
  return arrangeInOrder(node, node.inputs[index]) ? &values[node.inputs[index]] : nullptr;
}

const Tensor *Converter::constant(const std::string &name) const {
  if (auto found = graph.initializers.find(name); found != graph.initializers.end())
    return &found->second;
  auto found = folded.find(name);
  return found == folded.end() ? nullptr : &found->second;
}

const Tensor *Converter::constant(const Node &node, size_t index) const {
  return node.inputs.size() > index && !node.inputs[index].empty() ? constant(node.inputs[index])
                                                                   : nullptr;
}

int64_t Converter::number(const Node &node, const char *name, int64_t otherwise) const {
  auto found = node.attributes.find(name);
  return found == node.attributes.end() ? otherwise : found->second.i;
}

double Converter::real(const Node &node, const char *name, double otherwise) const {
  auto found = node.attributes.find(name);
  return found == node.attributes.end() ? otherwise : found->second.f;
}

std::vector<int64_t> Converter::numbers(const Node &node, const char *name) const {
  auto found = node.attributes.find(name);
  return found == node.attributes.end() ? std::vector<int64_t>() : found->second.ints;
}

std::vector<int64_t> Converter::axes(const Node &node, const Value &input) const {
  std::vector<int64_t> axes = numbers(node, "axes");
  if (const Tensor *given = constant(node, 1); given && !given->isFloat)
    axes = given->ints;
  int64_t rank = input.view ? int64_t(input.view->dims.size()) : int64_t(input.shape.size()) + 1;
  for (int64_t &axis : axes)
    axis += axis < 0 ? rank : 0;
  std::sort(axes.begin(), axes.end());
  return axes;
}

const Node *Converter::onlyReader(const std::string &name) const {
  auto found = readers.find(name);
  return found != readers.end() && found->second.size() == 1 && !outputNames.count(name)
             ? found->second.front()
             : nullptr;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

std::string Converter::bind(const std::vector<std::string> &chain, const Shape &shape) {
  std::string name;
  do
    name = fmt::format("x{}", ++counter);
  while (!body.variables.insert(name).second);
  body.statements.push_back({name, chain, shape});
  return name;
}

void Converter::define(const Node &node, std::vector<std::string> chain, Shape shape,
                       std::optional<View> view) {
  defineResult(node, node.outputs.front(), std::move(chain), std::move(shape), std::move(view));
}

void Converter::defineResult(const Node & /*node*/, const std::string &name,
                             std::vector<std::string> chain, Shape shape,
                             std::optional<View> view) {
  if (view && *view == plain(shape))
    view.reset();
  auto read = readers.find(name);
  size_t reads = (read == readers.end() ? 0 : read->second.size()) + outputNames.count(name);
  bool isShared = reads > 1;
  if (chain.size() > 1 && (isShared || chain.size() > kLongChain))
    chain = {bind(chain, shape)};
  else if (isShared && !body.variables.count(chain.front()))
    chain = {bind(chain, shape)};
  values[name] = {std::move(chain), std::move(shape), std::move(view), false};
}

void Converter::append(const Node &node, const Value &input, const std::string &call, Shape shape) {
  std::vector<std::string> chain = input.chain;
  chain.push_back(call);
  body.shapesBefore[call] = input.shape;
  // What keeps the shape of its value keeps its view.
  std::optional<View> view = shape == input.shape ? input.view : std::nullopt;
  define(node, std::move(chain), std::move(shape), std::move(view));
}

std::string Converter::variable(const std::string &name) {
  Value &value = values[name];
  if (value.chain.size() > 1 || !body.variables.count(value.chain.front()))
    value.chain = {bind(value.chain, value.shape)};
  return value.chain.front();
}

//===----------------------------------------------------------------------===//
// The graph
//===----------------------------------------------------------------------===//

/// Nodes that no output depends on are left out.
void Converter::countReaders() {
  std::set<std::string> wanted;
  for (const Port &output : graph.outputs) {
    outputNames.insert(output.name);
    wanted.insert(output.name);
  }
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    const Node &node = graph.nodes[i];
    bool isLive = std::any_of(node.outputs.begin(), node.outputs.end(),
                              [&](const std::string &name) { return wanted.count(name) > 0; });
    if (!isLive)
      continue;
    live.insert(&node);
    for (const std::string &input : node.inputs) {
      wanted.insert(input);
      readers[input].push_back(&node);
    }
  }
}

/// An input of fixed sizes, none of which is the batch; whole numbers are floating-point numbers.
bool Converter::readWhole(const Port &port) {
  Shape sizes;
  for (const Dim &dim : port.dims)
    sizes.push_back(dim.size.value_or(0));
  bool isFixed = std::all_of(sizes.begin(), sizes.end(),
                             [](int64_t size) { return size >= 1 && size <= kMostSize; });
  if (!isFixed || sizes.size() > 4 || port.type == kString) {
    errors.push_back(fmt::format("input '{}' has {} sizes, not all of them fixed, or holds text; "
                                 "expected numbers and up to four fixed sizes up to {}",
                                 port.name, port.dims.size(), kMostSize));
    return false;
  }
  std::string name = port.name == "input" ? "image" : identifier(port.name);
  while (isWord(name) || !body.variables.insert(name).second)
    name += "_";
  View view = wholeView(sizes);
  inputLines += fmt::format("  input {}: [{}]\n", name, fmt::join(view.axes, ", "));
  inputVariables[port.name] = name;
  labels.insert(name);
  values[port.name] = {{name}, view.axes, view};
  return true;
}

bool Converter::readInputs() {
  for (const Port &port : graph.inputs) {
    if (whole) {
      if (!readWhole(port))
        return false;
      continue;
    }
    Shape shape;
    for (size_t i = 1; i < port.dims.size(); ++i) {
      const Dim &dim = port.dims[i];
      if (dim.size && *dim.size > kMostSize) {
        errors.push_back(fmt::format("input '{}' has the size {}, expected up to {}", port.name,
                                     *dim.size, kMostSize));
        return false;
      }
      if (!dim.size || *dim.size < 1) {
        errors.push_back(fmt::format("input '{}' has no fixed size {} ('{}'): only the batch may "
                                     "vary; export it with fixed sizes",
                                     port.name, i, dim.name));
        return false;
      }
      shape.push_back(*dim.size);
    }
    if (shape.empty() || shape.size() > 4 || !port.isFloat) {
      errors.push_back(fmt::format("input '{}' has {} sizes{}, expected floating-point numbers "
                                   "[batch, …] with one to four sizes behind the batch",
                                   port.name, port.dims.size(),
                                   port.isFloat ? "" : " of integers"));
      return false;
    }
    // `input` is a word of the language.
    std::string name = port.name != "input" ? identifier(port.name)
                       : shape.size() == 3  ? "image"
                                            : "features";
    while (isWord(name) || !body.variables.insert(name).second)
      name += "_";
    inputLines += fmt::format("  input {}: [{}]\n", name, fmt::join(shape, ", "));
    int64_t fixed = std::max<int64_t>(0, port.dims.front().size.value_or(0));
    if (batch && fixed && batch != fixed) {
      errors.push_back(
          fmt::format("input '{}' has {} images, another one {}: the first size of each "
                      "input is the batch",
                      port.name, fixed, batch));
      return false;
    }
    batch = std::max(batch, fixed);
    inputVariables[port.name] = name;
    labels.insert(name);
    values[port.name] = {{name}, shape};
  }
  if (graph.inputs.empty())
    errors.push_back("the graph has no input");
  return !graph.inputs.empty();
}

void Converter::convert(const Node &node) {
  if (absorbed.count(&node) || node.outputs.empty())
    return;
  if (!node.domain.empty() && node.domain != "ai.onnx")
    return fail(node, fmt::format("operators of the domain '{}' are not known", node.domain));
  FindConstant find = [&](const std::string &name) { return constant(name); };
  if (node.op == "CastLike" && constant(node, 0) && node.inputs.size() > 1) {
    Node cast{"Cast", "", node.name, {node.inputs[0]}, node.outputs, {}};
    cast.attributes["to"].i = types[node.inputs[1]];
    if (std::optional<Tensor> value = foldNode(cast, find)) {
      folded[node.outputs.front()] = std::move(*value);
      return;
    }
  }
  if (std::optional<Tensor> value = foldNode(node, find)) {
    if (node.op == "DequantizeLinear" || node.op == "QuantizeLinear")
      dequantized[node.outputs.front()] = node.inputs.front();
    folded[node.outputs.front()] = std::move(*value);
    return;
  }
  auto found = handlers().find(node.op);
  if (found == handlers().end())
    return fail(node, "there is no layer for this operator; replace it in the model before "
                      "exporting, or write the model as a .net file and convert the weights");
  auto general = generalHandlers().find(node.op);
  size_t before = errors.size();
  isRefused = false;
  (this->*found->second)(node);
  if (!isRefused || general == generalHandlers().end())
    return;
  std::vector<std::string> said(errors.begin() + ptrdiff_t(before), errors.end());
  errors.resize(before);
  for (const std::string &output : node.outputs)
    values.erase(output);
  isRefused = false;
  (this->*general->second)(node);
  if (!isRefused)
    return;
  errors.resize(before); // what the operator's own handler expects is said
  errors.insert(errors.end(), said.begin(), said.end());
}

/// The last statement. Outputs have names if there are several.
std::optional<Statement> Converter::outputs() {
  std::string list;
  std::set<std::string> names;
  for (const Port &port : graph.outputs) {
    auto found = values.find(port.name);
    if (found == values.end()) {
      errors.push_back(fmt::format("output '{}' is a constant", port.name));
      return std::nullopt;
    }
    if (found->second.failed)
      return std::nullopt;
    Node result{"output", "", port.name, {port.name}, {}, {}};
    if (whole ? !term(result) : found->second.view && !tensor(result))
      return std::nullopt;
    if (graph.outputs.size() == 1)
      return Statement{"return", found->second.chain, found->second.shape};
    std::string name = identifier(port.name);
    while (!names.insert(name).second)
      name += "_";
    list += fmt::format("{}{}: {}", list.empty() ? "" : ", ", name, variable(port.name));
  }
  return Statement{"return", {"{" + list + "}"}, {}};
}

/// Class scores are vectors, sequences or maps; elsewhere the usual loss means nothing.
std::string Converter::recipe(const std::string &name) {
  const Port *main = &graph.outputs.front();
  for (const Port &port : graph.outputs)
    if (identifier(port.name) == "output")
      main = &port;
  const Shape &shape = values[main->name].shape;
  if (whole)
    return fmt::format("\ntrain {} {{\n  loss mse\n}}\n", name);
  bool isPixel = shape.size() == 3 && shape[1] == 1 && shape[2] == 1;
  std::string clauses = graph.clauses;
  if (shape.size() == 4 || isPixel)
    clauses += "  loss mse\n";
  return clauses.empty() ? std::string() : fmt::format("\ntrain {} {{\n{}}}\n", name, clauses);
}

/// An input that no output depends on would be an error of the model file.
void Converter::checkInputs() {
  std::string text;
  for (const Statement &statement : body.statements)
    text += textOf(statement);
  auto isWord = [](char c) { return isLetter(c) || isDigit(c) || c == '.'; };
  for (const Port &port : graph.inputs) {
    const std::string &name = inputVariables[port.name];
    bool isRead = false;
    for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1))
      isRead |= !isWord(text[at - 1]) && !isWord(text[at + name.size()]);
    if (!isRead)
      errors.push_back(fmt::format("no output depends on the input '{}'; expected a model that "
                                   "reads all its inputs",
                                   port.name));
  }
}

std::optional<Imported> Converter::run(const std::string &name, const std::string &source) {
  countReaders();
  inferTypes();
  if (!readInputs())
    return std::nullopt;
  for (const Node &node : graph.nodes)
    if (live.count(&node))
      convert(node);
  if (std::optional<Statement> last = errors.empty() ? outputs() : std::nullopt)
    body.statements.push_back(std::move(*last));
  if (errors.empty())
    checkInputs();
  if (!errors.empty() || body.statements.empty() || body.statements.back().name != "return")
    return std::nullopt;
  std::string origin = graph.producer.empty() ? "" : " (" + graph.producer + ")";
  origin += graph.format.empty() ? fmt::format(", opset {}", graph.opset) : ", " + graph.format;
  origin += whole ? ", without a batch" : "";
  // Names of layers inside of blocks are not those of the statements with scales.
  std::string blocks, text = result.scales.empty() ? writeBody(body, blocks) : flatText(body);
  result.text =
      fmt::format("net 1\n\n# Imported from {}{}.\n{}model {} {{\n{}{}}}\n{}", source, origin,
                  blocks.empty() ? "" : "\n" + blocks, name, inputLines, text, recipe(name));
  return std::move(result);
}

std::optional<Imported> importGraph(Graph graph, const std::string &name, const std::string &source,
                                    const ImportSettings &settings, const IsWord &isWord,
                                    std::vector<std::string> &errors) {
  Graph fused = fusePatterns(std::move(graph));
  return Converter(fused, settings, isWord, errors).run(isWord(name) ? "_" + name : name, source);
}

} // namespace netc::frontend::onnx
