//===- DeviceSums.h - sums over shards, made on a device --------*- C++ -*-===//
#ifndef NETC_RUNTIME_DEVICE_DEVICESUMS_H
#define NETC_RUNTIME_DEVICE_DEVICESUMS_H

#include "runtime/abi/Abi.h"
#include "runtime/comm/Communicator.h"
#include "runtime/comm/ReductionTree.h"

#include <cstdint>
#include <vector>

namespace netc::runtime {

/// Values that are added over processes together.
struct SumPiece {
  std::vector<ValueRange> ranges;
  uint64_t command = 0; ///< of the step; after it the values are final
};

/// Which values of a space are summed.
struct SumLayout {
  NetcSpace space = NETC_SPACE_GRADIENTS;
  ShardRun run;
  std::vector<SumPiece> pieces; ///< in an order that all processes have
  bool bf16 = false;            ///< each value of the tree is rounded to bf16
};

/// Adds values of a space over the shards of a batch, as TreeSum does and to the same bits, where
/// they lie: in the memory of a device. Calls only start what they describe; programs that run
/// later see it done.
class DeviceSums {
public:
  virtual ~DeviceSums() = default;

  /// Starts again at this process's first shard.
  virtual void begin() = 0;
  /// The next shard's values, times `share`; without `isThere` zeros, of a shard without images.
  /// The last shard's are added over processes.
  virtual void take(float share, bool isThere) = 0;
  /// As `take` of this process's last shard, whose step is the program that runs next: its pieces
  /// are added over processes as its commands finish them, while it goes on.
  virtual void takeDuring(float share) = 0;
  /// After the last shard: the space's values become the sums over all shards by `divisor`.
  virtual void finish(float divisor) = 0;

  /// Keeps the values aside, and puts them back.
  virtual void keep() = 0;
  virtual void restore() = 0;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_DEVICE_DEVICESUMS_H
