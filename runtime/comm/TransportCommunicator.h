//===- TransportCommunicator.h - processes over a transport -----*- C++ -*-===//
#ifndef NETC_RUNTIME_COMM_TRANSPORTCOMMUNICATOR_H
#define NETC_RUNTIME_COMM_TRANSPORTCOMMUNICATOR_H

#include "runtime/comm/Communicator.h"
#include "runtime/comm/Transport.h"

#include <deque>
#include <memory>

namespace netc::runtime {

/// The processes of a transport. Sums are made by all of them: each adds a part of the values, in
/// the order of the tree, and gives it to the others.
class TransportCommunicator final : public Communicator {
public:
  explicit TransportCommunicator(const NetcTransport &transport);
  ~TransportCommunicator() override;

  unsigned rank() const override { return transport.rank; }
  unsigned size() const override { return transport.size; }
  std::string host() const override { return transport.host; }
  void sumNodes(std::span<float *const> own, int64_t shards, int64_t count) override;
  void sumNodes(std::span<double *const> own, int64_t shards, int64_t count) override;
  void beginSum(std::span<float *const> own, int64_t shards, int64_t count) override;
  void advanceSums() override;
  void finishSums() override;
  void broadcast(void *bytes, uint64_t size) override { transport.broadcast(bytes, size); }
  std::vector<std::string> gather(const std::string &bytes) override;
  void gatherValues(std::span<const float> own, float *all) override {
    transport.gather(own.data(), own.size_bytes(), all);
  }
  void barrier() override { transport.barrier(); }
  [[noreturn]] void abort(int code) override {
    transport.abort(code);
    std::_Exit(code);
  }

private:
  template <typename T> void sum(std::span<T *const> own, int64_t shards, int64_t count);
  template <typename T> void sumFew(std::span<T *const> own, int64_t shards, int64_t count);
  template <typename T>
  void sumBlock(std::span<T *const> own, int64_t shards, int64_t begin, int64_t count);

  class RunningSum;
  void moveOn(bool wait);

  const NetcTransport &transport;
  /// Those that wait to be begun, those that were, and those that are through and whose buffers
  /// serve others.
  std::deque<std::unique_ptr<RunningSum>> waiting, running, idle;
  std::vector<char> sent, got, sums; ///< of a block; kept, because fresh pages cost more than sums
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_COMM_TRANSPORTCOMMUNICATOR_H
