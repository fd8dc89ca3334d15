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

/// Nodes within the shards of process `rank` of `size`.
static std::vector<ShardNode> nodesOf(unsigned rank, unsigned size, int64_t shards) {
  int64_t each = shards / size;
  return nodesWithin(each * rank, each * (rank + 1), shards);
}

/// Room for `count` values of type T, which may hold anything.
template <typename T> static T *roomFor(std::vector<char> &bytes, uint64_t count) {
  if (bytes.size() < count * sizeof(T))
    bytes.resize(count * sizeof(T));
  return reinterpret_cast<T *>(bytes.data());
}

/// Adds what lies at `next`, `count` values of each node of each process in turn; returns where
/// the sum is.
template <typename T>
static const T *addParts(T *next, unsigned size, int64_t shards, int64_t count) {
  std::vector<ShardNode> nodes;
  std::vector<T *> values;
  for (unsigned rank = 0; rank < size; ++rank)
    for (ShardNode node : nodesOf(rank, size, shards)) {
      values.resize(nodes.size());
      values.push_back(next);
      next += count;
      appendNode(nodes, node, shards, [&](size_t into, size_t from) {
        for (int64_t i = 0; i < count; ++i)
          values[into][i] += values[from][i];
      });
    }
  return values[0];
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
    uint64_t nodes = nodesOf(p, size(), shards).size();
    gotBytes.push_back(nodes * uint64_t(part) * sizeof(T));
    parts += nodes;
  }
  T *received = roomFor<T>(got, parts * uint64_t(part));
  T *all = roomFor<T>(sums, uint64_t(part * processes));
  transport.exchange(sent.data(), sentBytes.data(), received, gotBytes.data());
  const T *sum = addParts(received, size(), shards, part);
  transport.gather(sum, uint64_t(part) * sizeof(T), all);
  std::copy_n(all, count, own[0] + begin);
}

/// Of few values every process gets all and adds them itself: one call instead of two.
template <typename T>
void TransportCommunicator::sumFew(std::span<T *const> own, int64_t shards, int64_t count) {
  size_t most = 0, total = 0;
  for (unsigned p = 0; p < size(); ++p)
    most = std::max(most, nodesOf(p, size(), shards).size());
  std::vector<T> padded(most * size_t(count)), all(padded.size() * size());
  for (size_t i = 0; i < own.size(); ++i)
    std::copy_n(own[i], count, padded.data() + i * size_t(count));
  transport.gather(padded.data(), padded.size() * sizeof(T), all.data());
  for (unsigned p = 0; p < size(); ++p) { // without what pads the shorter ones
    size_t values = nodesOf(p, size(), shards).size() * size_t(count);
    std::copy_n(all.data() + p * padded.size(), values, all.data() + total);
    total += values;
  }
  std::copy_n(addParts(all.data(), size(), shards, count), count, own[0]);
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
