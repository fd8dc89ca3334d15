// The executor on a device with memory of its own: here one that runs the toy model's kernels on copies.
#include "runtime/Device.h"
#include "runtime/Executor.h"
#include "runtime/Initialize.h"
#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <map>

using namespace netc::runtime;

namespace {
class CopyingDevice : public Device {
public:
  std::map<NetcSpace, int> uploads, downloads, taken;

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
  void zero(NetcSpace space) override { std::fill(memory[space].begin(), memory[space].end(), 0); }
  void uploadAhead(NetcSpace space, const void *from, uint64_t bytes) override {
    const char *bytesFrom = static_cast<const char *>(from);
    ahead[space].assign(bytesFrom, bytesFrom + bytes);
  }
  void useAhead(NetcSpace space, uint64_t bytes) override {
    ++taken[space];
    std::memcpy(memory[space].data(), ahead[space].data(), bytes);
  }
  void run(const NetcProgram &program, uint64_t first, uint64_t last, int64_t n, std::vector<double> *) override {
    std::vector<char> scratch(1 << 20);
    for (uint64_t i = first; i < last; ++i) {
      const NetcCommand &command = program.commands[i];
      std::vector<char *> operands;
      for (uint32_t b = 0; b < command.buffer_count; ++b)
        operands.push_back(at(program, tables->buffers[command.first_buffer + b], n));
      tables->kernels[command.kernel].fn(operands.data(), scratch.data(), n, 0, gridItems(command, n));
    }
  }
  void read(const NetcProgram &program, const NetcBuffer &buffer, int64_t n, void *to) override {
    std::memcpy(to, at(program, buffer, n), uint64_t(n) * buffer.bytes_per_image + buffer.bytes_fixed);
  }
  void wait() override {}

private:
  char *at(const NetcProgram &program, const NetcBuffer &buffer, int64_t n) {
    if (buffer.space == NETC_SPACE_ARENA_IMAGE)
      return memory[NETC_SPACE_ARENA_IMAGE].data() + uint64_t(n) * buffer.offset;
    if (buffer.space == NETC_SPACE_ARENA_FIXED)
      return memory[NETC_SPACE_ARENA_IMAGE].data() + uint64_t(n) * program.arena_bytes_per_image + buffer.offset;
    return memory[buffer.space].data() + buffer.offset;
  }

  const NetcModel *tables = nullptr;
  std::array<std::vector<char>, NETC_SPACE_COUNT> memory, ahead;
};

/// An executor on a CopyingDevice.
struct OnDevice {
  static inline CopyingDevice *made = nullptr;
  NetcGpu gpu{nullptr, 0, [] { return static_cast<void *>(static_cast<Device *>(made = new CopyingDevice)); }};
  NetcModel model = *netc_models[0];
  ModelInfo info = readModel(model);
  ThreadPool pool{1};
  Executor executor{(model.gpu = &gpu, model), info, pool};
  CopyingDevice &device = *made;
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
    bits.append(executor.at<char>(NETC_SPACE_OUTPUT), size_t(n * executor.info().classes) * sizeof(float));
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
  on.executor.sendAhead(NETC_SPACE_INPUT, next.data(), 2);
  on.executor.bind(NETC_SPACE_INPUT, next.data());
  on.executor.run(Program::Step, 2);
  EXPECT_EQ(on.device.taken[NETC_SPACE_INPUT], 1);
  EXPECT_EQ(on.device.uploads[NETC_SPACE_INPUT], 0);
  on.executor.sendAhead(NETC_SPACE_INPUT, next.data(), 2);
  on.executor.bind(NETC_SPACE_INPUT, other.data());
  on.executor.run(Program::Step, 2);
  EXPECT_EQ(on.device.taken[NETC_SPACE_INPUT], 1);
  EXPECT_EQ(on.device.uploads[NETC_SPACE_INPUT], 1);
}
