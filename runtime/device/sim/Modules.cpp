//===- Modules.cpp - PTX modules, their functions and variables -----------===//
#include "runtime/device/sim/Modules.h"

#include "runtime/device/sim/Decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

using namespace netc::runtime::sim;

static void releaseVariables(Device &device, CUmod_st &module) {
  for (auto &[name, place] : module.variables)
    device.memory->release(place.first);
}

/// Room for the module's variables, filled with their initial values.
static bool placeVariables(Device &device, CUmod_st &module) {
  for (const Variable &variable : module.text.variables) {
    if (variable.space == Space::Shared || variable.bytes == 0)
      continue;
    uint64_t address = device.memory->allocate(variable.bytes, false);
    if (!address)
      return false;
    module.variables[std::string(variable.name)] = {address, variable.bytes};
    char *to = device.memory->host(address);
    std::memset(to, 0, variable.bytes);
    if (!variable.initial.empty())
      std::memcpy(to, variable.initial.data(), variable.initial.size());
  }
  return true;
}

CUresult netc::runtime::sim::loadModule(Device &device, CUmodule *to, const char *image) {
  if (std::strncmp(image,
                   "\x7f"
                   "ELF",
                   4) == 0 ||
      std::strncmp(image, "\x50\xed\x55\xba", 4) == 0)
    return device.refuse(CUDA_ERROR_NO_BINARY_FOR_GPU, "the simulator runs PTX text, not cubins");
  auto module = std::make_unique<CUmod_st>();
  try {
    module->text = parsePtx(image);
    if (module->text.accelerated && module->text.chip != device.chip.number)
      return device.refuse(CUDA_ERROR_NO_BINARY_FOR_GPU,
                           fmt::format("the PTX is for sm_{}a alone, the simulated chip is sm_{}",
                                       module->text.chip, device.chip.number));
    if (module->text.chip > device.chip.number)
      return device.refuse(CUDA_ERROR_NO_BINARY_FOR_GPU,
                           fmt::format("the PTX is for sm_{}, the simulated chip is sm_{}",
                                       module->text.chip, device.chip.number));
    if (!placeVariables(device, *module)) {
      releaseVariables(device, *module);
      return device.refuse(CUDA_ERROR_OUT_OF_MEMORY,
                           "no simulated memory for the variables of the module");
    }
    GlobalAddresses globals;
    for (const Variable &variable : module->text.variables)
      if (auto place = module->variables.find(std::string(variable.name));
          place != module->variables.end())
        globals[variable.name] = place->second.first;
    for (const Function &function : module->text.functions) {
      if (!function.isEntry)
        continue;
      auto entry = std::make_unique<CUfunc_st>();
      entry->module = module.get();
      entry->program =
          decodeEntry(module->text, function, globals, handlerTable(device.options.level));
      module->functions.push_back(std::move(entry));
    }
  } catch (const PtxError &error) {
    releaseVariables(device, *module);
    return device.refuse(CUDA_ERROR_INVALID_PTX, error.what());
  }
  *to = device.modules.add(std::move(module));
  return CUDA_SUCCESS;
}

void netc::runtime::sim::unloadModule(Device &device, CUmodule module) {
  releaseVariables(device, *module);
  device.modules.remove(module);
}

CUfunction netc::runtime::sim::findFunction(CUmodule module, const char *name) {
  for (const auto &function : module->functions)
    if (function->program.name == name)
      return function.get();
  return nullptr;
}

bool netc::runtime::sim::isFunction(const Device &device, CUfunction function) {
  for (const auto &[handle, module] : device.modules)
    for (const auto &each : handle->functions)
      if (each.get() == function)
        return true;
  return false;
}

