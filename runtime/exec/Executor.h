//===- Executor.h - runs the command tables of a model ----------*- C++ -*-===//
#ifndef NETC_RUNTIME_EXEC_EXECUTOR_H
#define NETC_RUNTIME_EXEC_EXECUTOR_H

#include "runtime/abi/Abi.h"
#include "runtime/exec/Device.h"
#include "runtime/exec/Model.h"
#include "runtime/system/Memory.h"
#include "runtime/system/ThreadPool.h"

#include <array>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace netc::runtime {

enum class Program { Prepare, Infer, Step, Update, Norm, Accumulate };
inline constexpr Program allPrograms[] = {Program::Prepare, Program::Infer, Program::Step,
                                          Program::Update,  Program::Norm,  Program::Accumulate};

/// Bytes that the buffers of a run take, by kind.
struct MemoryNeed {
  uint64_t arena = 0;        ///< batch * per image + fixed, of the largest program
  uint64_t batchBuffers = 0; ///< inputs, labels, outputs
  uint64_t parameters = 0, gradients = 0, state = 0, prepared = 0, scratch = 0;
  uint64_t total() const;
};

/// Owns the buffers of a model and runs its programs. Not thread-safe: one
/// thread drives it, the pool works, or a GPU, where the model is for one. Then arena and
/// prepared weights lie there alone and the other spaces on both sides.
class Executor {
public:
  /// Fails where the tables are inconsistent. Parameters are there (zeros) at once.
  Executor(const NetcModel &model, const ModelInfo &info, ThreadPool &pool);

  /// What a batch of `batch` needs; `training`: step and update too;
  /// `inputCopies`: batches of input that lie ready at once.
  MemoryNeed need(int64_t batch, bool training, int inputCopies) const;

  /// Makes room for batches of up to `batch` images. Fails, before allocating,
  /// where the machine has too little memory: says what is needed and what there is.
  /// Drops the contents of everything but PARAMETERS, STATE, GRADIENTS.
  void reserve(int64_t batch, bool training, int inputCopies = 1);

  /// What training takes, with the step in use, of the memory where its arena lies: a device's, or
  /// this machine's.
  uint64_t stepNeed(int64_t batch, int inputCopies) const;
  /// What there is of that memory.
  uint64_t stepMemory() const;
  /// Chooses the fastest training step that needs at most `budget` bytes; the leanest where none
  /// does. Call it before `reserve`.
  void fitStep(int64_t batch, int inputCopies, uint64_t budget);
  /// Of NetcModel::lean_steps the one in use, counted from 1; 0: the step as it is.
  uint64_t leanStep() const { return lean; }

  /// Of inference: a group of images takes at most this much of a cache, weights included, where
  /// the model is cut into sections and a cache of it helps; 0: whole batches. From the start most
  /// of the last cache of this machine. The bits do not depend on it. Call it before `reserve`.
  void fillCache(uint64_t bytes) { cacheBytes = bytes; }
  /// Images that pass `section` together, of a batch of n.
  int64_t groupSize(const NetcSection &section, int64_t n) const;

  /// Points a space at other memory (INPUT and LABELS of a prepared batch).
  void bind(NetcSpace space, void *memory);

  /// With a device: copies the contents that `space` is to have in a later run, while what was
  /// started goes on. They are used if the space is bound to `memory` then, and must not have
  /// changed.
  void sendAhead(NetcSpace space, const void *memory, int64_t n);
  bool onDevice() const { return device != nullptr; }
  /// Memory for batches that a device copies from while it works; null without one, or where there
  /// is none to be had. It must not outlive the executor, nor a batch in it change before the run
  /// that uses it is through.
  std::shared_ptr<char> pinnedMemory(uint64_t bytes) const;

  /// Waits until what `run` has begun on a device is through.
  void wait() const {
    if (device)
      device->wait();
  }

  /// Runs one program on a batch of n <= the reserved one; on a device it only begins. Where
  /// `seconds` is given, adds each command's wall time to its entry (resized as needed).
  void run(Program program, int64_t n, std::vector<double> *seconds = nullptr);

  /// Runs one program, not on a device; `after` hears the index of each command when it is done,
  /// once for each group of images.
  void runCommands(Program program, int64_t n, const std::function<void(uint64_t)> &after);

