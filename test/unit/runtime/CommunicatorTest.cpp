// Several processes that train one model: here threads, or one that has nobody to talk to.
#include "runtime/comm/ReductionTree.h"
#include "runtime/comm/TransportCommunicator.h"
#include "runtime/comm/TreeSum.h"
#include "runtime/train/Trainer.h"
#include "runtime/weights/Safetensors.h"
#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <barrier>
#include <cmath>
#include <cstring>
#include <numeric>
#include <thread>

using namespace netc::runtime;

namespace {
/// A rank whose others do not answer; it counts what it asks them for.
class Alone : public Communicator {
public:
  explicit Alone(unsigned rank) : own(rank) {}
  int broadcasts = 0, gathers = 0, barriers = 0, sums = 0, begun = 0;

  unsigned rank() const override { return own; }
  unsigned size() const override { return 2; }
  void sumNodes(std::span<float *const>, int64_t, int64_t) override { ++sums; }
  void sumNodes(std::span<double *const>, int64_t, int64_t) override { ++sums; }
  void beginSum(std::span<float *const>, int64_t, int64_t) override { ++begun; }
  void advanceSums() override {}
  void finishSums() override { ++sums; }
  std::string host() const override { return "here"; }
  std::vector<std::string> gather(const std::string &bytes) override {
    ++gathers;
    return {bytes, bytes};
  }
  void broadcast(void *, uint64_t) override { ++broadcasts; }
  void gatherValues(std::span<const float>, float *) override {}
  void barrier() override { ++barriers; }

private:
  unsigned own;
};

/// What the threads of one program share.
struct Meeting {
  explicit Meeting(unsigned ranks) : ranks(ranks), everybody(ranks), bytes(ranks), sizes(ranks) {}
  unsigned ranks;
  std::barrier<> everybody;
  std::vector<const void *> bytes; // by rank
  std::vector<const uint64_t *> sizes;
};
} // namespace

// A transport's functions know their process by the thread.
static thread_local Meeting *meeting;
static thread_local unsigned ownRank;

static void meet() { meeting->everybody.arrive_and_wait(); }

/// Shows everyone this rank's bytes while `look` looks at those of all. Calls that do not match
/// would hang.
template <typename Look> static void show(const void *bytes, const uint64_t *sizes, Look look) {
  meeting->bytes[ownRank] = bytes;
  meeting->sizes[ownRank] = sizes;
  meet();
  look();
  meet();
}

static const char *shown(unsigned rank) { return static_cast<const char *>(meeting->bytes[rank]); }

static void broadcastInThreads(void *bytes, uint64_t size) {
  show(bytes, nullptr, [&] {
    if (ownRank != 0)
      std::memcpy(bytes, shown(0), size);
  });
}

static void gatherInThreads(const void *bytes, uint64_t size, void *all) {
  show(bytes, nullptr, [&] {
    for (unsigned rank = 0; rank < meeting->ranks; ++rank)
      if (char *place = static_cast<char *>(all) + rank * size; place != shown(rank))
        std::memcpy(place, shown(rank), size);
  });
}

static void exchangeInThreads(const void *send, const uint64_t *sendBytes, void *receive,
                              const uint64_t *receiveBytes) {
  show(send, sendBytes, [&] {
    char *next = static_cast<char *>(receive);
    for (unsigned rank = 0; rank < meeting->ranks; ++rank) {
      const uint64_t *sizes = meeting->sizes[rank];
      EXPECT_EQ(sizes[ownRank], receiveBytes[rank]);
      std::memcpy(next, shown(rank) + std::accumulate(sizes, sizes + ownRank, uint64_t(0)),
                  receiveBytes[rank]);
      next += receiveBytes[rank];
    }
  });
}

// What goes on is over at once: the order of calls is that of the sums.
static char done;
static void *beginExchangeInThreads(const void *send, const uint64_t *sendBytes, void *receive,
                                    const uint64_t *receiveBytes) {
  exchangeInThreads(send, sendBytes, receive, receiveBytes);
  return &done;
}
static void *beginGatherInThreads(const void *bytes, uint64_t size, void *all) {
  gatherInThreads(bytes, size, all);
  return &done;
}
static int completeInThreads(void *, int) { return 1; }

/// Runs `body` as each of `ranks` processes, which are threads.
template <typename Body> static void runTogether(unsigned ranks, Body body) {
  Meeting together(ranks);
  std::vector<std::thread> threads;
  for (unsigned rank = 0; rank < ranks; ++rank)
    threads.emplace_back([&, rank] {
      meeting = &together;
      ownRank = rank;
      NetcTransport transport{};
      transport.rank = rank;
      transport.size = ranks;
      transport.host = "here";
      transport.library = "threads";
      transport.broadcast = broadcastInThreads;
      transport.gather = gatherInThreads;
      transport.exchange = exchangeInThreads;
      transport.begin_exchange = beginExchangeInThreads;
      transport.begin_gather = beginGatherInThreads;
      transport.complete = completeInThreads;
      transport.barrier = meet;
      TransportCommunicator communicator(transport);
      body(communicator);
    });
  for (std::thread &thread : threads)
    thread.join();
}

