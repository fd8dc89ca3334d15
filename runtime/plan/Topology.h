//===- Topology.h - a sum over processes, as messages -----------*- C++ -*-===//
//
// A reduction is a graph: a gate opens when its messages have arrived and what they brought has
// been added, and sends messages of its own. Network.h says when each gate opens.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_PLAN_TOPOLOGY_H
#define NETC_RUNTIME_PLAN_TOPOLOGY_H

#include <cstdint>
#include <string>
#include <vector>

namespace netc::runtime {

/// How a sum travels.
enum class Topology {
  Exchange, ///< each adds a part, which all others send it, and sends its sum to all: as netc does
  Ring,     ///< parts go around and are added on their way, then sums go around
  Tree,     ///< two binary trees, each with half of the values, in chunks
  Levels    ///< within a node as Exchange, then rings across nodes, each with a node's part
};

inline constexpr Topology allTopologies[] = {Topology::Exchange, Topology::Ring, Topology::Tree,
                                             Topology::Levels};
/// "exchange", "ring", "tree", "levels"
const char *nameOf(Topology topology);

struct Message {
  uint32_t to;   ///< a process
  uint32_t gate; ///< that it helps to open
  double bytes;
};

struct Gate {
  uint32_t process;
  uint32_t waits; ///< messages that it waits for; 0: it opens when its process has the values
  double added;   ///< bytes that are added before it opens
  uint32_t firstMessage, messageCount;
};

struct MessageGraph {
  std::vector<Gate> gates;
  std::vector<Message> messages;

  /// Bytes that all processes send.
  double bytes() const;
};

/// The sum of `bytes` over `processes`, of which `perNode` consecutive ones share a node.
MessageGraph reductionGraph(Topology topology, uint32_t processes, uint32_t perNode, double bytes);

} // namespace netc::runtime

#endif // NETC_RUNTIME_PLAN_TOPOLOGY_H
