//===- Threads.h - as many threads as the system grants ---------*- C++ -*-===//
#ifndef NETC_RUNTIME_BASE_THREADS_H
#define NETC_RUNTIME_BASE_THREADS_H

#include <functional>
#include <thread>
#include <vector>

namespace netc::runtime {

/// Starts `count` threads; each runs `body` with its number, from 0 on. Where the system refuses
/// one (a limit on processes, or on memory), those before it are all there are, and a note says so.
std::vector<std::thread> startThreads(unsigned count, const std::function<void(unsigned)> &body);

} // namespace netc::runtime

#endif // NETC_RUNTIME_BASE_THREADS_H
