//===- ModelTable.h - command tables as constants ---------------*- C++ -*-===//
#ifndef NETC_CODEGEN_LINK_MODELTABLE_H
#define NETC_CODEGEN_LINK_MODELTABLE_H

#include "codegen/Target.h"
#include "codegen/cpu/KernelSet.h"

#include <string>

namespace llvm {
class Module;
}

namespace netc {

/// What an executable is told about its model, as JSON (docs/abi.md).
std::string modelJson(mlir::ModuleOp module, const CpuTarget &target);

/// Turns the functions @prepare, @infer, @step and @update into `netc_model` (runtime/Abi.h).
class ModelTable {
public:
  ModelTable(mlir::ModuleOp module, cpu::KernelSet &kernels, const CpuTarget &target);

  /// Reads the launches and emits their kernels.
  mlir::LogicalResult collect();

  /// Adds the constants to `code`, which holds the kernels.
  void emit(llvm::Module &code);

private:
  struct Buffer {
    uint32_t space, flags;
    uint64_t offset, bytesPerImage, bytesFixed;
  };
  struct Command {
    uint32_t kernel, firstBuffer, bufferCount, layer;
    kern::Grid grid;
    int64_t flops;
  };
  struct Program {
    std::vector<Command> commands;
    uint64_t bytesPerImage = 0, bytesFixed = 0;
  };

  mlir::LogicalResult collect(llvm::StringRef function, Program &program);
  mlir::LogicalResult addBuffer(mlir::Operation *op, mlir::OpOperand &operand);
  uint32_t layerOf(mlir::Location loc) const;

  mlir::ModuleOp module;
  cpu::KernelSet &kernels;
  std::string json;
  llvm::StringMap<uint32_t> layers;
  std::vector<Buffer> buffers;
  Program programs[6];
};

} // namespace netc

#endif // NETC_CODEGEN_LINK_MODELTABLE_H
