//===- TcpTransport.cpp - a transport for the processes of torchrun -------===//
#include "runtime/comm/TcpTransport.h"

#include "runtime/base/Output.h"
#include "runtime/comm/TcpConnections.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <thread>

namespace netc::runtime {

namespace {
/// What goes over the connections for news: how a process ends.
struct News {
  enum : int32_t { Finished, Ended } what = Finished;
  int32_t code = 0;
};

/// This process and its connections; they last as long as the process.
struct Tcp {
  NetcTransport transport{};
  std::string host;
  std::vector<TcpPeer> peers;
  std::thread watcher;
  std::atomic<bool> isEnding{false};

  bool isRoot() const { return transport.rank == 0; }
  uint32_t size() const { return transport.size; }
  const Connection &root() const { return peers[0].data; }
};
} // namespace

static Tcp &tcp() {
  static Tcp &own = *new Tcp;
  return own;
}

static void sendNews(News news) {
  for (const TcpPeer &peer : tcp().peers)
    if (peer.news.number() >= 0)
      peer.news.send(&news, sizeof news);
}

static void endAll(int code) {
  tcp().isEnding = true;
  sendNews({News::Ended, code});
  std::_Exit(code);
}

/// The other end of a call is gone: the thread that watches says so and ends this process.
[[noreturn]] static void awaitEnd() {
  std::this_thread::sleep_for(std::chrono::seconds(9));
  std::_Exit(1);
}

static void require(bool went) {
  if (!went)
    awaitEnd();
}

//===----------------------------------------------------------------------===//
// Collective calls
//===----------------------------------------------------------------------===//

static void broadcast(void *bytes, uint64_t size) {
  if (!tcp().isRoot())
    return require(tcp().root().receive(bytes, size));
  for (uint32_t rank = 1; rank < tcp().size(); ++rank)
    require(tcp().peers[rank].data.send(bytes, size));
}

static void gather(const void *bytes, uint64_t size, void *all) {
  if (!tcp().isRoot()) {
    require(tcp().root().send(bytes, size));
    return require(tcp().root().receive(all, size * tcp().size()));
  }
  std::memmove(all, bytes, size);
  for (uint32_t rank = 1; rank < tcp().size(); ++rank)
    require(tcp().peers[rank].data.receive(static_cast<char *>(all) + rank * size, size));
  broadcast(all, size * tcp().size());
}

static uint64_t total(const uint64_t *sizes) {
  return std::accumulate(sizes, sizes + tcp().size(), uint64_t(0));
}

/// Through rank 0, which gets everything and gives each its part.
static void exchange(const void *send, const uint64_t *sendBytes, void *receive,
                     const uint64_t *receiveBytes) {
  uint32_t size = tcp().size();
  std::vector<uint64_t> table(size_t(size) * size); // from row to column
  gather(sendBytes, size * sizeof(uint64_t), table.data());
  if (!tcp().isRoot()) {
    require(tcp().root().send(send, total(sendBytes)));
    return require(tcp().root().receive(receive, total(receiveBytes)));
  }
  std::vector<std::string> from(size), to(size);
  for (uint32_t rank = 0; rank < size; ++rank) {
    from[rank].resize(total(&table[size_t(rank) * size]));
    if (rank == 0)
      std::memcpy(from[rank].data(), send, from[rank].size());
    else
      require(tcp().peers[rank].data.receive(from[rank].data(), from[rank].size()));
    size_t at = 0;
    for (uint32_t other = 0; other < size; ++other) {
      uint64_t part = table[size_t(rank) * size + other];
      to[other].append(from[rank], at, part);
      at += part;
    }
  }
  std::memcpy(receive, to[0].data(), to[0].size());
  for (uint32_t rank = 1; rank < size; ++rank)
    require(tcp().peers[rank].data.send(to[rank].data(), to[rank].size()));
}

// Calls that go on are through when they have begun.

static void *beginExchange(const void *send, const uint64_t *sendBytes, void *receive,
                           const uint64_t *receiveBytes) {
  exchange(send, sendBytes, receive, receiveBytes);
  return &tcp();
}

static void *beginGather(const void *bytes, uint64_t size, void *all) {
  gather(bytes, size, all);
  return &tcp();
}

static int complete(void *, int) { return 1; }

static void barrier() {
  std::string all(tcp().size(), 0);
  gather("", 1, all.data());
}

//===----------------------------------------------------------------------===//
// How processes end
//===----------------------------------------------------------------------===//

/// A process that is gone without news of it.
static void reportLost(uint32_t rank) {
  Tcp &own = tcp();
  if (own.isEnding.exchange(true))
    return;
  // Of rank 0's end all others hear at once: the lowest one says it.
  if (own.isRoot() || own.transport.rank == 1)
    tell("error: rank {} on {} ended without a word: it was killed, ran out of memory, or is cut "
         "off; all processes end; the last checkpoint is whole\n",
         rank, own.peers[own.isRoot() ? rank : 0].host);
  sendNews({News::Ended, 1});
  std::_Exit(1);
}

/// False: nothing more comes from this process.
static bool readNews(uint32_t rank) {
  const Connection &connection = tcp().peers[tcp().isRoot() ? rank : 0].news;
  News news;
  if (!connection.receive(&news, sizeof news)) {
    reportLost(rank);
    return false;
  }
  if (news.what == News::Finished)
    return false;
  if (!tcp().isEnding.exchange(true)) {
    if (tcp().isRoot()) // it told rank 0 alone
      sendNews(news);
    std::_Exit(news.code);
  }
  return false;
}

static void watch() {
  std::vector<pollfd> files;
  std::vector<uint32_t> ranks;
  for (uint32_t rank = 0; rank < tcp().peers.size(); ++rank)
    if (int file = tcp().peers[rank].news.number(); file >= 0) {
      files.push_back({file, POLLIN, 0});
      ranks.push_back(rank);
    }
  for (size_t open = files.size(); open > 0 && !tcp().isEnding;) {
    if (poll(files.data(), files.size(), 200) <= 0)
      continue;
    for (size_t i = 0; i < files.size(); ++i)
      if (files[i].revents && !readNews(ranks[i])) {
        files[i].fd = -1; // poll leaves it out
        files[i].revents = 0;
        --open;
      }
  }
}

/// All have come to their end: what closes from here on is no loss.
static void finish() {
  barrier();
  sendNews({News::Finished, 0});
  tcp().isEnding = true;
  if (tcp().watcher.joinable())
    tcp().watcher.join();
}

const NetcTransport *openTcpTransport(const MeetingPoint &point) {
  Tcp &own = tcp();
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  own.host = name;
  own.transport = {point.rank, point.size,    own.host.c_str(), "TCP",    broadcast, gather,
                   exchange,   beginExchange, beginGather,      complete, barrier,   endAll,
                   finish};
  if (point.size > 1) {
    own.peers = meet(point, own.host);
    own.watcher = std::thread(watch);
  }
  return &own.transport;
}

} // namespace netc::runtime
