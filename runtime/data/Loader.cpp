//===- Loader.cpp - batches prepared while the step runs ------------------===//
#include "runtime/data/Loader.h"

#include "runtime/abi/RecipeTable.h"
#include "runtime/augment/Mix.h"
#include "runtime/base/Error.h"
#include "runtime/base/Philox.h"
#include "runtime/base/Threads.h"
#include "runtime/system/ControlGroup.h"
#include "runtime/system/ThreadPool.h"

#include <algorithm>
#include <numeric>

namespace netc::runtime {

/// Images that a worker claims at once: amortises the lock where an image costs a
/// microsecond, and is fine-grained enough where it costs milliseconds.
static int64_t claimSize(const Dataset &data, const ModelInfo &info) {
  return data.inMemory() ? std::clamp<int64_t>(32768 / info.inputElements(), 1, 32) : 1;
}

unsigned defaultWorkers(const Dataset &data, const ModelInfo &info) {
  bool cheap = data.inMemory() && info.inputElements() <= 3 * 64 * 64;
  return cheap ? 1 : availableCores();
}

std::vector<int64_t> shuffledOrder(int64_t count, uint64_t seed, uint32_t epoch) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  Philox draw(seed, Stream::Shuffle, 0, epoch);
  for (size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[draw.below(uint32_t(i))]);
  return order;
}

Loader::Loader(const Dataset &data, const Pipeline &pipeline, const ModelInfo &info,
               LoaderOptions given)
    : data(data), pipeline(pipeline), info(info), options(std::move(given)),
      corrupt(options.corrupt ? *options.corrupt : own),
      unreadable(data.inMemory() ? 0 : size_t(data.size())) {
  auto align = [](uint64_t bytes) { return (bytes + 63) / 64 * 64; };
  uint64_t n = uint64_t((options.batch + options.shards - 1) / options.shards);
  uint64_t inputBytes = align(n * info.bytesPerImage(NETC_SPACE_INPUT));
  uint64_t labelBytes =
      align(n * std::max<uint64_t>(sizeof(int64_t), info.bytesPerImage(NETC_SPACE_LABELS)));
  uint64_t targetBytes = options.softLabels || (data.hasTargets() && !info.softLabels)
                             ? align(n * info.bytesPerImage(NETC_SPACE_TARGETS))
                             : 0;
  uint64_t bytes = copies * (inputBytes + labelBytes + targetBytes);
  if (options.allocate)
    allocated = options.allocate(bytes);
  if (!allocated)
    memory = Region(bytes, "batches");
  char *next = allocated ? allocated.get() : memory.data();
  for (Slot &slot : slots) {
    slot.batch.input = reinterpret_cast<float *>(next);
    slot.batch.labels = reinterpret_cast<int64_t *>(next + inputBytes);
    if (targetBytes)
      slot.batch.targets = reinterpret_cast<float *>(next + inputBytes + labelBytes);
    if (data.hasTargets() && !data.isTensors()) {
      slot.marks.resize(n);
      slot.batch.marks = slot.marks.data();
    }
    next += inputBytes + labelBytes + targetBytes;
  }
  threads = startThreads(std::max(1u, options.workers), [this](unsigned) { work(); });
}

Loader::~Loader() {
  {
    std::lock_guard lock(mutex);
    stopping = true;
  }
  workReady.notify_all();
  for (std::thread &thread : threads)
    thread.join();
}

int64_t Loader::pieces() const {
  return (int64_t(order.size()) + options.batch - 1) / options.batch * options.ownShards;
}

int64_t Loader::imagesOf(int64_t batch) const {
  return std::min(options.batch, int64_t(order.size()) - batch * options.batch);
}

ShardRange Loader::rangeOf(int64_t piece) const {
  return shardOf(imagesOf(piece / options.ownShards), options.shards,
                 options.firstShard + piece % options.ownShards);
}

/// `piece`, or the next one that has images.
int64_t Loader::skipEmpty(int64_t piece) const {
  while (piece < pieces() && sizeOf(piece) == 0)
    ++piece;
  return piece;
}

void Loader::begin(std::vector<Visit> visits, uint32_t number, int64_t first) {
  std::lock_guard lock(mutex);
  order = std::move(visits);
  epoch = number;
  claimPiece = consumed = skipEmpty(first * options.ownShards);
  claimSample = 0;
  inUse = false;
  for (Slot &slot : slots)
    slot.done = 0;
  workReady.notify_all();
}

