//===- Checkpoint.cpp - where a run can be taken up again -----------------===//
#include "runtime/train/Checkpoint.h"

#include "runtime/base/Error.h"
#include "runtime/system/AtomicFile.h"

#include <nlohmann/json.hpp>
#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>

namespace netc::runtime {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

static constexpr int formatVersion = 3;
static constexpr const char *indexName = "checkpoint.json";

static std::string hex(uint64_t value) { return fmt::format("{:016x}", value); }

static std::string checksumOf(std::string_view bytes) {
  uint32_t crc = uint32_t(crc32_z(0, reinterpret_cast<const Bytef *>(bytes.data()), bytes.size()));
  return fmt::format("{:08x}", crc);
}

/// The state's slots as tensors: "state0.conv1.weight", …
static std::vector<Tensor> stateTensors(const Executor &executor) {
  const NetcModel &model = executor.model();
  std::vector<Tensor> tensors;
  char *state = executor.at<char>(NETC_SPACE_STATE);
  for (uint64_t slot = 0; slot * model.parameter_bytes < model.state_bytes; ++slot)
    for (const ParameterInfo &parameter : executor.info().parameters) {
      uint64_t offset = slot * model.parameter_bytes + parameter.offset;
      uint64_t bytes = uint64_t(parameter.elements()) * sizeof(float);
      bool average =
          executor.info().averages && (slot + 1) * model.parameter_bytes == model.state_bytes;
      if ((parameter.trainable || average) && offset + bytes <= model.state_bytes)
        tensors.push_back(f32Tensor(fmt::format("state{}.{}", slot, parameter.name),
                                    parameter.shape, reinterpret_cast<float *>(state + offset)));
    }
  return tensors;
}

static void removeOthers(const std::string &folder, const std::set<std::string> &keep) {
  std::error_code error;
  for (const fs::directory_entry &entry : fs::directory_iterator(folder, error)) {
    std::string name = entry.path().filename().string();
    bool ours = name.starts_with("weights-") || name.starts_with("optimizer-") ||
                name.starts_with("checkpoint-") || name.ends_with(".tmp");
    if (ours && !keep.count(name))
      fs::remove(entry.path(), error);
  }
}

/// What a killed run left half written: it takes room that the next checkpoint may need.
static void removeUnfinished(const std::string &folder) {
  std::error_code error;
  for (const fs::directory_entry &entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".tmp")
      fs::remove(entry.path(), error);
}

static Json describeFile(const std::string &name, const WrittenFile &file) {
  return {{"name", name}, {"bytes", file.bytes}, {"crc32", fmt::format("{:08x}", file.crc)}};
}

static std::string weightsName(int64_t step) {
  return fmt::format("weights-{:09}.safetensors", step);
}
static std::string optimizerName(int64_t step) {
  return fmt::format("optimizer-{:09}.safetensors", step);
}
static std::string keptName(int64_t step) { return fmt::format("checkpoint-{:09}.json", step); }

std::vector<int64_t> keptCheckpoints(const std::string &folder) {
  std::vector<int64_t> steps;
  std::error_code error;
  for (const fs::directory_entry &entry : fs::directory_iterator(folder, error)) {
    std::string name = entry.path().filename().string();
    long long step = 0;
    if (std::sscanf(name.c_str(), "checkpoint-%lld", &step) == 1 && name == keptName(step))
      steps.push_back(step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

void saveCheckpoint(const std::string &folder, const Executor &executor,
                    const TrainingPosition &position, const RunIdentity &identity,
                    const WeightsMetadata &metadata, size_t keep, std::vector<int64_t> &kept) {
  makeFolder(folder);
  removeUnfinished(folder);
  std::string weights = weightsName(position.step), optimizer = optimizerName(position.step);
  std::vector<int64_t> keeping = kept;
  bool epochEnd = position.batch == 0;
  if (epochEnd && (keeping.empty() || keeping.back() != position.step))
    keeping.push_back(position.step);
  if (keeping.size() > keep)
    keeping.erase(keeping.begin(), keeping.end() - int64_t(keep));
  WrittenFile weightsFile = saveWeights(folder + "/" + weights, executor, metadata);
  WrittenFile optimizerFile =
      writeSafetensors(folder + "/" + optimizer, stateTensors(executor), {});

  Json json;
  json["format"] = formatVersion;
  json["model"] = {{"name", identity.model}, {"fingerprint", hex(identity.modelFingerprint)}};
  json["data"] = {{"kind", identity.data},
                  {"images", identity.images},
                  {"fingerprint", hex(identity.dataFingerprint)}};
  json["position"] = {{"step", position.step},       {"epoch", position.epoch},
                      {"batch", position.batch},     {"loss_sum", position.lossSum},
                      {"correct", position.correct}, {"seen", position.seen}};
  if (const Quality &quality = position.quality; quality.scored || quality.values)
    json["position"]["quality"] = {{"correct", quality.correct},
                                   {"scored", quality.scored},
                                   {"absolute", quality.absolute},
                                   {"values", quality.values}};
  json["plateau"] = {{"best", position.plateau.best},
                     {"epochs_since_best", position.plateau.epochsSinceBest},
                     {"scale", position.plateau.scale}};
  json["best"] = {{"top1", position.bestTop1}, {"epoch", position.bestEpoch}};
  json["kept"] = keeping;
  json["files"] = {{"weights", describeFile(weights, weightsFile)},
                   {"optimizer", describeFile(optimizer, optimizerFile)}};
  json["recipe"] = Json::parse(identity.recipe);
  json["crc32"] = checksumOf(json.dump());
  std::string text = json.dump(2) + "\n";
  if (epochEnd)
    writeFileAtomically(folder + "/" + keptName(position.step), text);
  writeFileAtomically(folder + "/" + indexName, text);
  kept = keeping;
  std::set<std::string> needed{weights, optimizer};
  for (int64_t step : kept)
    needed.insert({weightsName(step), optimizerName(step), keptName(step)});
  removeOthers(folder, needed);
}

/// Checks size and checksum; returns the file's path.
static std::string checkFile(const std::string &folder, const Json &entry) {
  std::string path = folder + "/" + entry.at("name").get<std::string>();
  std::string bytes = readFile(path);
  uint64_t expected = entry.at("bytes").get<uint64_t>();
  if (bytes.size() != expected)
    fail("{}: {} bytes, the checkpoint expects {}", path, bytes.size(), expected);
  std::string crc = checksumOf(bytes), expectedCrc = entry.at("crc32").get<std::string>();
  if (crc != expectedCrc)
    fail("{}: damaged: its checksum is {}, the checkpoint expects {}", path, crc, expectedCrc);
  return path;
}

std::optional<Checkpoint> findCheckpoint(const std::string &folder, std::optional<int64_t> step) {
  std::string path = folder + "/" + (step ? keptName(*step) : indexName);
  if (!fs::exists(path))
    return std::nullopt;
  Checkpoint result;
  try {
    Json json = Json::parse(readFile(path));
    if (int format = json.at("format").get<int>(); format != formatVersion)
      fail("{}: format {}, this executable reads format {}", path, format, formatVersion);
    // Of the description without its checksum, however it is laid out.
    std::string expected = json.at("crc32").get<std::string>();
    json.erase("crc32");
    if (std::string crc = checksumOf(json.dump()); crc != expected)
      fail("{}: damaged: its checksum is {}, expected {}", path, crc, expected);
    const Json &model = json.at("model"), &data = json.at("data");
    result.identity.model = model.at("name").get<std::string>();
    result.identity.modelFingerprint =
        std::stoull(model.at("fingerprint").get<std::string>(), nullptr, 16);
    result.identity.data = data.at("kind").get<std::string>();
    result.identity.images = data.at("images").get<int64_t>();
    result.identity.dataFingerprint =
        std::stoull(data.at("fingerprint").get<std::string>(), nullptr, 16);
    result.identity.recipe = json.at("recipe").dump();
    const Json &position = json.at("position");
    result.position.step = position.at("step").get<int64_t>();
    result.position.epoch = position.at("epoch").get<int64_t>();
    result.position.batch = position.at("batch").get<int64_t>();
    result.position.lossSum = position.at("loss_sum").get<double>();
    result.position.correct = position.at("correct").get<int64_t>();
    result.position.seen = position.at("seen").get<int64_t>();
    if (position.contains("quality")) {
      const Json &quality = position.at("quality");
      result.position.quality = {
          quality.at("correct").get<int64_t>(), quality.at("scored").get<int64_t>(),
          quality.at("absolute").get<double>(), quality.at("values").get<int64_t>()};
    }
    const Json &plateau = json.at("plateau");
    result.position.plateau.best = plateau.at("best").get<double>();
    result.position.plateau.epochsSinceBest = plateau.at("epochs_since_best").get<int>();
    result.position.plateau.scale = plateau.at("scale").get<double>();
    result.position.bestTop1 = json.at("best").at("top1").get<double>();
    result.position.bestEpoch = json.at("best").at("epoch").get<int64_t>();
    result.kept = json.at("kept").get<std::vector<int64_t>>();
    result.weightsFile = checkFile(folder, json.at("files").at("weights"));
    result.optimizerFile = checkFile(folder, json.at("files").at("optimizer"));
  } catch (const nlohmann::json::exception &error) {
    fail("{}: damaged: {}", path, error.what());
  } catch (const std::logic_error &) {
    fail("{}: damaged: a fingerprint is no hexadecimal number", path);
  }
  return result;
}

void restoreCheckpoint(const Checkpoint &checkpoint, const Executor &executor) {
  loadWeights(Safetensors::read(checkpoint.weightsFile), executor, true);
  Safetensors file = Safetensors::read(checkpoint.optimizerFile);
  for (const Tensor &slot : stateTensors(executor)) {
    const Tensor *saved = file.find(slot.name);
    if (!saved || saved->shape != slot.shape)
      fail("{}: {} {}", checkpoint.optimizerFile, slot.name,
           saved ? "has another shape" : "is missing");
    convertToF32(*saved, checkpoint.optimizerFile,
                 reinterpret_cast<float *>(const_cast<char *>(slot.data)));
  }
}

} // namespace netc::runtime
