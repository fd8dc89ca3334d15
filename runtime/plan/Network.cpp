//===- Network.cpp - when messages arrive ---------------------------------===//
#include "runtime/plan/Network.h"

#include <algorithm>
#include <queue>

namespace netc::runtime {

namespace {
/// A gate opens, or the first byte of a message reaches its process.
struct Event {
  double time;
  uint32_t number;  ///< of the gate or message
  uint32_t process; ///< a message's sender
  bool isMessage;
  /// Ties are settled by number, so that a simulation has one result.
  bool operator>(const Event &other) const {
    return time != other.time ? time > other.time : number > other.number;
  }
};
} // namespace

Network::Network(const Wires &wires, uint32_t processes)
    : wires(wires), inside(processes), across((processes + wires.perNode - 1) / wires.perNode) {}

std::vector<double> Network::run(const MessageGraph &graph, const std::vector<double> &starts) {
  std::vector<double> ends = starts, latest(graph.gates.size());
  std::vector<uint32_t> waits(graph.gates.size());
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events;
  auto open = [&](uint32_t number) {
    const Gate &gate = graph.gates[number];
    double time = std::max(latest[number], starts[gate.process]) + gate.added / wires.addRate;
    events.push({time, number, gate.process, false});
  };
  for (uint32_t i = 0; i < graph.gates.size(); ++i) {
    waits[i] = graph.gates[i].waits;
    if (waits[i] == 0)
      open(i);
  }
  while (!events.empty()) {
    Event event = events.top();
    events.pop();
    if (event.isMessage) {
      const Message &message = graph.messages[event.number];
      bool isInside = shareNode(event.process, message.to);
      double &free = port(message.to, isInside).in;
      free =
          std::max(free, event.time) + message.bytes / (isInside ? wires.insideRate : wires.rate);
      latest[message.gate] = std::max(latest[message.gate], free);
      if (--waits[message.gate] == 0)
        open(message.gate);
      continue;
    }
    const Gate &gate = graph.gates[event.number];
    ends[gate.process] = std::max(ends[gate.process], event.time);
    for (uint32_t i = gate.firstMessage; i < gate.firstMessage + gate.messageCount; ++i) {
      const Message &message = graph.messages[i];
      bool isInside = shareNode(gate.process, message.to);
      double &free = port(gate.process, isInside).out;
      double begin = std::max(free, event.time);
      free = begin + message.bytes / (isInside ? wires.insideRate : wires.rate);
      double latency = message.to == gate.process ? 0
                       : isInside                 ? wires.insideLatency
                                                  : wires.latency;
      events.push({begin + latency, i, gate.process, true});
    }
  }
  return ends;
}

} // namespace netc::runtime
