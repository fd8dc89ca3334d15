//===- StopRequest.cpp - signals that end a run with a save ---------------===//
#include "runtime/train/StopRequest.h"

#include <csignal>
#include <initializer_list>

namespace netc::runtime {

static volatile std::sig_atomic_t interrupted = 0;

void surviveFailedWrites() {
  for (int signal : {SIGPIPE, SIGXFSZ})
    std::signal(signal, SIG_IGN);
}

void watchSignals() {
  struct sigaction action{}, before{};
  action.sa_handler = [](int) { interrupted = 1; };
  if (sigaction(SIGHUP, nullptr, &before) == 0 && before.sa_handler != SIG_IGN)
    sigaction(SIGHUP, &action, nullptr);
  action.sa_flags = SA_RESETHAND;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGUSR1, &action, nullptr);
}

bool stopRequested() { return interrupted != 0; }

} // namespace netc::runtime
