//===- TcpConnections.cpp - the processes of torchrun meet ----------------===//
#include "runtime/comm/TcpConnections.h"

#include "runtime/base/Error.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>

namespace netc::runtime {

using Clock = std::chrono::steady_clock;

Connection::~Connection() {
  if (file >= 0)
    close(file);
}

bool Connection::send(const void *bytes, size_t size) const {
  for (const char *next = static_cast<const char *>(bytes), *end = next + size; next != end;) {
    ssize_t sent = ::send(file, next, size_t(end - next), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR)
      continue;
    if (sent <= 0)
      return false;
    next += sent;
  }
  return true;
}

bool Connection::receive(void *bytes, size_t size) const {
  for (char *next = static_cast<char *>(bytes), *end = next + size; next != end;) {
    ssize_t got = recv(file, next, size_t(end - next), 0);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return false;
    next += got;
  }
  return true;
}

namespace {
enum class Kind : uint32_t { Data, News };

/// What each end of a connection says first.
struct Hello {
  char mark[8] = {'n', 'e', 't', 'c', 't', 'c', 'p', '1'};
  uint32_t rank = 0, size = 0;
  Kind kind = Kind::Data;
  char host[68] = {};

  bool isOurs() const { return std::memcmp(mark, Hello().mark, sizeof mark) == 0; }
};
} // namespace

static Hello helloOf(const MeetingPoint &point, Kind kind, const std::string &host) {
  Hello hello;
  hello.rank = point.rank;
  hello.size = point.size;
  hello.kind = kind;
  host.copy(hello.host, sizeof hello.host - 1);
  return hello;
}

static std::string nameOf(const MeetingPoint &point) {
  return fmt::format("{}:{}", point.address, point.port);
}

static int64_t meetingSeconds() {
  const char *text = std::getenv("NETC_MEETING_SECONDS");
  return text ? std::max<int64_t>(1, std::atoll(text)) : 300;
}

/// A machine that is gone, or a link that is cut, is found in seconds.
static void configure(int file) {
  auto set = [&](int level, int option, int value) {
    setsockopt(file, level, option, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 2);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 1);
  set(IPPROTO_TCP, TCP_KEEPCNT, 4);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 6000);
}

//===----------------------------------------------------------------------===//
// Rank 0
//===----------------------------------------------------------------------===//

