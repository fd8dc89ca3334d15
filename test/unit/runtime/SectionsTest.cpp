// Groups of images pass a section together: the same results, less of the arena, and no group where
// a cache does not help.
#include "runtime/base/Error.h"
#include "runtime/device/cpu/CpuDevice.h"
#include "runtime/exec/Executor.h"
#include "runtime/system/CacheSize.h"
#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

using namespace netc::runtime;

static constexpr int64_t pixels = 28 * 28;
static std::vector<int64_t> launched; // the n of each launch

static float *floats(char *bytes) { return reinterpret_cast<float *>(bytes); }

/// [n, pixels] -> twice that.
static void doubleKernel(char *const *buffers, char *, int64_t n, int64_t begin, int64_t end) {
  if (begin == 0)
    launched.push_back(n);
  for (int64_t i = begin * pixels; i < end * pixels; ++i)
    floats(buffers[1])[i] = 2 * floats(buffers[0])[i];
}

/// [n, pixels] -> [n, 10]: the first ten.
static void firstKernel(char *const *buffers, char *, int64_t n, int64_t begin, int64_t end) {
  if (begin == 0)
    launched.push_back(n);
  for (int64_t i = begin; i < end; ++i)
    std::memcpy(floats(buffers[1]) + i * 10, floats(buffers[0]) + i * pixels, 10 * sizeof(float));
}

namespace {
/// The toy's description with another program: input, doubled in the group's part, doubled again in
/// the batch's, output.
struct Doubling {
  static constexpr uint64_t image = pixels * 4;
  static constexpr uint32_t written = NETC_BUFFER_WRITTEN;
  static constexpr uint16_t f32 = NETC_TYPE_F32;
  NetcKernel kernels[2] = {{doubleKernel, "double", 0}, {firstKernel, "first", 0}};
  NetcBuffer buffers[6] = {{NETC_SPACE_INPUT, f32, 0, 0, image, 0},
                           {NETC_SPACE_ARENA_GROUP, f32, written, 64, image, 0},
                           {NETC_SPACE_ARENA_GROUP, f32, 0, 64, image, 0},
                           {NETC_SPACE_ARENA_IMAGE, f32, written, 0, image, 0},
                           {NETC_SPACE_ARENA_IMAGE, f32, 0, 0, image, 0},
                           {NETC_SPACE_OUTPUT, f32, written, 0, 40, 0}};
  NetcCommand commands[3] = {{0, 0, 2, UINT32_MAX, 1, 1, 1, 0},
                             {0, 2, 2, UINT32_MAX, 1, 1, 1, 0},
                             {1, 4, 2, UINT32_MAX, 1, 1, 1, 0}};
  NetcSection sections[2] = {{2, image, image + 64, 2 * image, 0}, {1, image, 0, image, 0}};
  NetcModel model = *netc_models[0];
  ModelInfo info;

  Doubling() {
    model.kernels = kernels;
    model.kernel_count = 2;
    model.buffers = buffers;
    model.buffer_count = 6;
    model.prepare = model.step = model.update = model.norm = model.accumulate = NetcProgram{};
    model.infer = {commands, 3, 2 * image + 64, 0, sections, 2};
    info = readModel(model);
  }

  std::vector<float> run(int64_t n, uint64_t cache, unsigned threads = 2) {
    ThreadPool pool(threads);
    Executor executor(model, info, pool);
    executor.device().fillCache(cache);
    executor.reserve(n, false);
    for (int64_t i = 0; i < n * pixels; ++i)
      executor.at<float>(NETC_SPACE_INPUT)[i] = float(i % 1000);
    launched.clear();
    executor.run(Program::Infer, n);
    const float *output = executor.at<float>(NETC_SPACE_OUTPUT);
    return {output, output + n * 10};
  }
};
} // namespace

static std::vector<float> expected(int64_t n) {
  std::vector<float> result;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < 10; ++j)
      result.push_back(4 * float((i * pixels + j) % 1000));
  return result;
}

TEST(Sections, GroupsGiveWhatWholeBatchesGive) {
  Doubling doubling;
  EXPECT_EQ(doubling.run(7, 0), expected(7));
  EXPECT_EQ(launched, (std::vector<int64_t>{7, 7, 7}));
  // Three images of the first section fit, six of the second: groups as even as can be.
  EXPECT_EQ(doubling.run(7, 6 * Doubling::image), expected(7));
  EXPECT_EQ(launched, (std::vector<int64_t>{3, 3, 3, 3, 1, 1, 4, 3}));
  EXPECT_EQ(doubling.run(8, 6 * Doubling::image, 3), expected(8));
  EXPECT_EQ(launched, (std::vector<int64_t>{3, 3, 3, 3, 2, 2, 4, 4}));
}

