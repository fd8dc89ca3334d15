// Several processes that train one model: here threads, or one that has nobody to talk to.
#include "runtime/comm/Communicator.h"
#include "runtime/train/Trainer.h"
#include "runtime/weights/Safetensors.h"
#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <barrier>
#include <cmath>
#include <cstring>
#include <thread>

using namespace netc::runtime;

namespace {
/// A rank whose others do not answer; it counts what it asks them for.
class Alone : public Communicator {
public:
  explicit Alone(unsigned rank) : own(rank) {}
  int broadcasts = 0, barriers = 0, sums = 0;

  unsigned rank() const override { return own; }
  unsigned size() const override { return 2; }
  void sumShards(std::span<float *const>, int64_t, int64_t) override { ++sums; }
  void sumShards(std::span<double *const>, int64_t, int64_t) override { ++sums; }
  void broadcast(void *, uint64_t) override { ++broadcasts; }
  void barrier() override { ++barriers; }

private:
  unsigned own;
};

/// What the threads of one program share.
struct Meeting {
  explicit Meeting(unsigned ranks) : ranks(ranks), everybody(ranks) {}
  unsigned ranks;
  std::barrier<> everybody;
  void *bytes = nullptr;
  std::vector<void *> shards;
};

/// Ranks are threads. Calls that do not match would hang.
class Threads : public Communicator {
public:
  Threads(Meeting &meeting, unsigned rank) : meeting(meeting), own(rank) {}
  unsigned rank() const override { return own; }
  unsigned size() const override { return meeting.ranks; }
  void sumShards(std::span<float *const> parts, int64_t shards, int64_t count) override {
    sumAll(parts, shards, count);
  }
  void sumShards(std::span<double *const> parts, int64_t shards, int64_t count) override {
    sumAll(parts, shards, count);
  }
  void broadcast(void *bytes, uint64_t size) override {
    if (isRoot())
      meeting.bytes = bytes;
    barrier();
    if (!isRoot())
      std::memcpy(bytes, meeting.bytes, size);
    barrier();
  }
  void barrier() override { meeting.everybody.arrive_and_wait(); }

private:
  template <typename T> void sumAll(std::span<T *const> parts, int64_t shards, int64_t count) {
    if (isRoot())
      meeting.shards.assign(size_t(shards), nullptr);
    barrier();
    std::copy(parts.begin(), parts.end(), meeting.shards.begin() + own * parts.size());
    barrier();
    auto shard = [&](int64_t index) { return static_cast<T *>(meeting.shards[size_t(index)]); };
    // Each addition by the process that has the shard it goes to.
    for (ShardAddition addition : reductionTree(shards)) {
      if (addition.into / int64_t(parts.size()) == own)
        for (int64_t i = 0; i < count; ++i)
          shard(addition.into)[i] += shard(addition.from)[i];
      barrier();
    }
    std::copy_n(shard(0), own == 0 ? 0 : count, parts[0]);
    barrier();
  }

  Meeting &meeting;
  unsigned own;
};
} // namespace

TEST(Communicator, TheTreeDependsOnTheNumberOfShardsAlone) {
  EXPECT_TRUE(reductionTree(1).empty());
  EXPECT_EQ(reductionTree(4), (std::vector<ShardAddition>{{0, 1}, {2, 3}, {0, 2}}));
  EXPECT_EQ(reductionTree(6), (std::vector<ShardAddition>{{0, 1}, {2, 3}, {4, 5}, {0, 2}, {0, 4}}));
  // Every other shard is added once, and is whole by then.
  for (int64_t shards = 1; shards < 70; ++shards) {
    std::vector<int64_t> holds(size_t(shards), 1);
    for (ShardAddition addition : reductionTree(shards)) {
      EXPECT_GT(holds[size_t(addition.from)], 0);
      holds[size_t(addition.into)] += std::exchange(holds[size_t(addition.from)], 0);
    }
    EXPECT_EQ(holds[0], shards);
  }
}

/// Values whose sum depends on the order: of large and small ones that cancel.
static std::vector<std::vector<float>> shardValues(int64_t shards, int64_t count) {
  std::vector<std::vector<float>> values;
  for (int64_t s = 0; s < shards; ++s) {
    values.emplace_back();
    for (int64_t i = 0; i < count; ++i)
      values.back().push_back(float((s % 2 ? -1e8 : 1e8) + double(s * 7 + i % 13)));
  }
  return values;
}

static std::vector<float *> pointers(std::vector<std::vector<float>> &values, size_t first,
                                     size_t count) {
  std::vector<float *> result;
  for (size_t i = first; i < first + count; ++i)
    result.push_back(values[i].data());
  return result;
}

TEST(Communicator, SumsAreTheSameBitsForAnyNumberOfProcesses) {
  constexpr int64_t shards = 8, count = 100;
  auto alone = shardValues(shards, count);
  SingleProcess().sumShards(pointers(alone, 0, shards), shards, count);
  auto first = shardValues(shards, count);
  EXPECT_EQ(alone[0][3], ((first[0][3] + first[1][3]) + (first[2][3] + first[3][3])) +
                             ((first[4][3] + first[5][3]) + (first[6][3] + first[7][3])));
  for (unsigned ranks : {2u, 4u, 8u}) {
    auto values = shardValues(shards, count);
    Meeting meeting(ranks);
    std::vector<std::thread> threads;
    size_t each = shards / ranks;
    for (unsigned rank = 0; rank < ranks; ++rank)
      threads.emplace_back([&, rank] {
        Threads(meeting, rank).sumShards(pointers(values, rank * each, each), shards, count);
      });
    for (std::thread &thread : threads)
      thread.join();
    for (unsigned rank = 0; rank < ranks; ++rank)
      EXPECT_EQ(values[rank * each], alone[0]) << ranks << " processes, rank " << rank;
  }
  EXPECT_HAS(errorOf([&] { SingleProcess().sumShards(pointers(alone, 0, 2), shards, count); }),
             "2 of 8 shards");
}

