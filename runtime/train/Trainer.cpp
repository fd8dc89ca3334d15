//===- Trainer.cpp - the training loop ------------------------------------===//
#include "runtime/train/Trainer.h"

#include "runtime/base/Error.h"
#include "runtime/base/Output.h"
#include "runtime/exec/Diagnosis.h"
#include "runtime/train/StopRequest.h"
#include "runtime/train/Training.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace netc::runtime {

using Clock = std::chrono::steady_clock;

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Points of the curves within an epoch.
static constexpr int64_t curvePoints = 40;

/// Whether any process was asked to stop: all do so at the same step.
bool Training::isInterrupted() {
  std::vector<std::string> flags = communicator.gather(stopRequested() ? "1" : "0");
  return std::count(flags.begin(), flags.end(), "1") > 0;
}

int Training::run() {
  requireSameRun();
  startWeights();
  agreeOnStart();
  if (communicator.isRoot())
    files.begin(recipe.effective);
  describeRun();
  watchSignals();

  firstStep = position.step;
  bool saved = position.step > 0;
  while (position.epoch < recipe.epochs) {
    if (!trainEpoch() || !endEpoch())
      return stopInterrupted();
    save();
    saved = true;
  }
  return finish(saved);
}

bool Training::trainEpoch() {
  loader->begin(data.order(position.epoch), uint32_t(position.epoch), position.batch);
  auto start = Clock::now();
  int64_t before = position.step;
  bool stops = isInterrupted();
  while (!stops || plan.isAccumulating(position.batch)) {
    if (!step())
      break;
    progress.show(position, qualityText(position.lossSum / double(position.seen)),
                  position.step - before, secondsSince(start));
    stops = stopsAfterStep;
  }
  position.curve.seconds += secondsSince(start);
  return !stops;
}

/// One batch: its shards, then the update. False at the epoch's end.
bool Training::step() {
  if (position.batch == plan.stepsPerEpoch)
    return false;
  int64_t images = plan.imagesOf(position.batch);
  double rate = rateOf(position.step);
  StepFigures figures = shards.count() == 1 ? runShard(images, rate) : runShards(images, rate);
  update(rate);

  // Of several processes all know the same by now; one alone is told of a signal at once.
  stopsAfterStep = communicator.size() == 1 ? stopRequested() : figures.stops > 0;
  position.correct += figures.correct;
  position.quality.add(figures.quality);
  position.lossSum += figures.loss;
  position.seen += images;
  ++position.step;
  ++position.batch;
  addToCurve(figures, images);
  return true;
}

/// The gradients of a batch of `images`, in shards.
StepFigures Training::runShards(int64_t images, double rate) {
  shards.begin(images);
  for (int64_t i = 0; i < shards.own(); ++i) {
    int64_t size = shardOf(images, shards.count(), shards.first() + i).size();
    StepFigures figures = size ? runShard(size, rate) : StepFigures();
    figures.stops = i + 1 == shards.own() && stopRequested();
    shards.take(size, figures);
  }
  StepFigures figures = shards.finish();
  requireHealthy(float(figures.loss / double(images)), rate, 0);
  return figures;
}

/// The step of the loader's next batch, or shard of one, which has `size` images.
StepFigures Training::runShard(int64_t size, double rate) {
  const Batch *batch = loader->next();
  if (!batch || batch->n != size || batch->index != position.batch)
    fail("internal error: batch {} of an epoch is not the loader's", position.batch);
  StepFigures figures = runStep(*batch);
  requireHealthy(float(figures.loss / double(size)), rate, size);
  return figures;
}

