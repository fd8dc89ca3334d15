//===- Metrics.cpp - metrics.jsonl ----------------------------------------===//
#include "runtime/train/Metrics.h"

#include "runtime/base/Error.h"
#include "runtime/base/ForeignJson.h"
#include "runtime/system/AtomicFile.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <sstream>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

Json pointsJson(const std::vector<CurvePoint> &points) {
  Json list = Json::array();
  for (const CurvePoint &point : points)
    list.push_back({point.step, point.loss, point.accuracy, point.learningRate});
  return list;
}

void EpochCurve::add(double loss, int64_t right, const Quality &stepQuality, int64_t count) {
  quality.add(stepQuality);
  lossSum += loss;
  correct += right;
  images += count;
  epochImages += count;
}

void EpochCurve::endPoint(int64_t step, double learningRate) {
  double accuracy = quality.values   ? quality.meanAbsolute()
                    : quality.scored ? quality.accuracy()
                                     : double(correct) / double(images);
  points.push_back({step, lossSum / double(images), accuracy, learningRate});
  lossSum = 0, correct = 0, images = 0, quality = {};
}

void Metrics::begin(int64_t step) const {
  std::string kept;
  if (step > 0 && std::filesystem::exists(path)) {
    std::istringstream lines(readFile(path));
    for (std::string line; std::getline(lines, line);) {
      // A line cut off by a kill does not parse and goes.
      Json json = tryForeignJson(line);
      if (json.is_object() && json.contains("step") && json["step"].is_number_integer() &&
          json["step"] <= step)
        kept += line + "\n";
    }
  }
  writeFileAtomically(path, kept);
}

/// Of a model that does not classify: pixels' classes and values.
static void addQuality(Json &json, const std::string &prefix, const Quality &quality) {
  if (quality.scored)
    json[prefix + "accuracy"] = quality.accuracy();
  if (quality.values)
    json[prefix + "mean_absolute_error"] = quality.meanAbsolute();
}

void Metrics::append(const EpochRecord &record) const {
  Json json = {{"epoch", record.epoch},
               {"step", record.step},
               {"lr", record.learningRate},
               {"train_loss", record.trainLoss}};
  bool classifies = !record.quality.scored && !record.quality.values;
  if (classifies)
    json["train_top1"] = record.trainAccuracy;
  addQuality(json, "train_", record.quality);
  json["train_corrupt"] = record.corrupt;
  if (record.validation) {
    json["val_loss"] = record.validation->loss();
    if (classifies) {
      json["val_top1"] = record.validation->top1();
      json["val_top5"] = record.validation->top5();
    }
    addQuality(json, "val_", record.validation->quality);
    for (const Figure &figure : record.validation->measures.figures()) {
      if (!figure.name.empty())
        json["val_" + figure.name] = figure.value;
      if (!figure.each.empty())
        json["val_" + figure.each] = figure.byClass;
    }
    json["val_corrupt"] = record.validation->corrupt;
  }
  json["images_per_s"] = record.imagesPerSecond;
  json["seconds"] = record.seconds;
  if (record.communicationSeconds)
    json["communication_seconds"] = *record.communicationSeconds;
  if (record.validation)
    json["val_seconds"] = record.validationSeconds;
  json["curve"] = pointsJson(record.curve);
  std::FILE *file = std::fopen(path.c_str(), "ae");
  if (!file)
    failSystem("cannot write", path, errno);
  std::string line = json.dump() + "\n";
  bool written = std::fwrite(line.data(), 1, line.size(), file) == line.size();
  if ((std::fclose(file) != 0) | !written)
    failSystem("cannot write", path, errno);
}

} // namespace netc::runtime
