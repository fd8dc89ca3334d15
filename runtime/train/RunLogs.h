//===- RunLogs.h - metrics.jsonl in other programs' formats -----*- C++ -*-===//
#ifndef NETC_RUNTIME_TRAIN_RUNLOGS_H
#define NETC_RUNTIME_TRAIN_RUNLOGS_H

#include <cstdint>
#include <string>
#include <vector>

namespace netc::runtime {

/// What `train --log` writes beside metrics.jsonl, from its lines: `metrics.csv`, and an event file
/// for TensorBoard.
class RunLogs {
public:
  /// `kinds`: of "csv" and "tensorboard".
  RunLogs(std::string folder, std::vector<std::string> kinds);

  /// Brings the logs to what metrics.jsonl holds.
  void update();

private:
  bool has(const char *kind) const;
  void writeCsv() const;
  void appendEvents();
  void chooseEventFile();

  std::string folder;
  std::vector<std::string> kinds;
  std::string eventFile; ///< path; empty: not chosen yet
  int64_t began = 0;     ///< seconds since 1970, part of its name
  std::string written;   ///< what this process knows to be in it
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_TRAIN_RUNLOGS_H
