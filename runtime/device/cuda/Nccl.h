//===- Nccl.h - the processes' GPUs, joined by NCCL -------------*- C++ -*-===//
//
// The functions of libnccl.so.2 that the runtime calls, with the signatures and the numbers of
// nccl.h, written here anew so that no file of NVIDIA's is needed to build. The runtime sends and
// receives alone: what is added, and in which order, is not left to the library.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_DEVICE_CUDA_NCCL_H
#define NETC_RUNTIME_DEVICE_CUDA_NCCL_H

#include "runtime/comm/Communicator.h"
#include "runtime/device/cuda/Driver.h"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace netc::runtime::cuda {

using ncclComm_t = struct ncclComm *;

struct ncclUniqueId {
  char internal[128];
};

enum ncclResult_t : int { ncclSuccess = 0, ncclRemoteError = 6, ncclInProgress = 7 };

enum ncclDataType_t : int { ncclInt8 = 0, ncclFloat32 = 7 };

/// One member per function, named as nccl.h names it without `nccl`.
struct NcclLibrary {
  ncclResult_t (*getVersion)(int *version);
  ncclResult_t (*getUniqueId)(ncclUniqueId *);
  ncclResult_t (*commInitRank)(ncclComm_t *, int ranks, ncclUniqueId, int rank);
  ncclResult_t (*commDestroy)(ncclComm_t);
  ncclResult_t (*commAbort)(ncclComm_t);
  ncclResult_t (*commGetAsyncError)(ncclComm_t, ncclResult_t *error);
  const char *(*getErrorString)(ncclResult_t);
  ncclResult_t (*groupStart)();
  ncclResult_t (*groupEnd)();
  ncclResult_t (*send)(const void *from, size_t count, ncclDataType_t, int peer, ncclComm_t,
                       CUstream);
  ncclResult_t (*recv)(void *to, size_t count, ncclDataType_t, int peer, ncclComm_t, CUstream);
  ncclResult_t (*allGather)(const void *from, void *to, size_t count, ncclDataType_t, ncclComm_t,
                            CUstream);
  /// Null before version 2.13.
  const char *(*getLastError)(ncclComm_t);

  int version; ///< 10000 * major + 100 * minor + patch
};

/// The first that sends and receives, and the first whose calls a CUDA graph may capture.
constexpr int oldestNccl = 20700, oldestCapturedNccl = 20906;

/// "2.28.9"
std::string describeNccl(int version);

/// Fails if there is no library, if it is too old, or if it lacks a function; the message says
/// where it was looked for.
const NcclLibrary &openNccl();

/// The GPUs of all processes of a communicator. The context of this process's GPU is current.
class NcclGroup {
public:
  /// Joins them, and sends a value from each to each: what NCCL makes at the first use of a
  /// connection is there afterwards, and a GPU that cannot be reached is found here.
  NcclGroup(Communicator &communicator, const CudaDriver &driver);
  /// Leaves them; where an exception is under way, without waiting for what was started.
  ~NcclGroup();
  NcclGroup(const NcclGroup &) = delete;
  NcclGroup &operator=(const NcclGroup &) = delete;

  /// Leaves them without waiting for what was started.
  void abandon() noexcept { leave(/*waits=*/false); }

  unsigned rank() const { return communicator.rank(); }
  unsigned size() const { return communicator.size(); }
  /// Whether calls may be captured in a CUDA graph.
  bool canBeCaptured() const { return library.version >= oldestCapturedNccl; }

  /// The stream of all messages: each process has them in one order.
  CUstream stream() const { return messages; }
  // Between begin() and end(), which start all together.
  void begin() const { check(library.groupStart(), "ncclGroupStart"); }
  void send(CUdeviceptr from, int64_t bytes, unsigned to) const;
  void receive(CUdeviceptr to, int64_t bytes, unsigned from) const;
  void end() const { check(library.groupEnd(), "ncclGroupEnd"); }

  /// Everyone's bytes, by rank.
  void gather(CUdeviceptr from, CUdeviceptr to, int64_t bytes) const;

private:
  void join();
  void tryConnections() const;
  void watch();
  void leave(bool waits) noexcept;
  void check(ncclResult_t result, const char *call) const;
  std::string describe(ncclResult_t result, const char *call) const;

  const NcclLibrary &library;
  const CudaDriver &driver;
  Communicator &communicator;
  ncclComm_t group = nullptr;
  CUstream messages = nullptr;
  // Asks for errors of what runs on the GPU: a process that waits for it learns nothing else.
  std::thread watcher;
  std::mutex mutex;
  std::condition_variable leaves;
  bool isLeaving = false;
};

} // namespace netc::runtime::cuda

#endif // NETC_RUNTIME_DEVICE_CUDA_NCCL_H
