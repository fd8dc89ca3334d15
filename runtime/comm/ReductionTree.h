//===- ReductionTree.h - the order in which shards are added ----*- C++ -*-===//
//
// One binary tree over shard numbers: neighbours are added, then neighbours of those, and so on. It
// depends on the number of shards alone, so a sum has the same bits however the shards are spread
// over processes.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_COMM_REDUCTIONTREE_H
#define NETC_RUNTIME_COMM_REDUCTIONTREE_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace netc::runtime {

/// Consecutive shards [begin, end) whose sum is a value of the tree.
struct ShardNode {
  int64_t begin = 0, end = 0;
  bool operator==(const ShardNode &) const = default;
};

/// Whether the tree of `shards` adds `right` to `left`.
bool isAddition(ShardNode left, ShardNode right, int64_t shards);

/// The largest nodes that lie within shards [begin, end), in order: what a process that has these
/// shards can add by itself.
std::vector<ShardNode> nodesWithin(int64_t begin, int64_t end, int64_t shards);

/// Appends `node` to `nodes`, and adds the last two of them for as long as the tree does:
/// `add(into, from)` gets their positions in `nodes`.
template <typename Add>
void appendNode(std::vector<ShardNode> &nodes, ShardNode node, int64_t shards, Add add) {
  nodes.push_back(node);
  while (nodes.size() > 1) {
    size_t last = nodes.size() - 1;
    if (!isAddition(nodes[last - 1], nodes[last], shards))
      return;
    add(last - 1, last);
    nodes[last - 1].end = nodes[last].end;
    nodes.pop_back();
  }
}

/// A process's run of the shards of a batch.
struct ShardRun {
  int64_t shards = 1, first = 0, own = 1;
};

/// The nodes that process `rank` of `size` can add by itself.
std::vector<ShardNode> nodesOfProcess(unsigned rank, unsigned size, int64_t shards);

/// into += from, by positions in a list of values.
struct TreeAddition {
  size_t into = 0, from = 0;
};

/// The additions that make the sum of all shards out of the values of all processes' nodes, by
/// rank: it ends in value 0.
std::vector<TreeAddition> additionsOfProcesses(unsigned size, int64_t shards);

/// What a process adds when its shards come one after the other. Its sums lie in a list of values:
/// those of `nodes` from 0 on.
class ShardOrder {
public:
  explicit ShardOrder(ShardRun run) : run(run) {}

  /// One addition of a shard that comes.
  struct Step {
    size_t into = 0;
    std::optional<size_t> from; ///< a sum; nothing: the shard's values
    bool isFirst = false;       ///< nothing lies there yet
  };

  /// Starts again at the first shard.
  void begin() { nodes.clear(); }
  /// What the next shard adds; a shard that its neighbour waits for is added at once.
  std::vector<Step> next() const;
  /// The next shard was added.
  void end();
  /// Shards that were added, and whether the next one is the last.
  int64_t taken() const { return nodes.empty() ? 0 : nodes.back().end - run.first; }
  bool isLast() const { return taken() + 1 == run.own; }
  /// Sums that the process has in the end.
  size_t sums() const;
  /// Sums that wait at the same time.
  static size_t most(ShardRun run);

private:
  std::vector<Step> stepsOfNext(std::vector<ShardNode> &after) const;

  ShardRun run;
  std::vector<ShardNode> nodes;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_COMM_REDUCTIONTREE_H
