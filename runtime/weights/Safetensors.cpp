//===- Safetensors.cpp - the file format of weights -----------------------===//
//
// 8 bytes: length of the header, little endian; the header, JSON from name to
// dtype, shape and data_offsets (relative to the header's end); the data,
// without holes.
//
//===----------------------------------------------------------------------===//
#include "runtime/weights/Safetensors.h"

#include "runtime/base/Error.h"
#include "runtime/exec/Model.h"
#include "runtime/system/AtomicFile.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <cstring>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

// The limit of the reference implementation.
static constexpr uint64_t maxHeaderBytes = 100'000'000;

static uint64_t dtypeBytes(const std::string &dtype) {
  static constexpr struct {
    const char *name;
    uint64_t bytes;
  } sizes[] = {{"F64", 8},     {"I64", 8},     {"U64", 8}, {"F32", 4},  {"I32", 4},
               {"U32", 4},     {"F16", 2},     {"I16", 2}, {"BF16", 2}, {"U16", 2},
               {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"I8", 1},  {"U8", 1},   {"BOOL", 1}};
  for (const auto &size : sizes)
    if (dtype == size.name)
      return size.bytes;
  return 0;
}

int64_t Tensor::elements() const {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

/// Bytes of the tensor by dtype and shape; fails where they overflow.
static uint64_t expectedBytes(const Tensor &tensor, const std::string &file) {
  uint64_t bytes = dtypeBytes(tensor.dtype);
  if (bytes == 0)
    fail("{}: tensor {} has the unknown type {}", file, tensor.name, tensor.dtype);
  for (int64_t size : tensor.shape)
    if (size < 0 || __builtin_mul_overflow(bytes, uint64_t(size), &bytes))
      fail("{}: tensor {} has the impossible shape {}", file, tensor.name,
           describeShape(tensor.shape));
  return bytes;
}

static Tensor readEntry(const std::string &file, const std::string &name, const Json &entry,
                        const char *data, uint64_t dataBytes) {
  Tensor tensor;
  tensor.name = name;
  tensor.dtype = entry.at("dtype").get<std::string>();
  tensor.shape = entry.at("shape").get<std::vector<int64_t>>();
  const Json &offsets = entry.at("data_offsets");
  uint64_t begin = offsets.at(0).get<uint64_t>(), end = offsets.at(1).get<uint64_t>();
  if (begin > end || end > dataBytes)
    fail("{}: tensor {} lies at bytes {} to {} of {}: the file is truncated or damaged", file, name,
         begin, end, dataBytes);
  uint64_t expected = expectedBytes(tensor, file);
  if (end - begin != expected)
    fail("{}: tensor {} of type {} and shape {} has {} bytes, expected {}", file, name,
         tensor.dtype, describeShape(tensor.shape), end - begin, expected);
  tensor.data = data + begin;
  tensor.bytes = end - begin;
  return tensor;
}

static void checkLayout(const std::string &file, const std::vector<Tensor> &tensors,
                        const char *data, uint64_t dataBytes) {
  std::vector<const Tensor *> byOffset;
  for (const Tensor &tensor : tensors)
    byOffset.push_back(&tensor);
  std::sort(byOffset.begin(), byOffset.end(), [](const Tensor *a, const Tensor *b) {
    return a->data != b->data ? a->data < b->data : a->bytes < b->bytes;
  });
  const char *end = data;
  for (const Tensor *tensor : byOffset) {
    if (tensor->data < end)
      fail("{}: tensor {} overlaps the one before it", file, tensor->name);
    if (tensor->data > end)
      fail("{}: {} bytes before tensor {} belong to no tensor", file, tensor->data - end,
           tensor->name);
    end = tensor->data + tensor->bytes;
  }
  if (uint64_t(end - data) != dataBytes)
    fail("{}: {} bytes behind the last tensor", file, dataBytes - uint64_t(end - data));
}

Safetensors Safetensors::read(const std::string &path) {
  Safetensors result;
  result.file = path;
  result.bytes = MappedFile(path);
  uint64_t headerBytes = 0;
  if (result.bytes.size() < sizeof headerBytes)
    fail("{}: {} bytes are no safetensors file", path, result.bytes.size());
  std::memcpy(&headerBytes, result.bytes.data(), sizeof headerBytes);
  uint64_t rest = result.bytes.size() - sizeof headerBytes;
  if (headerBytes > maxHeaderBytes || headerBytes < 2 || result.bytes.data()[8] != '{')
    fail("{}: no safetensors file (no header at its beginning)", path);
  if (headerBytes > rest)
    fail("{}: truncated: the header has {} bytes, {} are there", path, headerBytes, rest);

  const char *header = result.bytes.data() + sizeof headerBytes;
  const char *data = header + headerBytes;
  uint64_t dataBytes = rest - headerBytes;
  try {
    Json json = Json::parse(header, data);
    for (const auto &[name, entry] : json.items()) {
      if (name == "__metadata__") {
        result.meta = entry.get<std::map<std::string, std::string>>();
        continue;
      }
      if (!result.index.emplace(name, result.list.size()).second)
        fail("{}: tensor {} is there twice", path, name);
      result.list.push_back(readEntry(path, name, entry, data, dataBytes));
    }
  } catch (const nlohmann::json::exception &error) {
    fail("{}: bad safetensors header: {}", path, error.what());
  }
  checkLayout(path, result.list, data, dataBytes);
  return result;
}

const Tensor *Safetensors::find(const std::string &name) const {
  auto found = index.find(name);
  return found == index.end() ? nullptr : &list[found->second];
}

static float halfToFloat(uint16_t half) {
  uint32_t sign = uint32_t(half & 0x8000) << 16;
  uint32_t exponent = half >> 10 & 0x1F, fraction = half & 0x3FF;
  if (exponent == 0x1F)
    return std::bit_cast<float>(sign | 0x7F800000u | fraction << 13);
  if (exponent == 0) // denormal: fraction * 2^-24
    return (sign ? -1.0f : 1.0f) * float(fraction) * 0x1p-24f;
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

template <typename T, typename Convert>
static void convertEach(const Tensor &tensor, float *out, Convert convert) {
  int64_t count = tensor.elements();
  for (int64_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, tensor.data + uint64_t(i) * sizeof(T), sizeof(T));
    out[i] = convert(value);
  }
}

void convertToF32(const Tensor &tensor, const std::string &file, float *out) {
  if (tensor.dtype == "F32")
    std::memcpy(out, tensor.data, tensor.bytes);
  else if (tensor.dtype == "F64")
    convertEach<double>(tensor, out, [](double value) { return float(value); });
  else if (tensor.dtype == "F16")
    convertEach<uint16_t>(tensor, out, halfToFloat);
  else if (tensor.dtype == "BF16")
    convertEach<uint16_t>(
        tensor, out, [](uint16_t value) { return std::bit_cast<float>(uint32_t(value) << 16); });
  else
    fail("{}: tensor {} has type {}, expected F32, F16, BF16 or F64", file, tensor.name,
         tensor.dtype);
}

WrittenFile writeSafetensors(const std::string &path, const std::vector<Tensor> &tensors,
                             const std::map<std::string, std::string> &metadata) {
  Json json = Json::object();
  if (!metadata.empty())
    json["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const Tensor &tensor : tensors) {
    json[tensor.name] = {{"dtype", tensor.dtype},
                         {"shape", tensor.shape},
                         {"data_offsets", {offset, offset + tensor.bytes}}};
    offset += tensor.bytes;
  }
  std::string header = json.dump();
  header.resize((header.size() + 7) / 8 * 8, ' '); // the data starts aligned
  uint64_t headerBytes = header.size();

  AtomicFile file(path);
  file.write(&headerBytes, sizeof headerBytes);
  file.write(header);
  for (const Tensor &tensor : tensors)
    file.write(tensor.data, tensor.bytes);
  WrittenFile written{file.size(), file.crc()};
  file.commit();
  return written;
}

Tensor f32Tensor(std::string name, std::vector<int64_t> shape, const float *data) {
  Tensor tensor{std::move(name), "F32", std::move(shape), reinterpret_cast<const char *>(data), 0};
  tensor.bytes = uint64_t(tensor.elements()) * sizeof(float);
  return tensor;
}

} // namespace netc::runtime
