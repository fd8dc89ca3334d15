//===- TreeSum.h - a sum over shards, made as they come ---------*- C++ -*-===//
#ifndef NETC_RUNTIME_COMM_TREESUM_H
#define NETC_RUNTIME_COMM_TREESUM_H

#include "runtime/comm/Communicator.h"
#include "runtime/comm/ReductionTree.h"
#include "runtime/system/Memory.h"
#include "runtime/system/ThreadPool.h"

#include <vector>

namespace netc::runtime {

/// Adds `count` values of one shard after the other in the order of the tree. Values of shards that
/// wait for a neighbour are kept: of a process that has 2^k shards, at most k copies.
template <typename T> class TreeSum {
public:
  TreeSum(ShardRun run, int64_t count) : run(run), count(count), order(run) {}

  /// Bytes of the copies that wait.
  static uint64_t bytes(ShardRun run, int64_t count);
  /// Allocates the copies.
  void allocate();

  /// Starts again at this process's first shard.
  void begin() { order.begin(); }
  /// The next shard's values, times `share`; null: zeros, of a shard without images. The bits do
  /// not depend on the threads of `pool`.
  void add(const T *values, T share, ThreadPool &pool);
  /// As `add`, of `part` of the values alone, which lies at `place` of the sums: the next shard
  /// stays the next one until `endParts`.
  void addPart(const T *values, T share, ValueRange part, int64_t place, ThreadPool &pool);
  /// After all parts of a shard.
  void endParts() { order.end(); }
  /// Where the sums lie that this process makes of all its shards, one after the other.
  std::span<T *const> ownSums() const;
  /// The sum over all shards, once the others' sums were added.
  const T *total() const { return sums[0]; }

  /// After the last shard of this process: the sum over all shards of all processes.
  T *finish(Communicator &communicator);

private:
  void addScaled(T *into, const T *values, T share, bool isFirst, int64_t size,
                 ThreadPool &pool) const;

  ShardRun run;
  int64_t count;
  Region memory;
  std::vector<T *> sums;
  ShardOrder order;
};

extern template class TreeSum<float>;
extern template class TreeSum<double>;

} // namespace netc::runtime

#endif // NETC_RUNTIME_COMM_TREESUM_H
