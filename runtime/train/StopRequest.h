//===- StopRequest.h - signals that end a run with a save -------*- C++ -*-===//
#ifndef NETC_RUNTIME_TRAIN_STOPREQUEST_H
#define NETC_RUNTIME_TRAIN_STOPREQUEST_H

namespace netc::runtime {

/// Writing to a pipe whose reader is gone, or beyond a limit on files, fails from here on instead
/// of killing the run before it is saved.
void surviveFailedWrites();

/// From here on the first signal (SIGINT, SIGTERM, SIGHUP, and SIGUSR1, which launchers forward and
/// schedulers send before a job's time ends) requests a save, the second one kills.
/// SIGHUP never kills, because a process gets it twice when a terminal closes, from the shell and
/// from the system. Under nohup it is ignored.
void watchSignals();

/// Whether this process got such a signal.
bool stopRequested();

} // namespace netc::runtime

#endif // NETC_RUNTIME_TRAIN_STOPREQUEST_H