TEST(Communicator, TheTreeDependsOnTheNumberOfShardsAlone) {
  using Nodes = std::vector<ShardNode>;
  EXPECT_EQ(nodesWithin(0, 8, 8), (Nodes{{0, 8}}));
  EXPECT_EQ(nodesWithin(0, 7, 8), (Nodes{{0, 4}, {4, 6}, {6, 7}}));
  EXPECT_EQ(nodesWithin(0, 3, 6), (Nodes{{0, 2}, {2, 3}}));
  EXPECT_EQ(nodesWithin(3, 6, 6), (Nodes{{3, 4}, {4, 6}}));
  // Whole trees, of runs of any length too.
  for (int64_t shards = 1; shards < 70; ++shards) {
    EXPECT_EQ(nodesWithin(0, shards, shards), (Nodes{{0, shards}}));
    for (int64_t own = 1; own <= shards; ++own) {
      Nodes nodes;
      for (int64_t begin = 0; begin + own <= shards; begin += own)
        for (ShardNode node : nodesWithin(begin, begin + own, shards))
          appendNode(nodes, node, shards, [](size_t, size_t) {});
      if (shards % own == 0) {
        EXPECT_EQ(nodes, (Nodes{{0, shards}})) << shards << " shards in runs of " << own;
      }
    }
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

/// The sum of `values` as one of `ranks` processes makes it.
static std::vector<float> sumOf(Communicator &communicator,
                                const std::vector<std::vector<float>> &values, unsigned threads) {
  int64_t shards = int64_t(values.size()), own = shards / communicator.size();
  ShardRun run{shards, own * communicator.rank(), own};
  TreeSum<float> sum(run, int64_t(values[0].size()));
  ThreadPool pool(threads);
  sum.allocate();
  sum.begin();
  for (int64_t i = 0; i < own; ++i)
    sum.add(values[size_t(run.first + i)].data(), 1, pool);
  const float *result = sum.finish(communicator);
  return {result, result + values[0].size()};
}

TEST(Communicator, SumsAreTheSameBitsForAnyNumberOfProcesses) {
  // Few values, which every process adds; more than a block, and no multiple of it.
  for (auto [shards, count] :
       {std::pair<int64_t, int64_t>{8, 100}, {6, 100}, {8, 1'500'003}, {6, 1'100'001}}) {
    auto values = shardValues(shards, count);
    SingleProcess single;
    std::vector<float> alone = sumOf(single, values, 2);
    auto at = [&](int64_t shard) { return values[size_t(shard)][3]; };
    float ends = shards == 8 ? (at(4) + at(5)) + (at(6) + at(7)) : at(4) + at(5);
    EXPECT_EQ(alone[3], ((at(0) + at(1)) + (at(2) + at(3))) + ends);
    for (unsigned ranks : {2u, 3u, 4u, 8u}) {
      if (shards % ranks)
        continue;
      std::vector<std::vector<float>> sums(ranks);
      runTogether(ranks, [&](Communicator &communicator) {
        sums[communicator.rank()] = sumOf(communicator, values, 1);
      });
      for (unsigned rank = 0; rank < ranks; ++rank)
        EXPECT_EQ(sums[rank], alone) << ranks << " processes, rank " << rank;
    }
  }
}

/// The sum of `values` as `sumOf`, in pieces of several ranges that are begun one by one. Their
/// lengths are such that all processes have parts of one size.
static std::vector<float> piecewiseSumOf(Communicator &communicator,
                                         const std::vector<std::vector<float>> &values) {
  auto shards = int64_t(values.size()), own = shards / communicator.size(),
       count = int64_t(values[0].size());
  ShardRun run{shards, own * communicator.rank(), own};
  TreeSum<float> sum(run, count);
  ThreadPool pool(1);
  sum.allocate();
  sum.begin();
  auto rangesOf = [&](int64_t piece) { // from both ends
    int64_t low = count * piece / 12, high = count * (piece + 1) / 12;
    return std::vector<ValueRange>{{count - high, count - low}, {low, high}};
  };
  for (int64_t i = 0; i < own; ++i) {
    int64_t place = 0;
    for (int64_t piece = 0; piece < 6; ++piece) {
      int64_t begin = place;
      for (ValueRange range : rangesOf(piece)) {
        sum.addPart(values[size_t(run.first + i)].data(), 1, range, place, pool);
        place += range.size();
      }
      if (i + 1 < own)
        continue;
      std::vector<float *> sums;
      for (float *node : sum.ownSums())
        sums.push_back(node + begin);
      communicator.beginSum(sums, shards, place - begin);
      if (piece % 2 == communicator.rank() % 2) // processes need not move on at the same points
        communicator.advanceSums();
    }
    sum.endParts();
  }
  communicator.finishSums();
  std::vector<float> result(static_cast<size_t>(count));
  const float *next = sum.total();
  for (int64_t piece = 0; piece < 6; ++piece)
    for (ValueRange range : rangesOf(piece)) {
      std::copy_n(next, range.size(), result.data() + range.begin);
      next += range.size();
    }
  return result;
}

TEST(Communicator, SumsInPiecesAreTheSameBits) {
  for (auto [shards, count] : {std::pair<int64_t, int64_t>{8, 1152}, {6, 1152}, {8, 48'000}}) {
    auto values = shardValues(shards, count);
    SingleProcess single;
    std::vector<float> alone = sumOf(single, values, 2);
    EXPECT_EQ(piecewiseSumOf(single, values), alone);
    for (unsigned ranks : {2u, 3u, 4u, 8u}) {
      if (shards % ranks)
        continue;
      std::vector<std::vector<float>> sums(ranks);
      runTogether(ranks, [&](Communicator &communicator) {
        sums[communicator.rank()] = piecewiseSumOf(communicator, values);
      });
      for (unsigned rank = 0; rank < ranks; ++rank)
        EXPECT_EQ(sums[rank], alone) << ranks << " processes, rank " << rank;
    }
  }
}

// A shard waits for its neighbour, not for all others.
TEST(Communicator, SumsTakeFewCopies) {
  EXPECT_EQ(TreeSum<float>::bytes({1, 0, 1}, 100), 400u);
  EXPECT_EQ(TreeSum<float>::bytes({2, 0, 2}, 100), 400u);
  EXPECT_EQ(TreeSum<float>::bytes({8, 0, 8}, 100), 1200u);
  EXPECT_EQ(TreeSum<float>::bytes({8, 4, 4}, 100), 800u);
  EXPECT_EQ(TreeSum<float>::bytes({64, 0, 64}, 100), 2400u);
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
    EXPECT_EQ(communicator.begun, 8);    // a model of one piece
  }
  for (const char *file : {"model.safetensors", "metrics.jsonl", "recipe.json", "report.html",
                           "checkpoint/checkpoint.json"})
    EXPECT_TRUE(std::filesystem::exists(folder / ("out/" + std::string(file)))) << file;
}

/// Trains with as many threads as ranks, in `out`; their exit codes.
static std::vector<int> trainTogether(const std::string &out, unsigned ranks, int64_t shards) {
  std::vector<int> codes(ranks, -1);
  testing::internal::CaptureStdout();
  runTogether(ranks, [&](Communicator &communicator) {
    codes[communicator.rank()] = train(*netc_models[0], trainingIn(out, shards), communicator);
  });
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
  EXPECT_HAS(errorOf([&] { train(*netc_models[0], trainingIn(folder / "out", 1), communicator); }),
             "2 processes cannot share the 1 shard of a batch");
  for (int64_t shards : {3, 64})
    EXPECT_HAS(errorOf([&] { train(*netc_models[0], trainingIn(folder / "out", shards)); }),
               fmt::format("batch 32 cannot be cut into {} equal shards", shards));
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

TEST(Communicator, GatheredBytesHaveAnyLength) {
  runTogether(3, [](Communicator &communicator) {
    auto all =
        communicator.gather(std::string(communicator.rank() * 5, char('a' + communicator.rank())));
    EXPECT_EQ(all, (std::vector<std::string>{"", "bbbbb", "cccccccccc"}));
    EXPECT_EQ(communicator.gather(""), std::vector<std::string>(3));
  });
}

// Each differs from rank 0 in one thing, which is named before the first step.
TEST(Communicator, AnotherRunOfARankIsNamed) {
  ScratchFolder folder;
  struct {
    const char *message;
    void (*change)(TrainOptions &);
  } cases[] = {
      {"rank 1 on here has another recipe than rank 0 on here: lr was 0.5, is 0.25",
       [](TrainOptions &options) { options.overrides.lr = 0.25; }},
      {"rank 1 on here has another training data than rank 0",
       [](TrainOptions &options) { options.data = "synthetic:101"; }},
      {"has another validation data", [](TrainOptions &options) { options.val = "synthetic:7"; }},
  };
  for (auto &[message, change] : cases) {
    std::vector<std::string> errors(2);
    testing::internal::CaptureStdout();
    runTogether(2, [&](Communicator &communicator) {
      TrainOptions options = trainingIn(folder / "out", 4);
      options.overrides.lr = 0.5;
      if (!communicator.isRoot())
        change(options);
      errors[communicator.rank()] = errorOf([&] { train(*netc_models[0], options, communicator); });
    });
    testing::internal::GetCapturedStdout();
    EXPECT_HAS(errors[0], message);
    EXPECT_EQ(errors[0], errors[1]);
  }
}
