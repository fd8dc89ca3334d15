//===- HostSpaces.h - a model's spaces in this machine's memory -*- C++ -*-===//
#ifndef NETC_RUNTIME_DEVICE_HOSTSPACES_H
#define NETC_RUNTIME_DEVICE_HOSTSPACES_H

#include "runtime/device/Spaces.h"

namespace netc::runtime {

/// The spaces that the runtime fills and reads, all but the arena, PREPARED and scratch.
class HostSpaces {
public:
  /// Makes zeroed PARAMETERS, HYPER and LOSS.
  void load(const SpaceSizes &sizes);

  /// Bytes that `reserve` needs in total, prepared batches in other memory included.
  static uint64_t need(const Reservation &reservation);
  /// Bytes that it has.
  uint64_t held() const;

  /// Makes room for GRADIENTS, STATE, ACCUMULATED, which keep what they hold, and anew for a batch
  /// of INPUT, LABELS, OUTPUT, TARGETS.
  void reserve(const Reservation &reservation);
  /// Zeroed room for a space that outlives batches; one that is as large already stays.
  void makeRoom(NetcSpace space, uint64_t bytes);

  char *at(NetcSpace space) const { return bases[space]; }
  void bind(NetcSpace space, void *memory) { bases[space] = static_cast<char *>(memory); }
  void exchange(NetcSpace one, NetcSpace other);

private:
  std::array<Region, NETC_SPACE_COUNT> lasting; // PARAMETERS, GRADIENTS, STATE, ACCUMULATED
  Region small;                                 // HYPER, LOSS
  Region batch;                                 // INPUT, LABELS, OUTPUT, TARGETS
  std::array<char *, NETC_SPACE_COUNT> bases{};
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_DEVICE_HOSTSPACES_H
