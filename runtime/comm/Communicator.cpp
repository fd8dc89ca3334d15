//===- Communicator.cpp - the processes that train one model --------------===//
#include "runtime/comm/Communicator.h"

#include "runtime/base/Error.h"

namespace netc::runtime {

std::vector<ShardAddition> reductionTree(int64_t shards) {
  std::vector<ShardAddition> additions;
  for (int64_t apart = 1; apart < shards; apart *= 2)
    for (int64_t into = 0; into + apart < shards; into += 2 * apart)
      additions.push_back({into, into + apart});
  return additions;
}

template <typename T> static void sumAll(std::span<T *const> own, int64_t shards, int64_t count) {
  if (int64_t(own.size()) != shards)
    fail("internal error: {} of {} shards summed by the only process", own.size(), shards);
  for (ShardAddition addition : reductionTree(shards)) {
    T *into = own[size_t(addition.into)];
    const T *from = own[size_t(addition.from)];
    for (int64_t i = 0; i < count; ++i)
      into[i] += from[i];
  }
}

void SingleProcess::sumShards(std::span<float *const> own, int64_t shards, int64_t count) {
  sumAll(own, shards, count);
}
void SingleProcess::sumShards(std::span<double *const> own, int64_t shards, int64_t count) {
  sumAll(own, shards, count);
}

} // namespace netc::runtime
