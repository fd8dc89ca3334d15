//===- Trainer.cpp - the training loop ------------------------------------===//
#include "runtime/Trainer.h"

#include "runtime/AtomicFile.h"
#include "runtime/Checkpoint.h"
#include "runtime/CpuFeatures.h"
#include "runtime/Diagnosis.h"
#include "runtime/Error.h"
#include "runtime/Evaluate.h"
#include "runtime/Executor.h"
#include "runtime/Initialize.h"
#include "runtime/Metrics.h"
#include "runtime/Optimizer.h"
#include "runtime/Progress.h"
#include "runtime/Scaling.h"
#include "runtime/Schedule.h"
#include "runtime/data/Loader.h"
#include "runtime/report/Report.h"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <optional>

namespace netc::runtime {

using Clock = std::chrono::steady_clock;

// Steps and seconds after which the speed is known well enough to say how long it takes.
static constexpr int64_t estimateSteps = 5;
static constexpr double estimateSeconds = 2;

// Points of the curves within an epoch.
static constexpr int64_t curvePoints = 40;

static volatile std::sig_atomic_t interrupted = 0;

/// "1 epoch", "2 epochs"
static std::string counted(int64_t count, const char *what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The first signal asks for a save, the second one kills.
static void watchSignals() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  action.sa_flags = SA_RESETHAND;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

static DataShape shapeOf(const ModelInfo &info) {
  return {info.channels, info.height, info.width, info.classes};
}

static Pipeline::SourceSize sizeOf(const Dataset &data) {
  return {data.imageHeight(), data.imageWidth()};
}

/// All samples, or `limit` of them evenly spaced: sorted data keeps all its classes.
static std::vector<int64_t> chooseSamples(int64_t count, int64_t limit) {
  int64_t kept = limit > 0 ? std::min(limit, count) : count;
  std::vector<int64_t> samples;
  for (int64_t i = 0; i < kept; ++i)
    samples.push_back(int64_t(__int128(i) * count / kept));
  return samples;
}

namespace {
class Training {
public:
  Training(const NetcModel &model, const TrainOptions &options);
  int run();

private:
  void resume();
  std::optional<Checkpoint> findForResume() const;
  void checkSameRun(const RunIdentity &before, int64_t stepsDone) const;
  bool trainEpoch();
  void step(const Batch &batch);
  void requireHealthy(const Batch &batch, float loss, double rate);
  double update(const Batch &batch, double rate);
  /// The update that the batch after `batches` belongs to.
  int64_t updateOf(int64_t batches) const {
    int64_t each = (stepsPerEpoch + recipe.accumulate - 1) / recipe.accumulate;
    return batches / stepsPerEpoch * each + batches % stepsPerEpoch / recipe.accumulate;
  }
  double rateOf(int64_t batches) const { return schedule.learningRate(updateOf(batches)); }
  /// Whether gradients of earlier batches wait for an update.
  bool isAccumulating() const {
    return position.batch % recipe.accumulate != 0 && position.batch != stepsPerEpoch;
  }
  void addToCurve(double loss, int64_t correct, int64_t images);
  void showProgress(int64_t stepsHere, Clock::time_point start);
  bool validate();
  void save();
  void saveValidated(const std::string &path) const;
  void report() const;
  void requireFinite() const;
  std::string lastCheckpoint() const;
  void warnOfCorrupt() const;
  int stopInterrupted();

  const TrainOptions &options;
  ModelInfo info;
  Recipe recipe;
  std::unique_ptr<Dataset> data, validation;
  std::vector<int64_t> samples;
  ThreadPool pool;
  Executor executor;
  Optimizer optimizer;
  int64_t stepsPerEpoch; // batches
  Schedule schedule;
  unsigned workers;
  std::optional<Pipeline> augment, evaluation;
  CorruptImages corrupt, corruptValidation;
  std::optional<Loader> loader;
  WeightsMetadata metadata;
  RunIdentity identity;
  TrainingPosition position;
  Metrics metrics;
  Progress progress;
  std::string checkpointFolder;
  std::vector<int64_t> kept;        // checkpoints of this run at epochs' ends
  std::optional<int64_t> savedStep; // of the latest checkpoint of this run
  bool improved = false;            // the last epoch was the best so far
  int64_t firstStep = 0; // of this process
  double stepSeconds = 0; // spent in steps by this process
  double epochSeconds = 0;
  int64_t epochImages = 0; // trained on in this epoch by this process
  std::vector<CurvePoint> curve;
  double curveLoss = 0; // sums since its last point
  int64_t curveCorrect = 0, curveImages = 0;
  bool estimated = false;
  Accuracy lastAccuracy;
};
} // namespace

static ModelInfo readTrainableModel(const NetcModel &model) {
  ModelInfo info = readModel(model);
  if (model.step.command_count == 0)
    fail("{} was compiled with --mode infer and cannot train: compile it without that option", info.name);
  requireCpuFeatures(info.name, info.features);
  return info;
}

static std::unique_ptr<Dataset> openTraining(const TrainOptions &options, const ModelInfo &info) {
  return openDataset(options.data, Split::Train, shapeOf(info));
}

Training::Training(const NetcModel &model, const TrainOptions &options)
    : options(options), info(readTrainableModel(model)),
      recipe(parseRecipe(info, options.overrides)), data(openTraining(options, info)),
      validation(openEvaluation(options.val.empty() ? options.data : options.val,
                                !options.val.empty(), shapeOf(info), data->classNames(),
                                options.val.empty() ? "--data" : "--val")),
      samples(chooseSamples(data->size(), recipe.limit)), pool(options.threads),
      executor(model, info, pool),
      optimizer(recipe, executor),
      stepsPerEpoch((int64_t(samples.size()) + recipe.batch - 1) / recipe.batch),
      schedule(recipe, updateOf(stepsPerEpoch)),
      workers(options.workers ? options.workers : defaultWorkers(*data, info)),
      metrics(options.out + "/metrics.jsonl"), checkpointFolder(options.out + "/checkpoint") {
  LoaderOptions loading;
  loading.batch = recipe.batch;
  loading.workers = workers;
  loading.seed = recipe.seed;
  loading.training = true;
  loading.softLabels = info.softLabels;
  loading.corrupt = &corrupt;
  for (const Transform &transform : recipe.augment)
    if (transform.kind == TransformKind::Mixup || transform.kind == TransformKind::Cutmix)
      loading.mix.push_back(transform);
  if (!loading.mix.empty() && !info.softLabels)
    fail("recipe: mixup and cutmix need a loss on mixed labels, which {} was not compiled with",
         info.name);
  executor.reserve(recipe.batch, true, Loader::copies + 1);

  PixelScaling scaling = scalingForTraining(recipe, info, *data, samples, workers);
  metadata = {info.name,    data->kind(), data->classNames(), scaling.mean,
              scaling.std, scaling.pixelMean};
  augment = Pipeline::forTraining(recipe, info, scaling, sizeOf(*data));
  if (validation)
    evaluation = Pipeline::forEvaluation(recipe, info, scaling, sizeOf(*validation), 1);
  if (auto written = augment->writtenFor(); written.height)
    note(fmt::format("the recipe's sizes are written for {}x{}; scaled to the input's {}x{}",
                     written.height, written.width, info.height, info.width));
  loader.emplace(*data, *augment, info, loading);
  identity = {info.name,           info.fingerprint(), data->kind(), int64_t(samples.size()),
              data->fingerprint(), recipe.effective};
}

std::string Training::lastCheckpoint() const {
  if (savedStep)
    return fmt::format("the last good checkpoint is {} (step {}); to go on from it with another "
                       "recipe: --weights {} --lr …",
                       checkpointFolder, *savedStep, options.out);
  bool others = std::filesystem::exists(checkpointFolder + "/checkpoint.json");
  return fmt::format("this run has no checkpoint yet{}; start again with a lower --lr",
                     others ? fmt::format(" (that in {} is of an earlier run)", checkpointFolder)
                            : std::string());
}

void Training::checkSameRun(const RunIdentity &before, int64_t stepsDone) const {
  if (before.model != identity.model || before.modelFingerprint != identity.modelFingerprint)
    fail("{}: the checkpoint is of {}, not of this {}: other layers, parameters or input",
         checkpointFolder, before.model, identity.model);
  if (std::string differs = compareRecipes(before.recipe, identity.recipe, true); !differs.empty())
    fail("{}: cannot go on with another recipe: {}", checkpointFolder, differs);
  if (before.data != identity.data || before.images != identity.images ||
      before.dataFingerprint != identity.dataFingerprint)
    fail("{}: cannot go on with other data: the checkpoint's {} has {} images, {} has {}{}",
         checkpointFolder, before.data, before.images, options.data, identity.images,
         before.images == identity.images ? " with other contents" : "");
  // A longer run is the same run as long as its past would have been the same.
  std::string epochs = compareRecipes(before.recipe, identity.recipe, false);
  if (epochs.empty())
    return;
  Recipe old = recipe;
  old.epochs = recipeEpochs(before.recipe);
  Schedule past(old, updateOf(stepsPerEpoch));
  for (int64_t update = 0; update < updateOf(stepsDone); ++update)
    if (past.learningRate(update) != schedule.learningRate(update))
      fail("{}: cannot go on with another recipe: {}, and the schedule depends on it",
           checkpointFolder, epochs);
}

/// Where the latest checkpoint is damaged, the message names those before it.
std::optional<Checkpoint> Training::findForResume() const {
  auto steps = keptCheckpoints(checkpointFolder);
  if (options.fromStep) {
    if (auto checkpoint = findCheckpoint(checkpointFolder, options.fromStep))
      return checkpoint;
    fail("{}: no checkpoint of step {} is kept, there {}", checkpointFolder, *options.fromStep,
         steps.empty() ? std::string("are none")
                       : fmt::format("are those of steps {}", fmt::join(steps, ", ")));
  }
  try {
    return findCheckpoint(checkpointFolder);
  } catch (const Error &error) {
    if (steps.size() < 2)
      throw;
    fail("{}; an earlier checkpoint is kept: --resume --from-step {}", error.what(),
         steps[steps.size() - 2]);
  }
}

void Training::resume() {
  auto checkpoint = findForResume();
  if (!checkpoint) {
    note(fmt::format("no checkpoint in {}: starting afresh", options.out));
    return;
  }
  checkSameRun(checkpoint->identity, checkpoint->position.step);
  restoreCheckpoint(*checkpoint, executor);
  position = checkpoint->position;
  kept = checkpoint->kept;
  savedStep = position.step;
  schedule.plateau = position.plateau;
  fmt::print("resuming at step {} (epoch {}, batch {})\n", position.step, position.epoch + 1,
             position.batch);
}

int Training::run() {
  makeFolder(options.out);
  initializeParameters(executor, recipe.seed);
  if (!options.weights.empty())
    loadWeightsThatFit(Safetensors::read(weightsPath(options.weights)), executor);
  optimizer.startAverage();
  if (options.resume)
    resume();
  metrics.begin(position.step);
  writeFileAtomically(options.out + "/recipe.json", recipe.effective);
  fmt::print("{}: {} parameters, {} of {} images ({}), batch {}, {}, {}\n",
             info.name, info.trainableElements(), samples.size(), data->size(), options.data,
             recipe.batch, counted(recipe.epochs, "epoch"), counted(pool.size(), "thread"));
  if (!validation)
    note(fmt::format("{} has no validation images: name some with --val", options.data));
  if (!optimizer.frozen().empty())
    note(fmt::format("{} of {} parameters are frozen", optimizer.frozen().size(),
                     std::count_if(info.parameters.begin(), info.parameters.end(),
                                   [](const ParameterInfo &p) { return p.trainable; })));
  std::fflush(stdout);
  watchSignals();

  firstStep = position.step;
  bool saved = position.step > 0;
  while (position.epoch < recipe.epochs) {
    if (!trainEpoch() || !validate())
      return stopInterrupted();
    save();
    saved = true;
  }
  if (!saved || firstStep == position.step)
    save(); // nothing left to do: the files are there nevertheless
  if (saved && firstStep == position.step)
    note(fmt::format("nothing is left to train: {} ({}) are done; to go on: more --epochs with "
                     "--resume, or a new run from these weights: --weights {} --out …",
                     counted(position.epoch, "epoch"), counted(position.step, "step"), options.out));
  warnOfCorrupt();
  if (lastAccuracy.images)
    fmt::print("top-1 {:.2f}% of {} validation images\n", lastAccuracy.top1() * 100,
               lastAccuracy.images);
  fmt::print("weights are in {}/model.safetensors", options.out);
  if (position.bestEpoch > 0)
    fmt::print(", the best (epoch {}, top-1 {:.2f}%) in {}/best.safetensors", position.bestEpoch,
               position.bestTop1 * 100, options.out);
  fmt::print("\n");
  return 0;
}

bool Training::trainEpoch() {
  std::vector<Visit> order;
  for (int64_t i : shuffledOrder(int64_t(samples.size()), recipe.seed, uint32_t(position.epoch)))
    order.push_back({samples[size_t(i)], 0});
  loader->begin(std::move(order), uint32_t(position.epoch), position.batch);
  curve.clear();
  curveLoss = 0, curveCorrect = 0, curveImages = 0, epochImages = 0;
  auto start = Clock::now();
  int64_t before = position.step;
  while (!interrupted || isAccumulating()) {
    const Batch *batch = loader->next();
    if (!batch)
      break;
    auto stepStart = Clock::now();
    step(*batch);
    stepSeconds += secondsSince(stepStart);
    showProgress(position.step - before, start);
  }
  epochSeconds = secondsSince(start);
  return !interrupted;
}

void Training::step(const Batch &batch) {
  NetcHyper &hyper = executor.hyper();
  double rate = rateOf(position.step);
  hyper.dropout = 1;
  hyper.seed_lo = uint32_t(recipe.seed);
  hyper.seed_hi = uint32_t(recipe.seed >> 32);
  hyper.step = uint32_t(position.step);
  executor.bind(NETC_SPACE_INPUT, batch.input);
  executor.bind(NETC_SPACE_LABELS, batch.labels);
  if (batch.targets)
    executor.bind(NETC_SPACE_TARGETS, batch.targets);
  executor.run(Program::Step, batch.n);

  float loss = *executor.at<float>(NETC_SPACE_LOSS);
  requireHealthy(batch, loss, rate);
  update(batch, rate);

  const float *logits = executor.at<float>(NETC_SPACE_OUTPUT);
  int64_t correct = 0;
  for (int64_t i = 0; i < batch.n; ++i) {
    const float *row = logits + i * info.classes;
    correct += std::max_element(row, row + info.classes) - row == batch.labels[i];
  }
  position.correct += correct;
  position.lossSum += double(loss) * double(batch.n);
  position.seen += batch.n;
  ++position.step;
  position.batch = batch.index + 1;
  addToCurve(loss, correct, batch.n);
}

/// Stops the run before an update that would spoil the weights.
void Training::requireHealthy(const Batch &batch, float loss, double rate) {
  double limit = explodedLoss(info.classes);
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

/// The last of the batches that make one update applies it; returns the gradients' norm where the recipe clips.
double Training::update(const Batch &batch, double rate) {
  int64_t first = batch.index / recipe.accumulate * recipe.accumulate;
  int64_t end = std::min(first + recipe.accumulate, stepsPerEpoch);
  bool last = batch.index + 1 == end;
  int64_t images = std::min(end * recipe.batch, int64_t(samples.size())) - first * recipe.batch;
  optimizer.accumulate(double(batch.n) / double(images), batch.index == first, last);
  return last ? optimizer.update(updateOf(position.step), rate, batch.n) : 0;
}

void Training::addToCurve(double loss, int64_t correct, int64_t images) {
  curveLoss += loss * double(images);
  curveCorrect += correct;
  curveImages += images;
  epochImages += images;
  // The same steps whether the run was stopped in between or not.
  int64_t every = std::max<int64_t>(1, (stepsPerEpoch + curvePoints - 1) / curvePoints);
  if (position.batch % every != 0 && position.batch != stepsPerEpoch)
    return;
  curve.push_back({position.step, curveLoss / double(curveImages),
                   double(curveCorrect) / double(curveImages),
                   rateOf(position.step - 1)});
  curveLoss = 0, curveCorrect = 0, curveImages = 0;
}

void Training::showProgress(int64_t stepsHere, Clock::time_point start) {
  double elapsed = secondsSince(start);
  double perStep = elapsed / double(stepsHere);
  int64_t left = stepsPerEpoch * recipe.epochs - position.step;
  bool measured = stepsHere >= estimateSteps && elapsed >= estimateSeconds;
  if (!estimated && (measured || elapsed >= 5 * estimateSeconds)) {
    estimated = true;
    double minutes = perStep * double(left) / 60;
    progress.clear();
    fmt::print("about {} for the {} steps left ({:.0f} images/s)\n",
               minutes < 1.5 ? fmt::format("{:.0f} s", std::ceil(minutes * 60))
                             : fmt::format("{:.0f} min", std::ceil(minutes)),
               left, double(recipe.batch) / perStep);
    std::fflush(stdout);
  }
  progress.show(fmt::format("epoch {}/{}", position.epoch + 1, recipe.epochs), position.batch,
                stepsPerEpoch,
                fmt::format("loss {:.4f}  accuracy {:.2f}%  {:.0f} images/s  ETA {}",
                            position.lossSum / double(position.seen),
                            100 * double(position.correct) / double(position.seen),
                            double(recipe.batch) / perStep, clockTime(perStep * double(left))));
}

bool Training::validate() {
  requireFinite();
  EpochRecord record;
  record.epoch = position.epoch + 1;
  record.step = position.step;
  record.learningRate = rateOf(std::max<int64_t>(0, position.step - 1));
  record.trainLoss = position.lossSum / double(std::max<int64_t>(1, position.seen));
  record.trainAccuracy = double(position.correct) / double(std::max<int64_t>(1, position.seen));
  record.seconds = epochSeconds;
  record.imagesPerSecond = double(epochImages) / std::max(1e-9, epochSeconds);
  record.curve = curve;
  double error = record.trainLoss;
  if (validation) {
    Optimizer::Averaged averaged(optimizer);
    lastAccuracy = evaluate(executor, *validation, *evaluation, recipe.batch, workers,
                            [&](int64_t done) {
                              progress.show("validation", done, validation->size(), "");
                              return !interrupted;
                            },
                            &corruptValidation);
    if (interrupted)
      return false;
    error = 1 - lastAccuracy.top1();
    improved = lastAccuracy.top1() > position.bestTop1;
    if (improved)
      position.bestTop1 = lastAccuracy.top1(), position.bestEpoch = record.epoch;
    record.validation = &lastAccuracy;
  }
  schedule.endEpoch(error);
  position.plateau = schedule.plateau;
  ++position.epoch;
  position.batch = 0;
  // Here and not when the next epoch begins: an interrupt in between saves the same bytes.
  position.lossSum = 0, position.correct = 0, position.seen = 0;
  progress.clear();
  fmt::print("epoch {}/{}  loss {:.4f}  accuracy {:.2f}%", record.epoch, recipe.epochs,
             record.trainLoss, record.trainAccuracy * 100);
  if (validation)
    fmt::print("  validation loss {:.4f}  top-1 {:.2f}%", lastAccuracy.loss(),
               lastAccuracy.top1() * 100);
  fmt::print("  {:.1f} s\n", epochSeconds);
  std::fflush(stdout);
  record.corrupt = corrupt.count();
  metrics.append(record);
  report();
  return true;
}

/// The page never costs a run: where it cannot be written, that is said.
void Training::report() const {
  ReportInput page;
  page.info = &info;
  page.recipe = identity.recipe;
  page.metrics = options.out + "/metrics.jsonl";
  page.stepsPerEpoch = stepsPerEpoch;
  page.epochs = recipe.epochs;
  page.classes = metadata.classes;
  if (validation) {
    page.validation = &lastAccuracy;
    page.validationData = validation.get();
  }
  page.environment = describeMachine();
  auto add = [&](const char *name, std::string value) {
    page.environment.emplace_back(name, std::move(value));
  };
  add("threads", std::to_string(pool.size()));
  add("data workers", std::to_string(workers));
  add("peak memory", shortBytes(peakResidentBytes()));
  add("training data", fmt::format("{}: {} of {} images", options.data, samples.size(), data->size()));
  add("validation data", validation ? fmt::format("{}: {} images", options.val.empty() ? options.data : options.val,
                                                  validation->size())
                                    : std::string("none"));
  add("compiled", fmt::format("netc {}, for {} {}, from {}", info.compiler, info.target, info.cpu, info.file));
  try {
    writeReport(options.out + "/report.html", page);
  } catch (const Error &error) {
    warn(error.what());
  }
}

void Training::requireFinite() const {
  for (const ParameterInfo &parameter : info.parameters) {
    const float *values = executor.parameter(parameter);
    for (int64_t i = 0; i < parameter.elements(); ++i)
      if (!std::isfinite(values[i]))
        fail("parameter {} is {} after step {}: stopped; {}", parameter.name, values[i],
             position.step, lastCheckpoint());
  }
}

/// The weights that validation measures: the moving average, if there is one.
void Training::saveValidated(const std::string &path) const {
  Optimizer::Averaged averaged(optimizer);
  saveWeights(path, executor, metadata);
}

void Training::save() {
  std::string best = options.out + "/best.safetensors";
  try {
    // Before the checkpoint: killed in between, the epoch is trained and judged again.
    if (improved)
      saveValidated(best);
    else if (position.bestEpoch == 0)
      std::filesystem::remove(best); // of another run
    improved = false;
    saveCheckpoint(checkpointFolder, executor, position, identity, metadata, options.keep, kept);
    savedStep = position.step;
    saveValidated(options.out + "/model.safetensors");
  } catch (const Error &error) {
    fail("{}; {}", error.what(),
         savedStep ? fmt::format("the checkpoint of step {} in {} is whole: make room, then --resume",
                                 *savedStep, checkpointFolder)
                   : std::string("this run has no checkpoint yet"));
  }
}

void Training::warnOfCorrupt() const {
  if (int64_t count = corrupt.count())
    warn(fmt::format("{} of {} training images could not be read: others stood in for them", count,
                     data->size()));
  if (int64_t count = corruptValidation.count())
    warn(fmt::format("{} of {} validation images could not be read and are not counted", count,
                     validation->size()));
}

int Training::stopInterrupted() {
  progress.clear();
  requireFinite();
  save();
  fmt::print(stderr,
             "interrupted at step {}: saved in {}; the same command with --resume goes on\n",
             position.step, checkpointFolder);
  return 1;
}

int train(const NetcModel &model, const TrainOptions &options) {
  return Training(model, options).run();
}

} // namespace netc::runtime
