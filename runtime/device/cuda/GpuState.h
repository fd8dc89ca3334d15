//===- GpuState.h - a part of the optimizer's state, on a GPU ---*- C++ -*-===//
#ifndef NETC_RUNTIME_DEVICE_CUDA_GPUSTATE_H
#define NETC_RUNTIME_DEVICE_CUDA_GPUSTATE_H

#include "runtime/device/DeviceState.h"
#include "runtime/device/cuda/GpuDevice.h"
#include "runtime/device/cuda/Nccl.h"
#include "runtime/device/cuda/SumKernels.h"

#include <optional>

namespace netc::runtime::cuda {

/// A command runs for whole blocks of threads, which may reach over the ends of the own part: those
/// values are updated by two processes, to the same bits, and both keep their state. Parameters go
/// to the other GPUs by NCCL, some of everyone's at a time.
class GpuState final : public DeviceState {
public:
  GpuState(GpuDevice &gpu, const NetcModel &model, StateLayout layout, Communicator &communicator);
  ~GpuState() override;
  GpuState(const GpuState &) = delete;
  GpuState &operator=(const GpuState &) = delete;

  uint64_t bytes() const override;
  void begin(const char *state) override;
  void update(int64_t n) override;
  void gather(uint64_t slot, float *values) override;

private:
  /// Blocks of a command's grid that run with all arrays `first` values further on.
  struct Launch {
    int64_t first = 0;
    unsigned blocks = 0;
  };
  Launch launchOf(const NetcCommand &command, const UpdatePart &part) const;
  void keep(int64_t begin, int64_t end);
  void placeKept();
  void makeChunks();
  CUdeviceptr room(uint64_t bytes);
  CUdeviceptr addressOf(uint64_t slot, int64_t at) const;
  CUdeviceptr addressOf(const NetcBuffer &buffer, int64_t n, const UpdatePart &part,
                        int64_t first) const;
  void followPrograms();
  void gatherParameters();
  void gatherRound() const;

  /// Values that are exchanged together: of the chunks, which are everyone's, the own ones.
  struct Round {
    uint64_t first = 0, count = 0, ownFirst = 0, ownCount = 0;
  };

  GpuDevice &gpu;
  const CudaDriver &driver;
  const NetcModel &model;
  const StateLayout layout;
  Communicator &communicator;
  const uint64_t slots;
  std::vector<Launch> launches; ///< of each command
  std::vector<ValueRange> kept; ///< values of a slot that are here, ascending
  std::vector<int64_t> places;  ///< where each of them lies in the kept slot, and its size
  int64_t roundValues = 0;      ///< of each process
  std::vector<Round> rounds;
  std::vector<SumChunk> chunkTable;
  // From `begin` on.
  std::shared_ptr<NcclGroup> group;
  std::optional<SumKernels> kernels;
  std::vector<CUdeviceptr> memory;
  CUdeviceptr state = 0, chunks = 0, exchanged = 0;
  CUevent ready = nullptr, done = nullptr;
};

} // namespace netc::runtime::cuda

#endif // NETC_RUNTIME_DEVICE_CUDA_GPUSTATE_H
