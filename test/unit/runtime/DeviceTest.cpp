// The executor on a device with memory of its own: here one that runs the toy model's kernels on
// copies.
#include "runtime/data/Loader.h"
#include "runtime/device/MirroredDevice.h"
#include "runtime/exec/Diagnosis.h"
#include "runtime/exec/Executor.h"
#include "runtime/train/Initialize.h"
#include "runtime/train/Optimizer.h"
#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>

using namespace netc::runtime;

namespace {
class CopyingAccelerator : public Accelerator {
public:
  std::map<NetcSpace, int> uploads, downloads, taken;
  int pinned = 0;
  bool grantsPinned = true;

  void load(const NetcModel &model) override { tables = &model; }
  std::string describe() const override { return "a device of copies"; }
  uint64_t availableBytes() const override { return 1 << 28; }
  uint64_t heldBytes() const override { return 0; }
  void allocate(NetcSpace space, uint64_t bytes) override {
    if (memory[space].size() != bytes)
      memory[space].assign(bytes, 0);
  }
  void release(NetcSpace space) override { memory[space].clear(); }
  void upload(NetcSpace space, const void *from, uint64_t bytes) override {
    ++uploads[space];
    std::memcpy(memory[space].data(), from, bytes);
  }
  void download(NetcSpace space, void *to, uint64_t bytes) override {
    ++downloads[space];
    std::memcpy(to, memory[space].data(), bytes);
  }
  void zero(NetcSpace space, uint64_t offset, uint64_t bytes) override {
    ASSERT_LE(offset + bytes, memory[space].size());
    std::memset(memory[space].data() + offset, 0, bytes);
  }
  void exchange(NetcSpace one, NetcSpace other) override { std::swap(memory[one], memory[other]); }
  void *pin(uint64_t bytes) override {
    return grantsPinned ? (++pinned, std::malloc(bytes)) : nullptr;
  }
  void unpin(void *memory) override { --pinned, std::free(memory); }
  void uploadAhead(NetcSpace space, const void *from, uint64_t bytes) override {
    const char *bytesFrom = static_cast<const char *>(from);
    ahead[space].assign(bytesFrom, bytesFrom + bytes);
  }
  void useAhead(NetcSpace space, uint64_t bytes) override {
    ++taken[space];
    std::memcpy(memory[space].data(), ahead[space].data(), bytes);
  }
  void run(const NetcProgram &program, int64_t n, const Watch *watch) override {
    std::vector<char> scratch(1 << 20);
    for (uint64_t i = 0; i < program.command_count; ++i) {
      const NetcCommand &command = program.commands[i];
      std::vector<char *> operands;
      for (uint32_t b = 0; b < command.buffer_count; ++b)
        operands.push_back(at(program, tables->buffers[command.first_buffer + b], n));
      tables->kernels[command.kernel].fn(operands.data(), scratch.data(), n, 0,
                                         gridItems(command, n));
      if (watch && watch->after && !watch->after(i))
        return;
    }
  }
  void read(const NetcProgram &program, const NetcBuffer &buffer, int64_t n, void *to) override {
    std::memcpy(to, at(program, buffer, n),
                uint64_t(n) * buffer.bytes_per_image + buffer.bytes_fixed);
  }
  void wait() override {}

private:
  char *at(const NetcProgram &program, const NetcBuffer &buffer, int64_t n) {
    if (buffer.space == NETC_SPACE_ARENA_IMAGE)
      return memory[NETC_SPACE_ARENA_IMAGE].data() + uint64_t(n) * buffer.offset;
    if (buffer.space == NETC_SPACE_ARENA_FIXED)
      return memory[NETC_SPACE_ARENA_IMAGE].data() + uint64_t(n) * program.arena_bytes_per_image +
             buffer.offset;
    return memory[buffer.space].data() +
           (isPerImage(buffer.space) ? uint64_t(n) : 1) * buffer.offset;
  }

