//===- ReadNet.cpp - from protobuf to plain structs -----------------------===//
//
// A .prototxt is protobuf's text format, a .caffemodel the same messages in its wire format.
//
//===----------------------------------------------------------------------===//
#include "frontend/import/caffe/Net.h"
#include "frontend/import/caffe/Schema.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#ifdef NETC_HAVE_ONNX
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/text_format.h>

#include <fcntl.h>
#include <memory>
#include <set>
#include <unistd.h>
#endif

using namespace netc::frontend::caffe;

#ifndef NETC_HAVE_ONNX

static const char *const kNoProtobuf =
    "cannot read {}: this netc was built without protobuf; install libonnx-dev and libprotobuf-dev "
    "(Debian) and build it again";

std::optional<Net> netc::frontend::caffe::readNet(const std::string &path,
                                                  std::vector<std::string> &errors) {
  errors.push_back(fmt::format(fmt::runtime(kNoProtobuf), path));
  return std::nullopt;
}

std::optional<Weights> netc::frontend::caffe::readWeights(const std::string &path,
                                                          std::string &error) {
  error = fmt::format(fmt::runtime(kNoProtobuf), path);
  return std::nullopt;
}

#else

namespace proto = google::protobuf;
using proto::FieldDescriptor;

static constexpr size_t kMostErrors = 20;
static constexpr int kDeepest = 16; // messages within messages

namespace {
/// The messages of a file. What they are made by lives as long as they do.
class File {
public:
  File() {
    proto::SetLogHandler(nullptr); // what is wrong is said by the reader
    [[maybe_unused]] bool built = buildSchema(pool);
    assert(built && "the schema is no valid one");
    net.reset(factory.GetPrototype(pool.FindMessageTypeByName("caffe.NetParameter"))->New());
  }
  proto::Message &message() { return *net; }
  const FieldDescriptor *field(const char *name) const {
    return net->GetDescriptor()->FindFieldByName(name);
  }

private:
  proto::DescriptorPool pool;
  proto::DynamicMessageFactory factory{&pool};
  std::unique_ptr<proto::Message> net;
};

/// Fields that the schema does not have are errors, as in Caffe, but for what only layers have that
/// are refused by their type, and what only training reads.
class Complaints : public proto::io::ErrorCollector {
public:
  explicit Complaints(std::vector<std::string> &errors) : errors(errors) {}

  void AddError(int line, int column, const std::string &message) override {
    if (errors.size() < kMostErrors)
      errors.push_back(fmt::format("line {}:{}: {}", line + 1, column + 1, message));
  }
  void AddWarning(int line, int column, const std::string &message) override {
    // Message type "caffe.PoolingParameter" has no field named "kernal".
    static const std::string begin = "Message type \"caffe.", middle = "\" has no field named \"";
    size_t split = message.find(middle);
    if (!message.starts_with(begin) || split == std::string::npos)
      return;
    std::string type = message.substr(begin.size(), split - begin.size());
    std::string name = message.substr(split + middle.size());
    name.resize(name.find('"'));
    bool isOfLayer = type == "LayerParameter" || type == "V1LayerParameter";
    if ((isOfLayer && name.ends_with("_param")) || type == "FillerParameter" || type == "ParamSpec")
      return;
    if (type == "V1LayerParameter" && name == "layer")
      name += "' (the oldest format; Caffe's upgrade_net_proto_text converts it) '";
    AddError(line, column, fmt::format("{} has no field '{}'", type, name));
  }

private:
  std::vector<std::string> &errors;
};
} // namespace

static double numberOf(const proto::Message &message, const FieldDescriptor &field, int index) {
  const proto::Reflection &get = *message.GetReflection();
  bool isList = field.is_repeated();
  switch (field.cpp_type()) {
  case FieldDescriptor::CPPTYPE_INT32:
    return isList ? get.GetRepeatedInt32(message, &field, index) : get.GetInt32(message, &field);
  case FieldDescriptor::CPPTYPE_UINT32:
    return isList ? get.GetRepeatedUInt32(message, &field, index) : get.GetUInt32(message, &field);
  case FieldDescriptor::CPPTYPE_INT64:
    return double(isList ? get.GetRepeatedInt64(message, &field, index)
                         : get.GetInt64(message, &field));
  case FieldDescriptor::CPPTYPE_FLOAT:
    return double(isList ? get.GetRepeatedFloat(message, &field, index)
                         : get.GetFloat(message, &field));
  case FieldDescriptor::CPPTYPE_DOUBLE:
    return isList ? get.GetRepeatedDouble(message, &field, index) : get.GetDouble(message, &field);
  case FieldDescriptor::CPPTYPE_BOOL:
    return (isList ? get.GetRepeatedBool(message, &field, index) : get.GetBool(message, &field))
               ? 1
               : 0;
  default:
    return 0;
  }
}

