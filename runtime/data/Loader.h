//===- Loader.h - batches prepared while the step runs ----------*- C++ -*-===//
#ifndef NETC_RUNTIME_DATA_LOADER_H
#define NETC_RUNTIME_DATA_LOADER_H

#include "runtime/augment/Augment.h"
#include "runtime/data/CorruptImages.h"
#include "runtime/data/Dataset.h"
#include "runtime/system/Memory.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace netc::runtime {

/// A prepared batch, or a shard of one. Valid until the next call of Loader::next.
struct Batch {
  float *input = nullptr;    ///< [n, C, H, W], or what NETC_SPACE_INPUT holds
  int64_t *labels = nullptr; ///< [n]; -1: an image that did not decode (evaluation only)
  float *targets = nullptr;  ///< what NETC_SPACE_TARGETS holds, or null
  int64_t *marks = nullptr;  ///< [n]; where images have more than a label each; -1: did not decode
  int64_t n = 0;
  int64_t index = 0; ///< of the batch within the epoch
  int64_t first = 0; ///< images of the batch in front of these
};

/// Images [begin, end) of a batch.
struct ShardRange {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
};

/// The images of a shard: runs that differ by one at most. Of a batch of fewer images than shards
/// some are empty.
inline ShardRange shardOf(int64_t images, int64_t shards, int64_t shard) {
  return {shard * images / shards, (shard + 1) * images / shards};
}

/// One image of the epoch's order.
struct Visit {
  int64_t sample;
  int view;
};

struct LoaderOptions {
  int64_t batch = 1;
  /// Batches are cut into `shards`; this loader gives, one after the other, those from `firstShard`
  /// on, `ownShards` of them, without the empty ones. What an image becomes does not depend on it.
  int64_t shards = 1, firstShard = 0, ownShards = 1;
  unsigned workers = 1;
  uint64_t seed = 0;
  /// An image that does not decode is replaced by one drawn from the epoch's, else labelled -1.
  bool training = false;
  bool softLabels = false;    ///< fill Batch::targets
  std::vector<Transform> mix; ///< Mixup, Cutmix
  /// Where batches lie, if it gives memory; else in the loader's own.
  std::function<std::shared_ptr<char>(uint64_t bytes)> allocate;
  CorruptImages *corrupt = nullptr; ///< records images that do not decode; null: the loader's own
};

/// Worker threads decode and augment the batches of an epoch ahead of the
/// consumer, at most `copies` batches in memory. What a batch holds depends on
/// order, seed and epoch alone, whatever the number of workers.
class Loader {
public:
  /// Batches in memory: one in use, one ready, one being made.
  static constexpr int copies = 3;

  Loader(const Dataset &data, const Pipeline &pipeline, const ModelInfo &info,
         LoaderOptions options);
  ~Loader();

  /// Begins an epoch at batch `first`. The epoch before must be used up.
  void begin(std::vector<Visit> order, uint32_t epoch, int64_t first = 0);

  /// The next batch, null at the epoch's end. Rethrows what a worker threw.
  const Batch *next();

  /// The batch after the one in use where it is prepared by now, else null. It stays as it is until
  /// it has been used.
  const Batch *ahead();

  /// Images that did not decode so far.
  int64_t corruptImages() const { return corrupt.count(); }

private:
  struct Slot {
    Batch batch;
    int64_t done = 0;
    std::vector<int64_t> marks; ///< Batch::marks
  };

  void work();
  void prepare(std::unique_lock<std::mutex> &lock, AugmentWorkspace &workspace);
  void mixTargets(const Batch &batch, AugmentWorkspace &workspace);
  void fill(Slot &slot, int64_t begin, int64_t end, AugmentWorkspace &workspace);
  void readSample(const Batch &batch, int64_t sample, int64_t i) const;
  void readInputs(const Batch &batch, int64_t sample, int64_t i, size_t first) const;
  /// Where one image goes, with what it is compared with.
  struct Place {
    float *input;
    int64_t *label;
    int64_t *map = nullptr;       ///< a label for each pixel
    char *targets = nullptr;      ///< values
    const Batch *batch = nullptr; ///< where the inputs beside the image go, as image `number`
    int64_t number = 0;
  };
  Place placeOf(const Batch &batch, int64_t i) const;
  void loadSample(Visit visit, AugmentWorkspace &workspace, const Place &place);
  bool tryLoad(int64_t sample, Visit visit, AugmentWorkspace &workspace, const Place &place);
  void checkMap(int64_t sample, const int64_t *labels) const;
  bool loadStandIn(Visit visit, AugmentWorkspace &workspace, const Place &place);
  // Pieces are the shards of this loader, counted from the epoch's beginning.
  int64_t pieces() const;
  int64_t imagesOf(int64_t batch) const;
  ShardRange rangeOf(int64_t piece) const;
  int64_t sizeOf(int64_t piece) const { return rangeOf(piece).size(); }
  int64_t skipEmpty(int64_t piece) const;

  const Dataset &data;
  const Pipeline &pipeline;
  const ModelInfo &info;
  const LoaderOptions options;
  CorruptImages own;
  CorruptImages &corrupt;
  std::vector<std::atomic<bool>> unreadable; // by sample; empty where all are in memory
  Region memory;
  std::shared_ptr<char> allocated; // in its place
  Slot slots[copies];

  std::mutex mutex;
  std::condition_variable workReady, batchReady;
  std::vector<Visit> order;
  uint32_t epoch = 0;
  int64_t claimPiece = 0, claimSample = 0; // next to be prepared
  int64_t consumed = 0;                    // pieces that the consumer is through with
  bool inUse = false, stopping = false;
  std::exception_ptr failure;
  std::vector<std::thread> threads;
  AugmentWorkspace ownWorkspace; // where there are none
};

/// Workers that keep up without taking the cores from the step: one where an
/// image costs microseconds, all cores where it is decoded or large.
unsigned defaultWorkers(const Dataset &data, const ModelInfo &info);

/// 0 .. count-1 in the order of one epoch of training; a function of seed and
/// epoch.
std::vector<int64_t> shuffledOrder(int64_t count, uint64_t seed, uint32_t epoch);

} // namespace netc::runtime

#endif // NETC_RUNTIME_DATA_LOADER_H
