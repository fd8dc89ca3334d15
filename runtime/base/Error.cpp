//===- Error.cpp - how the runtime reports a failed run -------------------===//
#include "runtime/base/Error.h"

#include "runtime/base/Output.h"
#include "runtime/base/Utf8.h"

#include <cstring>

namespace netc::runtime {

void failSystem(const char *what, const std::string &path, int number) {
  throw SystemError(fmt::format("{} {}: {}", what, path, std::strerror(number)), number);
}

void note(const std::string &message) { tell("note: {}\n", printable(message)); }
void warn(const std::string &message) { tell("warning: {}\n", printable(message)); }

} // namespace netc::runtime
