//===- ReadGraph.cpp - from protobuf to plain structs ---------------------===//
//
// The only file that knows protobuf and ONNX's schema (Debian: libonnx-dev, libprotobuf-dev).
//
//===----------------------------------------------------------------------===//
#include "frontend/import/onnx/Graph.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#ifdef NETC_HAVE_ONNX
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/unknown_field_set.h>
#include <onnx/onnx_pb.h>

#include <bit>
#include <cmath>
#include <fcntl.h>
#include <fstream>
#include <set>
#include <sys/stat.h>
#include <unistd.h>
#endif

using namespace netc::frontend::onnx;

#ifndef NETC_HAVE_ONNX

std::optional<Graph> netc::frontend::onnx::readGraph(const std::string &path, std::string &error) {
  error = fmt::format("cannot read {}: this netc was built without ONNX; install libonnx-dev and "
                      "libprotobuf-dev (Debian) and build it again",
                      path);
  return std::nullopt;
}

#else

namespace {
/// A file that is being read. What returns nothing or false has said why.
struct Source {
  std::string folder; ///< where external data may lie
  std::string &error;
};
} // namespace

static constexpr int64_t kOldestOpset = 6, kNewestOpset = 23;

template <typename... Args>
static std::nullopt_t damaged(const Source &source, fmt::format_string<Args...> format,
                              Args &&...args) {
  source.error = fmt::format(format, std::forward<Args>(args)...);
  return std::nullopt;
}

/// Bytes of an element in raw data; 0: no such type here.
static size_t elementBytes(int32_t type) {
  using T = ::onnx::TensorProto;
  switch (type) {
  case T::DOUBLE:
  case T::INT64:
  case T::UINT64:
    return 8;
  case T::FLOAT:
  case T::INT32:
  case T::UINT32:
    return 4;
  case T::FLOAT16:
  case T::BFLOAT16:
  case T::INT16:
  case T::UINT16:
    return 2;
  case T::INT8:
  case T::UINT8:
  case T::BOOL:
    return 1;
  default:
    return 0;
  }
}

static bool isFloatType(int32_t type) {
  using T = ::onnx::TensorProto;
  return type == T::FLOAT || type == T::DOUBLE || type == T::FLOAT16 || type == T::BFLOAT16;
}

static float halfToFloat(uint16_t half) {
  float sign = half & 0x8000 ? -1.0f : 1.0f;
  int exponent = half >> 10 & 0x1F, fraction = half & 0x3FF;
  if (exponent == 0x1F)
    return fraction ? std::nanf("") : sign * INFINITY;
  return exponent ? sign * std::ldexp(float(fraction + 1024), exponent - 25)
                  : sign * std::ldexp(float(fraction), -24);
}