/// The reason why the grid cannot run, or nothing.
static std::string launchFault(const Device &device, const CUfunc_st &function,
                               const Launch &launch) {
  const Program &program = function.program;
  const auto &block = launch.block, &grid = launch.grid;
  uint64_t threads = uint64_t(block[0]) * block[1] * block[2];
  for (unsigned axis = 0; axis < 3; ++axis)
    if (!block[axis] || !grid[axis])
      return "a grid or block without threads";
  if (threads > maximumThreadsPerBlock || block[0] > 1024 || block[1] > 1024 || block[2] > 64)
    return fmt::format(
        "a block of {} x {} x {} threads; the chip takes 1024, at most 1024 x 1024 x 64", block[0],
        block[1], block[2]);
  if (grid[0] > INT32_MAX || grid[1] > 65535 || grid[2] > 65535)
    return fmt::format("a grid of {} x {} x {} blocks; the chip takes 2147483647 x 65535 x 65535",
                       grid[0], grid[1], grid[2]);
  uint64_t shared = program.staticSharedBytes + launch.dynamicShared;
  if (program.staticSharedBytes > sharedWithoutOptIn)
    return fmt::format("{} bytes of static shared memory; 49152 are allowed",
                       program.staticSharedBytes);
  if (launch.dynamicShared > function.dynamicLimit)
    return fmt::format("{} bytes of dynamic shared memory; {} are allowed "
                       "(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)",
                       launch.dynamicShared, function.dynamicLimit);
  if (shared > uint64_t(device.chip.sharedPerBlock) * 1024)
    return fmt::format("{} bytes of shared memory; a block of sm_{} takes {}", shared,
                       device.chip.number, device.chip.sharedPerBlock * 1024);
  if (program.requiredThreads[0] && (program.requiredThreads != block))
    return fmt::format(
        "a block of {} x {} x {} threads; the kernel requires {} x {} x {} (.reqntid)", block[0],
        block[1], block[2], program.requiredThreads[0], program.requiredThreads[1],
        program.requiredThreads[2]);
  uint64_t most =
      uint64_t(program.maximumThreads[0]) * program.maximumThreads[1] * program.maximumThreads[2];
  if (most && threads > most)
    return fmt::format("a block of {} threads; the kernel takes {} (.maxntid)", threads, most);
  return {};
}

CUresult netc::runtime::sim::launch(Device &device, CUfunction function,
                                    std::array<uint32_t, 3> grid, std::array<uint32_t, 3> block,
                                    unsigned dynamicShared, CUstream_st &stream,
                                    void **parameters) {
  const Program &program = function->program;
  Launch launch{&program, grid, block, dynamicShared, std::vector<char>(program.parameterBytes)};
  if (std::string fault = launchFault(device, *function, launch); !fault.empty())
    return device.refuse(CUDA_ERROR_INVALID_VALUE,
                         fmt::format("launch of kernel {}: {}", program.name, fault));
  for (size_t index = 0; index < program.parameters.size(); ++index) {
    if (!parameters || !parameters[index])
      return device.refuse(
          CUDA_ERROR_INVALID_VALUE,
          fmt::format("launch of kernel {}: no value of parameter {}", program.name, index));
    auto [offset, bytes] = program.parameters[index];
    std::memcpy(launch.parameters.data() + offset, parameters[index], bytes);
  }
  device.enqueue(stream, [&device, launch = std::move(launch)] { device.runKernel(launch); });
  return CUDA_SUCCESS;
}

int netc::runtime::sim::occupancy(const Device &device, const CUfunc_st &function, unsigned threads,
                                  size_t dynamicShared) {
  unsigned rounded = (threads + 31) / 32 * 32;
  uint64_t shared = function.program.staticSharedBytes + dynamicShared + 1024; // the system's own
  if (!threads || threads > maximumThreadsPerBlock ||
      shared > uint64_t(device.chip.sharedPerBlock) * 1024 + 1024)
    return 0;
  uint64_t byShared = uint64_t(device.chip.sharedPerProcessor) * 1024 / shared;
  return int(std::min<uint64_t>({device.chip.threadsPerProcessor / rounded, byShared, 32}));
}
