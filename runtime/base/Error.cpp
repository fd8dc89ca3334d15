//===- Error.cpp - how the runtime reports a failed run -------------------===//
#include "runtime/base/Error.h"

#include "runtime/base/Output.h"
#include "runtime/base/Utf8.h"

#include <cstring>

namespace netc::runtime {

void failSystem(const char *what, const std::string &path, int number) {
  throw SystemError(fmt::format("{} {}: {}", what, path, std::strerror(number)), number);
}

static thread_local bool silent = false;

Silence::Silence(bool active) : before(silent) { silent |= active; }
Silence::~Silence() { silent = before; }

void note(const std::string &message) {
  if (!silent)
    tell("note: {}\n", printable(message));
}
void warn(const std::string &message) {
  if (!silent)
    tell("warning: {}\n", printable(message));
}

} // namespace netc::runtime
