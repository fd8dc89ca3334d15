//===- ReductionTree.cpp - the order in which shards are added ------------===//
#include "runtime/comm/ReductionTree.h"

#include <algorithm>
#include <bit>

namespace netc::runtime {

bool isAddition(ShardNode left, ShardNode right, int64_t shards) {
  int64_t apart = right.begin - left.begin;
  return apart > 0 && std::has_single_bit(uint64_t(apart)) && left.begin % (2 * apart) == 0 &&
         left.end == right.begin && right.end == std::min(right.begin + apart, shards);
}

std::vector<ShardNode> nodesWithin(int64_t begin, int64_t end, int64_t shards) {
  std::vector<ShardNode> nodes;
  for (int64_t shard = begin; shard < end; ++shard)
    appendNode(nodes, {shard, shard + 1}, shards, [](size_t, size_t) {});
  return nodes;
}

} // namespace netc::runtime
