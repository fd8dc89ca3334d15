//===- Threads.cpp - as many threads as the system grants -----------------===//
#include "runtime/base/Threads.h"

#include "runtime/base/Error.h"

#include <atomic>

namespace netc::runtime {

/// Said once: pools and loaders come and go.
static void noteFewer(size_t started, unsigned wanted, const char *reason) {
  static std::atomic<bool> told{false};
  if (!told.exchange(true))
    note(fmt::format("only {} of {} threads could be started ({}); the results do not depend on it",
                     started, wanted, reason));
}

std::vector<std::thread> startThreads(unsigned count, const std::function<void(unsigned)> &body) {
  std::vector<std::thread> threads;
  threads.reserve(count);
  try {
    while (threads.size() < count) {
      unsigned number = unsigned(threads.size());
      threads.emplace_back([body, number] { body(number); });
    }
  } catch (const std::exception &error) { // std::system_error or std::bad_alloc
    noteFewer(threads.size(), count, error.what());
  }
  return threads;
}

} // namespace netc::runtime
