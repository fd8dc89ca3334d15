//===- GpuSums.h - sums over shards on GPUs ---------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_DEVICE_CUDA_GPUSUMS_H
#define NETC_RUNTIME_DEVICE_CUDA_GPUSUMS_H

#include "runtime/device/DeviceSums.h"
#include "runtime/device/cuda/GpuDevice.h"
#include "runtime/device/cuda/Nccl.h"
#include "runtime/device/cuda/SumKernels.h"

namespace netc::runtime::cuda {

/// The values of all pieces lie packed, one piece after the other, each in as many equal parts as
/// there are processes. Process q gets everyone's q-th part (all-to-all), adds them in the order of
/// the tree, and gives the sum to all (all-gather). What goes over processes has a stream of its
/// own, the group's.
class GpuSums final : public DeviceSums {
public:
  /// `group`: null of one process.
  GpuSums(GpuDevice &gpu, const SumLayout &layout, std::shared_ptr<NcclGroup> group);
  ~GpuSums() override;
  GpuSums(const GpuSums &) = delete;
  GpuSums &operator=(const GpuSums &) = delete;

  void begin() override { order.begin(); }
  void take(float share, bool isThere) override;
  void takeDuring(float share) override;
  void finish(float divisor) override;
  void keep() override;
  void restore() override;

  // Of the program that runs beside the sums.
  /// Whether a graph may hold them.
  bool canBeCaptured() const { return !group || group->canBeCaptured(); }
  /// What a graph that holds them depends on.
  uint32_t identity() const;
  void beginBeside() { begun = 0; }
  /// After the launch of a command: starts the pieces that it finished.
  void commandLaunched(uint64_t command);
  /// Starts the others; what the program's stream gets next waits for all of them.
  void endBeside();

private:
  struct Piece {
    uint64_t command;
    uint64_t firstChunk, chunks;
    int64_t offset, part; ///< floats of the packed values; a process's part
  };
  void layOut(const SumLayout &layout);
  void allocate();
  CUdeviceptr room(uint64_t bytes);
  void upload(CUdeviceptr to, const void *from, uint64_t bytes);
  void addShard(CUstream stream, const Piece &range);
  void overProcesses(const Piece &piece);
  void exchange(const Piece &piece, CUdeviceptr from, int64_t stride, CUdeviceptr to,
                int64_t bytes);
  void startPiece();
  CUdeviceptr array() const { return gpu.baseOf(space); }
  CUdeviceptr sumsAt(int64_t row, int64_t offset) const {
    return sums + uint64_t(row * packed + offset) * sizeof(float);
  }

  GpuDevice &gpu;
  const CudaDriver &driver;
  const std::shared_ptr<NcclGroup> group;
  const SumKernels kernels;
  const NetcSpace space;
  const ShardRun run;
  const bool bf16;
  ShardOrder order;
  std::vector<Piece> pieces;
  Piece whole{}; ///< all of them
  std::vector<SumChunk> chunkTable;
  int64_t packed = 0;                               ///< floats
  int64_t longestPart = 0;                          ///< of a piece
  int64_t nodes = 1;                                ///< of all processes
  uint64_t ownSums = 1;                             ///< of this one
  std::vector<std::vector<ShardOrder::Step>> steps; ///< of each of this process's shards
  std::vector<uint64_t> merges; ///< of each shard, where its pairs begin; then those of processes
  uint64_t processPairs = 0;
  std::vector<CUdeviceptr> memory;
  CUdeviceptr chunks = 0, pairs = 0, sums = 0, received = 0, kept = 0, half = 0, halfReceived = 0;
  CUevent ready = nullptr, done = nullptr;
  // The shard that is being added.
  size_t shard = 0;
  float share = 1;
  bool isThere = true;
  size_t begun = 0; ///< pieces
};

} // namespace netc::runtime::cuda

#endif // NETC_RUNTIME_DEVICE_CUDA_GPUSUMS_H