static int countOf(const proto::Message &message, const FieldDescriptor &field) {
  const proto::Reflection &get = *message.GetReflection();
  return field.is_repeated() ? get.FieldSize(message, &field) : int(get.HasField(message, &field));
}

/// All values of a field that is set; of messages none.
static Parameter parameterOf(const proto::Message &message, const FieldDescriptor &field) {
  const proto::Reflection &get = *message.GetReflection();
  Parameter result;
  for (int i = 0; i < countOf(message, field); ++i)
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING)
      result.words.push_back(field.is_repeated() ? get.GetRepeatedString(message, &field, i)
                                                 : get.GetString(message, &field));
    else if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM)
      result.words.push_back(field.is_repeated() ? get.GetRepeatedEnum(message, &field, i)->name()
                                                 : get.GetEnum(message, &field)->name());
    else
      result.numbers.push_back(numberOf(message, field, i));
  return result;
}

static Parameter parameterOf(const proto::Message &message, const char *name) {
  const FieldDescriptor *field = message.GetDescriptor()->FindFieldByName(name);
  return field ? parameterOf(message, *field) : Parameter();
}

static std::string wordOf(const proto::Message &message, const char *name) {
  Parameter found = parameterOf(message, name);
  return found.words.empty() ? std::string() : found.words.front();
}

static std::vector<const proto::Message *> messagesOf(const proto::Message &message,
                                                      const FieldDescriptor &field) {
  const proto::Reflection &get = *message.GetReflection();
  std::vector<const proto::Message *> result;
  for (int i = 0; i < countOf(message, field); ++i)
    result.push_back(field.is_repeated() ? &get.GetRepeatedMessage(message, &field, i)
                                         : &get.GetMessage(message, &field));
  return result;
}

static std::vector<const proto::Message *> messagesOf(const proto::Message &message,
                                                      const char *name) {
  const FieldDescriptor *field = message.GetDescriptor()->FindFieldByName(name);
  return field ? messagesOf(message, *field) : std::vector<const proto::Message *>();
}

static std::vector<int64_t> sizesOf(const proto::Message &message, const char *name) {
  std::vector<int64_t> sizes;
  for (double number : parameterOf(message, name).numbers)
    sizes.push_back(int64_t(number));
  return sizes;
}

/// CONVOLUTION -> Convolution: types of the older `layers` as the newer `layer` writes them.
static std::string newerType(const std::string &type) {
  static const std::map<std::string, const char *> names{
      {"CONCAT", "Concat"},   {"CONVOLUTION", "Convolution"},
      {"DROPOUT", "Dropout"}, {"FLATTEN", "Flatten"},
      {"LRN", "LRN"},         {"INNER_PRODUCT", "InnerProduct"},
      {"POOLING", "Pooling"}, {"RELU", "ReLU"},
      {"SIGMOID", "Sigmoid"}, {"SOFTMAX", "Softmax"},
      {"SPLIT", "Split"},     {"TANH", "TanH"},
      {"ELTWISE", "Eltwise"}, {"POWER", "Power"},
      {"SLICE", "Slice"},     {"DECONVOLUTION", "Deconvolution"},
      {"SILENCE", "Silence"}};
  auto found = names.find(type);
  return found == names.end() ? type : found->second;
}

/// Whether a network for inference (phase TEST, level 0, no stages) has a layer of this rule.
static bool isMet(const proto::Message &rule) {
  std::string phase = wordOf(rule, "phase");
  Parameter least = parameterOf(rule, "min_level"), most = parameterOf(rule, "max_level");
  return (phase.empty() || phase == "TEST") && parameterOf(rule, "stage").words.empty() &&
         (least.numbers.empty() || least.numbers[0] <= 0) &&
         (most.numbers.empty() || most.numbers[0] >= 0);
}

static bool isOfInference(const proto::Message &layer) {
  std::vector<const proto::Message *> include = messagesOf(layer, "include");
  bool isIn = include.empty();
  for (const proto::Message *rule : include)
    isIn |= isMet(*rule);
  for (const proto::Message *rule : messagesOf(layer, "exclude"))
    isIn &= !isMet(*rule);
  return isIn;
}

static Layer readLayer(const proto::Message &message) {
  Layer layer;
  layer.name = wordOf(message, "name");
  layer.type = newerType(wordOf(message, "type"));
  layer.bottoms = parameterOf(message, "bottom").words;
  layer.tops = parameterOf(message, "top").words;
  std::vector<const FieldDescriptor *> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor *field : fields) {
    if (!field->name().ends_with("_param"))
      continue;
    for (const proto::Message *parameters : messagesOf(message, *field)) {
      std::vector<const FieldDescriptor *> given;
      parameters->GetReflection()->ListFields(*parameters, &given);
      for (const FieldDescriptor *each : given)
        layer.parameters[field->name() + "." + each->name()] = parameterOf(*parameters, *each);
      if (field->name() == "input_param")
        for (const proto::Message *shape : messagesOf(*parameters, "shape"))
          layer.shapes.push_back(sizesOf(*shape, "dim"));
    }
  }
  return layer;
}

