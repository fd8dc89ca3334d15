//===- Topology.cpp - a sum over processes, as messages -------------------===//
#include "runtime/plan/Topology.h"

#include <algorithm>
#include <cmath>

namespace netc::runtime {

// Bytes of a chunk of a tree's half: while one is added, the one before travels on.
static constexpr double chunkBytes = 512 << 10;
static constexpr uint32_t mostChunks = 32;

const char *nameOf(Topology topology) {
  static constexpr const char *names[] = {"exchange", "ring", "tree", "levels"};
  return names[size_t(topology)];
}

double MessageGraph::bytes() const {
  double sum = 0;
  for (const Message &message : messages)
    sum += message.bytes;
  return sum;
}

namespace {
/// Adds gates in the order of their numbers, each with its messages.
class Builder {
public:
  void gate(uint32_t process, uint32_t waits, double added) {
    graph.gates.push_back({process, waits, added, uint32_t(graph.messages.size()), 0});
  }
  /// Of the gate that was added last.
  void send(uint32_t to, uint32_t gate, double bytes) {
    graph.messages.push_back({to, gate, bytes});
    ++graph.gates.back().messageCount;
  }
  MessageGraph graph;
};

/// A binary tree over processes 0 .. count - 1, in whose order of traversal they stand.
struct BinaryTree {
  std::vector<int64_t> parent; ///< -1: the root
  std::vector<std::vector<uint32_t>> children;
};
} // namespace

/// Gate s * P + p: process p has all parts (s = 0), all addends of its own part (1), all sums (2).
static MessageGraph exchange(uint32_t processes, double bytes) {
  Builder builder;
  double part = bytes / processes;
  for (uint32_t stage = 0; stage < 3; ++stage)
    for (uint32_t p = 0; p < processes; ++p) {
      builder.gate(p, stage ? processes - 1 : 0, stage == 1 ? (processes - 1) * part : 0);
      for (uint32_t i = 1; stage < 2 && i < processes; ++i) { // none sends where another does
        uint32_t to = (p + i) % processes;
        builder.send(to, (stage + 1) * processes + to, part);
      }
    }
  return builder.graph;
}

/// The rounds of rings: gate `first` + r * P + p, where process p belongs to the ring of all
/// processes that are a multiple of `stride` away. `before`: messages that open the first round.
/// `last(p)` sends what p sends when it has all of the ring.
template <typename Last>
static void addRings(Builder &builder, uint32_t processes, uint32_t stride, double bytes,
                     uint32_t before, double added, Last last) {
  uint32_t size = processes / stride, rounds = 2 * (size - 1);
  auto first = uint32_t(builder.graph.gates.size());
  double part = bytes / size;
  for (uint32_t r = 0; r <= rounds; ++r)
    for (uint32_t p = 0; p < processes; ++p) {
      bool adds = r > 0 && r < size;
      builder.gate(p, r ? 1 : before, r == 0 ? added : adds ? part : 0);
      uint32_t to = (p + stride) % processes;
      if (r < rounds)
        builder.send(to, first + (r + 1) * processes + to, part);
      else
        last(p);
    }
}

static MessageGraph ring(uint32_t processes, double bytes) {
  Builder builder;
  addRings(builder, processes, 1, bytes, 0, 0, [](uint32_t) {});
  return builder.graph;
}

/// Each of a node's processes adds its part of the node's values, and then has a ring with the
/// processes of the same place in other nodes.
static MessageGraph levels(uint32_t processes, uint32_t perNode, double bytes) {
  if (perNode == 1)
    return ring(processes, bytes);
  if (perNode == processes)
    return exchange(processes, bytes);
  Builder builder;
  double part = bytes / perNode;
  uint32_t rounds = 2 * (processes / perNode - 1);
  auto sendToNode = [&](uint32_t p, uint32_t firstGate) {
    for (uint32_t i = 1; i < perNode; ++i) {
      uint32_t to = p / perNode * perNode + (p + i) % perNode;
      builder.send(to, firstGate + to, part);
    }
  };
  for (uint32_t p = 0; p < processes; ++p) {
    builder.gate(p, 0, 0);
    sendToNode(p, processes);
  }
  addRings(builder, processes, perNode, part, perNode - 1, (perNode - 1) * part,
           [&](uint32_t p) { sendToNode(p, processes * (rounds + 2)); });
  for (uint32_t p = 0; p < processes; ++p)
    builder.gate(p, perNode - 1, 0);
  return builder.graph;
}

/// As in Sanders, Speck and Träff 2009: who is a leaf in one tree is within the other, so that all
/// wires are used. `second`: the mirrored tree, of an odd number the one that is moved by one.
static BinaryTree binaryTree(uint32_t count, bool second) {
  auto place = [&](uint32_t process) {
    if (!second)
      return process;
    return count % 2 ? (process + count - 1) % count : count - 1 - process;
  };
  std::vector<uint32_t> processAt(count);
  for (uint32_t p = 0; p < count; ++p)
    processAt[place(p)] = p;
  BinaryTree tree{std::vector<int64_t>(count, -1), std::vector<std::vector<uint32_t>>(count)};
  for (uint32_t p = 0; p < count; ++p) {
    uint32_t at = place(p), bit = at & -at;
    if (at == 0)
      continue;
    uint32_t up = (at ^ bit) | (bit << 1);
    uint32_t parent = processAt[up < count ? up : at ^ bit];
    tree.parent[p] = parent;
    tree.children[parent].push_back(p);
  }
  return tree;
}

/// Of each half and chunk: gate p when process p has its subtree's sum, P + p when it has the sum.
static MessageGraph trees(uint32_t processes, double bytes) {
  Builder builder;
  double half = bytes / 2;
  auto chunks = uint32_t(std::clamp<double>(std::ceil(half / chunkBytes), 1, mostChunks));
  double part = half / chunks;
  BinaryTree two[] = {binaryTree(processes, false), binaryTree(processes, true)};
  for (uint32_t c = 0; c < chunks; ++c)
    for (const BinaryTree &tree : two) {
      auto up = uint32_t(builder.graph.gates.size()), down = up + processes;
      for (uint32_t p = 0; p < processes; ++p) {
        auto waits = uint32_t(tree.children[p].size());
        builder.gate(p, waits, waits * part);
        if (tree.parent[p] >= 0)
          builder.send(uint32_t(tree.parent[p]), up + uint32_t(tree.parent[p]), part);
        else
          builder.send(p, down + p, 0); // the root has the sum at once
      }
      for (uint32_t p = 0; p < processes; ++p) {
        builder.gate(p, 1, 0);
        for (uint32_t child : tree.children[p])
          builder.send(child, down + child, part);
      }
    }
  return builder.graph;
}

MessageGraph reductionGraph(Topology topology, uint32_t processes, uint32_t perNode, double bytes) {
  if (processes == 1)
    return {};
  switch (topology) {
  case Topology::Exchange:
    return exchange(processes, bytes);
  case Topology::Ring:
    return ring(processes, bytes);
  case Topology::Tree:
    return trees(processes, bytes);
  case Topology::Levels:
    return levels(processes, std::min(perNode, processes), bytes);
  }
  return {};
}

} // namespace netc::runtime
