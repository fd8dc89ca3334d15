//===- TrainingResume.cpp - how a run is taken up again -------------------===//
#include "runtime/base/Error.h"
#include "runtime/train/Training.h"

namespace netc::runtime {

/// How this run's recipe differs from `before`, that of a checkpoint; as compareRecipes.
std::string Training::differenceFrom(const std::string &before, bool ignoreEpochs) const {
  try {
    return compareRecipes(before, identity.recipe, ignoreEpochs);
  } catch (const nlohmann::json::exception &error) {
    fail("{}: damaged: its recipe is none: {}", files.checkpoints(), error.what());
  }
}

void Training::checkSameRun(const Checkpoint &checkpoint) const {
  const RunIdentity &before = checkpoint.identity;
  if (before.model != identity.model || before.modelFingerprint != identity.modelFingerprint)
    fail("{}: the checkpoint is of {}, not of this {}: other layers, parameters or input",
         files.checkpoints(), before.model, identity.model);
  if (std::string differs = differenceFrom(before.recipe, true); !differs.empty())
    fail("{}: cannot go on with another recipe: {}", files.checkpoints(), differs);
  if (before.data != identity.data || before.images != identity.images ||
      before.dataFingerprint != identity.dataFingerprint)
    fail("{}: cannot go on with other data: the checkpoint's {} has {} images, {} has {}{}",
         files.checkpoints(), before.data, before.images, options.data, identity.images,
         before.images == identity.images ? " with other contents" : "");
  checkPosition(checkpoint.position);
  // A longer run is the same run as long as its past would have been the same.
  std::string epochs = differenceFrom(before.recipe, false);
  if (epochs.empty())
    return;
  Recipe old = recipe;
  old.epochs = recipeEpochs(before.recipe);
  Schedule past(old, plan.updatesPerEpoch());
  for (int64_t update = 0; update < plan.updateOf(checkpoint.position.step); ++update)
    if (past.learningRate(update) != schedule.learningRate(update))
      fail("{}: cannot go on with another recipe: {}, and the schedule depends on it",
           files.checkpoints(), epochs);
}

/// Step, epoch and batch must agree, and so must the images seen.
void Training::checkPosition(const TrainingPosition &at) const {
  bool agrees = at.batch <= plan.stepsPerEpoch &&
                __int128(at.epoch) * plan.stepsPerEpoch + at.batch == at.step &&
                at.seen == plan.imagesBefore(at.batch);
  if (!agrees)
    fail("{}: damaged: step {} cannot be batch {} of epoch {} with {} images seen",
         files.checkpoints(), at.step, at.batch, at.epoch + 1, at.seen);
}

void Training::resume(const Checkpoint &checkpoint) {
  restoreCheckpoint(checkpoint, executor);
  position = checkpoint.position;
  files.resume(checkpoint);
  schedule.plateau = position.plateau;
  data.corrupt.restore(position.curve.corrupt);
  output.print("resuming at step {} (epoch {}, batch {})\n", position.step, position.epoch + 1,
               position.batch);
}

} // namespace netc::runtime
