//===- Executor.h - runs the command tables of a model ----------*- C++ -*-===//
#ifndef NETC_RUNTIME_EXEC_EXECUTOR_H
#define NETC_RUNTIME_EXEC_EXECUTOR_H

#include "runtime/device/Device.h"
#include "runtime/exec/Model.h"
#include "runtime/system/ThreadPool.h"

#include <memory>
#include <vector>

namespace netc::runtime {

/// A model on its device: gives typed access to the spaces, computes the memory that they need, and
/// runs the programs. Not thread-safe.
class Executor {
public:
  /// Fails if the tables are inconsistent. Parameters exist at once and are zero. The tables name
  /// the device; on the CPU, `pool` computes.
  Executor(const NetcModel &model, const ModelInfo &info, ThreadPool &pool);

  /// Bytes that a batch of `batch` needs; `training`: step and update too; `inputCopies`: batches
  /// of input in memory at the same time.
  MemoryUse need(int64_t batch, bool training, int inputCopies) const;

  /// Allocates memory for batches of up to `batch` images. If there is too little, it fails before
  /// it allocates, with the bytes needed and available. Only PARAMETERS, STATE, GRADIENTS and
  /// ACCUMULATED keep their contents.
  void reserve(int64_t batch, bool training, int inputCopies = 1);

  /// From the next `reserve` on there is room for Program::Observe too.
  void willObserve() { observes = true; }

  /// Bytes of the device's memory that training needs with the step in use.
  uint64_t stepNeed(int64_t batch, int inputCopies) const;
  /// Bytes of that memory that are available.
  uint64_t stepMemory() const;
  /// Chooses the fastest training step that needs at most `budget` bytes, or, if there is none, the
  /// one that needs least. Call it before `reserve`.
  void fitStep(int64_t batch, int inputCopies, uint64_t budget);
  /// The entry of NetcModel::lean_steps in use, counted from 1; 0: the ordinary step.
  uint64_t leanStep() const { return lean; }

  /// Allocates sums of gradients over batches; they are zero until `accumulate` runs.
  void reserveAccumulation();
  /// Exchanges GRADIENTS and ACCUMULATED.
  void swapAccumulated();

  /// Runs one program on a batch of n <= the reserved one; it may return before the end (see
  /// Device::wait). Resizes `seconds` of `watch` as needed.
  void run(Program program, int64_t n, const Watch *watch = nullptr);

  /// As Device::runPart.
  void runPart(Program program, int64_t n, std::span<const ItemRange> items) {
    where->runPart(table(program), n, items);
  }

  bool has(Program program) const { return table(program).command_count != 0; }
  const NetcProgram &table(Program program) const;

  /// As Device::at, typed.
  template <typename T> T *at(NetcSpace space) const {
    return reinterpret_cast<T *>(where->at(space));
  }
  /// A named tensor of a batch of n.
  template <typename T> T *at(const TensorInfo &tensor, int64_t n) const {
    return reinterpret_cast<T *>(at<char>(tensor.space) + uint64_t(n) * tensor.offset);
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
  void bind(NetcSpace space, void *memory) { where->bind(space, memory); }

  Device &device() const { return *where; }
  const NetcModel &model() const { return tables; }
  const ModelInfo &info() const { return description; }
  ThreadPool &threads() const { return pool; }

private:
  void checkTables() const;
  void checkProgram(const NetcProgram &program) const;
  SpaceSizes spaceSizes() const;
  Reservation reservation(int64_t batch, bool training, int inputCopies) const;
  void requireMemory(int64_t batch, bool training, int inputCopies) const;

  const NetcModel &tables;
  const ModelInfo &description;
  ThreadPool &pool;
  std::unique_ptr<Device> where;
  int64_t reservedBatch = 0;
  bool trains = false;      // reserved for training before: what that takes stays
  bool observes = false;    // reserves for Program::Observe
  bool accumulates = false; // has room for sums of gradients
  uint64_t lean = 0;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_EXEC_EXECUTOR_H
