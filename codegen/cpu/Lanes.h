//===- Lanes.h - lanes of a vector against each other -----------*- C++ -*-===//
#ifndef NETC_CODEGEN_CPU_LANES_H
#define NETC_CODEGEN_CPU_LANES_H

#include "codegen/cpu/KernelEmitter.h"

namespace netc::cpu {

/// The larger of two numbers, lane by lane.
Value larger(KernelEmitter &k, Value x, Value y);
/// The largest lane of `vector`, in every lane.
Value largestLane(KernelEmitter &k, Value vector);

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_LANES_H