template <typename T> static T load(const char *from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

static void decodeRaw(const std::string &raw, int32_t type, Tensor &tensor) {
  using T = ::onnx::TensorProto;
  size_t bytes = elementBytes(type), count = raw.size() / bytes;
  for (size_t i = 0; i < count; ++i) {
    const char *at = raw.data() + i * bytes;
    switch (type) {
    case T::FLOAT:
      tensor.floats.push_back(load<float>(at));
      break;
    case T::DOUBLE:
      tensor.floats.push_back(float(load<double>(at)));
      break;
    case T::FLOAT16:
      tensor.floats.push_back(halfToFloat(load<uint16_t>(at)));
      break;
    case T::BFLOAT16:
      tensor.floats.push_back(std::bit_cast<float>(uint32_t(load<uint16_t>(at)) << 16));
      break;
    case T::INT64:
    case T::UINT64:
      tensor.ints.push_back(load<int64_t>(at));
      break;
    case T::INT32:
      tensor.ints.push_back(load<int32_t>(at));
      break;
    case T::UINT32:
      tensor.ints.push_back(load<uint32_t>(at));
      break;
    case T::INT16:
      tensor.ints.push_back(load<int16_t>(at));
      break;
    case T::UINT16:
      tensor.ints.push_back(load<uint16_t>(at));
      break;
    case T::INT8:
      tensor.ints.push_back(load<int8_t>(at));
      break;
    default:
      tensor.ints.push_back(load<uint8_t>(at));
    }
  }
}

/// Values in the fields that protobuf has for them.
static void decodeFields(const ::onnx::TensorProto &proto, Tensor &tensor) {
  using T = ::onnx::TensorProto;
  int32_t type = proto.data_type();
  if (type == T::FLOAT)
    tensor.floats.assign(proto.float_data().begin(), proto.float_data().end());
  else if (type == T::DOUBLE)
    tensor.floats.assign(proto.double_data().begin(), proto.double_data().end());
  else if (type == T::FLOAT16 || type == T::BFLOAT16)
    for (int32_t bits : proto.int32_data())
      tensor.floats.push_back(type == T::FLOAT16 ? halfToFloat(uint16_t(bits))
                                                 : std::bit_cast<float>(uint32_t(bits) << 16));
  else if (type == T::INT64)
    tensor.ints.assign(proto.int64_data().begin(), proto.int64_data().end());
  else if (type == T::UINT64 || type == T::UINT32)
    tensor.ints.assign(proto.uint64_data().begin(), proto.uint64_data().end());
  else
    tensor.ints.assign(proto.int32_data().begin(), proto.int32_data().end());
}

/// Bytes that lie in another file of the model's folder.
static std::optional<std::string> readExternal(const ::onnx::TensorProto &proto,
                                               const Source &source, uint64_t expected) {
  std::string location;
  uint64_t offset = 0, length = expected;
  for (const auto &entry : proto.external_data()) {
    if (entry.key() == "location")
      location = entry.value();
    else if (entry.key() == "offset")
      offset = std::strtoull(entry.value().c_str(), nullptr, 10);
    else if (entry.key() == "length")
      length = std::strtoull(entry.value().c_str(), nullptr, 10);
  }
  if (location.empty() || location.front() == '/' || location.find("..") != std::string::npos)
    return damaged(source, "tensor '{}' lies in the file '{}', expected one in the model's folder",
                   proto.name(), location);
  if (length != expected)
    return damaged(source, "tensor '{}' has {} bytes of external data, expected {}", proto.name(),
                   length, expected);
  std::string path = source.folder + location, bytes;
  struct stat status;
  if (stat(path.c_str(), &status) != 0)
    return damaged(source, "cannot read {}: {}", path, std::strerror(errno));
  if (offset > uint64_t(status.st_size) || expected > uint64_t(status.st_size) - offset)
    return damaged(source, "tensor '{}' lies at bytes {} to {} of {}, which has {}", proto.name(),
                   offset, offset + expected, path, status.st_size);
  bytes.resize(expected);
  std::ifstream file(path, std::ios::binary);
  if (!file.seekg(int64_t(offset)) || !file.read(bytes.data(), int64_t(expected)))
    return damaged(source, "cannot read {}", path);
  return bytes;
}

static std::optional<Tensor> readTensor(const ::onnx::TensorProto &proto, const Source &source) {
  Tensor tensor;
  size_t bytes = elementBytes(proto.data_type());
  if (bytes == 0)
    return damaged(
        source, "tensor '{}' has the element type {}, expected floating-point numbers or integers",
        proto.name(), proto.data_type());
  tensor.isFloat = isFloatType(proto.data_type());
  tensor.type = proto.data_type();
  int64_t elements = 1, total = 0;
  for (int64_t size : proto.dims()) {
    if (size < 0 || __builtin_mul_overflow(elements, size, &elements))
      return damaged(source, "tensor '{}' has the impossible size {}", proto.name(), size);
    tensor.dims.push_back(size);
  }
  if (__builtin_mul_overflow(elements, int64_t(bytes), &total))
    return damaged(source, "tensor '{}' has {} elements", proto.name(), elements);
  if (proto.data_location() == ::onnx::TensorProto::EXTERNAL) {
    std::optional<std::string> bytesElsewhere = readExternal(proto, source, uint64_t(total));
    if (!bytesElsewhere)
      return std::nullopt;
    decodeRaw(*bytesElsewhere, proto.data_type(), tensor);
  } else if (proto.has_raw_data()) {
    if (int64_t(proto.raw_data().size()) != total)
      return damaged(source, "tensor '{}' has {} bytes, expected {}", proto.name(),
                     proto.raw_data().size(), total);
    decodeRaw(proto.raw_data(), proto.data_type(), tensor);
  } else {
    decodeFields(proto, tensor);
  }
  if (tensor.elements() != elements)
    return damaged(source, "tensor '{}' has {} values, expected {}", proto.name(),
                   tensor.elements(), elements);
  return tensor;
}

/// The innermost module of "['', 'encoder', 'encoder.layers', 'linear']", the last of which is the
/// operation.
static std::string innermostModule(const std::string &scopes) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while ((begin = scopes.find('\'', begin)) != std::string::npos) {
    size_t end = scopes.find('\'', begin + 1);
    if (end == std::string::npos)
      break;
    parts.push_back(scopes.substr(begin + 1, end - begin - 1));
    begin = end + 1;
  }
  return parts.size() > 1 ? parts[parts.size() - 2] : std::string();
}

