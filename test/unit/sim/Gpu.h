//===- Gpu.h - kernels of a test on the simulated GPU -----------*- C++ -*-===//
#ifndef NETC_TEST_UNIT_SIM_GPU_H
#define NETC_TEST_UNIT_SIM_GPU_H

#include "runtime/device/sim/Simulator.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace netc::test {

using namespace netc::runtime::cuda;
using netc::runtime::sim::SimulatorOptions;

/// A context of its own on the simulated device; everything ends with it.
class Gpu {
public:
  explicit Gpu(const SimulatorOptions &options = {})
      : cu(netc::runtime::sim::simulatedDriver(options)) {
    CUcontext context;
    EXPECT_EQ(cu.init(0), CUDA_SUCCESS);
    EXPECT_EQ(cu.devicePrimaryCtxRetain(&context, 0), CUDA_SUCCESS);
    EXPECT_EQ(cu.ctxSetCurrent(context), CUDA_SUCCESS);
  }
  ~Gpu() { cu.devicePrimaryCtxRelease(0); }

  const CudaDriver &cu;

  /// A module of PTX 8.0 around `body`; "" or why it does not load. `assembles`: ptxas is to take
  /// it too, which costs a process.
  std::string load(const std::string &body, const std::string &target = "sm_80",
                   bool assembles = true);
  std::string loadText(const std::string &text) {
    CUresult result = cu.moduleLoadDataEx(&module, text.c_str(), 0, nullptr, nullptr);
    return result == CUDA_SUCCESS ? "" : cu.lastReport();
  }

  template <typename T> CUdeviceptr upload(const std::vector<T> &values) {
    CUdeviceptr address = 0;
    EXPECT_EQ(cu.memAlloc(&address, values.size() * sizeof(T)), CUDA_SUCCESS);
    EXPECT_EQ(cu.memcpyHtoD(address, values.data(), values.size() * sizeof(T)), CUDA_SUCCESS);
    return address;
  }
  template <typename T> std::vector<T> download(CUdeviceptr address, size_t count) {
    std::vector<T> values(count);
    EXPECT_EQ(cu.memcpyDtoH(values.data(), address, count * sizeof(T)), CUDA_SUCCESS)
        << cu.lastReport();
    return values;
  }

  struct Shape {
    unsigned grid = 1, block = 32, shared = 0;
  };
  /// Launches `k` and waits: the report of a finding, or "".
  template <typename... Args> std::string run(Shape shape, Args... arguments) {
    return runNamed("k", shape, arguments...);
  }
  template <typename... Args>
  std::string runNamed(const char *name, Shape shape, Args... arguments) {
    CUfunction function;
    if (cu.moduleGetFunction(&function, module, name) != CUDA_SUCCESS)
      return std::string("no kernel ") + name;
    void *parameters[] = {&arguments..., nullptr};
    CUresult result = cu.launchKernel(function, shape.grid, 1, 1, shape.block, 1, 1, shape.shared,
                                      nullptr, parameters, nullptr);
    if (result == CUDA_SUCCESS)
      result = cu.ctxSynchronize();
    return result == CUDA_SUCCESS ? "" : std::string(cu.lastReport());
  }

  CUmodule module = nullptr;
};

/// Runs `body`, which leaves one 32-bit word in %r0 from the words %r1, %r2 and %r3
/// of each lane; also there: %f as 64-bit %d0-%d9, %p0-%p9, %h0-%h9 (16 bits), %q0-%q9
/// (more words), %lane.
std::vector<uint32_t> evaluate(const std::string &body, const std::vector<uint32_t> &a,
                               const std::vector<uint32_t> &b = {},
                               const std::vector<uint32_t> &c = {});

/// One lane of evaluate().
inline uint32_t evaluateOne(const std::string &body, uint32_t a = 0, uint32_t b = 0,
                            uint32_t c = 0) {
  return evaluate(body, {a}, {b}, {c})[0];
}

inline uint32_t bits(float value) {
  uint32_t result;
  std::memcpy(&result, &value, 4);
  return result;
}
inline float real(uint32_t bits) {
  float result;
  std::memcpy(&result, &bits, 4);
  return result;
}

/// The kernels that evaluate() has run, and one of them again.
std::vector<std::string> evaluatedKernels();
std::vector<uint32_t> runKernel(const SimulatorOptions &options, const std::string &kernel,
                                const std::vector<uint32_t> &a, const std::vector<uint32_t> &b,
                                const std::vector<uint32_t> &c);

/// What Gpu::load has loaded without a complaint, each text once; what evaluate() runs
/// is one module of many kernels.
std::vector<std::string> loadedModules();

} // namespace netc::test

#endif // NETC_TEST_UNIT_SIM_GPU_H
