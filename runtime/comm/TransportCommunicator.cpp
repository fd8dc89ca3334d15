//===- TransportCommunicator.cpp - processes over a transport -------------===//
#include "runtime/comm/TransportCommunicator.h"

#include "runtime/comm/ReductionTree.h"

#include <algorithm>
#include <cstring>

namespace netc::runtime {

// Bytes of a sum that are under way at once, of each node: bounds what a process takes for them.
static constexpr uint64_t blockBytes = uint64_t(4) << 20;

// Bytes of a sum that is made by every process.
static constexpr uint64_t fewBytes = uint64_t(64) << 10;

/// Room for `count` values of type T, which may hold anything.
template <typename T> static T *roomFor(std::vector<char> &bytes, uint64_t count) {
  if (bytes.size() < count * sizeof(T))
    bytes.resize(count * sizeof(T));
  return reinterpret_cast<T *>(bytes.data());
}

/// Adds `values`, `count` of each node of each process in turn; the sum is written to `sum`, which
/// may be where they begin. There are two nodes at least.
template <typename T>
static void addParts(T *values, unsigned size, int64_t shards, int64_t count, T *sum) {
  std::vector<TreeAddition> additions = additionsOfProcesses(size, shards);
  for (const TreeAddition &addition : additions) {
    const T *left = values + int64_t(addition.into) * count;
    const T *right = values + int64_t(addition.from) * count;
    T *into = &addition == &additions.back() ? sum : values + int64_t(addition.into) * count;
    for (int64_t i = 0; i < count; ++i)
      into[i] = left[i] + right[i];
  }
}

/// Values [begin, begin + count): process q adds the q-th part of them.
template <typename T>
void TransportCommunicator::sumBlock(std::span<T *const> own, int64_t shards, int64_t begin,
                                     int64_t count) {
  int64_t processes = size(), part = (count + processes - 1) / processes;
  T *next = roomFor<T>(sent, own.size() * uint64_t(part * processes));
  for (int64_t q = 0; q < processes; ++q) // the last parts may be short: their ends are not used
    for (const T *values : own) {
      int64_t first = std::min(count, q * part), last = std::min(count, first + part);
      std::copy(values + begin + first, values + begin + last, next);
      next += part;
    }
  std::vector<uint64_t> sentBytes(size(), own.size() * uint64_t(part) * sizeof(T)), gotBytes;
  uint64_t parts = 0;
  for (unsigned p = 0; p < size(); ++p) {
    uint64_t nodes = nodesOfProcess(p, size(), shards).size();
    gotBytes.push_back(nodes * uint64_t(part) * sizeof(T));
    parts += nodes;
  }
  T *received = roomFor<T>(got, parts * uint64_t(part));
  T *all = roomFor<T>(sums, uint64_t(part * processes));
  transport.exchange(sent.data(), sentBytes.data(), received, gotBytes.data());
  addParts(received, size(), shards, part, received);
  transport.gather(received, uint64_t(part) * sizeof(T), all);
  std::copy_n(all, count, own[0] + begin);
}

/// Of few values every process gets all and adds them itself: one call instead of two.
template <typename T>
void TransportCommunicator::sumFew(std::span<T *const> own, int64_t shards, int64_t count) {
  size_t most = 0, total = 0;
  for (unsigned p = 0; p < size(); ++p)
    most = std::max(most, nodesOfProcess(p, size(), shards).size());
  std::vector<T> padded(most * size_t(count)), all(padded.size() * size());
  for (size_t i = 0; i < own.size(); ++i)
    std::copy_n(own[i], count, padded.data() + i * size_t(count));
  transport.gather(padded.data(), padded.size() * sizeof(T), all.data());
  for (unsigned p = 0; p < size(); ++p) { // without what pads the shorter ones
    size_t values = nodesOfProcess(p, size(), shards).size() * size_t(count);
    std::copy_n(all.data() + p * padded.size(), values, all.data() + total);
    total += values;
  }
  addParts(all.data(), size(), shards, count, all.data());
  std::copy_n(all.data(), count, own[0]);
}

template <typename T>
void TransportCommunicator::sum(std::span<T *const> own, int64_t shards, int64_t count) {
  if (size() == 1 || count == 0)
    return;
  if (uint64_t(count) * sizeof(T) <= fewBytes)
    return sumFew(own, shards, count);
  constexpr int64_t block = blockBytes / sizeof(T);
  for (int64_t begin = 0; begin < count; begin += block)
    sumBlock(own, shards, begin, std::min(block, count - begin));
}

void TransportCommunicator::sumNodes(std::span<float *const> own, int64_t shards, int64_t count) {
  sum(own, shards, count);
}
void TransportCommunicator::sumNodes(std::span<double *const> own, int64_t shards, int64_t count) {
  sum(own, shards, count);
}

//===----------------------------------------------------------------------===//
// Sums that go on while the process computes
//===----------------------------------------------------------------------===//

// Sums that are under way at once: more would take more buffers and move no faster.
static constexpr size_t mostRunning = 4;

/// One sum: parts are exchanged, this process's part is added, sums are gathered. They lie where
/// the process's first node lay.
class TransportCommunicator::RunningSum {
public:
  void set(std::span<float *const> nodes, int64_t shardCount, int64_t values) {
    own.assign(nodes.begin(), nodes.end());
    shards = shardCount;
    count = values;
  }