static TrainOptions trainingIn(const std::string &out, int64_t shards) {
  TrainOptions options;
  options.overrides.shards = shards;
  options.data = "synthetic:100";
  options.overrides.epochs = 2;
  options.overrides.batch = 32;
  options.out = out;
  return options;
}

TEST(Communicator, RankZeroAlonePrintsAndWrites) {
  ScratchFolder folder;
  for (unsigned rank : {1u, 0u}) {
    Alone communicator(rank);
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    int code = train(*netc_models[0], trainingIn(folder / "out", 2), communicator);
    std::string out = testing::internal::GetCapturedStdout(),
                err = testing::internal::GetCapturedStderr();
    EXPECT_EQ(code, 0);
    EXPECT_EQ(out.empty(), rank != 0) << out;
    EXPECT_EQ(err, "");
    EXPECT_EQ(std::filesystem::exists(folder / "out"), rank == 0);
    EXPECT_GT(communicator.broadcasts, 0);
    EXPECT_EQ(communicator.barriers, 2); // a save each epoch
    EXPECT_EQ(communicator.sums, 3 * 8); // gradients, statistics and figures of each batch
  }
  for (const char *file : {"model.safetensors", "metrics.jsonl", "recipe.json", "report.html",
                           "checkpoint/checkpoint.json"})
    EXPECT_TRUE(std::filesystem::exists(folder / ("out/" + std::string(file)))) << file;
}

/// Trains with as many threads as ranks, in `out`; their exit codes.
static std::vector<int> trainTogether(const std::string &out, unsigned ranks, int64_t shards) {
  Meeting meeting(ranks);
  std::vector<int> codes(ranks, -1);
  testing::internal::CaptureStdout();
  std::vector<std::thread> threads;
  for (unsigned rank = 0; rank < ranks; ++rank)
    threads.emplace_back([&, rank] {
      Threads communicator(meeting, rank);
      codes[rank] = train(*netc_models[0], trainingIn(out, shards), communicator);
    });
  for (std::thread &thread : threads)
    thread.join();
  testing::internal::GetCapturedStdout();
  return codes;
}

// 100 images in batches of 32 leave a batch of 4: with 8 shards some of it are empty.
TEST(Communicator, AnyNumberOfProcessesLeavesTheFilesOfOne) {
  ScratchFolder folder;
  for (int64_t shards : {2, 4, 8}) {
    std::string one = folder / fmt::format("one{}", shards);
    testing::internal::CaptureStdout();
    EXPECT_EQ(train(*netc_models[0], trainingIn(one, shards)), 0);
    testing::internal::GetCapturedStdout();
    for (unsigned ranks : {2u, 4u}) {
      if (shards % ranks)
        continue;
      std::string out = folder / fmt::format("{}of{}", ranks, shards);
      EXPECT_EQ(trainTogether(out, ranks, shards), std::vector<int>(ranks, 0));
      EXPECT_EQ(contents(one), contents(out)) << ranks << " processes, " << shards << " shards";
    }
  }
}

TEST(Communicator, ShardsChangeASumAndNoMore) {
  ScratchFolder folder;
  testing::internal::CaptureStdout();
  for (int64_t shards : {1, 4})
    EXPECT_EQ(train(*netc_models[0], trainingIn(folder / fmt::format("{}", shards), shards)), 0);
  testing::internal::GetCapturedStdout();
  Safetensors whole = Safetensors::read(folder / "1/model.safetensors"),
              cut = Safetensors::read(folder / "4/model.safetensors");
  ASSERT_FALSE(whole.tensors().empty());
  double largest = 0, difference = 0;
  for (const Tensor &tensor : whole.tensors()) {
    const Tensor *other = cut.find(tensor.name);
    ASSERT_TRUE(other);
    const float *a = reinterpret_cast<const float *>(tensor.data),
                *b = reinterpret_cast<const float *>(other->data);
    for (int64_t i = 0; i < tensor.elements(); ++i) {
      largest = std::max(largest, std::abs(double(a[i])));
      difference = std::max(difference, std::abs(double(a[i]) - double(b[i])));
    }
  }
  EXPECT_LT(difference, 1e-5 * largest);
}

TEST(Communicator, ProcessesMustDivideTheShards) {
  ScratchFolder folder;
  Alone communicator(0);
  EXPECT_HAS(errorOf([&] { train(*netc_models[0], trainingIn(folder / "out", 3), communicator); }),
             "2 processes cannot share the 3 shards of a batch");
  EXPECT_HAS(errorOf([&] { train(*netc_models[0], trainingIn(folder / "out", 33)); }),
             "batch 32 cannot be cut into 33 shards");
}

TEST(Communicator, OtherShardsAreAnotherRun) {
  ScratchFolder folder;
  testing::internal::CaptureStdout();
  EXPECT_EQ(train(*netc_models[0], trainingIn(folder / "out", 2)), 0);
  TrainOptions other = trainingIn(folder / "out", 4);
  other.resume = true;
  EXPECT_HAS(errorOf([&] { train(*netc_models[0], other); }), "shards was 2, is 4");
  testing::internal::GetCapturedStdout();
}
