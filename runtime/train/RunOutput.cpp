//===- RunOutput.cpp - what a training run prints -------------------------===//
#include "runtime/train/RunOutput.h"

#include "runtime/base/Error.h"
#include "runtime/base/Output.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace netc::runtime {

void RunOutput::note(const std::string &message) const {
  if (isRoot)
    runtime::note(message);
}

void RunOutput::warn(const std::string &message) const {
  if (isRoot)
    runtime::warn(message);
}

void RunOutput::noteLost() {
  if (!std::exchange(lost, true))
    warn(
        fmt::format("cannot write to standard output: {}; training goes on", std::strerror(errno)));
}

void RunOutput::printText(const std::string &text) {
  if (!writeStdout(text))
    noteLost();
}

void RunOutput::flush() {
  if (std::fflush(stdout) != 0)
    noteLost();
}

void RunOutput::showBar(const std::string &title, int64_t done, int64_t total,
                        const std::string &detail) {
  if (isRoot)
    progress.show(title, done, total, detail);
}

} // namespace netc::runtime
