// Several processes that train one model: here threads, or one that has nobody to talk to.
#include "runtime/comm/Communicator.h"
#include "runtime/train/Trainer.h"
#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>

#include <barrier>
#include <cstring>
#include <thread>

using namespace netc::runtime;

namespace {
/// A rank whose others do not answer; it counts what it asks them for.
class Alone : public Communicator {
public:
  explicit Alone(unsigned rank) : own(rank) {}
  int broadcasts = 0, barriers = 0;

  unsigned rank() const override { return own; }
  unsigned size() const override { return 2; }
  void sumShards(std::span<float *const>, int64_t, int64_t) override {}
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
  std::vector<float *> shards;
};

/// Ranks are threads. Calls that do not match would hang.
class Threads : public Communicator {
public:
  Threads(Meeting &meeting, unsigned rank) : meeting(meeting), own(rank) {}
  unsigned rank() const override { return own; }
  unsigned size() const override { return meeting.ranks; }
  void sumShards(std::span<float *const> parts, int64_t shards, int64_t count) override {
    if (isRoot())
      meeting.shards.assign(size_t(shards), nullptr);
    barrier();
    std::copy(parts.begin(), parts.end(), meeting.shards.begin() + own * parts.size());
    barrier();
    // Each addition by the process that has the shard it goes to.
    for (ShardAddition addition : reductionTree(shards)) {
      if (addition.into / int64_t(parts.size()) == own)
        for (int64_t i = 0; i < count; ++i)
          meeting.shards[size_t(addition.into)][i] += meeting.shards[size_t(addition.from)][i];
      barrier();
    }
    std::copy_n(meeting.shards[0], own == 0 ? 0 : count, parts[0]);
    barrier();
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

static TrainOptions trainingIn(const std::string &out) {
  TrainOptions options;
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
    int code = train(*netc_models[0], trainingIn(folder / "out"), communicator);
    std::string out = testing::internal::GetCapturedStdout(),
                err = testing::internal::GetCapturedStderr();
    EXPECT_EQ(code, 0);
    EXPECT_EQ(out.empty(), rank != 0) << out;
    EXPECT_EQ(err, "");
    EXPECT_EQ(std::filesystem::exists(folder / "out"), rank == 0);
    EXPECT_GT(communicator.broadcasts, 0);
    EXPECT_EQ(communicator.barriers, 2); // a save each epoch
  }
  for (const char *file : {"model.safetensors", "metrics.jsonl", "recipe.json", "report.html",
                           "checkpoint/checkpoint.json"})
    EXPECT_TRUE(std::filesystem::exists(folder / ("out/" + std::string(file)))) << file;
}

TEST(Communicator, TwoProcessesLeaveTheFilesOfOne) {
  ScratchFolder folder;
  testing::internal::CaptureStdout();
  EXPECT_EQ(train(*netc_models[0], trainingIn(folder / "one")), 0);
  Meeting meeting(2);
  int codes[2] = {-1, -1};
  auto run = [&](unsigned rank) {
    Threads communicator(meeting, rank);
    codes[rank] = train(*netc_models[0], trainingIn(folder / "two"), communicator);
  };
  std::thread other(run, 1);
  run(0);
  other.join();
  testing::internal::GetCapturedStdout();
  EXPECT_EQ(codes[0], 0);
  EXPECT_EQ(codes[1], 0);
  EXPECT_EQ(contents(folder / "one"), contents(folder / "two"));
}
