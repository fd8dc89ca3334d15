//===- Report.h - report.html: a run on one page ----------------*- C++ -*-===//
#ifndef NETC_RUNTIME_REPORT_REPORT_H
#define NETC_RUNTIME_REPORT_REPORT_H

#include "runtime/evaluate/Evaluate.h"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <utility>
#include <vector>

namespace netc::runtime {

struct ReportInput {
  const ModelInfo *info = nullptr;
  std::string recipe;  ///< effective, JSON
  std::string metrics; ///< path of metrics.jsonl: every epoch of the run, resumed or not
  int64_t stepsPerEpoch = 1, epochs = 0;
  std::vector<std::string> classes;     ///< names; may be empty
  const Accuracy *validation = nullptr; ///< of the last epoch; null: nothing was validated
  const Dataset *validationData = nullptr;
  const Pipeline *evaluation = nullptr;                         ///< of the validation images
  std::vector<std::pair<std::string, std::string>> environment; ///< name, value
};

/// The epochs of a run from its metrics.jsonl; none where there is no such file. Lines that do not
/// parse are left out.
std::vector<nlohmann::ordered_json> readMetrics(const std::string &path);

/// Description of this machine: processor, cores, memory, system.
std::vector<std::pair<std::string, std::string>> describeMachine();

/// Writes a page that needs nothing else, atomically: curves, recipe,
/// environment, confusion, worst mistakes. Fails as file writing does.
void writeReport(const std::string &path, const ReportInput &input);

} // namespace netc::runtime

#endif // NETC_RUNTIME_REPORT_REPORT_H
