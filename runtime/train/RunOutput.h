//===- RunOutput.h - what a training run prints -----------------*- C++ -*-===//
#ifndef NETC_RUNTIME_TRAIN_RUNOUTPUT_H
#define NETC_RUNTIME_TRAIN_RUNOUTPUT_H

#include "runtime/base/Progress.h"

#include <fmt/format.h>

#include <string>
#include <utility>

namespace netc::runtime {

/// Text on stdout, notes and warnings and the progress bar on stderr, all by rank 0 alone. Training
/// goes on where stdout cannot be written; that is said once.
class RunOutput {
public:
  /// `isRoot`: whether this process is rank 0.
  explicit RunOutput(bool isRoot) : isRoot(isRoot) {}

  template <typename... Args> void print(fmt::format_string<Args...> format, Args &&...args) {
    if (isRoot)
      printText(fmt::format(format, std::forward<Args>(args)...));
  }
  void flush();
  /// As their namesakes outside.
  void note(const std::string &message) const;
  void warn(const std::string &message) const;

  /// As Progress::show and Progress::clear.
  void showBar(const std::string &title, int64_t done, int64_t total, const std::string &detail);
  void clearBar() { progress.clear(); }

private:
  void printText(const std::string &text);
  void noteLost();

  const bool isRoot;
  Progress progress;
  bool lost = false; // stdout can't be written any more, which has been said
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_TRAIN_RUNOUTPUT_H
