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
void TreeSum<T>::addScaled(T *into, const T *values, T share, bool isFirst, int64_t size,
                           ThreadPool &pool) const {
  Addition<T> addition{into, values, share, isFirst, size};
  pool.run((size + chunk - 1) / chunk,
           [](void *context, unsigned, int64_t begin, int64_t end) {
             const auto &addition = *static_cast<const Addition<T> *>(context);
             addition.apply(begin * chunk, std::min(addition.count, end * chunk));
           },
           &addition);
}

template <typename T> uint64_t TreeSum<T>::bytes(ShardRun run, int64_t count) {
  return ShardOrder::most(run) * uint64_t(count) * sizeof(T);
}

template <typename T> void TreeSum<T>::allocate() {
  memory = Region(bytes(run, count), "sums over shards");
  sums.clear();
  for (size_t i = 0; i < ShardOrder::most(run); ++i)
    sums.push_back(memory.as<T>() + int64_t(i) * count);
}

template <typename T>
void TreeSum<T>::addPart(const T *values, T share, ValueRange part, int64_t place,
                         ThreadPool &pool) {
  for (const ShardOrder::Step &step : order.next()) {
    const T *from = step.from ? sums[*step.from] + place : values ? values + part.begin : nullptr;
    addScaled(sums[step.into] + place, from, step.from ? T(1) : share, step.isFirst, part.size(),
              pool);
  }
}

template <typename T> void TreeSum<T>::add(const T *values, T share, ThreadPool &pool) {
  addPart(values, share, {0, count}, 0, pool);
  endParts();
}

template <typename T> std::span<T *const> TreeSum<T>::ownSums() const {
  return {sums.data(), order.sums()};
}

template <typename T> T *TreeSum<T>::finish(Communicator &communicator) {
  communicator.sumNodes(ownSums(), run.shards, count);
  return sums[0];
}

template class TreeSum<float>;
template class TreeSum<double>;

} // namespace netc::runtime
