// A libnccl.so.2 for processes on one machine whose GPU is simulated: it orders its work on the
// program's streams by the driver's calls that executables of `--target sim --comm nccl` export,
// and sends bytes over Unix sockets. What it should do otherwise is named in the environment:
// STANDIN_VERSION (22809), STANDIN_FAIL (a function that reports an error, or `async`: an error of
// what runs), STANDIN_DEAF=1 (a process that is gone is not noticed, as between GPUs of one
// machine).
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

using Stream = void *;
using Address = unsigned long long;

static bool fails(const char *name) {
  const char *wanted = getenv("STANDIN_FAIL");
  return wanted && !strcmp(wanted, name);
}
static bool isDeaf() { return getenv("STANDIN_DEAF") != nullptr; }

template <typename Function> static Function driver(const char *name) {
  void *found = dlsym(RTLD_DEFAULT, name);
  if (!found) {
    fprintf(stderr, "the stand-in for NCCL finds no %s\n", name);
    abort();
  }
  return reinterpret_cast<Function>(found);
}

struct Id {
  char name[128];
};
struct Group {
  int rank = 0, size = 1;
  std::vector<int> sockets; // by rank
  std::atomic<int> error{0};
  std::atomic<bool> isAborted{false};
};
struct Message {
  Group *group;
  int peer;
  char *bytes;
  size_t size, done;
};
// Sends and receives that go on together.
struct Batch {
  Group *group = nullptr;
  std::vector<Message> sends, receives;
};
struct Asked {
  bool isSend;
  Address address;
  size_t size;
  int peer;
  Group *group;
  Stream stream;
};
static thread_local int depth = 0;
static thread_local std::vector<Asked> asked;

// Waits as a kernel does for a process that is gone.
static void lose(Group &group) {
  if (!isDeaf())
    group.error = 6; // ncclRemoteError
  while (!group.isAborted) {
    timespec pause{0, 10000000};
    nanosleep(&pause, nullptr);
  }
}

// The first message of each peer that is not through.
static Message *nextOf(std::vector<Message> &messages, int peer) {
  for (Message &message : messages)
    if (message.peer == peer && message.done < message.size)
      return &message;
  return nullptr;
}

static void runBatch(void *data) {
  Batch &batch = *static_cast<Batch *>(data);
  Group &group = *batch.group;
  for (std::vector<Message> *messages : {&batch.sends, &batch.receives}) // a graph runs them again
    for (Message &message : *messages)
      message.done = 0;
  while (!group.isAborted) {
    std::vector<pollfd> files;
    std::vector<int> peers;
    for (int peer = 0; peer < group.size; ++peer) {
      short events = short((nextOf(batch.sends, peer) ? POLLOUT : 0) |
                           (nextOf(batch.receives, peer) ? POLLIN : 0));
      if (peer == group.rank || !events)
        continue;
      files.push_back({group.sockets[size_t(peer)], events, 0});
      peers.push_back(peer);
    }
    if (files.empty())
      return;
    poll(files.data(), files.size(), 100);
    for (size_t i = 0; i < files.size(); ++i) {
      if (Message *message = files[i].revents & POLLOUT ? nextOf(batch.sends, peers[i]) : nullptr) {
        ssize_t sent = send(files[i].fd, message->bytes + message->done,
                            message->size - message->done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0)
          message->done += size_t(sent);
        else if (errno != EAGAIN && errno != EINTR)
          return lose(group);
      }
      if (Message *message =
              files[i].revents & (POLLIN | POLLHUP) ? nextOf(batch.receives, peers[i]) : nullptr) {
        ssize_t got = recv(files[i].fd, message->bytes + message->done,
                           message->size - message->done, MSG_DONTWAIT);
        if (got > 0)
          message->done += size_t(got);
        else if (got == 0 || (errno != EAGAIN && errno != EINTR))
          return lose(group);
      }
    }
  }
}

static char *stage(size_t size) {
  void *room = nullptr;
  driver<int (*)(void **, size_t, unsigned)>("cuMemHostAlloc")(&room, size, 0);
  return static_cast<char *>(room);
}
static void fromDevice(char *to, Address from, size_t size, Stream stream) {
  driver<int (*)(void *, Address, size_t, Stream)>("cuMemcpyDtoHAsync_v2")(to, from, size, stream);
}
static void toDevice(Address to, const char *from, size_t size, Stream stream) {
  driver<int (*)(Address, const void *, size_t, Stream)>("cuMemcpyHtoDAsync_v2")(to, from, size,
                                                                                 stream);
}
static void start(Batch *batch, Stream stream) {
  driver<int (*)(Stream, void (*)(void *), void *)>("cuLaunchHostFunc")(stream, runBatch, batch);
}

