//===- RunData.h - the images that a training run reads ---------*- C++ -*-===//
#ifndef NETC_RUNTIME_TRAIN_RUNDATA_H
#define NETC_RUNTIME_TRAIN_RUNDATA_H

#include "runtime/data/Loader.h"
#include "runtime/train/RunOutput.h"
#include "runtime/train/Trainer.h"
#include "runtime/weights/Weights.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace netc::runtime {

/// The training set and the validation set of a run, which of their samples it sees, and what is
/// done to them before the model reads them.
class RunData {
public:
  /// Opens both sets. `isRoot`: whether this process names what it cannot read.
  RunData(const TrainOptions &options, const ModelInfo &info, const Recipe &recipe, bool isRoot);

  /// Fails where the recipe does to the samples what cannot be done to them.
  void checkRecipe() const;
  /// Chooses the scaling and makes both pipelines; `stored`: of the run that goes on, or null.
  void prepare(const WeightsMetadata *stored, const RunOutput &output);
  /// For the training set's loader, except where its batches lie.
  LoaderOptions loaderOptions();
  /// The visits of an epoch of training, in their order.
  std::vector<Visit> order(int64_t epoch) const;

  void describe(RunOutput &output) const;
  void warnOfCorrupt(const RunOutput &output) const;
  /// "cifar10:data: 1000 of 50000 images"; of validation "none" where there is none.
  std::string trainingText() const;
  std::string validationText() const;
  WeightsMetadata metadata() const;

  std::unique_ptr<Dataset> training, validation; ///< validation: null where there is none
  std::vector<int64_t> samples, validated;       ///< of both sets, those that are seen
  unsigned workers;
  std::optional<Pipeline> augment, evaluation; ///< as `prepare` made them
  CorruptImages corrupt, corruptValidation;

private:
  void requirePlainRecipe() const;
  /// As the command line named it.
  const std::string &validationName() const;

  const TrainOptions &options;
  const ModelInfo &info;
  const Recipe &recipe;
  PixelScaling scaling;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_TRAIN_RUNDATA_H