  const NetcModel *tables = nullptr;
  std::array<std::vector<char>, NETC_SPACE_COUNT> memory, ahead;
};

/// GRADIENTS to their norm.
void normKernel(char *const *buffers, char *, int64_t, int64_t, int64_t) {
  const float *values = reinterpret_cast<const float *>(buffers[0]);
  double sum = 0;
  for (uint64_t i = 0; i < netc_models[0]->parameter_bytes / sizeof(float); ++i)
    sum += double(values[i]) * values[i];
  reinterpret_cast<NetcHyper *>(buffers[1])->gradient_norm = float(std::sqrt(sum));
}

/// ACCUMULATED += batch_weight * GRADIENTS
void accumulateKernel(char *const *buffers, char *, int64_t, int64_t, int64_t) {
  float weight = reinterpret_cast<const NetcHyper *>(buffers[2])->batch_weight;
  for (uint64_t i = 0; i < netc_models[0]->parameter_bytes / sizeof(float); ++i)
    reinterpret_cast<float *>(buffers[0])[i] +=
        weight * reinterpret_cast<const float *>(buffers[1])[i];
}

/// The toy model with the programs that clip and add up gradients.
struct WholeModel {
  std::vector<NetcKernel> kernels{netc_models[0]->kernels,
                                  netc_models[0]->kernels + netc_models[0]->kernel_count};
  std::vector<NetcBuffer> buffers{netc_models[0]->buffers,
                                  netc_models[0]->buffers + netc_models[0]->buffer_count};
  NetcCommand norm{uint32_t(kernels.size()), uint32_t(buffers.size()), 2, UINT32_MAX, 1, 0, 0, 0};
  NetcCommand accumulate{norm.kernel + 1, norm.first_buffer + 2, 3, UINT32_MAX, 1, 0, 0, 0};
  NetcModel model = *netc_models[0];

  WholeModel() {
    uint64_t bytes = model.parameter_bytes;
    kernels.push_back({normKernel, "norm", 0});
    kernels.push_back({accumulateKernel, "accumulate", 0});
    buffers.push_back({NETC_SPACE_GRADIENTS, 0, 0, 0, bytes});
    buffers.push_back({NETC_SPACE_HYPER, NETC_BUFFER_WRITTEN, 0, 0, sizeof(NetcHyper)});
    buffers.push_back({NETC_SPACE_ACCUMULATED, NETC_BUFFER_WRITTEN, 0, 0, bytes});
    buffers.push_back({NETC_SPACE_GRADIENTS, 0, 0, 0, bytes});
    buffers.push_back({NETC_SPACE_HYPER, 0, 0, 0, sizeof(NetcHyper)});
    model.kernels = kernels.data(), model.kernel_count = kernels.size();
    model.buffers = buffers.data(), model.buffer_count = buffers.size();
    model.norm = {&norm, 1, 0, 0, nullptr, 0};
    model.accumulate = {&accumulate, 1, 0, 0, nullptr, 0};
  }
};

/// An executor on a device that mirrors a CopyingAccelerator.
struct OnDevice {
  static inline CopyingAccelerator *made = nullptr;
  static void *open() {
    auto accelerator = std::make_unique<CopyingAccelerator>();
    made = accelerator.get();
    return static_cast<Device *>(new MirroredDevice(std::move(accelerator)));
  }
  NetcGpu gpu{nullptr, 0, open};
  WholeModel whole;
  NetcModel &model = whole.model;
  ModelInfo info = readModel(model);
  ThreadPool pool{1};
  Executor executor{(model.gpu = &gpu, model), info, pool};
  CopyingAccelerator &device = *made;
};
} // namespace

static void fillBatch(Executor &executor, int64_t n, int seed) {
  for (int64_t i = 0; i < n * executor.info().inputElements(); ++i)
    executor.at<float>(NETC_SPACE_INPUT)[i] = std::sin(float(i + seed));
  for (int64_t i = 0; i < n; ++i)
    executor.at<int64_t>(NETC_SPACE_LABELS)[i] = (i * 7 + seed) % 10;
  executor.hyper().lr = 0.1f;
  executor.hyper().momentum = 0.9f;
}

