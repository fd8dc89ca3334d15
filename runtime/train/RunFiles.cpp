//===- RunFiles.cpp - the folder that a training run writes ---------------===//
#include "runtime/train/RunFiles.h"

#include "runtime/system/AtomicFile.h"

#include <cerrno>
#include <filesystem>

namespace netc::runtime {

RunFiles::RunFiles(const TrainOptions &options, const RunOutput &output, TrainingPosition &position)
    : metrics(options.out + "/metrics.jsonl"), logs(options.out, options.logs), options(options),
      output(output), position(position), checkpointFolder(options.out + "/checkpoint") {}

void RunFiles::begin(const std::string &effective) {
  recipe = effective;
  metrics.begin(position.step);
  logs.update();
  writeFileAtomically(pathOf("recipe.json"), recipe);
}

bool RunFiles::holdsCheckpoint() const {
  return std::filesystem::exists(checkpointFolder + "/checkpoint.json");
}

std::string RunFiles::lastCheckpoint() const {
  if (savedStep)
    return fmt::format("the last good checkpoint is {} (step {}); to go on from it with another "
                       "recipe: --weights {} --lr …",
                       checkpointFolder, *savedStep, options.out);
  return fmt::format("this run has no checkpoint yet{}; start again with a lower --lr",
                     holdsCheckpoint()
                         ? fmt::format(" (that in {} is of an earlier run)", checkpointFolder)
                         : std::string());
}

std::optional<Checkpoint> RunFiles::findForResume() const {
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

void RunFiles::resume(const Checkpoint &checkpoint) {
  kept = checkpoint.kept;
  savedStep = checkpoint.position.step;
}

static bool isFull(const Error &error) {
  const auto *system = dynamic_cast<const SystemError *>(&error);
  return system &&
         (system->number == ENOSPC || system->number == EDQUOT || system->number == EFBIG);
}

/// A file of the run could not be written.
void RunFiles::failToWrite(const Error &error) const {
  if (!savedStep)
    fail("{}; this run has no checkpoint yet", error.what());
  if (!holdsCheckpoint())
    fail("{}; the checkpoint of step {} is no longer in {}", error.what(), *savedStep,
         checkpointFolder);
  fail("{}; the checkpoint of step {} in {} is whole: {}--resume", error.what(), *savedStep,
       checkpointFolder, isFull(error) ? "make room, then " : "when that is mended, go on with ");
}

/// Somebody may have removed the run's folder: it costs what was in it, not what is to come.
void RunFiles::remakeFolder() {
  if (lock->isHeld())
    return;
  lock->renew();
  if (savedStep && holdsCheckpoint())
    return; // only the lock was removed
  output.warn(fmt::format("{} was removed: it is made anew, without what earlier epochs left there",
                          options.out));
  savedStep.reset();
  kept.clear();
  position.bestTop1 = -1, position.bestEpoch = 0; // of those to come
  writeFileAtomically(pathOf("recipe.json"), recipe);
}

void RunFiles::write(const std::function<void()> &action) {
  static constexpr int attempts = 3;
  for (int attempt = 1;; ++attempt)
    try {
      remakeFolder();
      return action();
    } catch (const Error &error) {
      if (attempt == attempts || lock->isHeld())
        failToWrite(error);
    }
}

} // namespace netc::runtime
