//===- ReductionTree.cpp - the order in which shards are added ------------===//
#include "runtime/comm/ReductionTree.h"

#include <algorithm>
#include <bit>
#include <utility>

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

std::vector<ShardNode> nodesOfProcess(unsigned rank, unsigned size, int64_t shards) {
  int64_t each = shards / size;
  return nodesWithin(each * rank, each * (rank + 1), shards);
}

std::vector<TreeAddition> additionsOfProcesses(unsigned size, int64_t shards) {
  std::vector<TreeAddition> additions;
  std::vector<ShardNode> nodes;
  std::vector<size_t> places; // of the nodes' values
  size_t next = 0;
  for (unsigned rank = 0; rank < size; ++rank)
    for (ShardNode node : nodesOfProcess(rank, size, shards)) {
      places.resize(nodes.size());
      places.push_back(next++);
      appendNode(nodes, node, shards, [&](size_t into, size_t from) {
        additions.push_back({places[into], places[from]});
      });
    }
  return additions;
}

std::vector<ShardOrder::Step> ShardOrder::stepsOfNext(std::vector<ShardNode> &after) const {
  after = nodes;
  int64_t shard = nodes.empty() ? run.first : nodes.back().end;
  ShardNode node{shard, shard + 1};
  bool isWaitedFor = !nodes.empty() && isAddition(nodes.back(), node, run.shards);
  std::vector<Step> steps{{nodes.size() - isWaitedFor, std::nullopt, !isWaitedFor}};
  if (!isWaitedFor) {
    after.push_back(node);
    return steps;
  }
  ShardNode last = after.back();
  last.end = node.end;
  after.pop_back();
  appendNode(after, last, run.shards,
             [&](size_t into, size_t from) { steps.push_back({into, from, false}); });
  return steps;
}

std::vector<ShardOrder::Step> ShardOrder::next() const {
  std::vector<ShardNode> after;
  return stepsOfNext(after);
}

void ShardOrder::end() {
  std::vector<ShardNode> after;
  stepsOfNext(after);
  nodes = std::move(after);
}

size_t ShardOrder::sums() const {
  return nodesWithin(run.first, run.first + run.own, run.shards).size();
}

size_t ShardOrder::most(ShardRun run) {
  size_t most = 0;
  for (int64_t end = run.first + 1; end <= run.first + run.own; ++end)
    most = std::max(most, nodesWithin(run.first, end, run.shards).size());
  return most;
}

} // namespace netc::runtime
