//===- Output.cpp - text for the user that may not arrive -----------------===//
#include "runtime/base/Output.h"

#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

/// What libjpeg and libpng call stderr: see runtime/MergeArchives.cmake.
extern "C" {
extern std::FILE *netc_standard_error;
std::FILE *netc_standard_error = stderr;
}

namespace netc::runtime {

static bool writeTo(std::FILE *file, std::string_view text) noexcept {
  return std::fwrite(text.data(), 1, text.size(), file) == text.size();
}

void writeStderr(std::string_view text) noexcept {
  writeTo(stderr, text);
  std::fflush(stderr);
}

bool writeStdout(std::string_view text) noexcept { return writeTo(stdout, text); }

void reserveStandardFiles() noexcept {
  for (int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(standard, F_GETFD) != -1)
      continue;
    // The lowest free number, which is this one. Only for reading: writing fails as before.
    int opened = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (opened < 0)
      opened = open("/", O_RDONLY | O_CLOEXEC);
    if (opened < 0)
      return;
  }
}

} // namespace netc::runtime
