//===- PredictionModel.cpp - a network as `predict` opens it --------------===//
#include "runtime/commands/PredictionModel.h"

#include "runtime/data/ClassLabels.h"
#include "runtime/weights/SoundWeights.h"

namespace netc::runtime {

PredictionModel::PredictionModel(const NetcModel &model, const ModelInfo &info,
                                 const PredictOptions &options, int64_t classes)
    : path(weightsPath(options.weights)), file(Safetensors::read(path)), pool(options.threads),
      executor(model, info, pool) {
  loadWeights(file, executor, false);
  requireSoundWeights(executor, path);
  metadata = WeightsMetadata::decode(file);
  names = metadata.classes;
  if (!options.labels.empty())
    names = readClassLabels(options.labels, classes).names;
}

} // namespace netc::runtime
