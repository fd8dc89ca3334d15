//===- KernelTranslator.h - the ops of kernels in LLVM IR -------*- C++ -*-===//
#ifndef NETC_CODEGEN_CPU_KERNELTRANSLATOR_H
#define NETC_CODEGEN_CPU_KERNELTRANSLATOR_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

namespace netc::cpu {

/// Translates one function after the other; values are those of the function at hand.
class KernelTranslator {
public:
  explicit KernelTranslator(llvm::Module &code)
      : code(code), context(code.getContext()), b(context) {}
  mlir::LogicalResult translate(mlir::ModuleOp kernels);

private:
  llvm::Type *typeOf(mlir::Type type);
  llvm::Constant *constantOf(mlir::TypedAttr attr);
  llvm::Constant *elementOf(mlir::Attribute attr, llvm::Type *type);
  llvm::Value *at(mlir::Value value) { return values.lookup(value); }
  llvm::Value *operand(mlir::Operation *op, unsigned index) { return at(op->getOperand(index)); }
  llvm::SmallVector<llvm::Value *> all(mlir::ValueRange range) {
    return llvm::map_to_vector(range, [&](mlir::Value value) { return at(value); });
  }

  void declare(mlir::func::FuncOp function);
  mlir::LogicalResult define(mlir::func::FuncOp function);
  mlir::LogicalResult translate(mlir::Block &block);
  mlir::LogicalResult translate(mlir::Operation *op);
  mlir::LogicalResult translateFor(mlir::scf::ForOp loop);
  mlir::LogicalResult translateAtMostOnce(mlir::scf::ForOp loop, bool runs);
  mlir::LogicalResult translateIf(mlir::scf::IfOp branch);

  /// The value of an op with one result that needs no control flow; null: not one of these.
  llvm::Value *valueOf(mlir::Operation *op);
  llvm::Value *arithmetic(mlir::Operation *op);
  llvm::Value *cast(mlir::Operation *op);
  llvm::Value *intrinsic(mlir::Operation *op);
  llvm::Value *ofVectors(mlir::Operation *op);
  /// False: not one of the ops that touch memory, or that call.
  bool translateMemory(mlir::Operation *op);
  bool translateCall(mlir::Operation *op);

  llvm::Module &code;
  llvm::LLVMContext &context;
  llvm::IRBuilder<> b;
  llvm::DenseMap<mlir::Value, llvm::Value *> values;
};

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_KERNELTRANSLATOR_H
