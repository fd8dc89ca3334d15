//===- Output.h - text for the user that may not arrive ---------*- C++ -*-===//
//
// A closed terminal, a closed pipe or a full disk behind stderr must not end a run
// before its result is saved.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_BASE_OUTPUT_H
#define NETC_RUNTIME_BASE_OUTPUT_H

#include <fmt/format.h>

#include <iterator>
#include <string_view>
#include <utility>

namespace netc::runtime {

/// Writes to stderr at once. Text that cannot be written is lost; nothing is thrown.
void writeStderr(std::string_view text) noexcept;

/// Writes to stdout, behind its buffer; false where it cannot be written. Nothing is thrown.
bool writeStdout(std::string_view text) noexcept;

/// Formats to stderr as `writeStderr` does.
template <typename... Args> void tell(fmt::format_string<Args...> format, Args &&...args) noexcept {
  try {
    fmt::memory_buffer text; // short texts take no memory that may be lacking
    fmt::format_to(std::back_inserter(text), format, std::forward<Args>(args)...);
    writeStderr({text.data(), text.size()});
  } catch (...) { // no memory even for the message
  }
}

/// Takes the numbers 0, 1 and 2 where the process was started without these files, so that none of
/// its own files gets the number of stdout or stderr and what is printed there. Writing to them
/// still fails.
void reserveStandardFiles() noexcept;

} // namespace netc::runtime

#endif // NETC_RUNTIME_BASE_OUTPUT_H
