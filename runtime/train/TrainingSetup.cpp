//===- TrainingSetup.cpp - how a run begins -------------------------------===//
#include "runtime/base/Error.h"
#include "runtime/system/AtomicFile.h"
#include "runtime/system/CpuFeatures.h"
#include "runtime/system/Memory.h"
#include "runtime/train/BatchStatistics.h"
#include "runtime/train/Initialize.h"
#include "runtime/train/Training.h"

#include <zlib.h>

#include <algorithm>

namespace netc::runtime {

static ModelInfo readTrainableModel(const NetcModel &model) {
  ModelInfo info = readModel(model);
  if (model.step.command_count == 0)
    fail("{} was compiled with --mode infer and cannot train: compile it without that option",
         info.name);
  requireSeveralClasses(info, "train");
  requireCpuFeatures(info.name, info.features);
  return info;
}

Training::Training(const NetcModel &model, const TrainOptions &options, Communicator &communicator)
    : options(options), communicator(communicator), output(communicator.isRoot()),
      info(readTrainableModel(model)), recipe(parseRecipe(info, options.overrides)),
      data(options, info, recipe, communicator.isRoot()), pool(options.threads),
      executor(model, info, pool), optimizer(recipe, executor),
      shards(executor, communicator, recipe.shards, options.reduce == "bf16"),
      plan(int64_t(data.samples.size()), recipe), schedule(recipe, plan.updatesPerEpoch()),
      files(options, output, position), progress(output, plan, recipe.epochs) {
  if (info.scoresEachClass() && data.training->hasTargets())
    info.compareWithTargets();
  data.checkRecipe();
  identity = {info.name,   info.fingerprint(),           data.training->kind(),
              plan.images, data.training->fingerprint(), recipe.effective};
  if (communicator.isRoot())
    files.acquire();
  std::optional<WeightsMetadata> stored;
  if (options.resume)
    begun = files.findForResume();
  if (begun) {
    checkSameRun(*begun);
    stored = WeightsMetadata::decode(Safetensors::read(begun->weightsFile));
  }
  checkBatches();
  if (options.shardState && communicator.size() > 1)
    stateShard.emplace(executor, communicator);
  fitMemory();
  shards.allocate();
  executor.reserve(shardImages(), true, Loader::copies + 1);

  data.prepare(stored ? &*stored : nullptr, output);
  metadata = data.metadata();
  LoaderOptions loading = data.loaderOptions();
  loading.shards = shards.count();
  loading.firstShard = shards.first();
  loading.ownShards = shards.own();
  loading.allocate = [this](uint64_t bytes) { return executor.device().batchMemory(bytes); };
  loader.emplace(*data.training, *data.augment, info, loading);
}

/// The first batch of an epoch and the last one, which may be ragged.
void Training::checkBatches() const {
  if (recipe.epochs == 0 || plan.images == 0)
    return;
  std::string cut = shards.count() > 1 ? fmt::format(" in {} shards", shards.count()) : "";
  // The smallest shard that has images is its own batch.
  auto smallest = [&](int64_t images) { return std::max<int64_t>(1, images / shards.count()); };
  if (plan.stepsPerEpoch > 1)
    requireBatchStatistics(info, smallest(recipe.batch),
                           fmt::format("batch {}{}", recipe.batch, cut), recipe.freezeBatchNorm);
  requireBatchStatistics(
      info, smallest(plan.lastBatch()),
      fmt::format("{} images in batches of {} leave a batch of {}{}: choose another "
                  "--batch or --limit",
                  plan.images, recipe.batch, plan.lastBatch(), cut),
      recipe.freezeBatchNorm);
}

/// Chooses a training step for the bytes that there are, or that the user grants, of the memory
/// where it computes.
void Training::fitMemory() {
  if (recipe.accumulate > 1)
    executor.reserveAccumulation(); // from here on the need counts it
  // The data set and what every process has count in what the user grants.
  uint64_t beside = options.memory ? executor.device().takenBeside() : 0;
  if (executor.device().usesMachineMemory() || shards.areOnDevice())
    beside += shards.bytes();
  uint64_t budget = options.memory ? options.memory : executor.stepMemory();
  uint64_t granted = budget - std::min(budget, beside);
  executor.fitStep(shardImages(), Loader::copies + 1, granted);
  uint64_t wanted = executor.stepNeed(shardImages(), Loader::copies + 1);
  if (options.memory && wanted > granted)
    fail("--memory {}: training with batch {} takes {} at least, {} too many; a smaller --batch "
         "needs less",
         describeBytes(options.memory), recipe.batch, describeBytes(beside + wanted),
         describeBytes(beside + wanted - options.memory));
  if (executor.leanStep() && wanted <= granted) // else `reserve` says what is missing
    output.note(
        fmt::format("to fit {}, parts of the forward pass are computed again in the backward pass",
                    options.memory ? shortBytes(options.memory) : "the memory that there is"));
}

/// "1a2b3c4d", of the executable's file.
static std::string ownChecksum() {
  std::string bytes = readFile("/proc/self/exe");
  return fmt::format("{:08x}",
                     crc32_z(0, reinterpret_cast<const Bytef *>(bytes.data()), bytes.size()));
}

/// Fails where a process differs from rank 0 in what decides the bits of a run.
void Training::requireSameRun() {
  if (communicator.size() == 1)
    return;
  using Parts = std::vector<std::pair<std::string, std::string>>;
  Parts own = {
      {"executable", fmt::format("{}, checksum {}", info.name, ownChecksum())},
      {"level of the CPU", info.cpu},
      {"recipe", recipe.effective},
      {"training data", fmt::format("{} of {} images, fingerprint {:016x}", identity.data,
                                    identity.images, identity.dataFingerprint)},
      {"validation data",
       data.validation
           ? fmt::format("{} of {} images, fingerprint {:016x}", data.validation->kind(),
                         data.validation->size(), data.validation->fingerprint())
           : "none"},
      {"exchange", fmt::format("gradients in {}, optimizer state {}", options.reduce,
                               options.shardState ? "divided" : "whole")},
      {"checkpoint to go on from",
       begun ? fmt::format("of step {}", begun->position.step) : "none"},
  };
  std::vector<std::string> hosts = communicator.gather(communicator.host());
  for (const auto &[what, text] : own) {
    std::vector<std::string> all = communicator.gather(text);
    for (size_t rank = 1; rank < all.size(); ++rank)
      if (all[rank] != all[0])
        fail("rank {} on {} has another {} than rank 0 on {}: {}", rank, hosts[rank], what,
             hosts[0],
             what == "recipe" ? compareRecipes(all[0], all[rank], false)
                              : fmt::format("{}; rank 0: {}", all[rank], all[0]));
  }
}

/// Weights that are initialised, loaded, or of the run that goes on.
void Training::startWeights() {
  initializeParameters(executor, recipe.seed);
  if (!options.weights.empty() && !begun)
    loadWeightsThatFit(Safetensors::read(weightsPath(options.weights)), executor);
  optimizer.startAverage();
  if (begun)
    resume(*begun);
  else if (options.resume)
    output.note(fmt::format("no checkpoint in {}: starting afresh", options.out));
  else if (files.holdsCheckpoint())
    output.note(
        fmt::format("{} holds an earlier run, which this one replaces from its first checkpoint on",
                    options.out));
}

/// Parameters and optimizer state as rank 0 has them.
void Training::agreeOnStart() {
  communicator.broadcast(executor.at<char>(NETC_SPACE_PARAMETERS),
                         executor.model().parameter_bytes);
  // A fresh state is zero everywhere: to write it would only take memory.
  if (begun || recipe.average > 0)
    communicator.broadcast(executor.at<char>(NETC_SPACE_STATE), executor.model().state_bytes);
  if (stateShard) {
    optimizer.divide(*stateShard);
    stateShard->begin();
  }
}

void Training::describeRun() {
  std::string cut = recipe.shards > 1 ? fmt::format(" in {} shards", recipe.shards) : "";
  std::string processes =
      communicator.size() > 1 ? fmt::format("{} processes of ", communicator.size()) : "";
  output.print("{}: {} parameters, {} of {} images ({}), batch {}{}, {}, {}{}\n", info.name,
               info.trainableElements(), data.samples.size(), data.training->size(), options.data,
               recipe.batch, cut, counted(recipe.epochs, "epoch"), processes,
               executor.device().describe());
  data.describe(output);
  if (!optimizer.frozen().empty())
    output.note(fmt::format("{} of {} parameters are frozen", optimizer.frozen().size(),
                            std::count_if(info.parameters.begin(), info.parameters.end(),
                                          [](const ParameterInfo &p) { return p.trainable; })));
  output.flush();
}

} // namespace netc::runtime
