//===- DeviceState.h - a part of the optimizer's state, on a device -------===//
#ifndef NETC_RUNTIME_DEVICE_DEVICESTATE_H
#define NETC_RUNTIME_DEVICE_DEVICESTATE_H

#include "runtime/comm/Communicator.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace netc::runtime {

/// What a process computes of a command of `update` that writes `size` values from `at` on, both in
/// floats of PARAMETERS: those of `own`, counted from `at`. Without `size`: the whole command,
/// which writes none of the arrays with PARAMETERS' offsets.
struct UpdatePart {
  int64_t at = 0, size = 0;
  ValueRange own;
};

/// Who updates what.
struct StateLayout {
  std::vector<UpdatePart> parts;              ///< of each command of `update`
  std::vector<std::vector<ValueRange>> owned; ///< by process, ascending; floats of PARAMETERS

  /// Values of the process that has most.
  int64_t most() const;
};

int64_t sizeOf(const std::vector<ValueRange> &ranges);

/// Sorts ranges and joins neighbours.
void joinRanges(std::vector<ValueRange> &ranges);

/// Ranges one after the other: calls visit(where values lie, their place from `from` on, how many)
/// for the pieces of values [from, from + count).
template <typename Visit>
void forValues(const std::vector<ValueRange> &ranges, int64_t from, int64_t count, Visit visit) {
  int64_t at = 0, to = from + count;
  for (const ValueRange &range : ranges) {
    int64_t begin = std::max(from, at), end = std::min(to, at + range.size());
    if (begin < end)
      visit(range.begin + begin - at, begin - from, end - begin);
    at += range.size();
  }
}

/// This process's part of STATE in the memory of a device, which holds nothing else of STATE. Calls
/// are collective.
class DeviceState {
public:
  virtual ~DeviceState() = default;

  /// Bytes that it takes there from `begin` on.
  virtual uint64_t bytes() const = 0;
  /// Takes the part of a whole state in this machine's memory.
  virtual void begin(const char *state) = 0;
  /// Runs this process's part of `update`; then PARAMETERS are whole in every process.
  virtual void update(int64_t n) = 0;
  /// Writes a slot of the state, whole, to `values`, which have PARAMETERS' offsets; null: this
  /// process does not want it.
  virtual void gather(uint64_t slot, float *values) = 0;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_DEVICE_DEVICESTATE_H
