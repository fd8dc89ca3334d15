//===- TensorMap.cpp - tensors that bulk copies move ----------------------===//
#include "runtime/device/sim/TensorMap.h"

#include "runtime/device/sim/Calls.h"
#include "runtime/device/sim/WarpgroupMatrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

using namespace netc::runtime::sim;

uint32_t TensorMap::boxBytes() const {
  uint32_t count = elementBytes;
  for (unsigned axis = 0; axis < rank; ++axis)
    count *= box[axis];
  return count;
}

uint64_t TensorMap::bytes() const {
  uint64_t last = elementBytes;
  for (unsigned axis = 0; axis < rank; ++axis)
    last += (dimensions[axis] - 1) * strides[axis];
  return last;
}

/// Splits 16 bytes of shared memory that begin at element `first` of a row of the tensor.
static void addChunk(const TensorMap &map, std::vector<BoxRun> &runs, uint32_t shared,
                     int64_t first, uint64_t row, bool rowExists) {
  int64_t elements = 16 / map.elementBytes, size = map.dimensions[0];
  int64_t begin = rowExists ? std::clamp<int64_t>(-first, 0, elements) : elements;
  int64_t end = rowExists ? std::clamp<int64_t>(size - first, begin, elements) : elements;
  auto add = [&](int64_t from, int64_t to, bool exists) {
    if (from < to)
      runs.push_back({uint32_t(shared + from * map.elementBytes),
                      uint32_t((to - from) * map.elementBytes),
                      exists ? row + uint64_t(first + from) * map.elementBytes : 0});
  };
  add(0, begin, false);
  add(begin, end, true);
  add(end, elements, false);
}

std::vector<BoxRun> netc::runtime::sim::runsOfBox(const TensorMap &map, const Coordinates &first,
                                                  uint32_t shared) {
  std::vector<BoxRun> runs;
  uint32_t rowBytes = map.rowBytes(), rows = map.boxBytes() / rowBytes;
  for (uint32_t row = 0; row < rows; ++row) {
    uint64_t address = map.address;
    bool exists = true;
    uint32_t rest = row;
    for (unsigned axis = 1; axis < map.rank; ++axis) {
      int64_t at = int64_t(first[axis]) + rest % map.box[axis];
      rest /= map.box[axis];
      exists &= at >= 0 && at < int64_t(map.dimensions[axis]);
      address += uint64_t(at) * map.strides[axis];
    }
    for (uint32_t byte = 0; byte < rowBytes; byte += 16)
      addChunk(map, runs, swizzled(shared + row * rowBytes + byte, map.swizzleBytes),
               int64_t(first[0]) + byte / map.elementBytes, address, exists);
  }
  return runs;
}

//===----------------------------------------------------------------------===//
// The driver's calls
//===----------------------------------------------------------------------===//

static unsigned bytesOf(CUtensorMapDataType type) {
  switch (type) {
  case CU_TENSOR_MAP_DATA_TYPE_UINT8:
    return 1;
  case CU_TENSOR_MAP_DATA_TYPE_UINT16:
  case CU_TENSOR_MAP_DATA_TYPE_FLOAT16:
  case CU_TENSOR_MAP_DATA_TYPE_BFLOAT16:
    return 2;
  case CU_TENSOR_MAP_DATA_TYPE_UINT32:
  case CU_TENSOR_MAP_DATA_TYPE_FLOAT32:
    return 4;
  }
  return 0;
}

/// What the driver's documentation forbids of cuTensorMapEncodeTiled, or "".
static std::string faultOf(const TensorMap &map) {
  if (map.address % 16)
    return "an address that is no multiple of 16";
  for (unsigned axis = 0; axis < map.rank; ++axis) {
    if (axis && (map.strides[axis] % 16 || map.strides[axis] >> 40))
      return fmt::format("a stride of {} bytes: expected a multiple of 16 below 2^40",
                         map.strides[axis]);
    if (!map.dimensions[axis])
      return "a dimension of no elements";
    if (!map.box[axis] || map.box[axis] > 256)
      return fmt::format("a box of {} elements in a dimension: expected 1 to 256", map.box[axis]);
  }
  if (map.rowBytes() % 16)
    return fmt::format("rows of {} bytes in a box: expected a multiple of 16", map.rowBytes());
  if (map.swizzleBytes && map.rowBytes() > map.swizzleBytes)
    return fmt::format("rows of {} bytes in a box: the swizzle has {}", map.rowBytes(),
                       map.swizzleBytes);
  return "";
}

static CUresult tensorMapEncodeTiled(CUtensorMap *to, CUtensorMapDataType type, uint32_t rank,
                                     void *address, const uint64_t *dimensions,
                                     const uint64_t *strides, const uint32_t *box,
                                     const uint32_t *elementStrides, CUtensorMapInterleave,
                                     CUtensorMapSwizzle swizzle, CUtensorMapL2promotion,
                                     CUtensorMapFloatOOBfill) {
  Call call;
  unsigned bytes = bytesOf(type);
  if (!to || reinterpret_cast<uintptr_t>(to) % 64 || !bytes || rank < 1 || rank > maximumRank)
    return CUDA_ERROR_INVALID_VALUE;
  TensorMap map;
  map.elementBytes = uint16_t(bytes);
  map.rank = uint8_t(rank);
  map.swizzleBytes = swizzle ? uint8_t(16u << swizzle) : 0;
  map.address = reinterpret_cast<uintptr_t>(address);
  map.strides[0] = bytes;
  std::string fault;
  for (unsigned axis = 0; axis < rank; ++axis) {
    if (axis)
      map.strides[axis] = strides[axis - 1];
    if (dimensions[axis] > UINT32_MAX || box[axis] > UINT16_MAX || elementStrides[axis] != 1)
      fault = "a dimension of 2^32 elements, or elements with a stride";
    map.dimensions[axis] = uint32_t(dimensions[axis]);
    map.box[axis] = uint16_t(box[axis]);
  }
  if (fault.empty())
    fault = faultOf(map);
  if (!fault.empty())
    return call.device.refuse(CUDA_ERROR_INVALID_VALUE, "tensor map: " + fault);
  *to = {};
  std::memcpy(static_cast<void *>(to), &map, sizeof map);
  return CUDA_SUCCESS;
}

void netc::runtime::sim::addTensorCalls(CudaDriver &table) {
  table.tensorMapEncodeTiled = tensorMapEncodeTiled;
}
