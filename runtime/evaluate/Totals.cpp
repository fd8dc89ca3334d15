//===- Totals.cpp - an evaluation from its processes' parts ---------------===//
#include "runtime/evaluate/Totals.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>

namespace netc::runtime {

using Json = nlohmann::json;

static bool isWorse(const Mistake &a, const Mistake &b) {
  return a.labelProbability != b.labelProbability ? a.labelProbability < b.labelProbability
                                                  : a.sample < b.sample;
}

void Tally::remember(const Mistake &mistake) {
  std::vector<Mistake> &worst = accuracy.worst;
  if (worst.size() == Accuracy::worstKept && !isWorse(mistake, worst.back()))
    return;
  worst.insert(std::upper_bound(worst.begin(), worst.end(), mistake, isWorse), mistake);
  if (worst.size() > Accuracy::worstKept)
    worst.pop_back();
}

/// CBOR, which keeps the bits of a double.
static std::string encode(const Tally &tally) {
  const Accuracy &of = tally.accuracy;
  Json worst = Json::array();
  for (const Mistake &mistake : of.worst)
    worst.push_back({mistake.sample, mistake.label, mistake.guess, mistake.labelProbability,
                     mistake.guessProbability});
  Json json = {
      {"counts",
       {of.images, of.corrupt, of.notFinite, of.correct, of.correctOfFive, of.quality.correct,
        of.quality.scored, of.quality.values}},
      {"class_images", of.classImages},
      {"class_correct", of.classCorrect},
      {"confusion", of.confusion},
      {"worst", worst},
      {"losses", tally.losses},
      {"absolutes", tally.absolutes},
  };
  std::string bytes;
  Json::to_cbor(json, bytes);
  return bytes;
}

static void addAll(std::vector<int64_t> &into, const std::vector<int64_t> &from) {
  std::transform(into.begin(), into.end(), from.begin(), into.begin(), std::plus<>());
}

static void addEncoded(Tally &total, const std::string &bytes) {
  Json json = Json::from_cbor(bytes);
  Accuracy &into = total.accuracy;
  int64_t *counts[] = {&into.images,         &into.corrupt,       &into.notFinite,
                       &into.correct,        &into.correctOfFive, &into.quality.correct,
                       &into.quality.scored, &into.quality.values};
  for (size_t i = 0; i < std::size(counts); ++i)
    *counts[i] += json["counts"][i].get<int64_t>();
  addAll(into.classImages, json["class_images"].get<std::vector<int64_t>>());
  addAll(into.classCorrect, json["class_correct"].get<std::vector<int64_t>>());
  addAll(into.confusion, json["confusion"].get<std::vector<int64_t>>());
  for (const Json &item : json["worst"])
    total.remember({item[0], item[1], item[2], item[3], item[4]});
  for (double loss : json["losses"])
    total.losses.push_back(loss);
  for (double absolute : json["absolutes"])
    total.absolutes.push_back(absolute);
}

Accuracy totalOf(const Tally &own, Communicator &communicator) {
  Tally total = own;
  if (communicator.size() > 1) {
    total = Tally();
    total.accuracy.classImages.resize(own.accuracy.classImages.size());
    total.accuracy.classCorrect.resize(own.accuracy.classCorrect.size());
    total.accuracy.confusion.resize(own.accuracy.confusion.size());
    for (const std::string &bytes : communicator.gather(encode(own)))
      addEncoded(total, bytes);
  }
  for (double loss : total.losses)
    total.accuracy.lossSum += loss;
  for (double absolute : total.absolutes)
    total.accuracy.quality.absolute += absolute;
  return total.accuracy;
}

} // namespace netc::runtime
