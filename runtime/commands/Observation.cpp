//===- Observation.cpp - images through a quantised model -----------------===//
#include "runtime/commands/Observation.h"

#include "runtime/base/Error.h"
#include "runtime/commands/Preprocessing.h"
#include "runtime/data/Scaling.h"
#include "runtime/evaluate/Evaluate.h"
#include "runtime/system/CpuFeatures.h"
#include "runtime/weights/SoundWeights.h"

#include <algorithm>
#include <cstring>

namespace netc::runtime {

static constexpr int64_t defaultBatch = 16;

static ModelInfo readQuantized(const NetcModel &model) {
  ModelInfo info = readModel(model);
  if (info.observed.empty() && info.precision == "int8")
    fail("{} stays in f32 as a whole, as --keep-f32 said: it has no scales", info.name);
  if (info.observed.empty())
    fail("{} was compiled with --precision {}: only models of --precision int8 have scales",
         info.name, info.precision);
  requireCpuFeatures(info.name, info.features);
  return info;
}

Observation::Observation(const NetcModel &model, const ObservationOptions &options)
    : info(readQuantized(model)), pool(options.threads),
      machine(std::make_unique<Executor>(model, info, pool)), path(weightsPath(options.weights)),
      batch(options.batch.value_or(std::min(defaultBatch, options.images))) {
  Safetensors file = Safetensors::read(path);
  stored = WeightsMetadata::decode(file);
  loadWeights(file, *machine, false, options.calibrating);
  requireSoundWeights(*machine, path);
  openData(options);
  machine->device().fillCache(0); // whole batches, whose values are compared
  machine->willObserve();
  machine->reserve(batch, false, Loader::copies + 1);
  machine->run(Program::Prepare, 1);
}

void Observation::openData(const ObservationOptions &options) {
  DataShape shape = dataShape(info);
  if (options.calibrating)
    data = openDataset(options.data, Split::Train, shape);
  if (!data)
    data = openEvaluation(options.data, true, shape, {});
  Recipe recipe = recipeWith(info, options.set, {"eval", "normalize"});
  pipeline =
      data->isTensors()
          ? Pipeline::forTensors(info)
          : Pipeline::forEvaluation(recipe, info, scalingForEvaluation(recipe, info, stored, path),
                                    {data->imageHeight(), data->imageWidth()}, /*views=*/1);
  samples = spreadSamples(data->size(), options.images < data->size() ? options.images : 0);
}

/// Moves the images that were read to the front; returns how many there are.
static int64_t packReadable(const Batch &batch, int64_t elements) {
  const int64_t *marks = batch.marks ? batch.marks : batch.labels;
  int64_t kept = 0;
  for (int64_t i = 0; i < batch.n; ++i) {
    if (marks && marks[i] < 0)
      continue;
    if (kept != i)
      std::memcpy(batch.input + kept * elements, batch.input + i * elements,
                  size_t(elements) * sizeof(float));
    ++kept;
  }
  return kept;
}

void Observation::overBatches(const std::function<void(int64_t, int64_t)> &body) {
  LoaderOptions loading;
  loading.batch = batch;
  loading.workers = defaultWorkers(*data, info);
  Loader loader(*data, *pipeline, info, loading);
  std::vector<Visit> order;
  for (int64_t sample : samples)
    order.push_back({sample, 0});
  loader.begin(std::move(order), 0);
  char *input = machine->at<char>(NETC_SPACE_INPUT);
  int64_t done = 0;
  while (const Batch *ready = loader.next()) {
    machine->bind(NETC_SPACE_INPUT, ready->input);
    bool images = info.takesImages() && !data->isTensors();
    int64_t n = images ? packReadable(*ready, info.inputElements()) : ready->n;
    done += ready->n;
    if (n == 0)
      continue;
    shown += n;
    body(n, done);
  }
  machine->bind(NETC_SPACE_INPUT, input);
  if (shown == 0)
    fail("none of the {} images can be read", images());
}

} // namespace netc::runtime
