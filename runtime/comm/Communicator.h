//===- Communicator.h - the processes that train one model ------*- C++ -*-===//
//
// A batch is cut into shards, whatever the number of processes; each process has a run of
// consecutive shards. Sums over shards are made in the order of ReductionTree.h, so that the number
// of processes changes time and no bits. Random numbers are drawn by sample and epoch, never by
// rank.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_COMM_COMMUNICATOR_H
#define NETC_RUNTIME_COMM_COMMUNICATOR_H

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

namespace netc::runtime {

/// Values [begin, end) of an array.
struct ValueRange {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
};

/// Calls are collective: every process makes the same ones in the same order. They fail with an
/// Error that names the rank.
class Communicator {
public:
  virtual ~Communicator() = default;

  /// 0 .. size() - 1. Rank 0 alone prints and writes files.
  virtual unsigned rank() const = 0;
  virtual unsigned size() const = 0;
  bool isRoot() const { return rank() == 0; }
  /// The machine that this process runs on.
  virtual std::string host() const = 0;

  /// Adds `count` values over all shards, of `shards` in all, which size() divides. `own`: the sums
  /// of the nodes within this process's run of shards, in the order of `nodesWithin`. The sums are
  /// in own[0] of every process after it, and the others' values are lost.
  virtual void sumNodes(std::span<float *const> own, int64_t shards, int64_t count) = 0;
  virtual void sumNodes(std::span<double *const> own, int64_t shards, int64_t count) = 0;

  /// As sumNodes, of `count` values, which size() divides, while the process goes on. Sums are
  /// begun in one order by all processes. What `own` points to must stay until `finishSums`.
  virtual void beginSum(std::span<float *const> own, int64_t shards, int64_t count) = 0;
  /// Moves on the sums that were begun, without waiting.
  virtual void advanceSums() = 0;
  /// Waits for the sums that were begun; they are in own[0] of every process.
  virtual void finishSums() = 0;

  /// Every process gets rank 0's bytes.
  virtual void broadcast(void *bytes, uint64_t size) = 0;

  /// Every process gets everyone's bytes, by rank.
  virtual std::vector<std::string> gather(const std::string &bytes) = 0;

  /// Every process gets everyone's values, of which each has as many, by rank.
  virtual void gatherValues(std::span<const float> own, float *all) = 0;

  /// Ends all processes with this exit code, from any thread; does not return.
  [[noreturn]] virtual void abort(int code) { std::_Exit(code); }

  /// Returns when every process has called it.
  virtual void barrier() = 0;
};

/// The process that there is without others: its shards are all, so their one node is the sum.
class SingleProcess final : public Communicator {
public:
  unsigned rank() const override { return 0; }
  unsigned size() const override { return 1; }
  void sumNodes(std::span<float *const>, int64_t, int64_t) override {}
  void sumNodes(std::span<double *const>, int64_t, int64_t) override {}
  void beginSum(std::span<float *const>, int64_t, int64_t) override {}
  void advanceSums() override {}
  void finishSums() override {}
  std::string host() const override { return "this machine"; }
  void broadcast(void *, uint64_t) override {}
  void gatherValues(std::span<const float> own, float *all) override {
    std::copy(own.begin(), own.end(), all);
  }
  std::vector<std::string> gather(const std::string &bytes) override { return {bytes}; }
  void barrier() override {}
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_COMM_COMMUNICATOR_H
