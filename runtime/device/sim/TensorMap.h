//===- TensorMap.h - tensors that bulk copies move --------------*- C++ -*-===//
//
// PTX ISA 5.5 (Tensors) and 9.7.9.27 (cp.async.bulk.tensor). A chip's tensor map is opaque; this is
// the simulator's, in the same 128 bytes.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_DEVICE_SIM_TENSORMAP_H
#define NETC_RUNTIME_DEVICE_SIM_TENSORMAP_H

#include "runtime/device/sim/Warp.h"

#include <array>

namespace netc::runtime::sim {

constexpr unsigned maximumRank = 5;

struct TensorMap {
  static constexpr uint32_t mark = 0x70414d54; // "TMAp"
  uint32_t magic = mark;
  uint16_t elementBytes = 2;
  uint8_t rank = 2;
  uint8_t swizzleBytes = 0; // 0, 32, 64 or 128
  uint64_t address = 0;
  uint64_t strides[maximumRank] = {}; // bytes; of the innermost dimension: the element's
  uint32_t dimensions[maximumRank] = {};
  uint16_t box[maximumRank] = {};

  uint32_t rowBytes() const { return uint32_t(box[0]) * elementBytes; } // of the box
  uint32_t boxBytes() const;
  /// Device addresses from `address` on that the tensor lies in.
  uint64_t bytes() const;
};
static_assert(sizeof(TensorMap) <= 128);

/// Coordinates of a box's first element, innermost first.
using Coordinates = std::array<int32_t, maximumRank>;

/// 16 bytes or less of a box: where they lie in shared memory and in global memory.
struct BoxRun {
  uint32_t shared = 0, bytes = 0;
  uint64_t global = 0; // 0: outside the tensor
};
/// The box at `first`, whose shared memory begins at `shared`.
std::vector<BoxRun> runsOfBox(const TensorMap &map, const Coordinates &first, uint32_t shared);

// Handlers (TensorCopies.cpp).
void runTensorLoad(Warp &, const Instr &);
void runTensorStore(Warp &, const Instr &);
void runBulkCommit(Warp &, const Instr &);
void runBulkWait(Warp &, const Instr &);

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_TENSORMAP_H
