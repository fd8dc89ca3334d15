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

} // namespace netc::runtime

#endif // NETC_RUNTIME_COMM_REDUCTIONTREE_H
