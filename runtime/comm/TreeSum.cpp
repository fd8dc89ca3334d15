//===- TreeSum.cpp - a sum over shards, made as they come -----------------===//
#include "runtime/comm/TreeSum.h"

#include <algorithm>

namespace netc::runtime {

// Values that a thread adds at once.
static constexpr int64_t chunk = 1 << 15;

namespace {
/// into (+)= share * values, or of nothing where there are no values.
template <typename T> struct Addition {
  T *into;
  const T *values;
  T share;
  bool isFirst;
  int64_t count;

  void apply(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) {
      T value = values ? share * values[i] : T(0);
      into[i] = isFirst ? value : into[i] + value;
    }
  }
};
} // namespace

template <typename T>
void TreeSum<T>::addScaled(T *into, const T *values, T share, bool isFirst,
                           ThreadPool &pool) const {
  Addition<T> addition{into, values, share, isFirst, count};
  pool.run((count + chunk - 1) / chunk,
           [](void *context, unsigned, int64_t begin, int64_t end) {
             const auto &addition = *static_cast<const Addition<T> *>(context);
             addition.apply(begin * chunk, std::min(addition.count, end * chunk));
           },
           &addition);
}

/// A shard that its neighbour waits for is added at once, and needs no copy.
template <typename T> size_t TreeSum<T>::copies(ShardRun run) {
  size_t most = 0;
  for (int64_t end = run.first + 1; end <= run.first + run.own; ++end)
    most = std::max(most, nodesWithin(run.first, end, run.shards).size());
  return most;
}

template <typename T> uint64_t TreeSum<T>::bytes(ShardRun run, int64_t count) {
  return copies(run) * uint64_t(count) * sizeof(T);
}

template <typename T> void TreeSum<T>::allocate() {
  memory = Region(bytes(run, count), "sums over shards");
  sums.clear();
  for (size_t i = 0; i < copies(run); ++i)
    sums.push_back(memory.as<T>() + int64_t(i) * count);
}

template <typename T> void TreeSum<T>::add(const T *values, T share, ThreadPool &pool) {
  int64_t shard = nodes.empty() ? run.first : nodes.back().end;
  ShardNode node{shard, shard + 1};
  bool isWaitedFor = !nodes.empty() && isAddition(nodes.back(), node, run.shards);
  size_t place = nodes.size() - isWaitedFor;
  addScaled(sums[place], values, share, !isWaitedFor, pool);
  if (!isWaitedFor)
    return nodes.push_back(node);
  nodes.back().end = node.end;
  ShardNode last = nodes.back();
  nodes.pop_back();
  appendNode(nodes, last, run.shards, [&](size_t into, size_t from) {
    addScaled(sums[into], sums[from], T(1), false, pool);
  });
}

template <typename T> T *TreeSum<T>::finish(Communicator &communicator) {
  communicator.sumNodes(std::span<T *const>(sums.data(), nodes.size()), run.shards, count);
  return sums[0];
}

template class TreeSum<float>;
template class TreeSum<double>;

} // namespace netc::runtime