/// The `input` lines of a file, with `input_dim`, four each, or `input_shape`.
static bool readInputs(const proto::Message &message, Net &net, std::vector<std::string> &errors) {
  std::vector<std::string> names = parameterOf(message, "input").words;
  std::vector<int64_t> dims = sizesOf(message, "input_dim");
  std::vector<const proto::Message *> shapes = messagesOf(message, "input_shape");
  if (dims.size() != 4 * names.size() && shapes.size() != names.size()) {
    errors.push_back(fmt::format("{} inputs with {} input_dim and {} input_shape; expected four "
                                 "input_dim, or one input_shape, for each",
                                 names.size(), dims.size(), shapes.size()));
    return false;
  }
  for (size_t i = 0; i < names.size(); ++i)
    net.inputs.emplace_back(names[i],
                            shapes.size() == names.size()
                                ? sizesOf(*shapes[i], "dim")
                                : std::vector<int64_t>(dims.begin() + ptrdiff_t(4 * i),
                                                       dims.begin() + ptrdiff_t(4 * i + 4)));
  return true;
}

std::optional<Net> netc::frontend::caffe::readNet(const std::string &path,
                                                  std::vector<std::string> &errors) {
  int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    errors.push_back(fmt::format("cannot read it: {}", std::strerror(errno)));
    return std::nullopt;
  }
  proto::io::FileInputStream stream(descriptor);
  stream.SetCloseOnDelete(true);
  File file;
  proto::TextFormat::ParseInfoTree places;
  Complaints complaints(errors);
  proto::TextFormat::Parser parser;
  parser.RecordErrorsTo(&complaints);
  parser.WriteLocationsTo(&places);
  parser.AllowUnknownField(true);
  parser.SetRecursionLimit(kDeepest);
  if (!parser.Parse(&stream, &file.message()) && errors.empty())
    errors.emplace_back("it is no network of Caffe in protobuf's text format");
  Net net;
  net.name = wordOf(file.message(), "name");
  if (!errors.empty() || !readInputs(file.message(), net, errors))
    return std::nullopt;
  for (const char *name : {"layers", "layer"}) {
    std::vector<const proto::Message *> layers = messagesOf(file.message(), name);
    for (size_t i = 0; i < layers.size(); ++i) {
      if (!isOfInference(*layers[i]))
        continue;
      Layer &layer = net.layers.emplace_back(readLayer(*layers[i]));
      layer.line = places.GetLocation(file.field(name), int(i)).line + 1;
    }
  }
  if (net.layers.empty())
    errors.emplace_back("it has no layers");
  return errors.empty() ? std::optional(std::move(net)) : std::nullopt;
}

static Blob readBlob(const proto::Message &message) {
  Blob blob;
  for (const proto::Message *shape : messagesOf(message, "shape"))
    blob.shape = sizesOf(*shape, "dim");
  if (blob.shape.empty())
    for (const char *name : {"num", "channels", "height", "width"})
      for (int64_t size : sizesOf(message, name))
        blob.shape.push_back(size);
  const FieldDescriptor *data = message.GetDescriptor()->FindFieldByName("data");
  auto floats = message.GetReflection()->GetRepeatedFieldRef<float>(message, data);
  blob.values.assign(floats.begin(), floats.end());
  if (blob.values.empty())
    for (double value : parameterOf(message, "double_data").numbers)
      blob.values.push_back(float(value));
  return blob;
}

std::optional<Weights> netc::frontend::caffe::readWeights(const std::string &path,
                                                          std::string &error) {
  int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    error = fmt::format("cannot read {}: {}", path, std::strerror(errno));
    return std::nullopt;
  }
  File file;
  bool parsed = file.message().ParseFromFileDescriptor(descriptor);
  close(descriptor);
  Weights weights;
  if (parsed)
    for (const char *name : {"layers", "layer"})
      for (const proto::Message *layer : messagesOf(file.message(), name)) {
        std::vector<Blob> blobs;
        for (const proto::Message *blob : messagesOf(*layer, "blobs"))
          blobs.push_back(readBlob(*blob));
        if (!blobs.empty())
          weights[wordOf(*layer, "name")] = std::move(blobs);
      }
  if (weights.empty()) {
    error = fmt::format("{}: no .caffemodel, or a damaged one: {}", path,
                        parsed ? "no layer in it has weights" : "it does not parse as protobuf");
    return std::nullopt;
  }
  return weights;
}

#endif
