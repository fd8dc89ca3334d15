//===- TrainingFiles.cpp - what a run saves and reports -------------------===//
#include "runtime/base/Error.h"
#include "runtime/report/Report.h"
#include "runtime/system/Memory.h"
#include "runtime/train/Training.h"
#include "runtime/weights/Weights.h"

#include <cstring>
#include <filesystem>

namespace netc::runtime {

/// The weights that validation measures: the moving average, if there is one.
void Training::saveValidated(const std::string &path) const {
  Optimizer::Averaged averaged(optimizer);
  saveWeights(path, executor, metadata);
}

/// Whatever happens to a process afterwards, the files are there.
void Training::save() {
  agreeOnCorrupt();
  if (position.batch > 0) // an epoch meets all images
    position.curve.corrupt = data.corrupt.list();
  if (stateShard)
    stateShard->gatherState(0, communicator.isRoot());
  if (communicator.isRoot())
    writeRun();
  if (stateShard)
    stateShard->drop();
  improved = false;
  files.noteSaved(position.step);
  communicator.barrier();
}

/// Images that any process could not read are known to all.
void Training::agreeOnCorrupt() {
  if (communicator.size() == 1)
    return;
  for (CorruptImages *images : {&data.corrupt, &data.corruptValidation}) {
    std::vector<int64_t> own = images->list();
    std::string bytes(reinterpret_cast<const char *>(own.data()), own.size() * sizeof(int64_t));
    for (const std::string &others : communicator.gather(bytes)) {
      std::vector<int64_t> samples(others.size() / sizeof(int64_t));
      std::memcpy(samples.data(), others.data(), others.size());
      images->restore(samples);
    }
  }
}

void Training::writeRun() {
  std::string best = files.pathOf("best.safetensors");
  files.write([&] {
    // Before the checkpoint: killed in between, the epoch is trained and judged again.
    if (improved)
      saveValidated(best);
    else if (position.bestEpoch == 0)
      std::filesystem::remove(best); // of another run
    saveCheckpoint(files.checkpoints(), executor, position, identity, metadata, options.keep,
                   files.kept);
    files.noteSaved(position.step); // what an error below speaks of
    saveValidated(files.pathOf("model.safetensors"));
  });
}

/// The page never costs a run: where it cannot be written, that is said.
void Training::report() const {
  ReportInput page;
  page.info = &info;
  page.recipe = identity.recipe;
  page.metrics = files.pathOf("metrics.jsonl");
  page.stepsPerEpoch = plan.stepsPerEpoch;
  page.epochs = recipe.epochs;
  page.classes = metadata.classes;
  if (data.validation) {
    page.validation = &lastAccuracy;
    page.validationData = data.validation.get();
    page.evaluation = data.evaluation ? &*data.evaluation : nullptr;
  }
  page.environment = describeMachine();
  auto add = [&](const char *name, std::string value) {
    page.environment.emplace_back(name, std::move(value));
  };
  add("threads", std::to_string(pool.size()));
  add("data workers", std::to_string(data.workers));
  add("peak memory", shortBytes(peakResidentBytes()));
  add("training data", data.trainingText());
  add("validation data", data.validationText());
  add("compiled",
      fmt::format("netc {}, for {} {}, from {}", info.compiler, info.target, info.cpu, info.file));
  try {
    writeReport(files.pathOf("report.html"), page);
  } catch (const std::exception &error) {
    output.warn(error.what());
  }
}

} // namespace netc::runtime
