//===- Boundary.h - where a function meets the outside ----------*- C++ -*-===//
#ifndef NETC_PASSES_LOWERING_BOUNDARY_H
#define NETC_PASSES_LOWERING_BOUNDARY_H

#include "passes/lowering/KernBuilder.h"

namespace netc::lowering {

/// Arguments, results, parameters and gradients of one function as kern.buffer: memory that the
/// executable owns.
class Boundary {
public:
  Boundary(KernBuilder &k, mlir::func::FuncOp function) : k(k), function(function) {}

  void lowerArguments();
  /// Lowers what reads or writes a parameter or a gradient, and the return; whether `op` is that.
  bool lower(mlir::Operation *op);

  llvm::SmallVector<kern::PortAttr> ports; ///< of arguments and results, as far as lowered

private:
  void lowerReturn(mlir::func::ReturnOp op);
  void addPort(llvm::StringRef name, kern::Space space, mlir::Type type, int64_t offset);
  void store(mlir::Value value, kern::Space space, int64_t offset, mlir::Location loc);

  KernBuilder &k;
  mlir::func::FuncOp function;
};

/// What the losses compare outputs with, whether or not there is a training step, because
/// evaluation needs it too. Named `labels` where it is classes, else `targets`; where several
/// outputs have one, `labels.OUTPUT`. In the order of the step's arguments, and so in their places.
/// `soft`: classes are distributions.
llvm::SmallVector<kern::PortAttr> targetPorts(mlir::ModuleOp module,
                                              llvm::ArrayRef<kern::PortAttr> outputs, bool soft);

} // namespace netc::lowering

#endif // NETC_PASSES_LOWERING_BOUNDARY_H
