//===- EmitNet.h - an elaborated network to the net dialect -----*- C++ -*-===//
#ifndef NETC_FRONTEND_EMIT_EMITNET_H
#define NETC_FRONTEND_EMIT_EMITNET_H

#include "frontend/network/Network.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace netc::frontend {

/// The module of `network`: its parameters, `func @forward(inputs) -> (outputs, auxiliary heads…)`
/// and, as attributes, its description for the executable:
///   net.model, net.file (strings), net.losses, net.name of each input and output,
///   net.layers (one dictionary per layer: name, kind, output, flops, line),
///   net.recipe (JSON, see docs/reference/abi.md), net.optimizer, net.nesterov, net.average.
/// Locations lead from the layer's name through the blocks to the .net line.
mlir::OwningOpRef<mlir::ModuleOp> emitNet(mlir::MLIRContext &context, const Network &network);

} // namespace netc::frontend

#endif // NETC_FRONTEND_EMIT_EMITNET_H
