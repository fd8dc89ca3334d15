//===- Calibrate.cpp - scales for a quantised model -----------------------===//
#include "runtime/base/Error.h"
#include "runtime/base/Progress.h"
#include "runtime/commands/Observation.h"
#include "runtime/quantize/Histogram.h"
#include "runtime/quantize/Observe.h"

#include <vector>

namespace netc::runtime {

static RangeMethod methodOf(const std::string &name) {
  return name == "minmax"       ? RangeMethod::MinMax
         : name == "percentile" ? RangeMethod::Percentile
                                : RangeMethod::Mse;
}

/// Each value's magnitudes over the images.
static std::vector<Histogram> countMagnitudes(Observation &observation) {
  Executor &executor = observation.executor();
  const std::vector<NamedValue> &values = executor.info().observed;
  std::vector<Histogram> histograms(values.size());
  Progress progress;
  observation.overBatches([&](int64_t n, int64_t done) {
    runObserved(executor, Program::Observe, n, [&](size_t index, const StoredValue &value) {
      const float *all = static_cast<const float *>(value.memory);
      if (!allFinite(all, value.count))
        fail("{}: {} has values that are not finite: these weights give no result",
             observation.weightsFile(), values[index].name);
      histograms[index].add(all, value.count);
    });
    progress.show("calibrating", done, observation.images(), "");
  });
  progress.clear();
  return histograms;
}

int runCalibrate(const NetcModel &model, const CalibrateOptions &options) {
  Observation observation(model, {options.data, options.weights, options.set, options.images,
                                  options.batch, options.threads, /*calibrating=*/true});
  Executor &executor = observation.executor();
  std::vector<Histogram> histograms = countMagnitudes(observation);
  const ModelInfo &info = executor.info();
  int scales = 0;
  for (size_t i = 0; i < histograms.size(); ++i) {
    const ParameterInfo *scale = scaleOf(info, info.observed[i].name);
    if (!scale)
      continue;
    double range = histograms[i].range(methodOf(options.method), scale->levels);
    *executor.parameter(*scale) = float(range / scale->levels);
    ++scales;
  }
  saveWeights(options.out, executor, observation.metadata());
  fmt::print("{} scales of activations from {}, {}: {}\n", scales,
             counted(observation.seen(), "image"), options.method, options.out);
  return 0;
}

} // namespace netc::runtime