/// Weights, optimizer state, a gradient and the outputs after three steps of changing batches.
static std::string trainBits(Executor &executor) {
  executor.reserve(20, true);
  initializeParameters(executor, 1);
  std::string bits;
  for (int i = 0; i < 3; ++i) {
    int64_t n = 20 - 3 * i;
    fillBatch(executor, n, i);
    executor.run(Program::Step, n);
    bits.append(executor.at<char>(NETC_SPACE_OUTPUT),
                size_t(n * executor.info().classes) * sizeof(float));
    executor.run(Program::Update, n);
  }
  bits.append(reinterpret_cast<char *>(executor.gradient(executor.info().parameters[0])), 64);
  bits.append(executor.at<char>(NETC_SPACE_PARAMETERS), executor.model().parameter_bytes);
  bits.append(executor.at<char>(NETC_SPACE_STATE), executor.model().state_bytes);
  return bits;
}

TEST(Device, TrainsAsWithoutOne) {
  ModelInfo info = readModel(*netc_models[0]);
  ThreadPool pool(1);
  Executor plain(*netc_models[0], info, pool);
  OnDevice other;
  EXPECT_EQ(trainBits(plain), trainBits(other.executor));
}

TEST(Device, CopiesOnlyWhatChanged) {
  OnDevice on;
  on.executor.reserve(4, true);
  initializeParameters(on.executor, 1);
  fillBatch(on.executor, 4, 0);
  for (int i = 0; i < 5; ++i) {
    on.executor.run(Program::Step, 4);
    on.executor.run(Program::Update, 4);
  }
  EXPECT_EQ(on.device.uploads[NETC_SPACE_PARAMETERS], 1);
  EXPECT_EQ(on.device.uploads[NETC_SPACE_INPUT], 1);
  EXPECT_EQ(on.device.downloads[NETC_SPACE_PARAMETERS], 0);
  on.executor.parameter(on.info.parameters[0]);
  on.executor.parameter(on.info.parameters[1]);
  EXPECT_EQ(on.device.downloads[NETC_SPACE_PARAMETERS], 1);
}

TEST(Device, TakesWhatWasSentAheadForThatMemoryAlone) {
  OnDevice on;
  on.executor.reserve(2, true);
  initializeParameters(on.executor, 1);
  fillBatch(on.executor, 2, 0);
  std::vector<float> next(size_t(2 * on.info.inputElements()), 0.5f), other(next.size(), 0.25f);
  on.executor.device().sendAhead(NETC_SPACE_INPUT, next.data(), 2);
  on.executor.bind(NETC_SPACE_INPUT, next.data());
  on.executor.run(Program::Step, 2);
  EXPECT_EQ(on.device.taken[NETC_SPACE_INPUT], 1);
  EXPECT_EQ(on.device.uploads[NETC_SPACE_INPUT], 0);
  on.executor.device().sendAhead(NETC_SPACE_INPUT, next.data(), 2);
  on.executor.bind(NETC_SPACE_INPUT, other.data());
  on.executor.run(Program::Step, 2);
  EXPECT_EQ(on.device.taken[NETC_SPACE_INPUT], 1);
  EXPECT_EQ(on.device.uploads[NETC_SPACE_INPUT], 1);
}

TEST(Device, GradientsAreJudgedWhereTheyLie) {
  OnDevice on;
  on.executor.reserve(4, true);
  initializeParameters(on.executor, 1);
  fillBatch(on.executor, 4, 0);
  on.executor.run(Program::Step, 4);
  EXPECT_TRUE(gradientsFinite(on.executor));
  on.executor.run(Program::Update, 4);
  EXPECT_EQ(on.device.downloads[NETC_SPACE_GRADIENTS], 0);
  EXPECT_EQ(on.device.uploads[NETC_SPACE_GRADIENTS], 1); // zeros, before the first step

  float *gradient = on.executor.gradient(on.info.parameters[0]);
  gradient[5] = NAN;
  EXPECT_FALSE(gradientsFinite(on.executor));
  on.executor.gradient(on.info.parameters[0])[5] = 3e38f; // its square is not finite
  on.executor.gradient(on.info.parameters[0])[6] = 3e38f;
  EXPECT_TRUE(gradientsFinite(on.executor));
}