/// The module that PyTorch's newer exporter says in a node's metadata; empty: it does not. Schemas
/// before IR version 10 do not have the field.
template <typename Proto> static std::string readScope(const Proto &proto) {
  static constexpr const char *key = "pkg.torch.onnx.name_scopes";
  if constexpr (requires { proto.metadata_props(); }) {
    for (const auto &entry : proto.metadata_props())
      if (entry.key() == key)
        return innermostModule(entry.value());
  } else {
    static constexpr int metadata = 9; // field of a node
    const auto &unknown = proto.GetReflection()->GetUnknownFields(proto);
    ::onnx::StringStringEntryProto entry;
    for (int i = 0; i < unknown.field_count(); ++i)
      if (const auto &field = unknown.field(i);
          field.number() == metadata &&
          field.type() == google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED &&
          entry.ParseFromString(field.length_delimited()) && entry.key() == key)
        return innermostModule(entry.value());
  }
  return {};
}

static std::optional<Node> readNode(const ::onnx::NodeProto &proto, const Source &source) {
  Node node{proto.op_type(), proto.domain(), proto.name(), {}, {}, {}};
  node.scope = readScope(proto);
  node.inputs.assign(proto.input().begin(), proto.input().end());
  node.outputs.assign(proto.output().begin(), proto.output().end());
  if (node.name.empty() && !node.outputs.empty())
    node.name = node.outputs[0];
  for (const auto &from : proto.attribute()) {
    Attribute attribute;
    attribute.i = from.i();
    attribute.f = double(from.f());
    attribute.s = from.s();
    attribute.ints.assign(from.ints().begin(), from.ints().end());
    attribute.floats.assign(from.floats().begin(), from.floats().end());
    if (from.has_t()) {
      attribute.tensor = readTensor(from.t(), source);
      if (!attribute.tensor)
        return std::nullopt;
    }
    node.attributes[from.name()] = std::move(attribute);
  }
  return node;
}

static Port readPort(const ::onnx::ValueInfoProto &proto) {
  Port port;
  port.name = proto.name();
  const auto &type = proto.type().tensor_type();
  port.isFloat = isFloatType(type.elem_type());
  port.type = type.elem_type();
  for (const auto &dim : type.shape().dim()) {
    Dim size;
    if (dim.has_dim_value())
      size.size = dim.dim_value();
    size.name = dim.dim_param();
    port.dims.push_back(size);
  }
  return port;
}

static std::optional<Graph> readModel(const ::onnx::ModelProto &model, const Source &source) {
  Graph graph;
  for (const auto &set : model.opset_import())
    if (set.domain().empty() || set.domain() == "ai.onnx")
      graph.opset = set.version();
  if (!model.has_graph() || graph.opset == 0)
    return damaged(source,
                   "it is no ONNX model: it has no graph, or does not say which operators it uses");
  if (graph.opset < kOldestOpset || graph.opset > kNewestOpset)
    return damaged(source, "it uses opset {}, expected {} to {}: export it with opset_version=18",
                   graph.opset, kOldestOpset, kNewestOpset);
  graph.producer = model.producer_name();
  for (const auto &proto : model.graph().initializer()) {
    std::optional<Tensor> tensor = readTensor(proto, source);
    if (!tensor)
      return std::nullopt;
    graph.initializers[proto.name()] = std::move(*tensor);
  }
  std::set<std::string> known;
  for (const auto &[name, tensor] : graph.initializers)
    known.insert(name);
  for (const auto &input : model.graph().input()) {
    if (graph.initializers.count(input.name()))
      continue;
    graph.inputs.push_back(readPort(input));
    known.insert(input.name());
  }
  for (const auto &output : model.graph().output())
    graph.outputs.push_back(readPort(output));
  for (const auto &proto : model.graph().node()) {
    std::optional<Node> read = readNode(proto, source);
    if (!read)
      return std::nullopt;
    const Node &node = graph.nodes.emplace_back(std::move(*read));
    for (const std::string &input : node.inputs)
      if (!input.empty() && !known.count(input))
        return damaged(source, "node '{}' ({}) reads '{}', which nothing before it computes",
                       node.name, node.op, input);
    for (const std::string &output : node.outputs)
      if (!output.empty() && !known.insert(output).second)
        return damaged(source, "node '{}' ({}) computes '{}', which is computed already", node.name,
                       node.op, output);
  }
  for (const Port &output : graph.outputs)
    if (!known.count(output.name))
      return damaged(source, "nothing computes the output '{}'", output.name);
  return graph;
}

std::optional<Graph> netc::frontend::onnx::readGraph(const std::string &path, std::string &error) {
  int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    error = fmt::format("cannot read {}: {}", path, std::strerror(errno));
    return std::nullopt;
  }
  ::onnx::ModelProto model;
  google::protobuf::SetLogHandler(nullptr); // what is wrong is said below
  bool parsed = model.ParseFromFileDescriptor(file);
  close(file);
  if (!parsed) {
    error = fmt::format("{}: no ONNX model, or a damaged one: it does not parse as protobuf", path);
    return std::nullopt;
  }
  std::string why;
  std::optional<Graph> graph = readModel(model, {path.substr(0, path.rfind('/') + 1), why});
  if (!graph)
    error = fmt::format("{}: {}", path, why);
  return graph;
}

#endif
