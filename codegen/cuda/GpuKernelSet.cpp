//===- GpuKernelSet.cpp - one CUDA kernel a signature ---------------------===//
#include "codegen/cuda/GpuKernelSet.h"
#include "codegen/cuda/GpuKernels.h"
#include "codegen/cuda/GpuWarpgroup.h"

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

/// Tensor maps that a launch's kernel has as parameters: A's and B's.
static size_t mapsOf(Operation *launch, const GpuFeatures &features) {
  auto contract = dyn_cast<kern::ContractOp>(launch);
  return features.warpgroups && contract && usesWarpgroups(contract) ? 2 : 0;
}

/// A parameter of 128 bytes that the kernel has the address of (`__grid_constant__`).
static void passByValue(LLVM::LLVMFuncOp function, unsigned index) {
  MLIRContext *context = function.getContext();
  auto bytes = LLVM::LLVMArrayType::get(IntegerType::get(context, 8), 128);
  function.setArgAttr(index, LLVM::LLVMDialect::getByValAttrName(), TypeAttr::get(bytes));
  function.setArgAttr(index, LLVM::LLVMDialect::getAlignAttrName(),
                      IntegerAttr::get(IntegerType::get(context, 64), 64));
  function.setArgAttr(index, NVVM::NVVMDialect::getGridConstantAttrName(), UnitAttr::get(context));
}

/// What the runtime encodes tensor maps from, in the order of the parameters: a variable of the
/// module, NAME_maps, of six numbers each (runtime/device/cuda/GpuDevice.h, MatrixMap).
static void placeMaps(ModuleOp module, StringRef kernel, ArrayRef<GpuTensorMap> maps) {
  if (maps.empty())
    return;
  OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
  SmallVector<int64_t> numbers;
  for (const GpuTensorMap &map : maps)
    numbers.append(
        {map.buffer, map.columns, map.rowsPerImage, map.rows, map.boxColumns, map.boxRows});
  auto count = static_cast<int64_t>(numbers.size());
  auto values = DenseElementsAttr::get(RankedTensorType::get({count}, b.getI64Type()),
                                       ArrayRef<int64_t>(numbers));
  LLVM::GlobalOp::create(b, module.getLoc(), LLVM::LLVMArrayType::get(b.getI64Type(), count),
                         /*isConstant=*/false, LLVM::Linkage::External, (kernel + "_maps").str(),
                         values, /*alignment=*/8, /*addrSpace=*/1);
}

/// void kernel(ptr<global> operands…, i32 images, tensor maps…)
LogicalResult GpuKernelSet::emit(kern::KernelOpInterface launch, GpuKernelInfo &info) {
  OpBuilder b = OpBuilder::atBlockEnd(code->getBody());
  // Launches that share a kernel share the first one's place.
  Location loc = placeOf(launch->getLoc());
  size_t buffers = launch->getNumOperands() + (readsHyper(launch) ? 1 : 0);
  SmallVector<Type> types(buffers, LLVM::LLVMPointerType::get(b.getContext(), 1));
  types.push_back(b.getI32Type());
  types.append(mapsOf(launch, features), LLVM::LLVMPointerType::get(b.getContext()));
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
  for (BlockArgument argument : entry->getArguments().drop_front(buffers + 1)) {
    passByValue(function, argument.getArgNumber());
    view.maps.push_back(argument);
  }
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
          .Case([&](kern::AttentionOp op) { return emitAttention(k, op, view), success(); })
          .Case([&](kern::AttentionGradOp op) { return emitAttentionGrad(k, op, view), success(); })
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
  placeMaps(*code, info.name, k.maps);
  return success();
}
