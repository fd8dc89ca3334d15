//===- GpuDevice.h - runs a model's programs on a GPU -----------*- C++ -*-===//
#ifndef NETC_RUNTIME_DEVICE_CUDA_GPUDEVICE_H
#define NETC_RUNTIME_DEVICE_CUDA_GPUDEVICE_H

#include "runtime/device/Accelerator.h"
#include "runtime/device/cuda/Driver.h"

#include <array>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

namespace netc::runtime::cuda {

class GpuSums;
class NcclGroup;

/// A GPU behind a table of driver functions: a stream of kernels and one of copies that
/// run ahead. A program is captured as a CUDA graph the first time that a batch size runs, and
/// launched as one from then on.
class GpuDevice final : public Accelerator {
public:
  explicit GpuDevice(const CudaDriver &driver);
  ~GpuDevice() override;
  GpuDevice(const GpuDevice &) = delete;
  GpuDevice &operator=(const GpuDevice &) = delete;

  void load(const NetcModel &model) override;
  std::string describe() const override;
  uint64_t availableBytes() const override;
  uint64_t heldBytes() const override;
  void allocate(NetcSpace space, uint64_t bytes) override;
  void release(NetcSpace space) override;
  void upload(NetcSpace space, const void *from, uint64_t bytes) override;
  void download(NetcSpace space, void *to, uint64_t bytes) override;
  void zero(NetcSpace space, uint64_t offset, uint64_t bytes) override;
  void exchange(NetcSpace one, NetcSpace other) override;
  void *pin(uint64_t bytes) override;
  void unpin(void *memory) override;
  void uploadAhead(NetcSpace space, const void *from, uint64_t bytes) override;
  void useAhead(NetcSpace space, uint64_t bytes) override;
  void run(const NetcProgram &program, int64_t n, const Watch *watch) override;
  void read(const NetcProgram &program, const NetcBuffer &buffer, int64_t n, void *to) override;
  void wait() override;
  bool makesSums(const Communicator &communicator) const override;
  std::unique_ptr<DeviceSums> sums(const SumLayout &layout, Communicator &communicator) override;
  std::unique_ptr<DeviceState> divideState(const StateLayout &layout,
                                           Communicator &communicator) override;

  // For GpuSums and GpuState.
  const CudaDriver &calls() const { return driver; }
  /// Where programs run.
  CUstream computing() const { return stream; }
  CUdeviceptr baseOf(NetcSpace space) const { return spaces[space].base; }
  /// The next program runs with these sums beside it.
  void runBeside(GpuSums *sums) { beside = sums; }
  /// Drops captured programs; errors are ignored.
  void forgetGraphs() noexcept;
  /// The GPUs of all processes; the first call joins them.
  std::shared_ptr<NcclGroup> join(Communicator &communicator);
  /// Values that a block of a command of `update` computes, of an array of `size`.
  int64_t updateBlock(const NetcCommand &command, int64_t size) const;
  CUdeviceptr address(const NetcProgram &program, const NetcBuffer &buffer, int64_t n) const;
  void launch(const NetcProgram &program, const NetcCommand &command, int64_t n);
  /// The first `blocks` of its grid, on these operands.
  void launch(const NetcCommand &command, int64_t blocks, std::vector<CUdeviceptr> &operands,
              int64_t n);

private:
  struct Memory {
    CUdeviceptr base = 0;
    uint64_t bytes = 0;
  };
  int ordinal() const;
  void open();
  void close() noexcept;
  void check(CUresult result, const char *action) const { checkCuda(driver, result, action); }
  const NetcGpuImage *chooseImage(const NetcModel &model, bool assembled) const;
  bool tryLoad(const NetcGpuImage &image, bool mayFail);
  /// A matrix of bf16 in one of a launch's buffers, row after row, and the box of it that a bulk
  /// copy moves; as it lies in the kernels' module.
  struct MatrixMap {
    int64_t buffer, columns;
    int64_t rowsPerImage, rows; // of a batch of n: n * rowsPerImage + rows
    int64_t boxColumns, boxRows;
  };
  std::vector<MatrixMap> readMaps(const std::string &kernel) const;
  CUtensorMap encode(const MatrixMap &map, CUdeviceptr address, int64_t n) const;
  void launchAll(const NetcProgram &program, int64_t n, const std::function<bool(uint64_t)> &after);
  void launchBeside(const NetcProgram &program, int64_t n, GpuSums &sums);
  void runWatched(const NetcProgram &program, int64_t n, const Watch &watch);
  CUgraphExec capture(const NetcProgram &program, int64_t n, GpuSums *sums);
  void dropGraphs();

  const CudaDriver &driver;
  const NetcModel *model = nullptr;
  const NetcGpuImage *image = nullptr;
  CUdevice device = 0;
  CUcontext context = nullptr;
  CUstream stream = nullptr;
  CUstream copies = nullptr;
  CUmodule code = nullptr;
  int chip = 0; // 10 * major + minor
  std::string name;
  std::vector<CUfunction> functions;
  std::vector<std::vector<MatrixMap>> maps; // by kernel
  bool hasMaps = false;
  std::array<Memory, NETC_SPACE_COUNT> spaces;
  /// Contents that a space is to have next.
  struct Ahead {
    Memory memory;
    CUevent arrived = nullptr, used = nullptr;
  };
  std::array<Ahead, NETC_SPACE_COUNT> ahead;
  /// By program, batch, where gradients lie, which change places with their sums, and what runs
  /// beside it.
  std::map<std::tuple<const NetcProgram *, int64_t, CUdeviceptr, uint32_t>, CUgraphExec> graphs;
  GpuSums *beside = nullptr;
  std::weak_ptr<NcclGroup> group; // kept by those sums that use it
};

} // namespace netc::runtime::cuda

/// Makes a device on the NVIDIA driver of this machine; NetcGpu::open of `--target cuda`.
extern "C" void *netc_open_cuda(void);

#endif // NETC_RUNTIME_DEVICE_CUDA_GPUDEVICE_H
