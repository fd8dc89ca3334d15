//===- Processes.h - the processes of a launcher ----------------*- C++ -*-===//
#ifndef NETC_RUNTIME_COMMANDS_PROCESSES_H
#define NETC_RUNTIME_COMMANDS_PROCESSES_H

#include "runtime/comm/Communicator.h"
#include "runtime/comm/Transport.h"

#include <memory>
#include <string>

namespace netc::runtime {

/// Whether this executable was linked with `--comm`.
bool hasTransport();

/// The processes that a launcher (mpirun, srun, torchrun) started as one, or this one alone.
class Processes {
public:
  /// Joins the others where a launcher started several. Processes that may run on the same cores
  /// share them from then on.
  Processes(int &argc, char **&argv);

  Communicator &communicator() const { return *together; }
  bool areSeveral() const { return together->size() > 1; }

  /// Fails where a launcher started several and the executable was linked without a transport: each
  /// would train by itself.
  static void requireTransport();

  /// Where there are several: "rank 2 on HOST: ", to stand before a message.
  std::string name() const;
  /// Before a message about this process's failure. What goes wrong for all is said by the lowest
  /// rank, which ends the others while they wait here.
  void waitForLower() const;
  /// Ends all processes with this exit code, where there are several.
  void endAll(int code) const;
  /// The last call of a process that ends by itself.
  void finish() const;

private:
  static const NetcTransport *open(int &argc, char **&argv);

  const NetcTransport *transport = nullptr;
  std::unique_ptr<Communicator> together;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_COMMANDS_PROCESSES_H
