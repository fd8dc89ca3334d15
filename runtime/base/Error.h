//===- Error.h - how the runtime reports a failed run -----------*- C++ -*-===//
//
// Errors travel as exceptions inside the runtime and are caught once, in
// Main.cpp: one line on stderr that says what, where and what was expected.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_BASE_ERROR_H
#define NETC_RUNTIME_BASE_ERROR_H

#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace netc::runtime {

/// The run failed: exit code 1.
class Error : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// A system call failed: an Error with the value of errno (ENOSPC).
class SystemError : public Error {
public:
  SystemError(const std::string &message, int number) : Error(message), number(number) {}
  const int number;
};

/// The command line is wrong: exit code 2.
class UsageError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// Throws an Error with a formatted message: lower case, no full stop.
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args &&...args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

/// Throws a SystemError: "cannot write PATH: No space left on device".
[[noreturn]] void failSystem(const char *what, const std::string &path, int number);

/// Throws a UsageError with a formatted message.
template <typename... Args>
[[noreturn]] void failUsage(fmt::format_string<Args...> format, Args &&...args) {
  throw UsageError(fmt::format(format, std::forward<Args>(args)...));
}

/// While it lives and `active`, note and warn print nothing in this thread: of what all ranks do,
/// rank 0 alone speaks.
class Silence {
public:
  explicit Silence(bool active);
  ~Silence();
  Silence(const Silence &) = delete;

private:
  const bool before;
};

/// Prints "note: …" on stderr.
void note(const std::string &message);

/// Prints "warning: …" on stderr.
void warn(const std::string &message);

} // namespace netc::runtime

#endif // NETC_RUNTIME_BASE_ERROR_H
