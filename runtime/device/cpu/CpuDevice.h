//===- CpuDevice.h - runs programs on this machine's cores ------*- C++ -*-===//
#ifndef NETC_RUNTIME_DEVICE_CPU_CPUDEVICE_H
#define NETC_RUNTIME_DEVICE_CPU_CPUDEVICE_H

#include "runtime/device/Device.h"
#include "runtime/device/HostSpaces.h"
#include "runtime/system/ThreadPool.h"

namespace netc::runtime {

/// The kernels are functions of this executable; the threads of a pool share each command's grid.
class CpuDevice final : public Device {
public:
  explicit CpuDevice(ThreadPool &pool);

  void load(const NetcModel &model, const SpaceSizes &sizes) override;
  std::string describe() const override;
  bool usesMachineMemory() const override { return true; }
  bool watchingCosts() const override { return false; }

  MemoryUse need(const Reservation &reservation) const override;
  MemoryUse available() const override;
  uint64_t whereItComputes(const MemoryUse &use) const override { return use.machine; }
  uint64_t takenBeside() const override;
  void fillCache(uint64_t bytes) override { cacheBytes = bytes; }
  void reserve(const Reservation &reservation) override;
  void reserveAccumulation() override;
  std::shared_ptr<char> batchMemory(uint64_t) override { return nullptr; }

  char *at(NetcSpace space) override { return spaces.at(space); }
  bool isAtHand(NetcSpace) const override { return true; }
  void bind(NetcSpace space, void *memory) override { spaces.bind(space, memory); }
  void sendAhead(NetcSpace, const void *, int64_t) override {}
  void clear(NetcSpace space, uint64_t offset, uint64_t bytes) override;
  void clearArena() override;
  void exchange(NetcSpace one, NetcSpace other) override { spaces.exchange(one, other); }

  void run(Program which, const NetcProgram &program, int64_t n, const Watch *watch) override;
  void runPart(const NetcProgram &program, int64_t n, std::span<const ItemRange> items) override;
  const char *operand(uint32_t index) override { return operands[index]; }
  void wait() override {}

  /// Images that pass `section` together, of a batch of n.
  int64_t groupSize(const NetcSection &section, int64_t n) const;
  /// Bytes of the arena that a program takes for a batch of n.
  uint64_t arenaBytes(const NetcProgram &program, int64_t n) const;

private:
  struct Group;
  int64_t mostTogether(const NetcSection &section, int64_t n) const;
  uint64_t imageArena(const NetcProgram &program, int64_t n) const;
  uint64_t largestArena(const Reservation &reservation) const;
  void resolve(const NetcCommand &command, const Group &group);
  void launch(const NetcCommand &command, const Group &group, ItemRange items);

  ThreadPool &pool;
  const NetcModel *tables = nullptr;
  HostSpaces spaces;
  Region prepared, arena, scratch;
  uint64_t scratchPerThread = 0;
  uint64_t cacheBytes;
  std::vector<char *> operands; // of the command that runs
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_DEVICE_CPU_CPUDEVICE_H
