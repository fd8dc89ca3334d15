//===- TrainingEpoch.cpp - what an epoch came to --------------------------===//
#include "runtime/base/Error.h"
#include "runtime/train/StopRequest.h"
#include "runtime/train/Training.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

namespace netc::runtime {

using Clock = std::chrono::steady_clock;

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void Training::requireFinite() const {
  for (const ParameterInfo &parameter : info.parameters) {
    const float *values = executor.parameter(parameter);
    for (int64_t i = 0; i < parameter.elements(); ++i)
      if (!std::isfinite(values[i]))
        fail("parameter {} is {} after step {}: stopped; {}", parameter.name, values[i],
             position.step, files.lastCheckpoint());
  }
}

/// What training left in the position for the record of the epoch that ends.
EpochRecord Training::recordOfTraining() {
  EpochRecord record;
  record.epoch = position.epoch + 1;
  record.step = position.step;
  record.learningRate = rateOf(std::max<int64_t>(0, position.step - 1));
  record.trainLoss = position.lossSum / double(std::max<int64_t>(1, position.seen));
  record.trainAccuracy = double(position.correct) / double(std::max<int64_t>(1, position.seen));
  record.quality = position.quality;
  record.seconds = position.curve.seconds;
  record.imagesPerSecond = double(position.curve.epochImages) / std::max(1e-9, record.seconds);
  // A device that adds by itself does not say when it waited.
  if (double seconds = shards.takeSeconds(); communicator.size() > 1 && !shards.areOnDevice())
    record.communicationSeconds = seconds;
  return record;
}

/// Measures the epoch on the validation images; false where it was interrupted.
bool Training::validate(EpochRecord &record) {
  auto start = Clock::now();
  if (stateShard && recipe.average > 0) // the average is the last slot
    stateShard->gatherState(executor.model().state_bytes / executor.model().parameter_bytes - 1,
                            /*keep=*/true);
  Optimizer::Averaged averaged(optimizer);
  lastAccuracy = evaluate(
      executor, communicator, *data.validation, data.validated, *data.evaluation, shardImages(),
      data.workers,
      [&](int64_t done) {
        output.showBar("validation", done, int64_t(data.validated.size()), "");
        return !stopRequested();
      },
      &data.corruptValidation);
  if (stateShard)
    stateShard->drop();
  if (isInterrupted())
    return false;
  if (lastAccuracy.notFinite) {
    output.clearBar();
    output.warn(fmt::format("the scores of {} of {} validation images are not finite",
                            std::min(lastAccuracy.notFinite, lastAccuracy.images),
                            lastAccuracy.images));
  }
  progress.validationSeconds = record.validationSeconds = secondsSince(start);
  double score = info.classifies() ? lastAccuracy.top1() : -lastAccuracy.loss();
  improved = position.bestEpoch == 0 || score > position.bestTop1;
  if (improved)
    position.bestTop1 = score, position.bestEpoch = record.epoch;
  record.validation = &lastAccuracy;
  return true;
}

void Training::printEpoch(const EpochRecord &record, const std::string &trained) {
  output.clearBar();
  output.print("epoch {}/{}  {}", record.epoch, recipe.epochs, trained);
  if (data.validation && !info.classifies())
    output.print("  validation loss {:.4f}  {}", lastAccuracy.loss(), lastAccuracy.text());
  else if (data.validation)
    output.print("  validation loss {:.4f}  top-1 {:.2f}%", lastAccuracy.loss(),
                 lastAccuracy.top1() * 100);
  std::string waited;
  if (record.communicationSeconds)
    waited = fmt::format(" ({:.1f} s of it communication)", *record.communicationSeconds);
  output.print("  {:.1f} s{}{}\n", record.seconds, waited,
               data.validation ? fmt::format(" + validation {:.1f} s", record.validationSeconds)
                               : std::string());
  output.flush();
}

/// Judges the epoch that was trained, and makes the position that of the next one; false where it
/// was interrupted.
bool Training::endEpoch() {
  requireFinite();
  agreeOnCorrupt();
  EpochRecord record = recordOfTraining();
  double error = record.trainLoss;
  if (data.validation) {
    if (!validate(record))
      return false;
    error = info.classifies() ? 1 - lastAccuracy.top1() : lastAccuracy.loss();
  }
  schedule.endEpoch(error);
  position.plateau = schedule.plateau;
  std::string trained = qualityText(record.trainLoss);
  ++position.epoch;
  position.batch = 0;
  // Here and not when the next epoch begins: an interrupt in between saves the same bytes.
  position.lossSum = 0, position.correct = 0, position.seen = 0, position.quality = {};
  const EpochCurve curve = std::exchange(position.curve, {});
  printEpoch(record, trained);
  record.corrupt = data.corrupt.count();
  record.curve = curve.points;
  if (!communicator.isRoot())
    return true;
  files.write([&] {
    files.metrics.append(record);
    files.logs.update();
  });
  report();
  return true;
}

} // namespace netc::runtime
