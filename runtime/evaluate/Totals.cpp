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

void Tally::remember(WorstMap map) {
  std::vector<WorstMap> &worst = accuracy.worstMaps;
  auto isWorse = [](const WorstMap &a, const WorstMap &b) {
    return std::pair(a.correct, a.sample) < std::pair(b.correct, b.sample);
  };
  auto place = std::upper_bound(worst.begin(), worst.end(), map, isWorse);
  worst.insert(place, std::move(map));
  if (worst.size() > Accuracy::worstMapsKept)
    worst.pop_back();
}

/// What a model that does not classify is judged by.
static Json encodeMeasures(const Tally &tally) {
  const Measures &of = tally.accuracy.measures;
  Json terms = Json::array(), scored = Json::array(), sums = Json::array(), maps = Json::array();
  for (const LossSums::Term &term : tally.terms.terms)
    terms.push_back({{"sums", term.sums}, {"count", term.count}});
  for (const auto &list : of.labels.scored)
    scored.push_back(list);
  for (const ValueMeasures::Sums &own : of.values.sums)
    sums.push_back({own.count, own.mean, own.spread, own.squared, own.absolute});
  for (const WorstMap &map : tally.accuracy.worstMaps)
    maps.push_back({map.sample, map.correct, map.guessed, map.labels});
  return {{"terms", terms},   {"classes", of.maps.classes}, {"pixels", of.maps.confusion},
          {"scored", scored}, {"places", of.values.places}, {"sums", sums},
          {"maps", maps}};
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
      {"measures", encodeMeasures(tally)},
  };
  std::string bytes;
  Json::to_cbor(json, bytes);
  return bytes;
}

static void addAll(std::vector<int64_t> &into, const std::vector<int64_t> &from) {
  std::transform(into.begin(), into.end(), from.begin(), into.begin(), std::plus<>());
}

static void addMeasures(Tally &total, const Json &json) {
  Measures &into = total.accuracy.measures;
  total.terms.terms.resize(std::max(total.terms.terms.size(), json["terms"].size()));
  for (size_t i = 0; i < json["terms"].size(); ++i) {
    LossSums::Term &term = total.terms.terms[i];
    for (double sum : json["terms"][i]["sums"])
      term.sums.push_back(sum);
    term.count += json["terms"][i]["count"].get<int64_t>();
  }
  auto pixels = json["pixels"].get<std::vector<int64_t>>();
  if (into.maps.empty() && !pixels.empty())
    into.maps.begin(json["classes"].get<int64_t>());
  if (!pixels.empty())
    addAll(into.maps.confusion, pixels);
  into.labels.scored.resize(std::max(into.labels.scored.size(), json["scored"].size()));
  for (size_t c = 0; c < json["scored"].size(); ++c)
    for (const Json &item : json["scored"][c])
      into.labels.scored[c].emplace_back(item[0].get<float>(), item[1].get<bool>());
  into.values.places = std::max(into.values.places, json["places"].get<size_t>());
  for (const Json &own : json["sums"])
    into.values.sums.push_back({own[0], own[1], own[2], own[3], own[4]});
  for (const Json &map : json["maps"])
    total.remember(WorstMap{map[0], map[1], map[2].get<std::vector<uint8_t>>(),
                            map[3].get<std::vector<int64_t>>()});
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
  addMeasures(total, json["measures"]);
}

Accuracy totalOf(const ModelInfo &info, const Tally &own, Communicator &communicator) {
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
  if (!info.classifies())
    total.accuracy.lossSum = total.terms.loss(info) * double(total.accuracy.images);
  return total.accuracy;
}

} // namespace netc::runtime
