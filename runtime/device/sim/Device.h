//===- Device.h - the simulated device's state ------------------*- C++ -*-===//
//
// Streams are lists of operations that run when somebody waits for them, so that
// what a program forgets to wait for has not happened. Which stream goes first is
// drawn from the seed. A finding is sticky, as a fault of a real context is.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_DEVICE_SIM_DEVICE_H
#define NETC_RUNTIME_DEVICE_SIM_DEVICE_H

#include "runtime/device/sim/Chip.h"
#include "runtime/device/sim/Grid.h"
#include "runtime/device/sim/Simulator.h"

#include <algorithm>
#include <chrono>
#include <deque>

// The driver API's opaque types.
namespace netc::runtime::cuda {
struct CUctx_st {};
struct CUfunc_st {
  CUmodule module = nullptr;
  sim::Program program;
  uint32_t dynamicLimit = sim::sharedWithoutOptIn; // bytes of dynamic shared memory
};
struct CUmod_st {
  sim::Module text;
  std::map<std::string, std::pair<CUdeviceptr, uint64_t>> variables;
  std::vector<std::unique_ptr<CUfunc_st>> functions;
};
struct CUevent_st {
  bool timed = true;
  uint64_t recorded = 0, completed = 0; // how often
  CUstream stream = nullptr;            // that recorded it last
  CUgraph capture = nullptr;            // recorded while that was captured
  std::chrono::steady_clock::time_point time;
};
} // namespace netc::runtime::cuda

namespace netc::runtime::sim {

using namespace netc::runtime::cuda;

struct Operation {
  enum class Kind : uint8_t { Work, Record, Wait } kind = Kind::Work;
  std::function<void()> work; // throws a Finding
  CUevent event = nullptr;
  uint64_t version = 0;  // of the event
  uint64_t sequence = 0; // of the device
};

} // namespace netc::runtime::sim

namespace netc::runtime::cuda {
struct CUstream_st {
  bool blocking = true; // orders itself with the default stream
  std::deque<sim::Operation> operations;
  CUgraph capture = nullptr;
  bool captureOrigin = false;
  CUstreamCaptureMode captureMode = CU_STREAM_CAPTURE_MODE_GLOBAL;
};
struct CUgraph_st {
  std::vector<std::function<void()>> works;
  bool invalid = false;
};
struct CUgraphExec_st {
  std::vector<std::function<void()>> works;
};
} // namespace netc::runtime::cuda

namespace netc::runtime::sim {

/// Objects that handles point to, in the order of their creation. A pointer that is not in here is
/// not a valid handle.
template <typename T> class Handles {
public:
  T *add(std::unique_ptr<T> object) {
    T *handle = object.get();
    objects.emplace_back(handle, std::move(object));
    return handle;
  }
  bool has(T *handle) const {
    return std::any_of(objects.begin(), objects.end(),
                       [&](const auto &each) { return each.first == handle; });
  }
  bool remove(T *handle) {
    return std::erase_if(objects, [&](const auto &each) { return each.first == handle; }) != 0;
  }
  void clear() { objects.clear(); }
  auto begin() const { return objects.begin(); }
  auto end() const { return objects.end(); }

private:
  std::vector<std::pair<T *, std::unique_ptr<T>>> objects;
};

/// All members are used under `mutex`.
class Device {
public:
  static Device &instance();

  std::recursive_mutex mutex;
  SimulatorOptions options;
  bool initialised = false;
  unsigned retained = 0;
  CUctx_st context;
  Chip chip;
  std::unique_ptr<DeviceMemory> memory;
  std::unique_ptr<GlobalShadow> shadow;
  std::unique_ptr<GridRunner> grid;
  Handles<CUmod_st> modules;
  Handles<CUstream_st> streams;
  Handles<CUevent_st> events;
  Handles<CUgraph_st> graphs;
  Handles<CUgraphExec_st> executables;
  std::map<char *, uint64_t> pinned; // memHostAlloc
  CUstream_st defaultStream;
  CUresult sticky = CUDA_SUCCESS;
  std::string report;
  uint64_t instructions = 0, launches = 0;
  std::map<std::string, KernelProfile> profile; // by kernel

  void configure(const SimulatorOptions &wanted);
  CUresult retain();
  CUresult release();
  /// The error that every call reports from now on, or that there is no context.
  CUresult usable();
  /// Keeps `text` for lastReport().
  CUresult refuse(CUresult code, std::string text);

  bool isStream(CUstream stream) const { return !stream || streams.has(stream); }
  CUstream_st &resolve(CUstream stream) { return stream ? *stream : defaultStream; }
  bool capturing() const;
  /// Adds the work to the stream, or to the graph that it is captured into.
  void enqueue(CUstream_st &stream, std::function<void()> work);
  void enqueue(CUstream_st &stream, Operation operation);
  /// Runs what is needed until the stream is empty, the event is complete, or
  /// everything; returns the sticky error.
  CUresult finish(CUstream_st &stream);
  CUresult finish(CUevent_st &event);
  CUresult finishAll();
  /// What the default stream waits for: it and every blocking stream.
  CUresult finishLegacy();
  bool isPinned(const void *address) const;
  void runKernel(const Launch &launch);

private:
  bool advance(CUstream_st &stream, unsigned depth);
  void perform(CUstream_st &stream);
  void maybeRunAhead();
  CUstream_st *streamBefore(const CUstream_st &stream, uint64_t sequence);
  uint64_t random();

  uint64_t sequence = 0, randomState = 1;
};

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_DEVICE_H
