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
#include "runtime/weights/SafetensorsHeader.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

// The limit of the reference implementation.
static constexpr uint64_t maxHeaderBytes = 100'000'000;

/// Bits of an element; 0: no such type. Types of less than a byte are packed.
static uint64_t dtypeBits(const std::string &dtype) {
  static constexpr struct {
    const char *name;
    uint64_t bits;
  } sizes[] = {{"F64", 64},        {"I64", 64},        {"U64", 64}, {"C64", 64},
               {"F32", 32},        {"I32", 32},        {"U32", 32}, {"F16", 16},
               {"I16", 16},        {"BF16", 16},       {"U16", 16}, {"F8_E4M3", 8},
               {"F8_E5M2", 8},     {"F8_E8M0", 8},     {"I8", 8},   {"U8", 8},
               {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"BOOL", 8}, {"F6_E2M3", 6},
               {"F6_E3M2", 6},     {"F4", 4}};
  for (const auto &size : sizes)
    if (dtype == size.name)
      return size.bits;
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
  uint64_t bits = dtypeBits(tensor.dtype);
  if (bits == 0)
    fail("{}: tensor {} has the unknown type {}", file, tensor.name, tensor.dtype);
  for (int64_t size : tensor.shape)
    if (size < 0 || __builtin_mul_overflow(bits, uint64_t(size), &bits))
      fail("{}: tensor {} has the impossible shape {}", file, tensor.name,
           describeShape(tensor.shape));
  if (bits % 8)
    fail("{}: tensor {} of type {} and shape {} ends within a byte", file, tensor.name,
         tensor.dtype, describeShape(tensor.shape));
  return bits / 8;
}

static Tensor locate(const std::string &file, HeaderEntry entry, const char *data,
                     uint64_t dataBytes) {
  Tensor tensor;
  tensor.name = std::move(entry.name);
  tensor.dtype = std::move(entry.dtype);
  tensor.shape = std::move(entry.shape);
  uint64_t begin = entry.offsets[0], end = entry.offsets[1];
  if (begin > end || end > dataBytes)
    fail("{}: tensor {} lies at bytes {} to {} of {}: the file is truncated or damaged", file,
         tensor.name, begin, end, dataBytes);
  uint64_t expected = expectedBytes(tensor, file);
  if (end - begin != expected)
    fail("{}: tensor {} of type {} and shape {} has {} bytes, expected {}", file, tensor.name,
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

void Safetensors::parse(const char *bytes, uint64_t size) {
  uint64_t headerBytes = 0;
  if (size < sizeof headerBytes)
    fail("{}: {} bytes are no safetensors file", file, size);
  std::memcpy(&headerBytes, bytes, sizeof headerBytes);
  uint64_t rest = size - sizeof headerBytes;
  if (headerBytes > maxHeaderBytes || headerBytes < 2 || rest == 0 || bytes[8] != '{')
    fail("{}: no safetensors file (no header at its beginning)", file);
  if (headerBytes > rest)
    fail("{}: truncated: the header has {} bytes, {} are there", file, headerBytes, rest);

  const char *header = bytes + sizeof headerBytes;
  const char *data = header + headerBytes;
  uint64_t dataBytes = rest - headerBytes;
  SafetensorsHeader described = readSafetensorsHeader(header, data, file);
  meta = std::move(described.metadata);
  for (HeaderEntry &entry : described.entries) {
    index.emplace(entry.name, list.size());
    list.push_back(locate(file, std::move(entry), data, dataBytes));
  }
  checkLayout(file, list, data, dataBytes);
}

Safetensors Safetensors::read(const std::string &path) {
  Safetensors result;
  result.file = path;
  result.mapping = MappedFile(path);
  result.parse(result.mapping.data(), result.mapping.size());
  return result;
}

Safetensors Safetensors::readMemory(const std::string &name, const char *bytes, uint64_t size) {
  Safetensors result;
  result.file = name;
  result.parse(bytes, size);
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
  auto &entries = json.get_ref<Json::object_t &>();
  for (const Tensor &tensor : tensors) { // names are distinct: `json[name]` would search for each
    entries.push_back({tensor.name,
                       {{"dtype", tensor.dtype},
                        {"shape", tensor.shape},
                        {"data_offsets", {offset, offset + tensor.bytes}}}});
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
