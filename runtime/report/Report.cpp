//===- Report.cpp - report.html: a run on one page ------------------------===//
#include "runtime/report/Report.h"

#include "runtime/base/ForeignJson.h"
#include "runtime/base/Progress.h"
#include "runtime/report/Chart.h"
#include "runtime/report/Html.h"
#include "runtime/report/Maps.h"
#include "runtime/report/Mistakes.h"
#include "runtime/report/Style.h"
#include "runtime/system/AtomicFile.h"
#include "runtime/system/ControlGroup.h"
#include "runtime/system/Memory.h"
#include "runtime/system/ThreadPool.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

std::vector<std::pair<std::string, std::string>> describeMachine() {
  std::vector<std::pair<std::string, std::string>> facts;
  std::ifstream cpu("/proc/cpuinfo");
  for (std::string line; std::getline(cpu, line);)
    if (line.starts_with("model name") && line.find(':') != std::string::npos) {
      facts.emplace_back("processor", line.substr(line.find(':') + 2));
      break;
    }
  facts.emplace_back("cores", std::to_string(availableCores()));
  facts.emplace_back(
      "memory", shortBytes(uint64_t(sysconf(_SC_PHYS_PAGES)) * uint64_t(sysconf(_SC_PAGESIZE))));
  utsname system{};
  if (uname(&system) == 0)
    facts.emplace_back("system",
                       fmt::format("{} {} {}", system.sysname, system.release, system.machine));
  return facts;
}

std::vector<Json> netc::runtime::readMetrics(const std::string &path) {
  std::vector<Json> records;
  if (!std::filesystem::exists(path))
    return records;
  std::istringstream lines(readFile(path));
  for (std::string line; std::getline(lines, line);)
    if (Json json = tryForeignJson(line); json.is_object())
      records.push_back(std::move(json));
  return records;
}

/// A finite number, or NaN where the field is missing or null.
static double field(const Json &record, const char *name, double scale = 1) {
  auto found = record.find(name);
  return found != record.end() && found->is_number() ? found->get<double>() * scale : NAN;
}

static Series epochSeries(const std::vector<Json> &records, const char *name, const char *key,
                          int color, double scale = 1) {
  Series series{name, {}, color, true, false};
  for (const Json &record : records)
    if (double value = field(record, key, scale); std::isfinite(value))
      series.points.emplace_back(field(record, "epoch"), value);
  return series;
}

/// Column `column` of the curves within epochs: [step, loss, accuracy, learning rate].
static Series stepSeries(const std::vector<Json> &records, const char *name, size_t column,
                         int color, double stepsPerEpoch, double scale = 1) {
  Series series{name, {}, color, false, true};
  for (const Json &record : records)
    for (const Json &point : record.value("curve", Json::array()))
      if (point.is_array() && point.size() > column && point[0].is_number() &&
          point[column].is_number())
        series.points.emplace_back(point[0].get<double>() / stepsPerEpoch,
                                   point[column].get<double>() * scale);
  return series;
}

/// How good predictions are: top-1 of a model that classifies, else what metrics.jsonl has of
/// pixels' classes and of values.
static std::string drawQuality(const std::vector<Json> &records) {
  auto has = [&](const char *key) {
    return std::any_of(records.begin(), records.end(),
                       [&](const Json &record) { return record.contains(key); });
  };
  std::string text;
  if (has("train_mean_absolute_error")) {
    Chart error{"Mean absolute error", "epoch", "of values", {}, false, false, true};
    error.series = {epochSeries(records, "training", "train_mean_absolute_error", 1),
                    epochSeries(records, "validation", "val_mean_absolute_error", 2)};
    text += drawChart(error);
  }
  bool pixels = has("train_accuracy");
  if (!text.empty() && !pixels)
    return text;
  Chart accuracy{"Accuracy", "epoch", pixels ? "of pixels, %" : "of images, %", {}, true,
                 false,      false};
  if (pixels)
    accuracy.series = {epochSeries(records, "training", "train_accuracy", 1, 100),
                       epochSeries(records, "validation", "val_accuracy", 2, 100)};
  else
    accuracy.series = {epochSeries(records, "training, augmented", "train_top1", 1, 100),
                       epochSeries(records, "validation top-1", "val_top1", 2, 100),
                       epochSeries(records, "validation top-5", "val_top5", 3, 100)};
  return text + drawChart(accuracy);
}