TEST(Sections, WeightsLeaveLessRoomAndMuchOfThemNone) {
  ThreadPool pool(1);
  CpuDevice device(pool);
  device.fillCache(1000);
  auto size = [&](uint64_t live, uint64_t weights) {
    return device.groupSize({1, 0, 0, live, weights}, 64);
  };
  EXPECT_EQ(size(100, 0), 10);
  EXPECT_EQ(size(100, 500), 5);
  EXPECT_EQ(size(100, 501), 64); // each group would read them again
  EXPECT_EQ(size(1001, 0), 64);  // not one image fits
  EXPECT_EQ(size(10, 0), 64);
}

TEST(Sections, TheArenaHoldsOneGroup) {
  Doubling doubling;
  ThreadPool pool(1);
  CpuDevice device(pool);
  device.fillCache(0);
  uint64_t whole = 8 * (2 * Doubling::image + 64);
  EXPECT_EQ(device.arenaBytes(doubling.model.infer, 8), whole);
  device.fillCache(4 * Doubling::image);
  uint64_t groups = 8 * Doubling::image + 2 * (Doubling::image + 64);
  EXPECT_EQ(device.arenaBytes(doubling.model.infer, 8), groups);

  // And so does what the executor says it needs.
  Executor executor(doubling.model, doubling.info, pool);
  executor.device().fillCache(0);
  uint64_t before = executor.need(8, false, 1).machine;
  executor.device().fillCache(4 * Doubling::image);
  EXPECT_EQ(before - executor.need(8, false, 1).machine, whole - groups);
}

TEST(Sections, ARaggedLastBatchFitsTheArenaOfWholeOnes) {
  Doubling doubling;
  // Nine images of the first section: ten pass in groups of five, nine at once.
  constexpr uint64_t cache = 18 * Doubling::image;
  ThreadPool pool(1);
  CpuDevice device(pool);
  device.fillCache(cache);
  uint64_t before = 0;
  for (int64_t n = 1; n <= 40; ++n) {
    uint64_t arena = device.arenaBytes(doubling.model.infer, n);
    EXPECT_GE(arena, before) << n;
    before = arena;
  }
  EXPECT_EQ(device.groupSize(doubling.sections[0], 10), 5);
  Executor executor(doubling.model, doubling.info, pool);
  executor.device().fillCache(cache);
  executor.reserve(10, false);
  for (int64_t i = 0; i < 9 * pixels; ++i)
    executor.at<float>(NETC_SPACE_INPUT)[i] = float(i % 1000);
  executor.run(Program::Infer, 9);
  const float *output = executor.at<float>(NETC_SPACE_OUTPUT);
  EXPECT_EQ(std::vector<float>(output, output + 90), expected(9));
}

TEST(Sections, SecondsAndObserversAddUpGroups) {
  Doubling doubling;
  ThreadPool pool(1);
  Executor executor(doubling.model, doubling.info, pool);
  executor.device().fillCache(6 * Doubling::image);
  executor.reserve(7, false);
  std::vector<double> seconds;
  std::vector<uint64_t> heard;
  Watch watch;
  watch.seconds = &seconds;
  watch.after = [&](uint64_t command) {
    heard.push_back(command);
    return true;
  };
  executor.run(Program::Infer, 7, &watch);
  ASSERT_EQ(seconds.size(), 3u);
  EXPECT_GT(*std::min_element(seconds.begin(), seconds.end()), 0);
  EXPECT_EQ(heard, (std::vector<uint64_t>{0, 1, 0, 1, 0, 1, 2, 2}));
}

TEST(Sections, ThatDoNotCoverTheCommandsAreDamage) {
  Doubling doubling;
  doubling.sections[0].command_count = 1;
  ThreadPool pool(1);
  EXPECT_HAS(errorOf([&] { Executor(doubling.model, doubling.info, pool); }),
             "sections have 2 commands of 3");
}

TEST(CacheSize, TakesTheLargestThatTheSystemTells) {
  ScratchFolder folder;
  EXPECT_EQ(lastCacheBytes(folder.path, 3), 0u);
  auto write = [&](int index, const std::string &size) {
    std::filesystem::path cache = folder / ("cpu3/cache/index" + std::to_string(index));
    std::filesystem::create_directories(cache);
    std::ofstream(cache / "size") << size << "\n";
  };
  write(0, "32K");
  write(1, "32K");
  write(2, "2048K");
  EXPECT_EQ(lastCacheBytes(folder.path, 3), uint64_t(2) << 20);
  write(3, "16M");
  EXPECT_EQ(lastCacheBytes(folder.path, 3), uint64_t(16) << 20);
  write(3, "lots"); // what cannot be read counts as nothing
  EXPECT_EQ(lastCacheBytes(folder.path, 3), uint64_t(2) << 20);
  EXPECT_GE(firstCpu(), 0);
}