  void beginExchange(const NetcTransport &transport);
  /// Begins the gather when the exchange is done; false: it is not.
  bool beginGather(const NetcTransport &transport, bool wait);
  /// False: the gather is not done.
  bool finish(const NetcTransport &transport, bool wait) {
    return transport.complete(request, wait) != 0;
  }
  bool isGathering = false;

private:
  const float *partsInTurn(int64_t processes);

  std::vector<float *> own;
  int64_t shards = 1, count = 0, part = 0;
  std::vector<float> send, receive;
  void *request = nullptr;
};

/// What each process gets, one after the other: its part of each node. Of one node it lies so.
const float *TransportCommunicator::RunningSum::partsInTurn(int64_t processes) {
  if (own.size() == 1)
    return own[0];
  send.resize(own.size() * size_t(count));
  float *next = send.data();
  for (int64_t q = 0; q < processes; ++q)
    for (const float *node : own)
      next = std::copy_n(node + q * part, part, next);
  return send.data();
}

void TransportCommunicator::RunningSum::beginExchange(const NetcTransport &transport) {
  part = count / transport.size;
  std::vector<uint64_t> sentBytes(transport.size, own.size() * uint64_t(part) * sizeof(float)),
      gotBytes;
  uint64_t parts = 0;
  for (unsigned p = 0; p < transport.size; ++p) {
    uint64_t others = nodesOfProcess(p, transport.size, shards).size();
    gotBytes.push_back(others * uint64_t(part) * sizeof(float));
    parts += others;
  }
  receive.resize(parts * uint64_t(part));
  isGathering = false;
  request = transport.begin_exchange(partsInTurn(transport.size), sentBytes.data(), receive.data(),
                                     gotBytes.data());
}

bool TransportCommunicator::RunningSum::beginGather(const NetcTransport &transport, bool wait) {
  if (!transport.complete(request, wait))
    return false;
  float *sum = own[0] + int64_t(transport.rank) * part;
  addParts(receive.data(), transport.size, shards, part, sum);
  request = transport.begin_gather(sum, uint64_t(part) * sizeof(float), own[0]);
  isGathering = true;
  return true;
}

TransportCommunicator::TransportCommunicator(const NetcTransport &transport)
    : transport(transport) {}
TransportCommunicator::~TransportCommunicator() = default;

void TransportCommunicator::beginSum(std::span<float *const> own, int64_t shards, int64_t count) {
  if (size() == 1 || count == 0)
    return;
  std::unique_ptr<RunningSum> sum = std::make_unique<RunningSum>();
  if (!idle.empty()) {
    sum = std::move(idle.front());
    idle.pop_front();
  }
  sum->set(own, shards, count);
  waiting.push_back(std::move(sum));
  moveOn(/*wait=*/false);
}

/// Exchanges and gathers are begun in the order of the sums, whatever ends first.
void TransportCommunicator::moveOn(bool wait) {
  for (const std::unique_ptr<RunningSum> &sum : running)
    if (!sum->isGathering && !sum->beginGather(transport, wait))
      break;
  while (!running.empty() && running.front()->isGathering &&
         running.front()->finish(transport, wait)) {
    idle.push_back(std::move(running.front()));
    running.pop_front();
  }
  while (!waiting.empty() && running.size() < mostRunning) {
    waiting.front()->beginExchange(transport);
    running.push_back(std::move(waiting.front()));
    waiting.pop_front();
  }
}

void TransportCommunicator::advanceSums() {
  if (!running.empty())
    moveOn(/*wait=*/false);
}

void TransportCommunicator::finishSums() {
  while (!running.empty())
    moveOn(/*wait=*/true);
}

std::vector<std::string> TransportCommunicator::gather(const std::string &bytes) {
  uint64_t length = bytes.size();
  std::vector<uint64_t> lengths(size());
  transport.gather(&length, sizeof(length), lengths.data());
  uint64_t most = std::max<uint64_t>(1, *std::max_element(lengths.begin(), lengths.end()));
  std::string padded = bytes, all(most * size(), 0);
  padded.resize(most);
  transport.gather(padded.data(), most, all.data());
  std::vector<std::string> result;
  for (unsigned rank = 0; rank < size(); ++rank)
    result.push_back(all.substr(rank * most, lengths[rank]));
  return result;
}

} // namespace netc::runtime
