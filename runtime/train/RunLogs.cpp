//===- RunLogs.cpp - metrics.jsonl in other programs' formats -------------===//
#include "runtime/train/RunLogs.h"

#include "runtime/base/Error.h"
#include "runtime/report/Report.h"
#include "runtime/system/AtomicFile.h"
#include "runtime/train/EventFile.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

static constexpr std::string_view eventPrefix = "events.out.tfevents.";

RunLogs::RunLogs(std::string folder, std::vector<std::string> kinds)
    : folder(std::move(folder)), kinds(std::move(kinds)) {}

bool RunLogs::has(const char *kind) const {
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

void RunLogs::update() {
  if (has("csv"))
    writeCsv();
  if (has("tensorboard"))
    appendEvents();
}

/// One column for each number of a line; a number that a line lacks is left empty.
void RunLogs::writeCsv() const {
  std::vector<Json> records = readMetrics(folder + "/metrics.jsonl");
  std::vector<std::string> columns;
  for (const Json &record : records)
    for (const auto &[key, value] : record.items())
      if (value.is_number() && std::find(columns.begin(), columns.end(), key) == columns.end())
        columns.push_back(key);
  std::string text = fmt::format("{}\n", fmt::join(columns, ","));
  for (const Json &record : records) {
    std::string line;
    for (const std::string &column : columns) {
      auto value = record.find(column);
      line += (&column == &columns.front() ? "" : ",") +
              (value != record.end() && value->is_number() ? value->dump() : std::string());
    }
    text += line + "\n";
  }
  if (!records.empty())
    writeFileAtomically(folder + "/metrics.csv", text);
}

/// That of the run that goes on, or a new one.
void RunLogs::chooseEventFile() {
  for (const auto &entry : std::filesystem::directory_iterator(folder)) {
    std::string name = entry.path().filename().string();
    if (!name.starts_with(eventPrefix) || !name.ends_with(".netc"))
      continue;
    eventFile = entry.path().string();
    began = std::atoll(name.c_str() + eventPrefix.size());
    return;
  }
  began = std::chrono::duration_cast<std::chrono::seconds>(
              std::chrono::system_clock::now().time_since_epoch())
              .count();
  eventFile = fmt::format("{}/{}{}.netc", folder, eventPrefix, began);
}

static void addPoints(const Json &record, EventFile &events) {
  static constexpr const char *tags[] = {"within_epochs/loss", "within_epochs/accuracy",
                                         "within_epochs/lr"};
  for (const Json &point : record.value("curve", Json::array()))
    for (size_t i = 0; i < 3 && point.is_array() && point.size() == 4; ++i)
      if (point[i + 1].is_number())
        events.addScalar(tags[i], point[0].get<int64_t>(), point[i + 1].get<double>());
}

/// Every number of a line, and of its lists by class.
static void addRecord(const Json &record, EventFile &events) {
  int64_t step = record.value("step", int64_t(0));
  addPoints(record, events);
  for (const auto &[key, value] : record.items()) {
    if (value.is_number() && key != "step")
      events.addScalar(key, step, value.get<double>());
    for (size_t i = 0; value.is_array() && key != "curve" && i < value.size(); ++i)
      if (value[i].is_number())
        events.addScalar(fmt::format("{}/{}", key, i), step, value[i].get<double>());
  }
}

/// TensorBoard reads on where it was, so that what is there stays and the file only grows.
void RunLogs::appendEvents() {
  if (eventFile.empty())
    chooseEventFile();
  EventFile events(static_cast<double>(began));
  for (const Json &record : readMetrics(folder + "/metrics.jsonl"))
    addRecord(record, events);
  const std::string &all = events.bytes();
  bool grows = !written.empty() && all.starts_with(written) && std::filesystem::exists(eventFile);
  if (!grows) {
    writeFileAtomically(eventFile, all);
  } else {
    std::FILE *file = std::fopen(eventFile.c_str(), "ae");
    if (!file)
      failSystem("cannot write", eventFile, errno);
    std::string_view more = std::string_view(all).substr(written.size());
    bool whole = std::fwrite(more.data(), 1, more.size(), file) == more.size();
    if ((std::fclose(file) != 0) | !whole)
      failSystem("cannot write", eventFile, errno);
  }
  written = all;
}

} // namespace netc::runtime