  /// Clears the arena, then runs a program command by command; `after` hears the index
  /// of each and stops the rest by returning false. For finding faults: slow.
  void runObserved(Program program, int64_t n, const std::function<bool(uint64_t)> &after);

  /// Operand `index` of the command that runObserved told of last; until the next call.
  const char *operand(uint32_t index);

  bool has(Program program) const { return table(program).command_count != 0; }
  const NetcProgram &table(Program program) const;

  /// A space in this machine's memory, to read and to write until the next run: take the
  /// pointer anew after it.
  template <typename T> T *at(NetcSpace space) const {
    if (device)
      fetch(space);
    return reinterpret_cast<T *>(bases[space]);
  }
  float *parameter(const ParameterInfo &parameter) const {
    return reinterpret_cast<float *>(at<char>(NETC_SPACE_PARAMETERS) + parameter.offset);
  }
  float *gradient(const ParameterInfo &parameter) const {
    return reinterpret_cast<float *>(at<char>(NETC_SPACE_GRADIENTS) + parameter.offset);
  }
  NetcHyper &hyper() const { return *at<NetcHyper>(NETC_SPACE_HYPER); }
  /// Of each parameter, in the order of info().parameters; scales are 1 from the start.
  NetcParameterHyper *parameterHyper() const {
    return reinterpret_cast<NetcParameterHyper *>(&hyper() + 1);
  }
  /// Zeroes a part of a space, where it lies.
  void clear(NetcSpace space, uint64_t offset, uint64_t bytes);
  /// Makes room to add up gradients over batches; they are zero until `accumulate` runs.
  void reserveAccumulation();
  /// GRADIENTS and ACCUMULATED change places.
  void swapAccumulated();
  const NetcModel &model() const { return tables; }
  const ModelInfo &info() const { return description; }
  ThreadPool &threads() const { return pool; }
  /// "NVIDIA A100-SXM4-40GB (sm_80)"; empty on a CPU.
  std::string deviceName() const { return device ? device->describe() : std::string(); }

private:
  void checkTables() const;
  void checkProgram(const NetcProgram &program) const;
  struct Group;
  void resolve(const NetcCommand &command, const Group &group);
  void launch(const NetcCommand &command, const Group &group);
  void launchAll(Program program, int64_t n, const std::function<bool(uint64_t)> &after);
  int64_t mostTogether(const NetcSection &section, int64_t n) const;
  uint64_t imageArena(const NetcProgram &program, int64_t n) const;
  uint64_t spaceBytes(NetcSpace space, int64_t n) const;
  void fetch(NetcSpace space) const;
  uint64_t deviceArena(int64_t n, bool training) const;
  uint64_t deviceNeed(int64_t n, bool training) const;
  void reserveDevice(int64_t batch, bool training);
  void runOnDevice(Program program, int64_t n, std::vector<double> *seconds);
  void send(Program program, int64_t n);
  void markWritten(Program program, int64_t n);

  const NetcModel &tables;
  const ModelInfo &description;
  ThreadPool &pool;
  int64_t reservedBatch = 0;
  uint64_t lean = 0;
  uint64_t cacheBytes;
  uint64_t scratchPerThread = 0;
  Region parameters, gradients, accumulated, state, prepared, arena, scratch, batchBuffers, small;
  std::array<char *, NETC_SPACE_COUNT> bases{};
  std::vector<char *> operands; // of the command that runs
  std::unique_ptr<Device> device;
  /// Where a space's newest contents lie, with a device.
  enum class Newest { Host, Both, Device };
  mutable std::array<Newest, NETC_SPACE_COUNT> newest{};
  int64_t batchOnDevice = 0; // images of the last run
  uint64_t arenaOnDevice = 0;
  struct Ahead {
    const void *memory = nullptr;
    uint64_t bytes = 0;
  };
  std::array<Ahead, NETC_SPACE_COUNT> ahead{};
  std::pair<const NetcProgram *, uint64_t> observed{};
  std::vector<char> observedOperand;
};

/// Items of a command's grid for a batch of n.
int64_t gridItems(const NetcCommand &command, int64_t n);

} // namespace netc::runtime

#endif // NETC_RUNTIME_EXEC_EXECUTOR_H
