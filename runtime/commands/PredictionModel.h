//===- PredictionModel.h - a network as `predict` opens it ------*- C++ -*-===//
#ifndef NETC_RUNTIME_COMMANDS_PREDICTIONMODEL_H
#define NETC_RUNTIME_COMMANDS_PREDICTIONMODEL_H

#include "runtime/commands/Commands.h"
#include "runtime/exec/Executor.h"
#include "runtime/weights/Weights.h"

#include <string>
#include <vector>

namespace netc::runtime {

/// A network with the weights and the class names that the options say.
struct PredictionModel {
  /// Fails where the weights do not fit or are not finite, or where there are not `classes` names.
  PredictionModel(const NetcModel &model, const ModelInfo &info, const PredictOptions &options,
                  int64_t classes);

  std::string path; ///< of the weights
  Safetensors file;
  ThreadPool pool;
  Executor executor;
  WeightsMetadata metadata;
  std::vector<std::string> names; ///< of the classes
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_COMMANDS_PREDICTIONMODEL_H
