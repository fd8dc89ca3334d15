//===- TcpConnections.h - the processes of torchrun meet --------*- C++ -*-===//
#ifndef NETC_RUNTIME_COMM_TCPCONNECTIONS_H
#define NETC_RUNTIME_COMM_TCPCONNECTIONS_H

#include "runtime/comm/Launch.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace netc::runtime {

/// A stream of bytes to another process, closed with the object.
class Connection {
public:
  Connection() = default;
  explicit Connection(int file) : file(file) {}
  ~Connection();
  Connection(Connection &&other) noexcept : file(std::exchange(other.file, -1)) {}
  Connection &operator=(Connection &&other) noexcept {
    std::swap(file, other.file);
    return *this;
  }

  int number() const { return file; }
  /// False where the other process is gone.
  bool send(const void *bytes, size_t size) const;
  bool receive(void *bytes, size_t size) const;

private:
  int file = -1;
};

/// Another process.
struct TcpPeer {
  std::string host;
  Connection data; ///< of collective calls
  Connection news; ///< of how a process ends
};

/// Connects rank 0 with all others: it gets one peer per rank (its own is empty), the others get
/// rank 0 alone. Fails, with the ranks that are missing, where they do not meet in five minutes, or
/// in the seconds that NETC_MEETING_SECONDS names. `host`: this process's machine.
std::vector<TcpPeer> meet(const MeetingPoint &point, const std::string &host);

} // namespace netc::runtime

#endif // NETC_RUNTIME_COMM_TCPCONNECTIONS_H
