//===- ModelTable.h - command tables as constants ---------------*- C++ -*-===//
#ifndef NETC_CODEGEN_PACKAGE_MODELTABLE_H
#define NETC_CODEGEN_PACKAGE_MODELTABLE_H

#include "codegen/common/Target.h"
#include "codegen/cuda/Ptx.h"
#include "codegen/package/Symbols.h"
#include "dialect/kern/KernDialect.h"
#include "runtime/abi/Abi.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <array>
#include <string>

namespace llvm {
class Module;
} // namespace llvm

namespace netc {

/// The JSON description of a model that its executable contains (docs/reference/abi.md). `gpu`:
/// null for the CPU.
std::string modelJson(mlir::ModuleOp module, const CpuTarget &target,
                      const cuda::GpuTarget *gpu = nullptr);

/// Kernels behind the launches of a program.
class LaunchKernels {
public:
  virtual ~LaunchKernels() = default;
  /// The kernel of a launch; fails, and says so, where there is no code for it.
  virtual mlir::FailureOr<unsigned> kernelOf(kern::KernelOpInterface launch) = 0;
  virtual kern::Grid gridOf(kern::KernelOpInterface launch, unsigned kernel) = 0;
  virtual size_t size() = 0;
  virtual llvm::StringRef name(size_t kernel) = 0;
  /// Of its function, where the linker has another name for it.
  virtual llvm::StringRef symbol(size_t kernel) { return name(kernel); }
  virtual uint64_t scratchBytes(size_t kernel) = 0;
};

/// The kernels of an executable for a GPU.
struct GpuCode {
  std::vector<cuda::GpuImage> images; ///< ascending by chip, PTX first
  bool simulated = false;
};

/// Keeps @forward as it is now in the module's attribute net.graph, which modelJson
/// then holds: what `gradcheck` computes in double precision. Before any pass.
void recordGraph(mlir::ModuleOp module);

/// Turns the functions @prepare, @infer, @step, @update, … into a NetcModel (runtime/abi/Abi.h).
class ModelTable {
public:
  /// `json`: what modelJson says.
  ModelTable(mlir::ModuleOp module, LaunchKernels &kernels, std::string json);

  /// Reads the launches and emits their kernels.
  mlir::LogicalResult collect();

  /// Adds the constants to `code`, which holds the kernels unless they are in `gpu`.
  void emit(llvm::Module &code, const ModelSymbols &symbols, const GpuCode *gpu = nullptr);

private:
  struct Program {
    std::string name; ///< of the function; empty where there is none
    std::vector<NetcCommand> commands;
    uint64_t bytesPerImage = 0, bytesFixed = 0;
    llvm::SmallVector<kern::SectionAttr> sections;
  };

  mlir::LogicalResult collect(mlir::func::FuncOp function, Program &program);
  mlir::LogicalResult addBuffer(mlir::Operation *op, mlir::OpOperand &operand);
  uint32_t layerOf(mlir::Operation *launch) const;

  mlir::ModuleOp module;
  LaunchKernels &kernels;
  std::string json;
  llvm::StringMap<uint32_t> layers;
  std::vector<NetcBuffer> buffers;
  std::array<Program, 7> programs;
  std::vector<Program> leanSteps;
};

} // namespace netc

#endif // NETC_CODEGEN_PACKAGE_MODELTABLE_H
