//===- Simulator.h - a GPU simulated on the CPU -----------------*- C++ -*-===//
//
// Stands behind the table of the CUDA driver API: loads PTX text, runs its
// kernels on the cores of this machine and checks for faults that hardware does not report.
// docs/reference/simulator.md says what is simulated and how.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_DEVICE_SIM_SIMULATOR_H
#define NETC_RUNTIME_DEVICE_SIM_SIMULATOR_H

#include "runtime/device/cuda/Driver.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace netc::runtime::sim {

struct SimulatorOptions {
  /// Compute capability of the simulated chip, 10 * major + minor; its limits
  /// on shared memory and threads follow. PTX for a newer chip does not load.
  unsigned chip = 80;
  /// Bounds, races, unwritten shared memory, barriers, early reads of cp.async.
  /// Without them (the fast mode) correct kernels give the same bits; wrong
  /// ones may do anything within the simulated memory.
  bool checks = true;
  /// Orders warps and blocks; any two seeds must give the same results.
  uint64_t seed = 1;
  /// Cores that run blocks; 0 is all that this process may use.
  unsigned threads = 0;
  /// Instructions of this machine that run the lanes: 1 is x86-64, 2 AVX2, 3
  /// AVX-512, as far as it has them; for modules loaded from then on. The bits are
  /// the same at every level.
  unsigned level = 3;
  /// Instructions that the warps of one block may run before the block is taken for
  /// an endless loop (CUDA_ERROR_LAUNCH_TIMEOUT).
  uint64_t instructionLimit = uint64_t(1) << 32;
  /// Device memory in bytes; reserved, not touched, before it is allocated.
  uint64_t memoryBytes = uint64_t(16) << 30;
  /// Records what takeProfile() returns; counts accesses to shared memory with `checks` only.
  bool profile = false;
};

/// One instruction's accesses to shared memory, in passes over its 32 banks.
struct SharedAccess {
  std::string instruction;
  uint64_t passes = 0;
  uint64_t conflicts = 0; ///< passes that distinct banks would have saved
};

/// What the launches of one kernel did.
struct KernelProfile {
  std::string kernel;
  uint64_t launches = 0;
  uint64_t instructions = 0;               ///< of threads
  std::map<uint32_t, SharedAccess> shared; ///< by PTX line
};

/// The table of the process's one simulated device. The first call and every
/// later one set the options; a change takes effect with the next launch, and
/// `chip` and `memoryBytes` only while no context is retained.
const cuda::CudaDriver &simulatedDriver(const SimulatorOptions &options = {});

/// Thread-instructions that launches have run since the last call of this
/// function: one PTX instruction of one thread is one.
uint64_t takeInstructionCount();

/// The kernels that ran since the last call of this function, by name.
std::vector<KernelProfile> takeProfile();

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_SIMULATOR_H
