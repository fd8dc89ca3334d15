//===- StreamTest.cpp - streams, events, graphs, launch limits ------------===//
#include "test/unit/sim/Gpu.h"

using namespace netc::test;

// out[t] = 2 in[t] + 1
static const char *twicePlusOne = R"(
.visible .entry k(.param .u64 out, .param .u64 in) {
  .reg .b32 %r<4>;
  .reg .b64 %d<5>;
  mov.u32 %r0, %tid.x;
  mul.wide.u32 %d1, %r0, 4;
  ld.param.u64 %d2, [in];
  add.s64 %d2, %d2, %d1;
  ld.global.b32 %r1, [%d2];
  shl.b32 %r1, %r1, 1;
  add.u32 %r1, %r1, 1;
  ld.param.u64 %d3, [out];
  add.s64 %d3, %d3, %d1;
  st.global.b32 [%d3], %r1;
  ret;
})";

namespace {
struct Streams : testing::Test {
  explicit Streams(SimulatorOptions options = quiet()) : gpu(options), cu(gpu.cu) {
    EXPECT_EQ(gpu.load(twicePlusOne), "");
    EXPECT_EQ(cu.moduleGetFunction(&function, gpu.module, "k"), CUDA_SUCCESS);
    EXPECT_EQ(cu.streamCreate(&first, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    EXPECT_EQ(cu.streamCreate(&second, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    a = gpu.upload(std::vector<uint32_t>(32, 5));
    b = gpu.upload(std::vector<uint32_t>(32, 0));
    EXPECT_EQ(cu.memHostAlloc(reinterpret_cast<void **>(&host), 128, 0), CUDA_SUCCESS);
    std::memset(host, 0, 128);
  }
  static SimulatorOptions quiet() {
    SimulatorOptions options;
    options.checks = false; // nothing runs before somebody waits
    return options;
  }
  CUresult launch(CUstream stream, CUdeviceptr out, CUdeviceptr in) {
    void *parameters[] = {&out, &in};
    return cu.launchKernel(function, 1, 1, 1, 32, 1, 1, 0, stream, parameters, nullptr);
  }
  Gpu gpu;
  const CudaDriver &cu;
  CUfunction function;
  CUstream first, second;
  CUdeviceptr a, b;
  uint32_t *host = nullptr;
};
} // namespace

TEST_F(Streams, NothingHappensBeforeItIsWaitedFor) {
  ASSERT_EQ(launch(first, b, a), CUDA_SUCCESS);
  ASSERT_EQ(cu.memcpyDtoHAsync(host, b, 128, first), CUDA_SUCCESS);
  EXPECT_EQ(host[0], 0u);
  uint32_t word = 0; // the default stream does not wait for a non-blocking one
  ASSERT_EQ(cu.memcpyDtoH(&word, b, 4), CUDA_SUCCESS);
  EXPECT_EQ(word, 0u);
  ASSERT_EQ(cu.streamSynchronize(first), CUDA_SUCCESS);
  EXPECT_EQ(host[31], 11u);
}

TEST_F(Streams, EventsOrderStreams) {
  CUevent done;
  ASSERT_EQ(cu.eventCreate(&done, CU_EVENT_DISABLE_TIMING), CUDA_SUCCESS);
  ASSERT_EQ(launch(first, b, a), CUDA_SUCCESS);
  ASSERT_EQ(launch(second, a, b), CUDA_SUCCESS); // does not wait: b is still 0
  ASSERT_EQ(cu.streamSynchronize(second), CUDA_SUCCESS);
  EXPECT_EQ(gpu.download<uint32_t>(a, 1)[0], 1u);
  ASSERT_EQ(cu.streamSynchronize(first), CUDA_SUCCESS);
  EXPECT_EQ(gpu.download<uint32_t>(b, 1)[0], 3u);

  ASSERT_EQ(launch(first, b, a), CUDA_SUCCESS); // b = 3
  ASSERT_EQ(cu.eventRecord(done, first), CUDA_SUCCESS);
  ASSERT_EQ(cu.streamWaitEvent(second, done, 0), CUDA_SUCCESS);
  ASSERT_EQ(launch(second, a, b), CUDA_SUCCESS); // a = 7
  EXPECT_EQ(cu.eventQuery(done), CUDA_ERROR_NOT_READY);
  ASSERT_EQ(cu.streamSynchronize(second), CUDA_SUCCESS);
  EXPECT_EQ(cu.eventQuery(done), CUDA_SUCCESS);
  EXPECT_EQ(gpu.download<uint32_t>(a, 1)[0], 7u);
}

TEST_F(Streams, PinnedMemoryIsReadLate) {
  host[0] = 1;
  ASSERT_EQ(cu.memcpyHtoDAsync(a, host, 4, first), CUDA_SUCCESS);
  host[0] = 2; // too early: the copy has not happened
  uint32_t pageable = 8;
  ASSERT_EQ(cu.memcpyHtoDAsync(a + 4, &pageable, 4, first), CUDA_SUCCESS);
  pageable = 9; // staged by the driver
  ASSERT_EQ(cu.streamSynchronize(first), CUDA_SUCCESS);
  EXPECT_EQ(gpu.download<uint32_t>(a, 2), (std::vector<uint32_t>{2, 8}));
}

TEST_F(Streams, BlockingStreamsKeepOrderWithTheDefaultStream) {
  CUstream blocking;
  ASSERT_EQ(cu.streamCreate(&blocking, CU_STREAM_DEFAULT), CUDA_SUCCESS);
  ASSERT_EQ(launch(blocking, b, a), CUDA_SUCCESS); // b = 11
  ASSERT_EQ(launch(nullptr, a, b), CUDA_SUCCESS);  // a = 23
  ASSERT_EQ(launch(blocking, b, a), CUDA_SUCCESS); // b = 47
  ASSERT_EQ(cu.streamSynchronize(blocking), CUDA_SUCCESS);
  EXPECT_EQ(gpu.download<uint32_t>(b, 1)[0], 47u);
}

TEST_F(Streams, GraphsReplayWhatWasCaptured) {
  CUgraph graph;
  CUgraphExec step;
  CUevent fork;
  ASSERT_EQ(cu.eventCreate(&fork, CU_EVENT_DISABLE_TIMING), CUDA_SUCCESS);
  ASSERT_EQ(cu.streamBeginCapture(first, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_SUCCESS);
  ASSERT_EQ(launch(first, b, a), CUDA_SUCCESS);
  ASSERT_EQ(cu.eventRecord(fork, first), CUDA_SUCCESS);
  ASSERT_EQ(cu.streamWaitEvent(second, fork, 0), CUDA_SUCCESS);
  ASSERT_EQ(launch(second, a, b), CUDA_SUCCESS); // captured, too
  ASSERT_EQ(cu.memcpyDtoHAsync(host, a, 128, first), CUDA_SUCCESS);
  ASSERT_EQ(cu.memsetD32Async(b, 100, 32, first), CUDA_SUCCESS);
  ASSERT_EQ(cu.streamEndCapture(first, &graph), CUDA_SUCCESS);
  EXPECT_EQ(gpu.download<uint32_t>(a, 1)[0], 5u);
  ASSERT_EQ(cu.graphInstantiate(&step, graph, 0), CUDA_SUCCESS);
  ASSERT_EQ(cu.graphDestroy(graph), CUDA_SUCCESS);
  ASSERT_EQ(cu.graphLaunch(step, first), CUDA_SUCCESS);
  ASSERT_EQ(cu.graphLaunch(step, first), CUDA_SUCCESS);
  ASSERT_EQ(cu.streamSynchronize(first), CUDA_SUCCESS);
  EXPECT_EQ(host[0], 95u); // 5 → 11 → 23 → 47 → 95
  EXPECT_EQ(gpu.download<uint32_t>(b, 1)[0], 100u);
  EXPECT_EQ(cu.graphExecDestroy(step), CUDA_SUCCESS);
  EXPECT_EQ(cu.graphLaunch(step, first), CUDA_ERROR_INVALID_HANDLE);
}

TEST_F(Streams, WaitingDuringCaptureInvalidatesIt) {
  CUgraph graph;
  ASSERT_EQ(cu.streamBeginCapture(first, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_SUCCESS);
  ASSERT_EQ(launch(first, b, a), CUDA_SUCCESS);
  EXPECT_EQ(cu.streamSynchronize(first), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  EXPECT_EQ(cu.streamEndCapture(first, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
}

TEST_F(Streams, ElapsedTime) {
  CUevent start, end;
  float milliseconds = -1;
  ASSERT_EQ(cu.eventCreate(&start, 0), CUDA_SUCCESS);
  ASSERT_EQ(cu.eventCreate(&end, 0), CUDA_SUCCESS);
  ASSERT_EQ(cu.eventRecord(start, first), CUDA_SUCCESS);
  ASSERT_EQ(launch(first, b, a), CUDA_SUCCESS);
  ASSERT_EQ(cu.eventRecord(end, first), CUDA_SUCCESS);
  EXPECT_EQ(cu.eventElapsedTime(&milliseconds, start, end), CUDA_ERROR_NOT_READY);
  ASSERT_EQ(cu.eventSynchronize(end), CUDA_SUCCESS);
  ASSERT_EQ(cu.eventElapsedTime(&milliseconds, start, end), CUDA_SUCCESS);
  EXPECT_GT(milliseconds, 0);
}

TEST_F(Streams, CopiesStayInTheirAllocations) {
  EXPECT_EQ(cu.memcpyHtoD(a + 64, host, 128), CUDA_ERROR_INVALID_VALUE);
  EXPECT_NE(std::string(cu.lastReport()).find("copy to the GPU of 128 bytes"), std::string::npos)
      << cu.lastReport();
  EXPECT_EQ(cu.memFree(a + 4), CUDA_ERROR_INVALID_VALUE);
  CUdeviceptr large;
  EXPECT_EQ(cu.memAlloc(&large, size_t(1) << 40), CUDA_ERROR_OUT_OF_MEMORY);
}

TEST_F(Streams, LaunchLimits) {
  auto launchAs = [&](unsigned grid, unsigned gridY, unsigned block, unsigned blockZ,
                      unsigned shared) {
    void *parameters[] = {&a, &b};
    return cu.launchKernel(function, grid, gridY, 1, block, 1, blockZ, shared, nullptr, parameters,
                           nullptr);
  };
  EXPECT_EQ(launchAs(1, 1, 1025, 1, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_NE(std::string(cu.lastReport()).find("a block of 1025 x 1 x 1 threads"),
            std::string::npos);
  EXPECT_EQ(launchAs(1, 1, 1, 65, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(launchAs(1, 65536, 32, 1, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(launchAs(0, 1, 32, 1, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(launchAs(1, 1, 32, 1, 49153), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cu.funcSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                163 * 1024 + 1),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(
      cu.funcSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 163 * 1024),
      CUDA_SUCCESS);
  EXPECT_EQ(launchAs(1, 1, 32, 1, 163 * 1024), CUDA_SUCCESS);
  EXPECT_EQ(cu.ctxSynchronize(), CUDA_SUCCESS);
}

TEST(Chips, HaveTheirLimits) {
  SimulatorOptions options;
  options.chip = 90;
  Gpu gpu(options);
  int value = 0;
  EXPECT_EQ(
      gpu.cu.deviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 0),
      CUDA_SUCCESS);
  EXPECT_EQ(value, 227 * 1024);
  EXPECT_EQ(gpu.cu.deviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0),
            CUDA_SUCCESS);
  EXPECT_EQ(value, 9);
}

TEST(Chips, NewerPtxDoesNotLoad) {
  SimulatorOptions options;
  options.chip = 75;
  Gpu gpu(options);
  EXPECT_EQ(gpu.load(twicePlusOne), "the PTX is for sm_80, the simulated chip is sm_75");
  EXPECT_EQ(gpu.loadText(".version 8.0\n.target sm_75\n.address_size 64\n.visible .entry k() { "
                         "cp.async.wait_all; ret; }"),
            "PTX line 4: instruction 'cp.async.wait_all' is not simulated: it needs .target sm_80 "
            "or newer, the module has sm_75");
}
