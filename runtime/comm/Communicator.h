//===- Communicator.h - the processes that train one model ------*- C++ -*-===//
//
// A batch is cut into shards, whatever the number of processes; each process has a run of
// consecutive shards. Sums over shards are made in one binary tree over shard numbers, so
// that the number of processes changes time and no bits. Random numbers are drawn by sample
// and epoch, never by rank.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_COMM_COMMUNICATOR_H
#define NETC_RUNTIME_COMM_COMMUNICATOR_H

#include <cstdint>
#include <span>
#include <vector>

namespace netc::runtime {

/// Calls are collective: every process makes the same ones in the same order. They fail with an
/// Error that names the rank.
class Communicator {
public:
  virtual ~Communicator() = default;

  /// 0 .. size() - 1. Rank 0 alone prints and writes files.
  virtual unsigned rank() const = 0;
  virtual unsigned size() const = 0;
  bool isRoot() const { return rank() == 0; }

  /// Adds `count` values of every shard, in the order of `reductionTree`. `own` are this process's
  /// shards, first to last, of `shards` in all, which size() divides; the sums are in own[0] of
  /// every process after it, and the others' values are lost.
  virtual void sumShards(std::span<float *const> own, int64_t shards, int64_t count) = 0;
  virtual void sumShards(std::span<double *const> own, int64_t shards, int64_t count) = 0;

  /// Every process gets rank 0's bytes.
  virtual void broadcast(void *bytes, uint64_t size) = 0;

  /// Returns when every process has called it.
  virtual void barrier() = 0;
};

/// One addition of a sum over shards: shard `into` += shard `from`.
struct ShardAddition {
  int64_t into = 0, from = 0;
  bool operator==(const ShardAddition &) const = default;
};

/// The additions that leave the sum of shards 0 .. shards - 1 in shard 0: neighbours, then
/// neighbours of those, … It depends on the number of shards alone.
std::vector<ShardAddition> reductionTree(int64_t shards);

/// The process that there is without others.
class SingleProcess final : public Communicator {
public:
  unsigned rank() const override { return 0; }
  unsigned size() const override { return 1; }
  void sumShards(std::span<float *const> own, int64_t shards, int64_t count) override;
  void sumShards(std::span<double *const> own, int64_t shards, int64_t count) override;
  void broadcast(void *, uint64_t) override {}
  void barrier() override {}
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_COMM_COMMUNICATOR_H