/// The means of figures by class over the epochs.
static std::string drawMeans(const std::vector<Json> &records) {
  static constexpr struct {
    const char *key, *name, *title;
    double scale;
  } kinds[] = {
      {"val_mean_iou", "mean IoU", "Overlap of maps", 100},
      {"val_mean_dice", "mean Dice", "Overlap of maps", 100},
      {"val_mean_average_precision", "mean average precision", "Classes by themselves", 100},
      {"val_mean_f1", "mean F1", "Classes by themselves", 100},
      {"val_r2", "R²", "R²", 1}};
  std::vector<Chart> charts;
  for (const auto &kind : kinds) {
    Series series = epochSeries(records, kind.name, kind.key, 2, kind.scale);
    if (series.points.empty())
      continue;
    if (charts.empty() || charts.back().title != kind.title) {
      bool share = kind.scale != 1;
      charts.push_back({kind.title,
                        "epoch",
                        share ? "of validation, %" : "of validation",
                        {},
                        share,
                        false,
                        false});
    }
    series.color = 2 + int(charts.back().series.size());
    charts.back().series.push_back(std::move(series));
  }
  std::string text;
  for (const Chart &chart : charts)
    text += drawChart(chart);
  return text;
}

static std::string drawCurves(const std::vector<Json> &records, int64_t stepsPerEpoch,
                              bool classifies) {
  double steps = double(std::max<int64_t>(1, stepsPerEpoch));
  Chart loss{"Loss", "epoch", classifies ? "cross-entropy, nats" : "as the recipe says", {}, false,
             false,  true};
  loss.series = {stepSeries(records, "training, within epochs", 1, 1, steps),
                 epochSeries(records, "training, mean of the epoch", "train_loss", 1),
                 epochSeries(records, "validation", "val_loss", 2)};
  Chart rate{"Learning rate", "epoch", "learning rate", {}, false, false, true};
  Series rates = stepSeries(records, "learning rate", 3, 4, steps);
  rates.faint = false;
  if (rates.points.size() < 2)
    rates = epochSeries(records, "learning rate", "lr", 4);
  auto [low, high] = std::minmax_element(rates.points.begin(), rates.points.end(),
                                         [](auto &a, auto &b) { return a.second < b.second; });
  rate.logarithmic = !rates.points.empty() && low->second > 0 && high->second >= 30 * low->second;
  rate.series = {std::move(rates)};
  Chart speed{"Throughput", "epoch", "training images/s", {}, false, false, true};
  speed.series = {epochSeries(records, "mean of the epoch", "images_per_s", 3)};
  return "<section class=\"charts\">" + drawChart(loss) + drawQuality(records) +
         drawMeans(records) + drawChart(rate) + drawChart(speed) + "</section>";
}

static std::string tile(const std::string &value, const std::string &what) {
  return fmt::format("<div class=\"card\"><b>{}</b><span>{}</span></div>", value, what);
}

static std::string drawTiles(const std::vector<Json> &records, const ReportInput &input) {
  std::string text = "<section class=\"tiles\">";
  double best = -1, bestEpoch = 0, seconds = 0, images = 0;
  for (const Json &record : records) {
    if (double top1 = field(record, "val_top1"); top1 > best)
      best = top1, bestEpoch = field(record, "epoch");
    double spent = field(record, "seconds"), speed = field(record, "images_per_s");
    if (std::isfinite(spent) && std::isfinite(speed))
      seconds += spent, images += spent * speed;
  }
  const Json &last = records.back();
  text += tile(fmt::format("{:.0f} of {}", field(last, "epoch"), input.epochs), "epochs");
  if (best >= 0) {
    text += tile(fmt::format("{:.2f}%", best * 100),
                 fmt::format("best validation top-1, epoch {:.0f}", bestEpoch));
    if (double now = field(last, "val_top1"); std::isfinite(now))
      text += tile(fmt::format("{:.2f}%", now * 100), "validation top-1 now");
  }
  text += tile(fmt::format("{:.4f}", field(last, "train_loss")), "training loss of the last epoch");
  text += tile(fmt::format("{:.0f}", seconds > 0 ? images / seconds : 0), "training images/s");
  text += tile(clockTime(seconds), seconds >= 3600 ? "training time, hours:minutes:seconds"
                                                   : "training time, minutes:seconds");
  return text + "</section>";
}

