//===- Levels.h - one model for several levels of the CPU -------*- C++ -*-===//
#ifndef NETC_RUNTIME_EXEC_LEVELS_H
#define NETC_RUNTIME_EXEC_LEVELS_H

#include "runtime/abi/Abi.h"

namespace netc::runtime {

/// Of the same model for several levels of the CPU, best first, then null: the one that the
/// environment's NETC_CPU names, or else the first whose features the CPU has. The last where it
/// has none; requireCpuFeatures then says what is missing.
const NetcModel &chooseModel(const NetcModel *const *models);

} // namespace netc::runtime

#endif // NETC_RUNTIME_EXEC_LEVELS_H
