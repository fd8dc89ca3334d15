//===- Progress.h - what a user sees while it runs --------------*- C++ -*-===//
#ifndef NETC_RUNTIME_BASE_PROGRESS_H
#define NETC_RUNTIME_BASE_PROGRESS_H

#include <chrono>
#include <cstdint>
#include <string>

namespace netc::runtime {

/// "1:23:45", "4:05"
std::string clockTime(double seconds);

/// "1 epoch", "2 epochs"
std::string counted(int64_t count, const char *what);

/// "epoch 1/3 [====    ]  50%  loss …" in less than `width` columns: a shorter bar, or none, rather
/// than fewer numbers.
std::string progressLine(const std::string &title, double fraction, const std::string &detail,
                         size_t width);

/// A bar that is redrawn on a terminal, a line every half minute elsewhere; on stderr.
class Progress {
public:
  Progress();
  ~Progress(); ///< removes the bar

  /// `done` of `total` of what `title` says; `detail` follows the bar.
  void show(const std::string &title, int64_t done, int64_t total, const std::string &detail);
  /// Removes the bar, so that a line can be printed.
  void clear();

private:
  using Clock = std::chrono::steady_clock;
  bool terminal;
  bool drawn = false;
  Clock::time_point last;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_BASE_PROGRESS_H