/// "random_crop(32, pad=4)" as a recipe writes it; other values as JSON.
static std::string describeValue(const Json &value) {
  if (value.is_array()) {
    std::string text;
    bool calls = !value.empty() && value[0].is_object() && value[0].contains("name");
    for (const Json &item : value)
      text += (text.empty() ? "" : ", ") + describeValue(item);
    return calls ? text : value.empty() ? "none" : "[" + text + "]";
  }
  if (value.is_object() && value.contains("iterations"))
    return fmt::format("{} iterations", value["iterations"].dump());
  if (value.is_object() && value.contains("name")) {
    std::string arguments;
    auto append = [&](const std::string &part) {
      arguments += (arguments.empty() ? "" : ", ") + part;
    };
    for (const Json &argument : value.value("args", Json::array()))
      append(describeValue(argument));
    auto named = value.value("named", Json::object());
    for (const auto &[key, argument] : named.items())
      append(key + "=" + describeValue(argument));
    return value["name"].get<std::string>() + (arguments.empty() ? "" : "(" + arguments + ")");
  }
  if (value.is_object()) {
    std::string text;
    for (const auto &[key, item] : value.items())
      text += (text.empty() ? "" : ", ") + key + "=" + describeValue(item);
    return text;
  }
  return value.is_string() ? value.get<std::string>() : value.is_null() ? "none" : value.dump();
}

static std::string drawTable(const std::string &title,
                             const std::vector<std::pair<std::string, std::string>> &rows,
                             bool code) {
  std::string text =
      fmt::format("<div><h2>{}</h2><div class=\"card\"><table class=\"plain\">", title);
  for (const auto &[name, value] : rows)
    text += fmt::format("<tr><th>{}</th><td>{}</td></tr>", escapeHtml(name),
                        code ? "<code>" + escapeHtml(value) + "</code>" : escapeHtml(value));
  return text + "</table></div></div>";
}

static std::vector<std::pair<std::string, std::string>> recipeRows(const std::string &recipe) {
  std::vector<std::pair<std::string, std::string>> rows;
  Json json = Json::parse(recipe, nullptr, false);
  if (!json.is_object())
    return rows;
  for (const auto &[key, value] : json.items())
    if (key != "model")
      rows.emplace_back(key, describeValue(value));
  return rows;
}

static std::string describeEnds(const ModelInfo &info) {
  if (info.takesImages() && info.classifies())
    return fmt::format("input {} &times; {} &times; {}, {} classes", info.channels, info.height,
                       info.width, info.classes);
  return escapeHtml(fmt::format("takes {}; gives {}", describeTensors(info.inputs),
                                describeTensors(info.outputs)));
}

void writeReport(const std::string &path, const ReportInput &input) {
  std::vector<Json> records = readMetrics(input.metrics);
  const ModelInfo &info = *input.info;
  std::string name = escapeHtml(info.name);
  std::string page = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{} training</title>"
      "<meta name=\"viewport\" content=\"width=device-width, "
      "initial-scale=1\"><style>{}</style></head>\n"
      "<body><main><h1>{}</h1><p class=\"quiet\">{} parameters in {} {}, {}</p>\n",
      name, reportStyle, name, info.trainableElements(), info.layers.size(),
      info.layers.size() == 1 ? "layer" : "layers", describeEnds(info));
  if (!records.empty())
    page += drawTiles(records, input);
  page += drawCurves(records, input.stepsPerEpoch, info.classifies()) + "\n";
  if (input.validation && info.classifies())
    page += drawConfusion(*input.validation, input.classes) + "\n";
  if (input.validation && input.validationData && info.classifies())
    page += drawMistakes(*input.validation, *input.validationData, input.classes) + "\n";
  if (input.validation && !info.classifies())
    page += drawFigures(input.validation->measures.figures(), input.classes) + "\n";
  if (input.validation && input.validationData && input.evaluation && info.mapLoss())
    page += drawWorstMaps(*input.validation, *input.validationData, *input.evaluation, info) + "\n";
  page += "<section class=\"two\">" + drawTable("Recipe", recipeRows(input.recipe), true) +
          drawTable("Environment", input.environment, false) + "</section>\n";
  page += "</main></body></html>\n";
  writeFileAtomically(path, page);
}

} // namespace netc::runtime