StepFigures Training::runStep(const Batch &batch) {
  NetcHyper &hyper = executor.hyper();
  hyper.dropout = 1;
  hyper.label_smoothing = float(recipe.labelSmoothing);
  hyper.seed_lo = uint32_t(recipe.seed);
  hyper.seed_hi = uint32_t(recipe.seed >> 32);
  hyper.step = uint32_t(position.step);
  hyper.first_image = uint32_t(batch.first);
  executor.bind(NETC_SPACE_INPUT, batch.input);
  executor.bind(NETC_SPACE_LABELS, batch.labels);
  if (batch.targets)
    executor.bind(NETC_SPACE_TARGETS, batch.targets);
  executor.run(Program::Step, batch.n, shards.count() > 1 ? shards.watchNext(batch.n) : nullptr);
  // The step may only have begun: the next batch travels meanwhile.
  if (const Batch *next = loader->ahead()) {
    executor.device().sendAhead(NETC_SPACE_INPUT, next->input, next->n);
    executor.device().sendAhead(NETC_SPACE_LABELS, next->labels, next->n);
    if (next->targets)
      executor.device().sendAhead(NETC_SPACE_TARGETS, next->targets, next->n);
  }

  float loss = *executor.at<float>(NETC_SPACE_LOSS);
  return {double(loss) * double(batch.n), countCorrect(batch), qualityOf(batch)};
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
  if (!info.classifies()) // the step has its loss
    measure(info, {executor.at<char>(NETC_SPACE_OUTPUT), batch.labels, batch.targets, batch.n},
            quality, nullptr, nullptr);
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

/// Stops the run before an update that would spoil the weights: of a shard by its own loss and
/// gradients, of a batch in shards, which all processes see, by the sums. `images`: of the step
/// that ran last; 0: what is looked at is a sum over shards.
void Training::requireHealthy(float loss, double rate, int64_t images) {
  // Values may have any scale: only what is not finite is wrong with them.
  bool scores = std::all_of(info.losses.begin(), info.losses.end(), [](const LossInfo &term) {
    return term.kind == LossKind::CrossEntropy;
  });
  double limit = scores ? explodedLoss(info.classes) : double(INFINITY);
  bool healthyLoss = std::isfinite(loss) && loss <= limit;
  if (healthyLoss && gradientsFinite(executor))
    return;
  output.clearBar();
  std::string what = std::isnan(loss) ? "loss is nan" : fmt::format("loss is {}", loss);
  if (healthyLoss)
    what += " but a gradient is not finite";
  else if (std::isfinite(loss))
    what += fmt::format(" (more than {:.0f}: exploded)", limit);
  fail("{} at step {} (epoch {}, batch {}, learning rate {}): {}; stopped; {}", what, position.step,
       position.epoch + 1, position.batch, rate,
       images ? locateFault(executor, images) : "in the sum over shards", files.lastCheckpoint());
}

/// The last of the batches that make one update applies it.
void Training::update(double rate) {
  int64_t batch = position.batch, images = plan.imagesOf(batch);
  bool first = batch == plan.firstOfUpdate(batch), last = batch + 1 == plan.endOfUpdate(batch);
  optimizer.accumulate(double(images) / double(plan.imagesOfUpdate(batch)), first, last);
  if (last)
    optimizer.update(plan.updateOf(position.step), rate, std::min(images, shardImages()));
}

void Training::addToCurve(const StepFigures &figures, int64_t images) {
  position.curve.add(figures.loss, figures.correct, figures.quality, images);
  // The same steps whether the run was stopped in between or not.
  int64_t every = std::max<int64_t>(1, (plan.stepsPerEpoch + curvePoints - 1) / curvePoints);
  if (position.batch % every == 0 || position.batch == plan.stepsPerEpoch)
    position.curve.endPoint(position.step, rateOf(position.step - 1));
}

int Training::stopInterrupted() {
  output.clearBar();
  requireFinite();
  save();
  if (communicator.isRoot())
    tell("interrupted at step {}: saved in {}; the same command with --resume goes on\n",
         position.step, files.checkpoints());
  return 1;
}

/// `saved`: there is a checkpoint of this run.
int Training::finish(bool saved) {
  if (!saved || firstStep == position.step)
    save(); // nothing left to do: the files are there nevertheless
  if (saved && firstStep == position.step)
    output.note(
        fmt::format("nothing is left to train: {} ({}) are done; to go on: more --epochs with "
                    "--resume, or a new run from these weights: --weights {} --out …",
                    counted(position.epoch, "epoch"), counted(position.step, "step"), options.out));
  data.warnOfCorrupt(output);
  if (lastAccuracy.images && !info.classifies())
    output.print("validation loss {:.4f}, {} of {} validation images\n", lastAccuracy.loss(),
                 lastAccuracy.text(), lastAccuracy.images);
  else if (lastAccuracy.images)
    output.print("top-1 {:.2f}% of {} validation images\n", lastAccuracy.top1() * 100,
                 lastAccuracy.images);
  output.print("weights are in {}/model.safetensors", options.out);
  if (position.bestEpoch > 0 && !info.classifies())
    output.print(", the best (epoch {}, validation loss {:.4f}) in {}/best.safetensors",
                 position.bestEpoch, -position.bestTop1, options.out);
  else if (position.bestEpoch > 0)
    output.print(", the best (epoch {}, top-1 {:.2f}%) in {}/best.safetensors", position.bestEpoch,
                 position.bestTop1 * 100, options.out);
  output.print("\n");
  return 0;
}

int train(const NetcModel &model, const TrainOptions &options) {
  SingleProcess alone;
  return train(model, options, alone);
}

int train(const NetcModel &model, const TrainOptions &options, Communicator &communicator) {
  surviveFailedWrites();
  Silence others(!communicator.isRoot());
  return Training(model, options, communicator).run();
}

} // namespace netc::runtime
