//===- Main.h - the command line of a compiled model ------------*- C++ -*-===//
#ifndef NETC_RUNTIME_COMMANDS_MAIN_H
#define NETC_RUNTIME_COMMANDS_MAIN_H

#include "runtime/abi/Abi.h"

#ifdef __cplusplus
extern "C"
#endif
    /// Runs the command line of the best of `models` (null at the end) that this CPU runs, or of
    /// the level that the environment's NETC_CPU names; returns the exit code: 0 done, 1 the run
    /// failed, 2 the command line is wrong.
    int netc_runtime_main(const NetcModel *const *models, int argc, char **argv);

#endif // NETC_RUNTIME_COMMANDS_MAIN_H
