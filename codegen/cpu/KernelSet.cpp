//===- KernelSet.cpp - one kernel a signature -----------------------------===//
#include "codegen/cpu/KernelSet.h"
#include "codegen/cpu/Kernels.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

void netc::cpu::loadKernelDialects(MLIRContext &context) {
  context.loadDialect<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect, math::MathDialect,
                      scf::SCFDialect, vector::VectorDialect>();
}

KernelSet::KernelSet(MLIRContext &context, const CpuTarget &target)
    : code(ModuleOp::create(UnknownLoc::get(&context))), target(target) {
  loadKernelDialects(context);
}

unsigned KernelSet::get(kern::KernelOpInterface launch) {
  auto [index, isNew] = signatures.insert(launch);
  if (!isNew)
    return index;
  StringRef kind = launch->getName().stripDialect();
  infos.push_back(
      emitKernel(*code, launch, "k" + std::to_string(index) + "_" + kind.str(), target));
  return index;
}

/// void kernel(ptr buffers, ptr scratch, i64 n, i64 begin, i64 end), see NetcKernelFn.
KernelInfo netc::cpu::emitKernel(ModuleOp code, kern::KernelOpInterface launch, std::string name,
                                 const CpuTarget &target) {
  OpBuilder b = OpBuilder::atBlockEnd(code.getBody());
  Location loc = UnknownLoc::get(b.getContext());
  Type pointer = LLVM::LLVMPointerType::get(b.getContext()), i64 = b.getI64Type();
  auto function =
      func::FuncOp::create(b, loc, name, b.getFunctionType({pointer, pointer, i64, i64, i64}, {}));
  Block *entry = function.addEntryBlock();
  KernelEmitter k(OpBuilder::atBlockEnd(entry), loc, code, name,
                  {target.lanes, target.hasBf16(), target.hasVnni(), target.hasAmx()});
  Launch view;
  SmallVector<Type> elements;
  for (Value operand : launch->getOperands())
    elements.push_back(kern::shapedType(operand).getElementType());
  if (readsHyper(launch))
    elements.push_back(k.f32());
  for (auto [index, element] : llvm::enumerate(elements))
    view.buffers.push_back(
        {k.loadPointer(entry->getArgument(0), static_cast<int64_t>(index)), element});
  view.scratch = k.floats(entry->getArgument(1));
  view.images = entry->getArgument(2);
  view.begin = entry->getArgument(3);
  view.end = entry->getArgument(4);
  llvm::TypeSwitch<Operation *>(launch)
      .Case([&](kern::ContractOp op) {
        op.getKind() == kern::ContractKind::FilterGrad ? emitFilterGrad(k, op, view)
                                                       : emitForward(k, op, view);
      })
      .Case([&](kern::PointwiseOp op) { emitPointwise(k, op, view); })
      .Case([&](kern::ReduceOp op) { emitReduce(k, op, view); })
      .Case([&](kern::PackOp op) { emitPack(k, op, view); })
      .Case([&](kern::QuantizeFilterOp op) { emitQuantizeFilter(k, op, view); })
      .Case([&](kern::UnpackOp op) { emitUnpack(k, op, view); })
      .Case([&](kern::PoolOp op) { emitPool(k, op, view); })
      .Case([&](kern::RowOp op) { emitRow(k, op, view); })
      .Case([&](kern::PermuteOp op) { emitPermute(k, op, view); })
      .Case([&](kern::MatmulOp op) { emitMatmul(k, op, view); })
      .Case([&](kern::AttentionOp op) { emitAttention(k, op, view); })
      .Case([&](kern::AttentionGradOp op) { emitAttentionGrad(k, op, view); })
      .Case([&](kern::MoveOp op) { emitMove(k, op, view); })
      .Case([&](kern::TransposeOp op) { emitTranspose(k, op, view); })
      .Case([&](kern::CopyOp op) { emitCopy(k, op, view); })
      .Case([&](kern::MeanLossOp op) { emitMeanLoss(k, op, view); })
      .Case([&](kern::LabelShareOp op) { emitLabelShare(k, op, view); })
      .Case([&](kern::UpdateOp op) { emitUpdate(k, op, view); })
      .Case([&](kern::SumSquaresOp op) { emitSumSquares(k, op, view); })
      .Case([&](kern::NormOp op) { emitNorm(k, op, view); })
      .DefaultUnreachable("a kern op without CPU code");
  func::ReturnOp::create(k.b, loc);
  return {std::move(name), k.scratchBytes};
}
