//===- TunedSchedules.h - netc --tune ---------------------------*- C++ -*-===//
#ifndef NETC_TOOLS_NETC_TUNEDSCHEDULES_H
#define NETC_TOOLS_NETC_TUNEDSCHEDULES_H

#include "codegen/common/Target.h"

#include "mlir/IR/BuiltinOps.h"

#include <functional>

namespace netc {

/// Brings a module from the net stage to the kern stage.
using PlanModule = std::function<mlir::LogicalResult(mlir::ModuleOp)>;

/// Times the kernels of `network` for `level` and notes the best schedules on it (`kern.choices`),
/// for the passes that follow. Keeps them in NETC_CACHE, or else netc/ in the user's cache folder.
/// Says on stderr how far it is. A level that this machine does not run keeps the rule's schedules,
/// with a note.
mlir::LogicalResult tuneNetwork(mlir::ModuleOp network, const CpuTarget &level,
                                const PlanModule &plan);

} // namespace netc

#endif // NETC_TOOLS_NETC_TUNEDSCHEDULES_H