const Batch *Loader::next() {
  std::unique_lock lock(mutex);
  if (inUse) {
    slots[consumed % copies].done = 0;
    consumed = skipEmpty(consumed + 1);
    inUse = false;
    workReady.notify_all();
  }
  if (consumed >= pieces())
    return nullptr;
  Slot &slot = slots[consumed % copies];
  auto isReady = [&] { return failure || slot.done == sizeOf(consumed); };
  while (threads.empty() && !isReady()) // the system granted none: who wants a batch prepares it
    prepare(lock, ownWorkspace);
  batchReady.wait(lock, isReady);
  if (failure)
    std::rethrow_exception(failure);
  inUse = true;
  return &slot.batch;
}

const Batch *Loader::ahead() {
  std::lock_guard lock(mutex);
  int64_t next = skipEmpty(consumed + 1);
  if (!inUse || failure || next >= pieces() || next >= consumed + copies)
    return nullptr;
  Slot &slot = slots[next % copies];
  return slot.done == sizeOf(next) ? &slot.batch : nullptr;
}

void Loader::work() {
  AugmentWorkspace workspace;
  std::unique_lock lock(mutex);
  while (true) {
    workReady.wait(lock, [&] {
      return stopping || (!failure && claimPiece < pieces() && claimPiece < consumed + copies);
    });
    if (stopping)
      return;
    prepare(lock, workspace);
  }
}

/// Claims some samples of the next batch and fills them in, the lock given back meanwhile.
void Loader::prepare(std::unique_lock<std::mutex> &lock, AugmentWorkspace &workspace) {
  Slot &slot = slots[claimPiece % copies];
  if (claimSample == 0) { // later claims find it written: workers read it outside the lock
    ShardRange range = rangeOf(claimPiece);
    slot.batch.index = claimPiece / options.ownShards;
    slot.batch.first = range.begin;
    slot.batch.n = range.size();
  }
  int64_t begin = claimSample;
  int64_t end = std::min(slot.batch.n, begin + claimSize(data, info));
  claimSample = end;
  if (end == slot.batch.n) {
    claimPiece = skipEmpty(claimPiece + 1);
    claimSample = 0;
  }
  lock.unlock();
  std::exception_ptr thrown;
  try {
    fill(slot, begin, end, workspace);
  } catch (...) {
    thrown = std::current_exception();
  }
  lock.lock();
  if (thrown && !failure)
    failure = thrown;
  bool last = slot.done + (end - begin) == slot.batch.n;
  if (last && !failure && options.softLabels) {
    // The slot is complete but not yet announced, so no other thread accesses it.
    lock.unlock();
    try {
      mixTargets(slot.batch, workspace);
    } catch (...) {
      thrown = std::current_exception();
    }
    lock.lock();
    if (thrown && !failure)
      failure = thrown;
  }
  slot.done += end - begin;
  if (last || failure)
    batchReady.notify_all();
}

/// Pairs are neighbours in the whole batch, so that they do not depend on how it is cut: what
/// follows a shard's last image is prepared once more here.
void Loader::mixTargets(const Batch &batch, AugmentWorkspace &workspace) {
  MixBatch mixed{batch.input,  batch.labels,  batch.targets, batch.n,
                 info.classes, info.channels, info.height,   info.width};
  fillTargets(mixed);
  if (options.mix.empty())
    return;
  std::vector<float> after;
  if (options.shards > 1) {
    after.resize(size_t(info.inputElements()));
    int64_t next = (batch.first + batch.n) % imagesOf(batch.index);
    loadSample(order[size_t(batch.index * options.batch + next)], workspace,
               {after.data(), &mixed.labelAfter});
    mixed.after = after.data();
  }
  Philox draw(options.seed, Stream::Mix, uint64_t(batch.index), epoch);
  mix(options.mix, draw, mixed);
}

void Loader::fill(Slot &slot, int64_t begin, int64_t end, AugmentWorkspace &workspace) {
  const Visit *visits = order.data() + slot.batch.index * options.batch + slot.batch.first;
  for (int64_t i = begin; i < end && data.isTensors(); ++i)
    readSample(slot.batch, visits[i].sample, i);
  for (int64_t i = begin; i < end && !data.isTensors(); ++i)
    loadSample(visits[i], workspace, placeOf(slot.batch, i));
}

/// Image number i of the batch.
Loader::Place Loader::placeOf(const Batch &batch, int64_t i) const {
  Place place{batch.input + i * info.inputElements(), batch.labels + i};
  place.batch = &batch, place.number = i;
  if (!data.hasTargets())
    return place;
  const TensorInfo &target = info.targets[info.losses[0].target];
  place.label = batch.marks + i;
  if (data.hasMasks())
    place.map = batch.labels + i * target.elements();
  else
    place.targets = reinterpret_cast<char *>(batch.targets + i * target.elements());
  return place;
}

