//===- TrainingFiles.cpp - what a run saves, resumes and reports ----------===//
#include "runtime/train/Training.h"

#include "runtime/base/Error.h"
#include "runtime/base/Output.h"
#include "runtime/report/Report.h"
#include "runtime/system/AtomicFile.h"
#include "runtime/weights/Weights.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <utility>

namespace netc::runtime {

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

void Training::checkSameRun(const Checkpoint &checkpoint) const {
  const RunIdentity &before = checkpoint.identity;
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
  checkPosition(checkpoint.position);
  // A longer run is the same run as long as its past would have been the same.
  std::string epochs = compareRecipes(before.recipe, identity.recipe, false);
  if (epochs.empty())
    return;
  Recipe old = recipe;
  old.epochs = recipeEpochs(before.recipe);
  Schedule past(old, updateOf(stepsPerEpoch));
  for (int64_t update = 0; update < updateOf(checkpoint.position.step); ++update)
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

/// Step, epoch and batch must agree, and so must the images seen.
void Training::checkPosition(const TrainingPosition &at) const {
  bool agrees = at.batch <= stepsPerEpoch &&
                __int128(at.epoch) * stepsPerEpoch + at.batch == at.step &&
                at.seen == std::min(at.batch * recipe.batch, int64_t(samples.size()));
  if (!agrees)
    fail("{}: damaged: step {} cannot be batch {} of epoch {} with {} images seen",
         checkpointFolder, at.step, at.batch, at.epoch + 1, at.seen);
}

void Training::resume(const Checkpoint &checkpoint) {
  restoreCheckpoint(checkpoint, executor);
  position = checkpoint.position;
  kept = checkpoint.kept;
  savedStep = position.step;
  schedule.plateau = position.plateau;
  corrupt.restore(position.curve.corrupt);
  print("resuming at step {} (epoch {}, batch {})\n", position.step, position.epoch + 1,
        position.batch);
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
  add("training data",
      fmt::format("{}: {} of {} images", options.data, samples.size(), data->size()));
  add("validation data", validation ? fmt::format("{}: {} of {} images",
                                                  options.val.empty() ? options.data : options.val,
                                                  validated.size(), validation->size())
                                    : std::string("none"));
  add("compiled",
      fmt::format("netc {}, for {} {}, from {}", info.compiler, info.target, info.cpu, info.file));
  try {
    writeReport(options.out + "/report.html", page);
  } catch (const std::exception &error) {
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

static bool isFull(const Error &error) {
  const auto *system = dynamic_cast<const SystemError *>(&error);
  return system &&
         (system->number == ENOSPC || system->number == EDQUOT || system->number == EFBIG);
}

/// A file of the run could not be written.
void Training::failToWrite(const Error &error) const {
  if (!savedStep)
    fail("{}; this run has no checkpoint yet", error.what());
  if (!std::filesystem::exists(checkpointFolder + "/checkpoint.json"))
    fail("{}; the checkpoint of step {} is no longer in {}", error.what(), *savedStep,
         checkpointFolder);
  fail("{}; the checkpoint of step {} in {} is whole: {}--resume", error.what(), *savedStep,
       checkpointFolder, isFull(error) ? "make room, then " : "when that is mended, go on with ");
}

/// Somebody may have removed the run's folder: it costs what was in it, not what is to come.
void Training::remakeFolder() {
  if (lock->isHeld())
    return;
  lock->renew();
  if (savedStep && std::filesystem::exists(checkpointFolder + "/checkpoint.json"))
    return; // only the lock was removed
  warn(fmt::format("{} was removed: it is made anew, without what earlier epochs left there",
                   options.out));
  savedStep.reset();
  kept.clear();
  position.bestTop1 = -1, position.bestEpoch = 0; // of those to come
  writeFileAtomically(options.out + "/recipe.json", recipe.effective);
}

/// Writes files of the run; again where its folder was removed meanwhile.
void Training::writeFiles(const std::function<void()> &write) {
  static constexpr int attempts = 3;
  for (int attempt = 1;; ++attempt)
    try {
      remakeFolder();
      return write();
    } catch (const Error &error) {
      if (attempt == attempts || lock->isHeld())
        failToWrite(error);
    }
}

/// Whatever happens to a process afterwards, the files are there.
void Training::save() {
  if (position.batch > 0) // an epoch meets all images
    position.curve.corrupt = corrupt.list();
  if (communicator.isRoot())
    writeRun();
  improved = false;
  savedStep = position.step;
  communicator.barrier();
}

void Training::writeRun() {
  std::string best = options.out + "/best.safetensors";
  writeFiles([&] {
    // Before the checkpoint: killed in between, the epoch is trained and judged again.
    if (improved)
      saveValidated(best);
    else if (position.bestEpoch == 0)
      std::filesystem::remove(best); // of another run
    saveCheckpoint(checkpointFolder, executor, position, identity, metadata, options.keep, kept);
    savedStep = position.step; // what an error below speaks of
    saveValidated(options.out + "/model.safetensors");
  });
}

void Training::noteLostOutput() {
  if (!std::exchange(outputLost, true))
    warn(
        fmt::format("cannot write to standard output: {}; training goes on", std::strerror(errno)));
}

void Training::printText(const std::string &text) {
  if (!writeStdout(text))
    noteLostOutput();
}

void Training::flushOutput() {
  if (std::fflush(stdout) != 0)
    noteLostOutput();
}

void Training::warnOfCorrupt() const {
  if (int64_t count = corrupt.count())
    warn(fmt::format("{} of {} training images could not be read: others stood in for them", count,
                     data->size()));
  if (int64_t count = corruptValidation.count())
    warn(fmt::format("{} of {} validation images could not be read and are not counted", count,
                     validated.size()));
}

int Training::stopInterrupted() {
  progress.clear();
  requireFinite();
  save();
  if (communicator.isRoot())
    tell("interrupted at step {}: saved in {}; the same command with --resume goes on\n",
         position.step, checkpointFolder);
  return 1;
}

} // namespace netc::runtime
