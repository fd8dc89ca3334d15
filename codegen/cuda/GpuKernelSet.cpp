//===- GpuKernelSet.cpp - one CUDA kernel a signature ---------------------===//
#include "codegen/cuda/GpuKernelSet.h"
#include "codegen/cuda/GpuKernels.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

GpuKernelSet::GpuKernelSet(MLIRContext &context, GpuFeatures features)
    : code(ModuleOp::create(UnknownLoc::get(&context))), features(features) {
  context.loadDialect<arith::ArithDialect, LLVM::LLVMDialect, math::MathDialect, NVVM::NVVMDialect,
                      scf::SCFDialect>();
}

FailureOr<unsigned> GpuKernelSet::get(kern::KernelOpInterface launch) {
  auto [index, isNew] = signatures.insert(launch);
  if (!isNew)
    return index;
  GpuKernelInfo info;
  info.name = "k" + std::to_string(index) + "_" + launch->getName().stripDialect().str();
  if (failed(emit(launch, info)))
    return failure();
  infos.push_back(info);
  return index;
}

/// Where in the model file a launch comes from; of several places the first.
static Location placeOf(Location loc) {
  Location place = UnknownLoc::get(loc.getContext());
  loc->walk([&](Location inner) {
    if (!isa<FileLineColLoc>(inner))
      return WalkResult::advance();
    place = inner;
    return WalkResult::interrupt();
  });
  return place;
}

/// void kernel(ptr<global> operands…, i32 images)
LogicalResult GpuKernelSet::emit(kern::KernelOpInterface launch, GpuKernelInfo &info) {
  OpBuilder b = OpBuilder::atBlockEnd(code->getBody());
  // Launches that share a kernel share the first one's place.
  Location loc = placeOf(launch->getLoc());
  size_t buffers = launch->getNumOperands() + (readsHyper(launch) ? 1 : 0);
  SmallVector<Type> types(buffers, LLVM::LLVMPointerType::get(b.getContext(), 1));
  types.push_back(b.getI32Type());
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), types);
  auto function = LLVM::LLVMFuncOp::create(b, loc, info.name, type);
  Block *entry = function.addEntryBlock(b);
  GpuEmitter k(OpBuilder::atBlockEnd(entry), loc, info.name, features);
  Launch view;
  for (BlockArgument argument : entry->getArguments().take_front(buffers)) {
    unsigned index = argument.getArgNumber(); // beyond the operands: NetcHyper
    Type element = index < launch->getNumOperands()
                       ? kern::shapedType(launch->getOperand(index)).getElementType()
                       : k.f32();
    view.buffers.push_back({argument, element});
  }
  view.images = entry->getArgument(static_cast<unsigned>(buffers));
  LogicalResult done =
      llvm::TypeSwitch<Operation *, LogicalResult>(launch)
          .Case([&](kern::ContractOp op) {
            op.getKind() == kern::ContractKind::FilterGrad ? emitFilterGrad(k, op, view)
                                                           : emitContract(k, op, view);
            return success();
          })
          .Case([&](kern::PointwiseOp op) { return emitPointwise(k, op, view), success(); })
          .Case([&](kern::ReduceOp op) { return emitReduce(k, op, view), success(); })
          .Case([&](kern::PackOp op) { return emitPack(k, op, view), success(); })
          .Case([&](kern::UnpackOp op) { return emitUnpack(k, op, view), success(); })
          .Case([&](kern::PoolOp op) { return emitPool(k, op, view), success(); })
          .Case([&](kern::RowOp op) { return emitRow(k, op, view), success(); })
          .Case([&](kern::PermuteOp op) { return emitPermute(k, op, view), success(); })
          .Case([&](kern::MatmulOp op) { return emitMatmul(k, op, view), success(); })
          .Case([&](kern::MoveOp op) { return emitMove(k, op, view), success(); })
          .Case([&](kern::TransposeOp op) { return emitTranspose(k, op, view), success(); })
          .Case([&](kern::CopyOp op) { return emitCopy(k, op, view), success(); })
          .Case([&](kern::MeanLossOp op) { return emitMeanLoss(k, op, view), success(); })
          .Case([&](kern::LabelShareOp op) { return emitLabelShare(k, op, view), success(); })
          .Case([&](kern::UpdateOp op) { return emitUpdate(k, op, view), success(); })
          .Case([&](kern::SumSquaresOp op) { return emitSumSquares(k, op, view), success(); })
          .Case([&](kern::NormOp op) { return emitNorm(k, op, view), success(); })
          .Default([](Operation *op) {
            return op->emitError() << "'" << op->getName() << "' has no CUDA kernel";
          });
  if (failed(done))
    return failure();
  LLVM::ReturnOp::create(k.b, loc, ValueRange{});
  k.finish(*code);
  function->setAttr("nvvm.kernel", b.getUnitAttr());
  function->setAttr("nvvm.reqntid", b.getDenseI32ArrayAttr({static_cast<int32_t>(k.threads)}));
  if (k.blocksPerProcessor)
    function->setAttr("nvvm.minctasm",
                      b.getI32IntegerAttr(static_cast<int32_t>(k.blocksPerProcessor)));
  info.threads = k.threads;
  info.sharedBytes = k.dynamicBytes;
  info.grid = k.grid;
  return success();
}
