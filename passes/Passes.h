//===- Passes.h - every pass of netc ----------------------------*- C++ -*-===//
#ifndef NETC_PASSES_PASSES_H
#define NETC_PASSES_PASSES_H

#include "dialect/kern/KernDialect.h"
#include "dialect/net/NetDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace netc {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"
} // namespace netc

#endif // NETC_PASSES_PASSES_H