/// Where sample i of a batch has `tensor` in the memory of its space.
static char *placeIn(void *space, const Batch &batch, const TensorInfo &tensor, int64_t i) {
  return static_cast<char *>(space) + uint64_t(batch.n) * tensor.offset +
         uint64_t(i) * tensor.bytes();
}

/// The inputs from number `first` on.
void Loader::readInputs(const Batch &batch, int64_t sample, int64_t i, size_t first) const {
  for (size_t number = first; number < info.inputs.size(); ++number) {
    const TensorInfo &input = info.inputs[number];
    data.read(sample, input.name, placeIn(batch.input, batch, input, i), input.bytes());
  }
}

/// Sample `sample` of the data becomes number i of the batch.
void Loader::readSample(const Batch &batch, int64_t sample, int64_t i) const {
  readInputs(batch, sample, i, 0);
  if (info.classifies())
    batch.labels[i] = data.label(sample);
  for (const TensorInfo &target : info.targets)
    if (target.space == NETC_SPACE_LABELS && !info.classifies())
      data.read(sample, target.name, placeIn(batch.labels, batch, target, i), target.bytes());
    else if (target.space == NETC_SPACE_TARGETS && !info.softLabels)
      data.read(sample, target.name, placeIn(batch.targets, batch, target, i), target.bytes());
}

/// `sample` in the place of `visit`; false where it does not decode, which is found out once.
bool Loader::tryLoad(int64_t sample, Visit visit, AugmentWorkspace &workspace, const Place &place) {
  if (!unreadable.empty() && unreadable[size_t(sample)].load(std::memory_order_relaxed))
    return false;
  LabelMap map{
      [&](int height, int width, Image &labels) { data.readMask(sample, height, width, labels); },
      place.map, uint8_t(recipe::ignoredLabel)};
  try {
    pipeline.apply(
        [&](const ScaleChooser &choose, Image &image) { data.load(sample, choose, image); },
        uint64_t(visit.sample), epoch, visit.view, workspace, place.input,
        place.map ? &map : nullptr);
  } catch (const Error &error) {
    if (data.inMemory())
      throw; // not the file's fault
    corrupt.add(sample, error.what());
    unreadable[size_t(sample)].store(true, std::memory_order_relaxed);
    return false;
  }
  *place.label = data.label(sample);
  if (place.batch)
    readInputs(*place.batch, sample, place.number, 1);
  if (place.map)
    checkMap(sample, place.map);
  const TensorInfo *target = place.targets ? &info.targets[info.losses[0].target] : nullptr;
  if (target)
    data.read(sample, target->name, place.targets, target->bytes());
  return true;
}

/// A label that is no class would be read beyond the scores; such data are wrong as a whole.
void Loader::checkMap(int64_t sample, const int64_t *labels) const {
  const LossInfo &loss = *info.mapLoss();
  int64_t count = info.targets[loss.target].elements(),
          classes = info.outputs[loss.output].shape[0];
  for (int64_t i = 0; i < count; ++i)
    if (labels[i] >= classes && (!loss.ignore || labels[i] != *loss.ignore))
      throw std::runtime_error(fmt::format(
          "{} has label {}, but {} has {} classes{}", data.describeMask(sample), labels[i],
          info.name, classes,
          loss.ignore ? fmt::format(" (label {} is ignored)", *loss.ignore) : std::string()));
}

/// Training needs full batches. The stand-in is drawn from all images of the epoch, by seed, epoch
/// and the image that it stands for: a first candidate, and a stride that leads to each of the
/// others once.
bool Loader::loadStandIn(Visit visit, AugmentWorkspace &workspace, const Place &place) {
  uint32_t count = uint32_t(order.size());
  Philox draw(options.seed, Stream::StandIn, uint64_t(visit.sample), epoch);
  uint32_t candidate = draw.below(count), stride = 1;
  do
    stride = count > 2 ? 1 + draw.below(count - 1) : 1;
  while (std::gcd(stride, count) != 1);
  for (uint32_t attempt = 0; attempt < count; ++attempt) {
    if (tryLoad(order[candidate].sample, visit, workspace, place))
      return true;
    candidate = uint32_t((uint64_t(candidate) + stride) % count);
  }
  return false;
}

void Loader::loadSample(Visit visit, AugmentWorkspace &workspace, const Place &place) {
  if (tryLoad(visit.sample, visit, workspace, place))
    return;
  if (options.training) {
    if (!loadStandIn(visit, workspace, place))
      fail("none of the {} training images can be read", order.size());
    return;
  }
  std::fill(place.input, place.input + info.inputElements(), 0.0f);
  if (place.batch)
    readInputs(*place.batch, visit.sample, place.number, 1);
  *place.label = -1;
}

} // namespace netc::runtime