/// Weights after two updates of two batches each, a parameter frozen, gradients clipped.
static std::string accumulatedBits(Executor &executor) {
  Recipe recipe;
  recipe.lr = 0.1;
  recipe.momentum = 0.9;
  recipe.accumulate = 2;
  recipe.clipNorm = 0.01;
  recipe.freeze = {"fc.bias"};
  executor.reserve(6, true);
  initializeParameters(executor, 1);
  Optimizer optimizer(recipe, executor);
  for (int i = 0; i < 4; ++i) {
    fillBatch(executor, 6, i);
    executor.run(Program::Step, 6);
    EXPECT_TRUE(gradientsFinite(executor));
    optimizer.accumulate(0.5, i % 2 == 0, i % 2 == 1);
    if (i % 2)
      optimizer.update(i / 2, 0.1, 6);
  }
  return {executor.at<char>(NETC_SPACE_PARAMETERS), executor.model().parameter_bytes};
}

TEST(Device, SumsOfGradientsStayThere) {
  WholeModel whole;
  ModelInfo info = readModel(whole.model);
  ThreadPool pool(1);
  Executor plain(whole.model, info, pool);
  OnDevice other;
  EXPECT_EQ(accumulatedBits(plain), accumulatedBits(other.executor));
  EXPECT_EQ(other.device.downloads[NETC_SPACE_GRADIENTS], 0);
  EXPECT_EQ(other.device.downloads[NETC_SPACE_ACCUMULATED], 0);
  EXPECT_LE(
      other.device.uploads[NETC_SPACE_GRADIENTS] + other.device.uploads[NETC_SPACE_ACCUMULATED], 2);
}

TEST(Device, TheLeanestStepIsChosenByItsOwnMemory) {
  OnDevice on;
  uint64_t need = on.executor.stepNeed(4, 4);
  EXPECT_GE(need, on.executor.stepNeed(1, 4) + 3 * 2 * uint64_t(on.info.inputElements()) *
                                                   sizeof(float)); // and the next batch
  EXPECT_EQ(on.executor.stepMemory(), uint64_t(1) << 28);
  on.executor.reserve(4, true);
  EXPECT_EQ(on.executor.stepNeed(4, 4), need);
}

TEST(Device, BatchesLieInPinnedMemoryWhereThereIsSome) {
  OnDevice on;
  {
    std::shared_ptr<char> memory = on.executor.device().batchMemory(100);
    ASSERT_TRUE(memory);
    EXPECT_EQ(on.device.pinned, 1);
  }
  EXPECT_EQ(on.device.pinned, 0);
  on.device.grantsPinned = false;
  EXPECT_FALSE(on.executor.device().batchMemory(100));
}

TEST(Device, FaultsAreFoundThere) {
  OnDevice on;
  on.executor.reserve(4, true);
  initializeParameters(on.executor, 1);
  fillBatch(on.executor, 4, 0);
  on.executor.parameter(on.info.parameters[0])[7] = 1e12f;
  on.executor.at<float>(NETC_SPACE_INPUT)[7] = 2;
  on.executor.run(Program::Step, 4);
  EXPECT_EQ(locateFault(on.executor, 4), "first in layer fc (linear), forward: 2e+12");
}

TEST(Device, AWatchedRunStopsWhereItIsTold) {
  OnDevice on;
  ModelInfo info = readModel(*netc_models[0]);
  ThreadPool pool(1);
  Executor plain(*netc_models[0], info, pool);
  for (Executor *executor : {&plain, &on.executor}) {
    executor->reserve(4, true);
    std::vector<uint64_t> heard;
    Watch watch;
    watch.after = [&](uint64_t command) {
      heard.push_back(command);
      return command < 1;
    };
    executor->run(Program::Step, 4, &watch);
    EXPECT_EQ(heard, (std::vector<uint64_t>{0, 1}));
  }
}

TEST(Device, SaysWhereItComputes) {
  ModelInfo info = readModel(*netc_models[0]);
  ThreadPool one(1), two(2);
  EXPECT_EQ(Executor(*netc_models[0], info, one).device().describe(), "1 thread");
  Executor cpu(*netc_models[0], info, two);
  EXPECT_EQ(cpu.device().describe(), "2 threads");
  OnDevice on;
  EXPECT_EQ(on.executor.device().describe(), "a device of copies");
  // The step's memory is this machine's on the CPU, the device's own elsewhere.
  EXPECT_EQ(cpu.need(4, true, 4).own, 0u);
  EXPECT_EQ(cpu.stepNeed(4, 4), cpu.need(4, true, 4).machine);
  EXPECT_EQ(on.executor.stepNeed(4, 4), on.executor.need(4, true, 4).own);
}
