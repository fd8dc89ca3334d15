//===- Network.h - when messages arrive -------------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_PLAN_NETWORK_H
#define NETC_RUNTIME_PLAN_NETWORK_H

#include "runtime/plan/Topology.h"

#include <cstdint>
#include <vector>

namespace netc::runtime {

/// Rates in bytes per second of one direction, latencies in seconds.
struct Wires {
  uint32_t perNode = 1; ///< processes that share a node and its connection to the network
  double rate = 0, latency = 0;
  double insideRate = 0, insideLatency = 0; ///< of one process to others of its node
  double addRate = 0;                       ///< bytes that a process adds to others
};

/// A discrete-event simulation of processes that send messages. A process sends one message after
/// the other, and takes in one after the other; across nodes all processes of a node share its
/// connection, which does the same. The switches between nodes are never the limit.
class Network {
public:
  Network(const Wires &wires, uint32_t processes);

  /// Runs a graph. Process p has its values at starts[p]; connections are taken by graphs before
  /// until their messages are through. Returns when each process has opened its last gate.
  std::vector<double> run(const MessageGraph &graph, const std::vector<double> &starts);

private:
  /// Until when the directions of a connection are taken.
  struct Port {
    double out = 0, in = 0;
  };
  bool shareNode(uint32_t one, uint32_t other) const {
    return one / wires.perNode == other / wires.perNode;
  }
  Port &port(uint32_t process, bool isInside) {
    return isInside ? inside[process] : across[process / wires.perNode];
  }

  const Wires wires;
  std::vector<Port> inside, across; ///< by process, by node
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_PLAN_NETWORK_H
