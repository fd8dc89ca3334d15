//===- Progress.cpp - what a user sees while it runs ----------------------===//
#include "runtime/base/Progress.h"

#include "runtime/base/Output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace netc::runtime {

static constexpr auto redrawEvery = std::chrono::milliseconds(100);
static constexpr auto lineEvery = std::chrono::seconds(30);
static constexpr size_t mostCells = 24, leastCells = 4;

std::string clockTime(double seconds) {
  int64_t s = int64_t(std::clamp(seconds + 0.5, 0.0, 1e9));
  return s >= 3600 ? fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
                   : fmt::format("{}:{:02}", s / 60, s % 60);
}

std::string counted(int64_t count, const char *what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

/// A terminal that can go back to the line's begin.
static bool canRedraw() {
  const char *kind = std::getenv("TERM");
  return isatty(STDERR_FILENO) && kind && std::string_view(kind) != "dumb";
}

Progress::Progress() : terminal(canRedraw()), last(Clock::now()) {}
Progress::~Progress() { clear(); }

static size_t terminalWidth() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return size.ws_col;
  return 80;
}

std::string progressLine(const std::string &title, double fraction, const std::string &detail,
                         size_t width) {
  std::string rest = fmt::format("{:3.0f}%  {}", fraction * 100, detail);
  // The last column stays free: terminals differ in what they do after it. Where it is narrow, the
  // bar goes before the numbers do.
  size_t taken = title.size() + std::string_view(" [] ").size() + rest.size() + 1;
  size_t cells = std::min(mostCells, width > taken ? width - taken : 0);
  std::string bar;
  if (cells >= leastCells) {
    size_t full = size_t(fraction * double(cells));
    bar = fmt::format("[{}{}] ", std::string(full, '='), std::string(cells - full, ' '));
  }
  std::string text = fmt::format("{} {}{}", title, bar, rest);
  if (text.size() >= width)
    text.resize(width > 0 ? width - 1 : 0);
  return text;
}

void Progress::show(const std::string &title, int64_t done, int64_t total,
                    const std::string &detail) {
  auto now = Clock::now();
  if (now - last < (terminal ? Clock::duration(redrawEvery) : Clock::duration(lineEvery)))
    return;
  last = now;
  double fraction = total > 0 ? std::clamp(double(done) / double(total), 0.0, 1.0) : 0;
  if (!terminal) {
    tell("{}  {}/{}  {}\n", title, done, total, detail);
    return;
  }
  std::string text = progressLine(title, fraction, detail, terminalWidth());
  tell("\r{}\033[K", text);
  drawn = true;
}

void Progress::clear() {
  if (!drawn)
    return;
  tell("\r\033[K");
  drawn = false;
}

} // namespace netc::runtime
