//===- Model.cpp - the description inside a compiled model ----------------===//
#include "runtime/exec/Model.h"

#include "runtime/base/Error.h"
#include "runtime/base/Philox.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iterator>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

static int64_t product(const std::vector<int64_t> &shape) {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

int64_t ParameterInfo::elements() const { return product(shape); }
int64_t TensorInfo::elements() const { return product(shape); }

std::vector<int64_t> TensorInfo::batchShape(int64_t n) const {
  std::vector<int64_t> result{n};
  result.insert(result.end(), shape.begin(), shape.end());
  return result;
}

uint64_t ModelInfo::bytesPerImage(NetcSpace space) const {
  uint64_t bytes = 0;
  for (const auto *list : {&inputs, &outputs, &targets})
    for (const TensorInfo &tensor : *list)
      if (tensor.space == space)
        bytes = std::max(bytes, tensor.offset + tensor.bytes());
  return bytes;
}

bool ModelInfo::classifies() const {
  return (losses.size() == 1 && losses[0].kind == LossKind::CrossEntropy &&
          outputs[losses[0].output].shape.size() == 1) ||
         (scoresEachClass() && !multiLabel);
}

bool ModelInfo::scoresEachClass() const {
  return losses.size() == 1 && losses[0].kind == LossKind::Bce &&
         outputs[losses[0].output].shape.size() == 1;
}

const LossInfo *ModelInfo::mapLoss() const {
  for (const LossInfo &loss : losses)
    if (loss.comparesClasses() && outputs[loss.output].shape.size() == 3)
      return &loss;
  return nullptr;
}

bool ModelInfo::takesImages() const {
  return inputs.size() == 1 && inputs[0].shape.size() % 2 == 1;
}

bool ModelInfo::takesImagesAndNumbers() const {
  auto isVector = [](const TensorInfo &input) {
    return input.shape.size() == 1 && input.type == NETC_TYPE_F32;
  };
  return inputs.size() > 1 && inputs[0].shape.size() % 2 == 1 &&
         std::all_of(inputs.begin() + 1, inputs.end(), isVector);
}

const TensorInfo *ModelInfo::findInput(const std::string &name) const {
  for (const TensorInfo &input : inputs)
    if (input.name == name)
      return &input;
  return nullptr;
}

const TensorInfo *ModelInfo::classScores() const {
  for (const LossInfo &loss : losses)
    if ((loss.kind == LossKind::CrossEntropy || loss.kind == LossKind::Bce) &&
        outputs[loss.output].shape.size() == 1)
      return &outputs[loss.output];
  return nullptr;
}

std::string describeTensors(const std::vector<TensorInfo> &tensors) {
  std::string text;
  for (const TensorInfo &tensor : tensors)
    text += (text.empty() ? "" : ", ") + tensor.name + " " + describeShape(tensor.shape);
  return text;
}

int64_t ModelInfo::trainableElements() const {
  int64_t count = 0;
  for (const ParameterInfo &parameter : parameters)
    if (parameter.trainable)
      count += parameter.elements();
  return count;
}

std::string describeShape(const std::vector<int64_t> &shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

uint64_t ModelInfo::fingerprint() const {
  std::string text = fmt::format("{} {}x{}x{} {}\n", name, channels, height, width, classes);
  if (!takesImages() || outputs.size() > 1 || !classifies())
    text += fmt::format("{}; {}\n", describeTensors(inputs), describeTensors(outputs));
  for (const LayerInfo &layer : layers)
    text += fmt::format("{} {} {}\n", layer.name, layer.kind, describeShape(layer.output));
  for (const ParameterInfo &parameter : parameters)
    text += fmt::format("{} {} {}\n", parameter.name, describeShape(parameter.shape),
                        parameter.trainable);
  return hashBytes(text);
}

static ParameterInfo readParameter(const Json &json, uint64_t parameterBytes) {
  ParameterInfo parameter;
  parameter.name = json.at("name").get<std::string>();
  parameter.shape = json.at("shape").get<std::vector<int64_t>>();
  parameter.offset = json.at("offset").get<uint64_t>();
  parameter.trainable = json.value("trainable", true);
  parameter.decay = json.value("decay", true);
  parameter.aux = json.value("aux", false);
  parameter.layer = json.value("layer", int64_t(-1));
  parameter.levels = json.value("levels", 0);
  std::string type = json.value("type", "f32");
  if (type != "f32")
    fail("executable is damaged: parameter {} is stored as {}", parameter.name, type);
  uint64_t bytes = parameter.bytes();
  if (parameter.offset + bytes > parameterBytes)
    fail("executable is damaged: parameter {} ends at byte {} of {}", parameter.name,
         parameter.offset + bytes, parameterBytes);

  const Json &init = json.at("init");
  std::string kind = init.at("kind").get<std::string>();
  if (kind == "normal") {
    parameter.init = InitializerKind::Normal;
    parameter.initA = init.at("mean").get<double>();
    parameter.initB = init.at("std").get<double>();
  } else if (kind == "uniform") {
    parameter.init = InitializerKind::Uniform;
    parameter.initA = init.at("low").get<double>();
    parameter.initB = init.at("high").get<double>();
  } else if (kind == "constant") {
    parameter.initA = init.at("value").get<double>();
  } else {
    fail("executable is damaged: parameter {} has the unknown initializer '{}'", parameter.name,
         kind);
  }
  return parameter;
}

static void readTensors(const NetcModel &model, ModelInfo &info) {
  for (uint64_t i = 0; i < model.tensor_count; ++i) {
    const NetcTensor &table = model.tensors[i];
    TensorInfo tensor;
    tensor.name = table.name;
    tensor.space = NetcSpace(table.space);
    tensor.type = NetcType(table.type);
    if (table.rank > std::size(table.shape) || !netc_type_bytes(table.type))
      fail("executable is damaged: tensor {} has {} sizes and type {}", tensor.name, table.rank,
           table.type);
    tensor.shape.assign(table.shape, table.shape + table.rank);
    tensor.offset = table.offset;
    tensor.output = table.output;
    (tensor.space == NETC_SPACE_INPUT    ? info.inputs
     : tensor.space == NETC_SPACE_OUTPUT ? info.outputs
                                         : info.targets)
        .push_back(std::move(tensor));
  }
  if (info.inputs.empty() || info.outputs.empty())
    fail("executable is damaged: {} inputs and {} outputs", info.inputs.size(),
         info.outputs.size());
  // As an image; what is none has its sizes in `inputs` alone.
  std::vector<int64_t> image = info.inputs[0].shape;
  image.resize(3, 1); // [F] is [F, 1, 1]
  info.channels = int(image[0]);
  info.height = int(image[1]);
  info.width = int(image[2]);
}

static LossKind lossKind(const std::string &name) {
  if (name == "cross_entropy")
    return LossKind::CrossEntropy;
  if (name == "mse")
    return LossKind::Mse;
  if (name == "l1")
    return LossKind::L1;
  if (name == "bce")
    return LossKind::Bce;
  if (name == "dice")
    return LossKind::Dice;
  fail("executable is damaged: unknown loss '{}'", name);
}

/// Which axis of an output holds its channels: of an image the first, else the last.
static int64_t channelsOf(const std::vector<int64_t> &shape) {
  return shape.size() == 3 ? shape.front() : shape.back();
}

/// Labels are a cross entropy's targets, all others are values.
static void readLosses(const Json &json, ModelInfo &info) {
  for (const Json &item : json.value("losses", Json::array())) {
    LossInfo loss;
    loss.kind = lossKind(item.at("kind").get<std::string>());
    loss.output = item.at("output").get<size_t>();
    loss.weight = item.at("weight").get<double>();
    if (item.contains("ignore"))
      loss.ignore = item["ignore"].get<int64_t>();
    if (item.contains("threshold"))
      loss.threshold = item["threshold"].get<double>();
    loss.smooth = item.value("smooth", 1.0);
    if (loss.output >= info.outputs.size())
      fail("executable is damaged: a loss of output {} of {}", loss.output, info.outputs.size());
    bool found = false;
    for (size_t i = 0; i < info.targets.size() && !found; ++i) {
      bool labels = info.targets[i].name.starts_with("labels");
      found = info.targets[i].output == int(loss.output) && labels == loss.comparesClasses();
      loss.target = found ? i : 0;
    }
    if (!found)
      fail("executable is damaged: the loss of {} has no target", info.outputs[loss.output].name);
    info.softLabels |= loss.kind == LossKind::CrossEntropy &&
                       info.targets[loss.target].space == NETC_SPACE_TARGETS;
    info.losses.push_back(loss);
  }
  if (info.scoresEachClass()) { // one class is a yes or no, which labels cannot say
    info.multiLabel = info.outputs[info.losses[0].output].elements() == 1;
    info.softLabels = !info.multiLabel;
  }
  size_t main = info.losses.empty() ? 0 : info.losses[0].output;
  info.classes = channelsOf(info.outputs[main].shape);
}

static void readNamedValues(const Json &json, const char *program, const NetcProgram &table,
                            std::vector<NamedValue> &values) {
  for (const Json &item : json.value(program, Json::array())) {
    values.push_back({item.at("name").get<std::string>(), item.at("command").get<uint64_t>()});
    if (values.back().command >= table.command_count)
      fail("executable is damaged: {} is stored by command {} of {}", values.back().name,
           values.back().command, table.command_count);
  }
}

static ModelInfo parse(const NetcModel &model) {
  Json json = Json::parse(model.json);
  ModelInfo info;
  info.name = json.at("model").get<std::string>();
  info.file = json.value("file", "");
  info.compiler = json.value("netc", "");
  info.target = json.value("target", "cpu");
  info.cpu = json.value("cpu", "");
  info.precision = json.value("precision", "f32");
  info.features = json.value("features", std::vector<std::string>());
  readTensors(model, info);
  readLosses(json, info);
  info.flopsPerImage = json.value("flops_per_image", int64_t(0));
  for (const Json &item : json.at("layers")) {
    LayerInfo layer;
    layer.name = item.at("name").get<std::string>();
    layer.kind = item.at("kind").get<std::string>();
    layer.output = item.value("output", std::vector<int64_t>());
    layer.parameters = item.value("parameters", int64_t(0));
    layer.flops = item.value("flops", int64_t(0));
    layer.products = item.value("products", "");
    layer.frozen = item.value("frozen", false);
    info.layers.push_back(std::move(layer));
  }
  for (const Json &item : json.at("parameters"))
    info.parameters.push_back(readParameter(item, model.parameter_bytes));
  if (json.contains("observed")) {
    readNamedValues(json.at("observed"), "infer", model.infer, info.stored);
    readNamedValues(json.at("observed"), "observe", model.observe, info.observed);
  }
  info.leftOut = json.value("left_out", std::vector<std::string>());
  info.recipe = json.contains("recipe") ? json.at("recipe").dump() : "{}";
  if (json.contains("graph"))
    info.graph = json.at("graph").dump();
  Json recipe = Json::parse(info.recipe);
  info.averages = recipe.value("ema", 0.0) > 0;
  info.labelSmoothing = recipe.value("/loss/named/label_smoothing"_json_pointer, 0.0);
  return info;
}

ModelInfo readModel(const NetcModel &model) {
  if (model.abi_version != NETC_ABI_VERSION)
    fail("executable was linked against another runtime: its tables have version {}, this runtime "
         "reads version {}",
         model.abi_version, NETC_ABI_VERSION);
  try {
    return parse(model);
  } catch (const nlohmann::json::exception &error) {
    fail("executable is damaged: its description does not parse: {}", error.what());
  }
}

} // namespace netc::runtime
