//===- Trainer.cpp - the training loop ------------------------------------===//
#include "runtime/train/Training.h"

#include "runtime/base/Error.h"
#include "runtime/data/ClassLabels.h"
#include "runtime/data/Scaling.h"
#include "runtime/exec/Diagnosis.h"
#include "runtime/system/AtomicFile.h"
#include "runtime/system/CpuFeatures.h"
#include "runtime/system/Memory.h"
#include "runtime/train/BatchStatistics.h"
#include "runtime/train/Initialize.h"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <utility>

namespace netc::runtime {

using Clock = std::chrono::steady_clock;

// Steps and seconds after which the speed is known well enough to say how long it takes.
static constexpr int64_t estimateSteps = 5;
static constexpr double estimateSeconds = 2;

// Points of the curves within an epoch.
static constexpr int64_t curvePoints = 40;

static volatile std::sig_atomic_t interrupted = 0;

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Writing to a pipe whose reader is gone, or beyond a limit on files, fails from here on instead
/// of killing the run before it is saved.
static void surviveFailedWrites() {
  for (int signal : {SIGPIPE, SIGXFSZ})
    std::signal(signal, SIG_IGN);
}

/// The first signal requests a save, the second one kills. SIGHUP never kills, because a process
/// gets it twice when a terminal closes, from the shell and from the system. Under nohup it is
/// ignored.
static void watchSignals() {
  struct sigaction action{}, before{};
  action.sa_handler = [](int) { interrupted = 1; };
  if (sigaction(SIGHUP, nullptr, &before) == 0 && before.sa_handler != SIG_IGN)
    sigaction(SIGHUP, &action, nullptr);
  action.sa_flags = SA_RESETHAND;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

static Pipeline::SourceSize sizeOf(const Dataset &data) {
  return {data.imageHeight(), data.imageWidth()};
}

static ModelInfo readTrainableModel(const NetcModel &model) {
  ModelInfo info = readModel(model);
  if (model.step.command_count == 0)
    fail("{} was compiled with --mode infer and cannot train: compile it without that option",
         info.name);
  requireSeveralClasses(info, "train");
  requireCpuFeatures(info.name, info.features);
  return info;
}

static std::unique_ptr<Dataset> openTraining(const TrainOptions &options, const ModelInfo &info) {
  return openDataset(options.data, Split::Train, dataShape(info));
}

Training::Training(const NetcModel &model, const TrainOptions &options, Communicator &communicator)
    : options(options), communicator(communicator), info(readTrainableModel(model)),
      recipe(parseRecipe(info, options.overrides)), data(openTraining(options, info)),
      validation(openEvaluation(options.val.empty() ? options.data : options.val,
                                !options.val.empty(), dataShape(info), data->classNames(),
                                options.val.empty() ? "--data" : "--val")),
      samples(spreadSamples(data->size(), recipe.limit)), pool(options.threads),
      executor(model, info, pool), optimizer(recipe, executor),
      stepsPerEpoch((int64_t(samples.size()) + recipe.batch - 1) / recipe.batch),
      schedule(recipe, updateOf(stepsPerEpoch)),
      workers(options.workers ? options.workers : defaultWorkers(*data, info)),
      metrics(options.out + "/metrics.jsonl"), checkpointFolder(options.out + "/checkpoint") {
  if (data->isTensors())
    requirePlainRecipe();
  LoaderOptions loading;
  loading.batch = recipe.batch;
  loading.workers = workers;
  loading.seed = recipe.seed;
  loading.training = true;
  loading.softLabels = info.softLabels;
  loading.corrupt = &corrupt;
  loading.allocate = [this](uint64_t bytes) { return executor.device().batchMemory(bytes); };
  for (const Transform &transform : recipe.augment)
    if (transform.kind == TransformKind::Mixup || transform.kind == TransformKind::Cutmix)
      loading.mix.push_back(transform);
  if (!loading.mix.empty() && !info.softLabels)
    fail("recipe: mixup and cutmix need a loss on mixed labels, which {} was not compiled with",
         info.name);
  identity = {info.name,           info.fingerprint(), data->kind(), int64_t(samples.size()),
              data->fingerprint(), recipe.effective};
  if (communicator.isRoot())
    lock.emplace(options.out);
  if (options.resume)
    begun = findForResume();
  std::optional<WeightsMetadata> stored;
  if (begun) {
    try {
      checkSameRun(*begun);
    } catch (const nlohmann::json::exception &error) {
      fail("{}: damaged: its recipe is none: {}", checkpointFolder, error.what());
    }
    stored = WeightsMetadata::decode(Safetensors::read(begun->weightsFile));
  }
  checkBatches();
  fitMemory();
  executor.reserve(recipe.batch, true, Loader::copies + 1);

  PixelScaling scaling;
  if (!data->isTensors())
    scaling =
        scalingForTraining(recipe, info, *data, samples, workers, stored ? &*stored : nullptr);
  metadata = {info.name,         data->kind(),       data->classNames(),
              scaling.mean,      scaling.std,        scaling.pixelMean,
              scaling.pcaValues, scaling.pcaVectors, scaling.bgr ? "bgr" : ""};
  augment = data->isTensors() ? Pipeline::forTensors(info)
                              : Pipeline::forTraining(recipe, info, scaling, sizeOf(*data));
  if (validation)
    validated = spreadSamples(validation->size(), recipe.validationLimit);
  if (validation)
    evaluation = validation->isTensors()
                     ? Pipeline::forTensors(info)
                     : Pipeline::forEvaluation(recipe, info, scaling, sizeOf(*validation), 1);
  if (auto written = augment->writtenFor(); written.height)
    note(fmt::format("the recipe's sizes are written for {}x{}; scaled to the input's {}x{}",
                     written.height, written.width, info.height, info.width));
  loader.emplace(*data, *augment, info, loading);
}

void Training::note(const std::string &message) const {
  if (communicator.isRoot())
    runtime::note(message);
}

void Training::warn(const std::string &message) const {
  if (communicator.isRoot())
    runtime::warn(message);
}

/// Whether to stop is for rank 0 to say: all must do so at the same step.
bool Training::isInterrupted() {
  uint8_t flag = interrupted != 0;
  communicator.broadcast(&flag, 1);
  return flag;
}

/// Parameters and optimizer state as rank 0 has them.
void Training::agreeOnStart() {
  communicator.broadcast(executor.at<char>(NETC_SPACE_PARAMETERS),
                         executor.model().parameter_bytes);
  communicator.broadcast(executor.at<char>(NETC_SPACE_STATE), executor.model().state_bytes);
}

void Training::beginFiles() {
  if (!communicator.isRoot())
    return;
  metrics.begin(position.step);
  writeFileAtomically(options.out + "/recipe.json", recipe.effective);
}

void Training::describeRun() {
  print("{}: {} parameters, {} of {} images ({}), batch {}, {}, {}\n", info.name,
        info.trainableElements(), samples.size(), data->size(), options.data, recipe.batch,
        counted(recipe.epochs, "epoch"), executor.device().describe());
  if (info.classifies())
    print("{}\n", describeClasses(*data, samples, info.classes));
  if (validation)
    print("validation: {} of {} images ({})\n", validated.size(), validation->size(),
          options.val.empty() ? options.data : options.val);
  else
    note(fmt::format("{} has no validation images: name some with --val", options.data));
  if (!optimizer.frozen().empty())
    note(fmt::format("{} of {} parameters are frozen", optimizer.frozen().size(),
                     std::count_if(info.parameters.begin(), info.parameters.end(),
                                   [](const ParameterInfo &p) { return p.trainable; })));
  flushOutput();
}

/// `saved`: there is a checkpoint of this run.
int Training::finish(bool saved) {
  if (!saved || firstStep == position.step)
    save(); // nothing left to do: the files are there nevertheless
  if (saved && firstStep == position.step)
    note(fmt::format("nothing is left to train: {} ({}) are done; to go on: more --epochs with "
                     "--resume, or a new run from these weights: --weights {} --out …",
                     counted(position.epoch, "epoch"), counted(position.step, "step"),
                     options.out));
  warnOfCorrupt();
  if (lastAccuracy.images && !info.classifies())
    print("validation loss {:.4f}, {} of {} validation images\n", lastAccuracy.loss(),
          lastAccuracy.quality.text(), lastAccuracy.images);
  else if (lastAccuracy.images)
    print("top-1 {:.2f}% of {} validation images\n", lastAccuracy.top1() * 100,
          lastAccuracy.images);
  print("weights are in {}/model.safetensors", options.out);
  if (position.bestEpoch > 0 && !info.classifies())
    print(", the best (epoch {}, validation loss {:.4f}) in {}/best.safetensors",
          position.bestEpoch, -position.bestTop1, options.out);
  else if (position.bestEpoch > 0)
    print(", the best (epoch {}, top-1 {:.2f}%) in {}/best.safetensors", position.bestEpoch,
          position.bestTop1 * 100, options.out);
  print("\n");
  return 0;
}

/// What a recipe does to images cannot be done to tensors: they are taken as they are.
void Training::requirePlainRecipe() const {
  if (!recipe.augment.empty() || !recipe.eval.empty())
    fail("{} data are not images: the recipe's augment and eval cannot be applied to them",
         options.data);
  bool normalizes = recipe.normalize.automatic || !recipe.normalize.mean.empty();
  if (recipe.written && normalizes)
    fail("{} data are taken as they are: leave the recipe's normalize out", options.data);
}

int Training::run() {
  initializeParameters(executor, recipe.seed);
  if (!options.weights.empty() && !begun)
    loadWeightsThatFit(Safetensors::read(weightsPath(options.weights)), executor);
  optimizer.startAverage();
  if (begun)
    resume(*begun);
  else if (options.resume)
    note(fmt::format("no checkpoint in {}: starting afresh", options.out));
  else if (std::filesystem::exists(checkpointFolder + "/checkpoint.json"))
    note(
        fmt::format("{} holds an earlier run, which this one replaces from its first checkpoint on",
                    options.out));
  agreeOnStart();
  beginFiles();
  describeRun();
  watchSignals();

  firstStep = position.step;
  bool saved = position.step > 0;
  while (position.epoch < recipe.epochs) {
    if (!trainEpoch() || !validate())
      return stopInterrupted();
    save();
    saved = true;
  }
  return finish(saved);
}

bool Training::trainEpoch() {
  std::vector<Visit> order;
  for (int64_t i : shuffledOrder(int64_t(samples.size()), recipe.seed, uint32_t(position.epoch)))
    order.push_back({samples[size_t(i)], 0});
  loader->begin(std::move(order), uint32_t(position.epoch), position.batch);
  auto start = Clock::now();
  int64_t before = position.step;
  bool stops = isInterrupted();
  while (!stops || isAccumulating()) {
    const Batch *batch = loader->next();
    if (!batch)
      break;
    step(*batch);
    showProgress(position.step - before, start);
    stops = isInterrupted();
  }
  position.curve.seconds += secondsSince(start);
  return !stops;
}

void Training::step(const Batch &batch) {
  NetcHyper &hyper = executor.hyper();
  double rate = rateOf(position.step);
  hyper.dropout = 1;
  hyper.label_smoothing = float(recipe.labelSmoothing);
  hyper.seed_lo = uint32_t(recipe.seed);
  hyper.seed_hi = uint32_t(recipe.seed >> 32);
  hyper.step = uint32_t(position.step);
  hyper.first_image = 0; // this process has the whole batch
  executor.bind(NETC_SPACE_INPUT, batch.input);
  executor.bind(NETC_SPACE_LABELS, batch.labels);
  if (batch.targets)
    executor.bind(NETC_SPACE_TARGETS, batch.targets);
  executor.run(Program::Step, batch.n);
  // The step may only have begun: the next batch travels meanwhile.
  if (const Batch *next = loader->ahead()) {
    executor.device().sendAhead(NETC_SPACE_INPUT, next->input, next->n);
    executor.device().sendAhead(NETC_SPACE_LABELS, next->labels, next->n);
    if (next->targets)
      executor.device().sendAhead(NETC_SPACE_TARGETS, next->targets, next->n);
  }

  float loss = *executor.at<float>(NETC_SPACE_LOSS);
  requireHealthy(batch, loss, rate);
  update(batch, rate);

  int64_t correct = countCorrect(batch);
  Quality quality = qualityOf(batch);
  position.correct += correct;
  position.quality.add(quality);
  position.lossSum += double(loss) * double(batch.n);
  position.seen += batch.n;
  ++position.step;
  position.batch = batch.index + 1;
  addToCurve(loss, correct, quality, batch.n);
}

int64_t Training::countCorrect(const Batch &batch) const {
  if (!info.classifies())
    return 0;
  const float *logits = executor.at<float>(info.scores(), batch.n);
  int64_t correct = 0;
  for (int64_t i = 0; i < batch.n; ++i) {
    const float *row = logits + i * info.classes;
    correct += std::max_element(row, row + info.classes) - row == batch.labels[i];
  }
  return correct;
}

Quality Training::qualityOf(const Batch &batch) const {
  Quality quality;
  if (!info.classifies())
    measure(info, {executor.at<char>(NETC_SPACE_OUTPUT), batch.labels, batch.targets, batch.n},
            quality);
  return quality;
}

/// "loss 0.1234  accuracy 93.10%" of the epoch so far.
std::string Training::qualityText(double loss) const {
  double seen = double(std::max<int64_t>(1, position.seen));
  std::string quality = info.classifies()
                            ? fmt::format("accuracy {:.2f}%", 100 * double(position.correct) / seen)
                            : position.quality.text();
  return fmt::format("loss {:.4f}  {}", loss, quality);
}

/// Stops the run before an update that would spoil the weights.
void Training::requireHealthy(const Batch &batch, float loss, double rate) {
  // Values may have any scale: only what is not finite is wrong with them.
  bool scores = std::all_of(info.losses.begin(), info.losses.end(), [](const LossInfo &term) {
    return term.kind == LossKind::CrossEntropy;
  });
  double limit = scores ? explodedLoss(info.classes) : double(INFINITY);
  bool healthyLoss = std::isfinite(loss) && loss <= limit;
  if (healthyLoss && gradientsFinite(executor))
    return;
  progress.clear();
  std::string what = std::isnan(loss) ? "loss is nan" : fmt::format("loss is {}", loss);
  if (healthyLoss)
    what += " but a gradient is not finite";
  else if (std::isfinite(loss))
    what += fmt::format(" (more than {:.0f}: exploded)", limit);
  fail("{} at step {} (epoch {}, batch {}, learning rate {}): {}; stopped; {}", what, position.step,
       position.epoch + 1, batch.index, rate, locateFault(executor, batch.n), lastCheckpoint());
}

/// The first batch of an epoch and the last one, which may be ragged.
void Training::checkBatches() const {
  int64_t images = int64_t(samples.size()), last = images - (stepsPerEpoch - 1) * recipe.batch;
  if (recipe.epochs == 0 || images == 0)
    return;
  if (stepsPerEpoch > 1)
    requireBatchStatistics(info, recipe.batch, fmt::format("batch {}", recipe.batch),
                           recipe.freezeBatchNorm);
  requireBatchStatistics(
      info, last,
      fmt::format("{} images in batches of {} leave a batch of {}: choose another "
                  "--batch or --limit",
                  images, recipe.batch, last),
      recipe.freezeBatchNorm);
}

/// Chooses a training step for the bytes that there are, or that the user grants, of the memory
/// where it computes.
void Training::fitMemory() {
  if (recipe.accumulate > 1)
    executor.reserveAccumulation(); // from here on the need counts it
  // The data set and what every process has count in what the user grants.
  uint64_t beside = options.memory ? executor.device().takenBeside() : 0;
  uint64_t budget = options.memory ? options.memory : executor.stepMemory();
  uint64_t granted = budget - std::min(budget, beside);
  executor.fitStep(recipe.batch, Loader::copies + 1, granted);
  uint64_t wanted = executor.stepNeed(recipe.batch, Loader::copies + 1);
  if (options.memory && wanted > granted)
    fail("--memory {}: training with batch {} takes {} at least, {} too many; a smaller --batch "
         "needs less",
         describeBytes(options.memory), recipe.batch, describeBytes(beside + wanted),
         describeBytes(beside + wanted - options.memory));
  if (executor.leanStep() && wanted <= granted) // else `reserve` says what is missing
    note(fmt::format("to fit {}, parts of the forward pass are computed again in the backward pass",
                     options.memory ? shortBytes(options.memory) : "the memory that there is"));
}

/// The last of the batches that make one update applies it.
void Training::update(const Batch &batch, double rate) {
  int64_t first = batch.index / recipe.accumulate * recipe.accumulate;
  int64_t end = std::min(first + recipe.accumulate, stepsPerEpoch);
  bool last = batch.index + 1 == end;
  int64_t images = std::min(end * recipe.batch, int64_t(samples.size())) - first * recipe.batch;
  optimizer.accumulate(double(batch.n) / double(images), batch.index == first, last);
  if (last)
    optimizer.update(updateOf(position.step), rate, batch.n);
}

void Training::addToCurve(double loss, int64_t correct, const Quality &quality, int64_t images) {
  EpochCurve &curve = position.curve;
  curve.quality.add(quality);
  curve.lossSum += loss * double(images);
  curve.correct += correct;
  curve.images += images;
  curve.epochImages += images;
  // The same steps whether the run was stopped in between or not.
  int64_t every = std::max<int64_t>(1, (stepsPerEpoch + curvePoints - 1) / curvePoints);
  if (position.batch % every != 0 && position.batch != stepsPerEpoch)
    return;
  double accuracy = curve.quality.values   ? curve.quality.meanAbsolute()
                    : curve.quality.scored ? curve.quality.accuracy()
                                           : double(curve.correct) / double(curve.images);
  curve.points.push_back(
      {position.step, curve.lossSum / double(curve.images), accuracy, rateOf(position.step - 1)});
  curve.lossSum = 0, curve.correct = 0, curve.images = 0, curve.quality = {};
}

void Training::showProgress(int64_t stepsHere, Clock::time_point start) {
  if (!communicator.isRoot())
    return;
  double elapsed = secondsSince(start);
  double perStep = elapsed / double(stepsHere);
  int64_t left = stepsPerEpoch * recipe.epochs - position.step;
  bool measured = stepsHere >= estimateSteps && elapsed >= estimateSeconds;
  if (!estimated && (measured || elapsed >= 5 * estimateSeconds)) {
    estimated = true;
    double minutes = perStep * double(left) / 60;
    progress.clear();
    print("about {} for the {} steps left ({:.0f} images/s)\n",
          minutes < 1.5 ? fmt::format("{:.0f} s", std::ceil(minutes * 60))
                        : fmt::format("{:.0f} min", std::ceil(minutes)),
          left, double(recipe.batch) / perStep);
    flushOutput();
  }
  progress.show(fmt::format("epoch {}/{}", position.epoch + 1, recipe.epochs), position.batch,
                stepsPerEpoch,
                fmt::format("{}  {:.0f} images/s  ETA {}",
                            qualityText(position.lossSum / double(position.seen)),
                            double(recipe.batch) / perStep,
                            clockTime(perStep * double(left) +
                                      validationSeconds * double(recipe.epochs - position.epoch))));
}

bool Training::validate() {
  requireFinite();
  EpochRecord record;
  record.epoch = position.epoch + 1;
  record.step = position.step;
  record.learningRate = rateOf(std::max<int64_t>(0, position.step - 1));
  record.trainLoss = position.lossSum / double(std::max<int64_t>(1, position.seen));
  record.trainAccuracy = double(position.correct) / double(std::max<int64_t>(1, position.seen));
  record.quality = position.quality;
  record.seconds = position.curve.seconds;
  record.imagesPerSecond = double(position.curve.epochImages) / std::max(1e-9, record.seconds);
  double error = record.trainLoss;
  if (validation) {
    auto start = Clock::now();
    Optimizer::Averaged averaged(optimizer);
    lastAccuracy = evaluate(
        executor, *validation, validated, *evaluation, recipe.batch, workers,
        [&](int64_t done) {
          if (communicator.isRoot())
            progress.show("validation", done, int64_t(validated.size()), "");
          return !interrupted;
        },
        &corruptValidation);
    if (isInterrupted())
      return false;
    if (lastAccuracy.notFinite) {
      progress.clear();
      warn(fmt::format("the scores of {} of {} validation images are not finite",
                       std::min(lastAccuracy.notFinite, lastAccuracy.images), lastAccuracy.images));
    }
    error = info.classifies() ? 1 - lastAccuracy.top1() : lastAccuracy.loss();
    validationSeconds = record.validationSeconds = secondsSince(start);
    double score = info.classifies() ? lastAccuracy.top1() : -lastAccuracy.loss();
    improved = position.bestEpoch == 0 || score > position.bestTop1;
    if (improved)
      position.bestTop1 = score, position.bestEpoch = record.epoch;
    record.validation = &lastAccuracy;
  }
  schedule.endEpoch(error);
  position.plateau = schedule.plateau;
  std::string trained = qualityText(record.trainLoss);
  ++position.epoch;
  position.batch = 0;
  // Here and not when the next epoch begins: an interrupt in between saves the same bytes.
  position.lossSum = 0, position.correct = 0, position.seen = 0, position.quality = {};
  const EpochCurve curve = std::exchange(position.curve, {});
  progress.clear();
  print("epoch {}/{}  {}", record.epoch, recipe.epochs, trained);
  if (validation && !info.classifies())
    print("  validation loss {:.4f}  {}", lastAccuracy.loss(), lastAccuracy.quality.text());
  else if (validation)
    print("  validation loss {:.4f}  top-1 {:.2f}%", lastAccuracy.loss(),
          lastAccuracy.top1() * 100);
  print("  {:.1f} s{}\n", record.seconds,
        validation ? fmt::format(" + validation {:.1f} s", validationSeconds) : std::string());
  flushOutput();
  record.corrupt = corrupt.count();
  record.curve = curve.points;
  if (!communicator.isRoot())
    return true;
  writeFiles([&] { metrics.append(record); });
  report();
  return true;
}

int train(const NetcModel &model, const TrainOptions &options) {
  SingleProcess alone;
  return train(model, options, alone);
}

int train(const NetcModel &model, const TrainOptions &options, Communicator &communicator) {
  surviveFailedWrites();
  return Training(model, options, communicator).run();
}

} // namespace netc::runtime
