//===- Observation.h - images through a quantised model ---------*- C++ -*-===//
#ifndef NETC_RUNTIME_COMMANDS_OBSERVATION_H
#define NETC_RUNTIME_COMMANDS_OBSERVATION_H

#include "runtime/commands/Commands.h"
#include "runtime/data/Loader.h"
#include "runtime/exec/Diagnosis.h"
#include "runtime/weights/Weights.h"

#include <functional>
#include <memory>

namespace netc::runtime {

struct ObservationOptions {
  std::string data, weights;
  std::vector<std::string> set;
  int64_t images;
  std::optional<int64_t> batch;
  unsigned threads;
  bool calibrating; ///< the weights need no scales, the images are those of training
};

/// What `calibrate` and `compare` do alike: a quantised model with weights, and images of a data
/// set on their way through it.
class Observation {
public:
  /// Fails where the model is none of int8.
  Observation(const NetcModel &model, const ObservationOptions &options);

  Executor &executor() { return *machine; }
  const WeightsMetadata &metadata() const { return stored; }
  const std::string &weightsFile() const { return path; }
  int64_t images() const { return std::ssize(samples); }
  /// Images that overBatches has shown: all that could be read.
  int64_t seen() const { return shown; }

  /// Calls `body` with the batch bound and its size, images that cannot be read left out; `done`
  /// counts all so far.
  void overBatches(const std::function<void(int64_t n, int64_t done)> &body);

private:
  void openData(const ObservationOptions &options);

  ModelInfo info;
  ThreadPool pool;
  std::unique_ptr<Executor> machine;
  std::unique_ptr<Dataset> data;
  std::optional<Pipeline> pipeline;
  std::string path;
  WeightsMetadata stored;
  std::vector<int64_t> samples;
  int64_t batch, shown = 0;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_COMMANDS_OBSERVATION_H
