//===- MirroredDevice.h - a device with memory of its own -------*- C++ -*-===//
//
// Host and accelerator each have a copy of a space. It is copied to the accelerator before a
// run if the host may have written it, and back when the host accesses it after a run that
// wrote it.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_DEVICE_MIRROREDDEVICE_H
#define NETC_RUNTIME_DEVICE_MIRROREDDEVICE_H

#include "runtime/device/Accelerator.h"
#include "runtime/device/Device.h"
#include "runtime/device/HostSpaces.h"

#include <memory>

namespace netc::runtime {

/// Arena and prepared weights lie on the accelerator alone, the other spaces on both sides.
class MirroredDevice final : public Device {
public:
  explicit MirroredDevice(std::unique_ptr<Accelerator> accelerator);

  void load(const NetcModel &model, const SpaceSizes &sizes) override;
  std::string describe() const override { return accelerator->describe(); }
  bool usesMachineMemory() const override { return false; }
  bool watchingCosts() const override { return true; }

  MemoryUse need(const Reservation &reservation) const override;
  MemoryUse available() const override;
  uint64_t whereItComputes(const MemoryUse &use) const override { return use.own; }
  uint64_t takenBeside() const override { return 0; }
  void reserve(const Reservation &reservation) override;
  void reserveAccumulation() override;
  std::shared_ptr<char> batchMemory(uint64_t bytes) override;

  char *at(NetcSpace space) override;
  bool isAtHand(NetcSpace space) const override { return newest[space] != Newest::Device; }
  void bind(NetcSpace space, void *memory) override;
  void sendAhead(NetcSpace space, const void *memory, int64_t n) override;
  void clear(NetcSpace space, uint64_t offset, uint64_t bytes) override;
  void clearArena() override { accelerator->zero(NETC_SPACE_ARENA_IMAGE, 0, arenaBytes); }
  void exchange(NetcSpace one, NetcSpace other) override;

  void run(Program which, const NetcProgram &program, int64_t n, const Watch *watch) override;
  void runPart(const NetcProgram &program, int64_t n, std::span<const ItemRange> items) override;
  const char *operand(uint32_t index) override;
  void wait() override { accelerator->wait(); }

  bool makesSums(const Communicator &communicator) const override {
    return accelerator->makesSums(communicator);
  }
  std::unique_ptr<DeviceSums> sums(const SumLayout &layout, Communicator &communicator) override;
  std::unique_ptr<DeviceState> divideState(const StateLayout &layout,
                                           Communicator &communicator) override;
  /// The newest contents of a space that lasts lie on the accelerator afterwards; `isWritten`: they
  /// will change there.
  void bring(NetcSpace space, bool isWritten);

private:
  uint64_t sharedBytes(NetcSpace space, int64_t n) const;
  void fetch(NetcSpace space);
  void send(Program which, int64_t n);

  std::unique_ptr<Accelerator> accelerator;
  const NetcModel *tables = nullptr;
  uint64_t dividedBytes = 0; // that a part of the state takes instead of all of it; 0: it is whole
  SpaceSizes sizes{};
  HostSpaces spaces;
  /// Where a space's newest contents lie.
  enum class Newest { Host, Both, Device };
  std::array<Newest, NETC_SPACE_COUNT> newest{};
  int64_t batchOnDevice = 0; // images of the last run
  uint64_t arenaBytes = 0;
  /// What was sent for a later run.
  struct Ahead {
    const void *memory = nullptr;
    uint64_t bytes = 0;
  };
  std::array<Ahead, NETC_SPACE_COUNT> ahead{};
  struct {
    const NetcProgram *program = nullptr;
    uint64_t command = 0;
    std::vector<char> operand;
  } watched; // the command that Watch::after is told of
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_DEVICE_MIRROREDDEVICE_H
