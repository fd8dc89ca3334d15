//===- Checkpoint.cpp - where a run can be taken up again -----------------===//
#include "runtime/train/Checkpoint.h"

#include "runtime/base/Error.h"
#include "runtime/base/ForeignJson.h"
#include "runtime/system/AtomicFile.h"

#include <nlohmann/json.hpp>
#include <zlib.h>

#include <algorithm>
#include <cfloat>
#include <charconv>
#include <climits>
#include <cstdio>
#include <filesystem>
#include <set>

namespace netc::runtime {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

static constexpr int formatVersion = 3;
static constexpr const char *indexName = "checkpoint.json";
static constexpr uint64_t mostIndexBytes = 16 << 20; // of a description
static constexpr int64_t mostSteps = int64_t(1) << 50;

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

static Json describeQuality(const Quality &quality) {
  return {{"correct", quality.correct},
          {"scored", quality.scored},
          {"absolute", quality.absolute},
          {"values", quality.values}};
}

static Json describeCurve(const EpochCurve &curve) {
  Json json = {{"points", pointsJson(curve.points)}, {"loss_sum", curve.lossSum},
               {"correct", curve.correct},           {"images", curve.images},
               {"epoch_images", curve.epochImages},  {"seconds", curve.seconds}};
  if (curve.quality.scored || curve.quality.values)
    json["quality"] = describeQuality(curve.quality);
  if (!curve.corrupt.empty())
    json["corrupt"] = curve.corrupt;
  return json;
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
    json["position"]["quality"] = describeQuality(quality);
  json["plateau"] = {{"best", position.plateau.best},
                     {"epochs_since_best", position.plateau.epochsSinceBest},
                     {"scale", position.plateau.scale}};
  json["best"] = {{"top1", position.bestTop1}, {"epoch", position.bestEpoch}};
  if (position.batch > 0)
    json["curve"] = describeCurve(position.curve);
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

namespace {
/// A file as the description has it.
struct FileEntry {
  std::string name, crc;
  uint64_t bytes;
};
} // namespace

static FileEntry readEntry(const Json &entry, const std::string &name) {
  if (entry.at("name") != name)
    fail("damaged: a file is named {}, expected {}",
         entry["name"].dump(-1, ' ', false, Json::error_handler_t::replace), name);
  return {name, entry.at("crc32").get<std::string>(), uint64_t(wholeNumber(entry, "bytes", 0))};
}

/// Checks size and checksum; returns the file's path.
static std::string checkFile(const std::string &folder, const FileEntry &entry) {
  std::string path = folder + "/" + entry.name, bytes = readFile(path);
  if (bytes.size() != entry.bytes)
    fail("{}: {} bytes, the checkpoint expects {}", path, bytes.size(), entry.bytes);
  if (std::string crc = checksumOf(bytes); crc != entry.crc)
    fail("{}: damaged: its checksum is {}, the checkpoint expects {}", path, crc, entry.crc);
  return path;
}

static uint64_t readFingerprint(const Json &object) {
  std::string text = object.at("fingerprint").get<std::string>();
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size())
    fail("a fingerprint is no hexadecimal number");
  return value;
}

/// Of a model that does not classify.
static Quality readQuality(const Json &json) {
  auto found = json.find("quality");
  if (found == json.end())
    return {};
  Quality quality;
  quality.scored = wholeNumber(*found, "scored", 0);
  quality.correct = wholeNumber(*found, "correct", 0, quality.scored);
  quality.absolute = finiteNumber(*found, "absolute", 0, DBL_MAX);
  quality.values = wholeNumber(*found, "values", 0);
  return quality;
}

/// Of a run that was stopped within an epoch; executables of before wrote none.
static EpochCurve readCurve(const Json &json, int64_t step) {
  EpochCurve result;
  auto found = json.find("curve");
  if (found == json.end())
    return result;
  for (const Json &point : found->at("points")) {
    Json named = {{"step", point.at(0)},
                  {"loss", point.at(1)},
                  {"accuracy", point.at(2)},
                  {"lr", point.at(3)}};
    result.points.push_back(
        {wholeNumber(named, "step", 0, step), finiteNumber(named, "loss", -DBL_MAX, DBL_MAX),
         finiteNumber(named, "accuracy", 0, DBL_MAX), finiteNumber(named, "lr", 0, DBL_MAX)});
  }
  result.lossSum = finiteNumber(*found, "loss_sum", -DBL_MAX, DBL_MAX);
  result.images = wholeNumber(*found, "images", 0);
  result.correct = wholeNumber(*found, "correct", 0, result.images);
  result.epochImages = wholeNumber(*found, "epoch_images", 0);
  result.seconds = finiteNumber(*found, "seconds", 0, DBL_MAX);
  result.quality = readQuality(*found);
  if (auto corrupt = found->find("corrupt"); corrupt != found->end())
    for (const Json &sample : *corrupt)
      result.corrupt.push_back(wholeNumber({{"corrupt", sample}}, "corrupt", 0));
  return result;
}

/// The checksum tells of accidents; values are looked at all the same: the sum is easily made.
static TrainingPosition readPosition(const Json &json) {
  TrainingPosition result;
  const Json &position = json.at("position"), &plateau = json.at("plateau"),
             &best = json.at("best");
  result.step = wholeNumber(position, "step", 0, mostSteps);
  result.epoch = wholeNumber(position, "epoch", 0, mostSteps);
  result.batch = wholeNumber(position, "batch", 0, mostSteps);
  result.lossSum = finiteNumber(position, "loss_sum", -DBL_MAX, DBL_MAX);
  result.seen = wholeNumber(position, "seen", 0);
  result.correct = wholeNumber(position, "correct", 0, result.seen);
  result.plateau.best = finiteNumber(plateau, "best", -DBL_MAX, DBL_MAX);
  result.plateau.epochsSinceBest = int(wholeNumber(plateau, "epochs_since_best", 0, INT_MAX));
  result.plateau.scale = finiteNumber(plateau, "scale", 0, DBL_MAX);
  result.bestTop1 = finiteNumber(best, "top1", -DBL_MAX, 1);
  result.bestEpoch = wholeNumber(best, "epoch", 0, result.epoch);
  result.quality = readQuality(position);
  result.curve = readCurve(json, result.step);
  return result;
}

static std::vector<int64_t> readKept(const Json &json, int64_t step) {
  std::vector<int64_t> steps;
  for (const Json &item : json.at("kept")) {
    steps.push_back(wholeNumber({{"kept", item}}, "kept", 0, step));
    if (steps.size() > 1 && steps[steps.size() - 2] >= steps.back())
      fail("the steps that are kept do not rise");
  }
  return steps;
}

namespace {
struct Description {
  Checkpoint checkpoint;
  FileEntry weights, optimizer;
};
} // namespace

static Description readDescription(const std::string &text) {
  Checkpoint result;
  Json json = parseForeignJson(text);
  if (int64_t format = wholeNumber(json, "format", 0); format != formatVersion)
    fail("format {}, this executable reads format {}", format, formatVersion);
  // Of the description without its checksum, however it is laid out.
  std::string expected = json.at("crc32").get<std::string>();
  json.erase("crc32");
  if (std::string crc = checksumOf(json.dump()); crc != expected)
    fail("damaged: its checksum is {}, expected {}", crc, expected);
  const Json &model = json.at("model"), &data = json.at("data"), &files = json.at("files");
  result.identity.model = model.at("name").get<std::string>();
  result.identity.modelFingerprint = readFingerprint(model);
  result.identity.data = data.at("kind").get<std::string>();
  result.identity.images = wholeNumber(data, "images", 0);
  result.identity.dataFingerprint = readFingerprint(data);
  if (!json.at("recipe").is_object())
    fail("damaged: its recipe is no object");
  result.identity.recipe = json["recipe"].dump();
  result.position = readPosition(json);
  result.kept = readKept(json, result.position.step);
  int64_t step = result.position.step;
  return {result, readEntry(files.at("weights"), weightsName(step)),
          readEntry(files.at("optimizer"), optimizerName(step))};
}

std::optional<Checkpoint> findCheckpoint(const std::string &folder, std::optional<int64_t> step) {
  std::string path = folder + "/" + (step ? keptName(*step) : indexName);
  if (!fs::exists(path))
    return std::nullopt;
  Description found;
  try {
    found = readDescription(readFile(path, mostIndexBytes));
    if (step && found.checkpoint.position.step != *step)
      fail("damaged: it is of step {}", found.checkpoint.position.step);
  } catch (const nlohmann::json::exception &error) {
    fail("{}: damaged: {}", path, error.what());
  } catch (const SystemError &) {
    throw;
  } catch (const Error &error) {
    fail("{}: {}", path, error.what());
  }
  found.checkpoint.weightsFile = checkFile(folder, found.weights);
  found.checkpoint.optimizerFile = checkFile(folder, found.optimizer);
  return found.checkpoint;
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