static int flush() {
  std::vector<Asked> all;
  all.swap(asked);
  if (all.empty())
    return 0;
  auto *batch = new Batch; // as long as the process: a graph may hold it
  batch->group = all[0].group;
  std::vector<char *> places;
  for (const Asked &each : all) {
    char *place = stage(each.size);
    places.push_back(place);
    if (each.isSend)
      fromDevice(place, each.address, each.size, each.stream);
    (each.isSend ? batch->sends : batch->receives)
        .push_back({each.group, each.peer, place, each.size, 0});
  }
  start(batch, all[0].stream);
  for (size_t i = 0; i < all.size(); ++i)
    if (!all[i].isSend)
      toDevice(all[i].address, places[i], all[i].size, all[i].stream);
  return 0;
}

static sockaddr_un addressOf(const Id &id, int rank, socklen_t &length) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string name = std::string(id.name) + "." + std::to_string(rank);
  memcpy(address.sun_path + 1, name.data(), name.size()); // of no file
  length = socklen_t(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return address;
}

extern "C" {

int ncclGetVersion(int *version) {
  const char *wanted = getenv("STANDIN_VERSION");
  *version = wanted ? atoi(wanted) : 22809;
  return 0;
}

const char *ncclGetErrorString(int result) {
  return result == 6 ? "remote process exited or there was a network error"
         : result    ? "unhandled system error"
                     : "no error";
}
const char *ncclGetLastError(void *) { return "the stand-in was told to fail"; }

int ncclGetUniqueId(Id *id) {
  if (fails("ncclGetUniqueId"))
    return 2;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  snprintf(id->name, sizeof id->name, "netc-standin-%d-%ld", getpid(), now.tv_nsec);
  return 0;
}

int ncclCommInitRank(void **to, int size, Id id, int rank) {
  if (fails("ncclCommInitRank") && rank == size - 1)
    return 2;
  auto *group = new Group;
  group->rank = rank;
  group->size = size;
  group->sockets.assign(size_t(size), -1);
  socklen_t length = 0;
  sockaddr_un own = addressOf(id, rank, length);
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, reinterpret_cast<sockaddr *>(&own), length) || listen(listener, size))
    return 2;
  for (int lower = 0; lower < rank; ++lower) {
    sockaddr_un theirs = addressOf(id, lower, length);
    int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    while (connect(file, reinterpret_cast<sockaddr *>(&theirs), length))
      usleep(1000);
    if (write(file, &rank, sizeof rank) != sizeof rank)
      return 2;
    group->sockets[size_t(lower)] = file;
  }
  for (int higher = rank + 1; higher < size; ++higher) {
    int file = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC), who = 0;
    if (file < 0 || read(file, &who, sizeof who) != sizeof who)
      return 2;
    group->sockets[size_t(who)] = file;
  }
  close(listener);
  *to = group;
  return 0;
}

int ncclCommDestroy(void *group) {
  for (int file : static_cast<Group *>(group)->sockets)
    if (file >= 0)
      close(file);
  return 0;
}
int ncclCommAbort(void *group) {
  static_cast<Group *>(group)->isAborted = true;
  return ncclCommDestroy(group);
}
int ncclCommGetAsyncError(void *group, int *error) {
  *error = fails("async") ? 6 : static_cast<Group *>(group)->error.load();
  return 0;
}

int ncclGroupStart() {
  ++depth;
  return 0;
}
int ncclGroupEnd() {
  if (fails("ncclGroupEnd"))
    return 2;
  return --depth ? 0 : flush();
}

// ncclInt8 alone: counts are bytes.
#ifndef WITHOUT_SEND
int ncclSend(const void *from, size_t count, int type, int peer, void *group, Stream stream) {
  if (type)
    return 4;
  asked.push_back(
      {true, reinterpret_cast<Address>(from), count, peer, static_cast<Group *>(group), stream});
  return depth ? 0 : flush();
}
#endif
int ncclRecv(void *to, size_t count, int type, int peer, void *group, Stream stream) {
  if (type)
    return 4;
  asked.push_back(
      {false, reinterpret_cast<Address>(to), count, peer, static_cast<Group *>(group), stream});
  return depth ? 0 : flush();
}

int ncclAllGather(const void *from, void *to, size_t count, int type, void *of, Stream stream) {
  if (type || fails("ncclAllGather"))
    return type ? 4 : 2;
  auto &group = *static_cast<Group *>(of);
  auto *batch = new Batch;
  batch->group = &group;
  char *all = stage(count * size_t(group.size));
  char *own = all + count * size_t(group.rank);
  fromDevice(own, reinterpret_cast<Address>(from), count, stream);
  for (int peer = 0; peer < group.size; ++peer) {
    if (peer == group.rank)
      continue;
    batch->sends.push_back({&group, peer, own, count, 0});
    batch->receives.push_back({&group, peer, all + count * size_t(peer), count, 0});
  }
  start(batch, stream);
  toDevice(reinterpret_cast<Address>(to), all, count * size_t(group.size), stream);
  return 0;
}
}