/// Of IPv6 and IPv4 where the system has both.
static Connection listenAt(const MeetingPoint &point) {
  int family = AF_INET6, file = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (file < 0)
    file = socket(family = AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  Connection listener(file);
  int yes = 1, no = 0;
  setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_addr = in6addr_any;
  six.sin6_port = htons(uint16_t(point.port));
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = htons(uint16_t(point.port));
  bool isSix = family == AF_INET6;
  if (isSix)
    setsockopt(file, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
  const auto *address =
      isSix ? reinterpret_cast<const sockaddr *>(&six) : reinterpret_cast<const sockaddr *>(&four);
  if (file < 0 || bind(file, address, isSix ? sizeof six : sizeof four) || listen(file, SOMAXCONN))
    fail("rank 0 cannot listen at port {}, where the others would meet it: {}; choose another in "
         "MASTER_PORT or NETC_PORT",
         point.port, std::strerror(errno));
  return listener;
}

static std::string missingRanks(const std::vector<TcpPeer> &peers) {
  std::string text;
  for (size_t rank = 1; rank < peers.size(); ++rank)
    if (peers[rank].data.number() < 0 || peers[rank].news.number() < 0)
      text += fmt::format("{}{}", text.empty() ? "" : ", ", rank);
  return text;
}

/// Takes the connection of a process; one of something else is closed.
static bool admit(const MeetingPoint &point, Connection connection, const std::string &host,
                  std::vector<TcpPeer> &peers) {
  timeval patience{5, 0}, none{0, 0};
  setsockopt(connection.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  Hello theirs, ours = helloOf(point, Kind::Data, host);
  if (!connection.receive(&theirs, sizeof theirs) || !theirs.isOurs())
    return false;
  theirs.host[sizeof theirs.host - 1] = 0;
  if (theirs.size != point.size || theirs.rank == 0 || theirs.rank >= point.size)
    fail("a process on {} says that it is rank {} of {}; rank 0 is one of {}", theirs.host,
         theirs.rank, theirs.size, point.size);
  TcpPeer &peer = peers[theirs.rank];
  Connection &place = theirs.kind == Kind::Data ? peer.data : peer.news;
  if (place.number() >= 0)
    fail("two processes say that they are rank {}, on {} and on {}", theirs.rank, peer.host,
         theirs.host);
  setsockopt(connection.number(), SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none);
  configure(connection.number());
  peer.host = theirs.host;
  place = std::move(connection);
  return place.send(&ours, sizeof ours);
}

static std::vector<TcpPeer> awaitOthers(const MeetingPoint &point, const std::string &host) {
  Connection listener = listenAt(point);
  std::vector<TcpPeer> peers(point.size);
  int64_t seconds = meetingSeconds();
  Clock::time_point end = Clock::now() + std::chrono::seconds(seconds);
  for (unsigned admitted = 0; admitted < 2 * (point.size - 1);) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    pollfd wanted{listener.number(), POLLIN, 0};
    if (left <= 0 || poll(&wanted, 1, int(left)) == 0)
      fail("rank 0 has waited for {} s at {}, and these ranks did not come: {}", seconds,
           nameOf(point), missingRanks(peers));
    int file = accept4(listener.number(), nullptr, nullptr, SOCK_CLOEXEC);
    if (file >= 0)
      admitted += admit(point, Connection(file), host, peers);
  }
  return peers;
}

//===----------------------------------------------------------------------===//
// The others
//===----------------------------------------------------------------------===//

/// A connection to any of the address's numbers; none: `reason` says why.
static Connection tryConnect(const MeetingPoint &point, std::string &reason) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  int error =
      getaddrinfo(point.address.c_str(), std::to_string(point.port).c_str(), &hints, &found);
  if (error)
    reason = gai_strerror(error);
  Connection connection;
  for (addrinfo *each = found; each && connection.number() < 0; each = each->ai_next) {
    Connection tried(socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (tried.number() >= 0 && connect(tried.number(), each->ai_addr, each->ai_addrlen) == 0)
      connection = std::move(tried);
    else
      reason = std::strerror(errno);
  }
  if (found)
    freeaddrinfo(found);
  return connection;
}

/// Rank 0 may be about to listen.
static Connection connectToRoot(const MeetingPoint &point, Kind kind, std::string &host) {
  int64_t seconds = meetingSeconds();
  Clock::time_point end = Clock::now() + std::chrono::seconds(seconds);
  std::string reason;
  for (; Clock::now() < end; std::this_thread::sleep_for(std::chrono::milliseconds(50))) {
    Connection connection = tryConnect(point, reason);
    if (connection.number() < 0)
      continue;
    configure(connection.number());
    Hello ours = helloOf(point, kind, host), theirs;
    if (!connection.send(&ours, sizeof ours) || !connection.receive(&theirs, sizeof theirs)) {
      reason = "it closed the connection";
      continue;
    }
    if (!theirs.isOurs())
      fail(
          "rank {}: what listens at {} is not rank 0 of this run; choose another port in NETC_PORT",
          point.rank, nameOf(point));
    theirs.host[sizeof theirs.host - 1] = 0;
    if (kind == Kind::News)
      host = theirs.host;
    return connection;
  }
  fail("rank {} has not met rank 0 at {} (MASTER_ADDR, MASTER_PORT) in {} s: {}", point.rank,
       nameOf(point), seconds, reason);
}

std::vector<TcpPeer> meet(const MeetingPoint &point, const std::string &host) {
  if (point.rank == 0)
    return awaitOthers(point, host);
  std::vector<TcpPeer> peers(1);
  peers[0].host = host;
  peers[0].data = connectToRoot(point, Kind::Data, peers[0].host);
  peers[0].news = connectToRoot(point, Kind::News, peers[0].host);
  return peers;
}

} // namespace netc::runtime
