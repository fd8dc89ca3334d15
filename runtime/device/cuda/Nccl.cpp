//===- Nccl.cpp - open libnccl.so.2, join the processes' GPUs -------------===//
#include "runtime/device/cuda/Nccl.h"

#include "runtime/base/Error.h"
#include "runtime/base/Output.h"
#include "runtime/device/cuda/LibrarySymbols.h"

#include <dlfcn.h>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>
#include <vector>

using namespace netc::runtime;
using namespace netc::runtime::cuda;

// Seconds between two questions for errors of what runs on the GPU.
static constexpr int watchSeconds = 1;

// Seconds within which a process that fails has said why.
static constexpr int causeSeconds = 5;

std::string cuda::describeNccl(int version) {
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

/// The name of a function that the library lacks, or null.
static const char *fillTable(void *library, NcclLibrary &table) {
  LibrarySymbols load{library};
  load(table.getVersion, "ncclGetVersion");
  load(table.getUniqueId, "ncclGetUniqueId");
  load(table.commInitRank, "ncclCommInitRank");
  load(table.commDestroy, "ncclCommDestroy");
  load(table.commAbort, "ncclCommAbort");
  load(table.commGetAsyncError, "ncclCommGetAsyncError");
  load(table.getErrorString, "ncclGetErrorString");
  load(table.groupStart, "ncclGroupStart");
  load(table.groupEnd, "ncclGroupEnd");
  load(table.send, "ncclSend");
  load(table.recv, "ncclRecv");
  load(table.allGather, "ncclAllGather");
  const char *needed = load.missing;
  load(table.getLastError, "ncclGetLastError");
  return needed;
}

/// Before 2.9 a version was 1000 * major + 100 * minor + patch.
static int decodeVersion(int version) {
  return version >= 10000 ? version
                          : version / 1000 * 10000 + version / 100 % 10 * 100 + version % 100;
}

static NcclLibrary open() {
  const char *chosen = std::getenv("NETC_NCCL"), *path = std::getenv("LD_LIBRARY_PATH");
  std::string file = chosen && *chosen ? chosen : "libnccl.so.2";
  void *library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    fail("no NCCL: {}; looked for {} in LD_LIBRARY_PATH ({}) and in the system's folders for "
         "libraries; install it (NVIDIA's package libnccl2, or `pip install nvidia-nccl-cu12` and "
         "its folder lib in LD_LIBRARY_PATH), or name the file in NETC_NCCL",
         dlerror(), file, path && *path ? path : "which is not set");
  NcclLibrary table = {};
  const char *missing = fillTable(library, table);
  int version = 0;
  if (table.getVersion && table.getVersion(&version) == ncclSuccess)
    table.version = decodeVersion(version);
  if (table.version && table.version < oldestNccl)
    fail("{} is NCCL {}, this executable needs {} or newer", file, describeNccl(table.version),
         describeNccl(oldestNccl));
  if (missing)
    fail("{} has no function {}; install NCCL {} or newer", file, missing,
         describeNccl(oldestNccl));
  return table;
}

const NcclLibrary &cuda::openNccl() {
  static const NcclLibrary table = open();
  return table;
}

//===----------------------------------------------------------------------===//
// NcclGroup
//===----------------------------------------------------------------------===//

NcclGroup::NcclGroup(Communicator &communicator, const CudaDriver &driver)
    : library(openNccl()), driver(driver), communicator(communicator) {
  try {
    checkCuda(driver, driver.streamCreate(&messages, CU_STREAM_NON_BLOCKING),
              "opening a stream on the GPU");
    join();
    watcher = std::thread([this] { watch(); });
    tryConnections();
  } catch (...) {
    leave(/*waits=*/false);
    throw;
  }
}

NcclGroup::~NcclGroup() { leave(/*waits=*/std::uncaught_exceptions() == 0); }

void NcclGroup::leave(bool waits) noexcept {
  if (watcher.joinable()) {
    {
      std::lock_guard lock(mutex);
      isLeaving = true;
    }
    leaves.notify_all();
    watcher.join();
  }
  // Errors have no reader any more.
  if (ncclComm_t leaving = std::exchange(group, nullptr))
    waits ? library.commDestroy(leaving) : library.commAbort(leaving);
  if (CUstream stream = std::exchange(messages, nullptr))
    driver.streamDestroy(stream);
}

/// Rank 0 draws the id; a process with another NCCL is named before NCCL hangs over it.
void NcclGroup::join() {
  std::vector<std::string> versions = communicator.gather(describeNccl(library.version));
  for (size_t rank = 1; rank < versions.size(); ++rank)
    if (versions[rank] != versions[0])
      fail("rank {} has NCCL {}, rank 0 has {}: all processes need the same", rank, versions[rank],
           versions[0]);
  ncclUniqueId id = {};
  if (communicator.isRoot())
    check(library.getUniqueId(&id), "ncclGetUniqueId");
  communicator.broadcast(&id, sizeof id);
  check(library.commInitRank(&group, int(size()), id, int(rank())), "ncclCommInitRank");
}

void NcclGroup::tryConnections() const {
  CUdeviceptr room = 0;
  checkCuda(driver, driver.memAlloc(&room, 2 * size() * sizeof(float)),
            "allocating memory for the first messages of NCCL");
  CUdeviceptr other = room + size() * sizeof(float);
  checkCuda(driver, driver.memsetD8Async(room, 0, 2 * size() * sizeof(float), messages),
            "clearing the GPU's memory");
  begin();
  for (unsigned peer = 0; peer < size(); ++peer) {
    if (peer == rank())
      continue;
    send(room, sizeof(float), peer);
    receive(other + peer * sizeof(float), sizeof(float), peer);
  }
  end();
  gather(room, other, sizeof(float));
  checkCuda(driver, driver.streamSynchronize(messages), "sending a first value to the other GPUs");
  checkCuda(driver, driver.memFree(room), "freeing the GPU's memory");
}

void NcclGroup::send(CUdeviceptr from, int64_t bytes, unsigned to) const {
  check(library.send(reinterpret_cast<const void *>(from), size_t(bytes), ncclInt8, int(to), group,
                     messages),
        "ncclSend");
}

void NcclGroup::receive(CUdeviceptr to, int64_t bytes, unsigned from) const {
  check(library.recv(reinterpret_cast<void *>(to), size_t(bytes), ncclInt8, int(from), group,
                     messages),
        "ncclRecv");
}

void NcclGroup::gather(CUdeviceptr from, CUdeviceptr to, int64_t bytes) const {
  check(library.allGather(reinterpret_cast<const void *>(from), reinterpret_cast<void *>(to),
                          size_t(bytes), ncclInt8, group, messages),
        "ncclAllGather");
}

/// That another process is gone has a cause, which that process is about to say: it ends this one.
static void awaitCause(ncclResult_t result) {
  if (result == ncclRemoteError)
    std::this_thread::sleep_for(std::chrono::seconds(causeSeconds));
}

/// Ends all processes where NCCL says that one is lost.
void NcclGroup::watch() {
  std::unique_lock lock(mutex);
  while (!leaves.wait_for(lock, std::chrono::seconds(watchSeconds), [&] { return isLeaving; })) {
    ncclResult_t error = ncclSuccess;
    ncclResult_t asked = library.commGetAsyncError(group, &error);
    error = asked == ncclSuccess ? error : asked;
    if (error == ncclSuccess || error == ncclInProgress)
      continue;
    awaitCause(error);
    tell("error: rank {} on {}: {}\n", rank(), communicator.host(),
         describe(error, "while the GPU ran"));
    communicator.abort(1);
  }
}

std::string NcclGroup::describe(ncclResult_t result, const char *call) const {
  const char *more = library.getLastError ? library.getLastError(group) : nullptr;
  return fmt::format("NCCL {}, {}: {} ({}){}{}", describeNccl(library.version), call,
                     library.getErrorString(result), int(result), more && *more ? ": " : "",
                     more ? more : "");
}

void NcclGroup::check(ncclResult_t result, const char *call) const {
  if (result == ncclSuccess || result == ncclInProgress)
    return;
  awaitCause(result);
  fail("{}", describe(result, call));
}
