//===- TrialKernels.cpp - one contraction by several schedules ------------===//
#include "codegen/tune/TrialKernels.h"
#include "codegen/cpu/KernelSet.h"
#include "codegen/cpu/LowerKernels.h"
#include "codegen/package/ObjectFile.h"
#include "dialect/schedule/cpu/Schedule.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include <sys/mman.h>

using namespace mlir;
using namespace netc;
using namespace netc::tune;

TrialKernels::TrialKernels() = default;
TrialKernels::~TrialKernels() = default;

//===----------------------------------------------------------------------===//
// One schedule's launches
//===----------------------------------------------------------------------===//

bool tune::multipliesBf16(kern::ContractOp op, const CpuTarget &target) {
  return op.getKind() != kern::ContractKind::FilterGrad && target.hasBf16() &&
         kern::shapedType(op.getLhs()[0]).getElementType().isBF16();
}

/// `op` with operands of its own and `schedule`: shapes of packed weights, partial sums and
/// gradients follow it. It does not pool what it stores, which not every schedule can.
static kern::ContractOp cloneWith(OpBuilder &b, kern::ContractOp op, kern::ScheduleAttr schedule,
                                  const CpuTarget &target) {
  IRMapping map;
  auto fresh = [&](Value old, Type type) {
    if (!map.contains(old))
      map.map(old, kern::AllocOp::create(b, op.getLoc(), type));
  };
  auto reshaped = [&](Value old, ArrayRef<int64_t> shape) {
    return MemRefType::get(shape, kern::shapedType(old).getElementType());
  };
  if (Value weights = op.getWeights()) {
    bool pairs = multipliesBf16(op, target) &&
                 kern::multipliesPairs(op.getKind(), op.getGeometry(), schedule);
    fresh(weights, MemRefType::get(
                       kern::packedShape(op.getKind(), op.getGeometry(), schedule, pairs ? 2 : 1),
                       pairs ? Type(b.getBF16Type()) : Type(b.getF32Type())));
  }
  if (op.getKind() == kern::ContractKind::FilterGrad) {
    SmallVector<int64_t> shape = kern::packedShape(op.getKind(), op.getGeometry(), schedule);
    shape.insert(shape.begin(), schedule.getChunks());
    fresh(op.getOuts()[0], reshaped(op.getOuts()[0], shape));
  }
  kern::GeometryAttr g = op.getGeometry();
  if (op.getPoolAttr())
    fresh(op.getOuts()[0],
          reshaped(op.getOuts()[0], {ShapedType::kDynamic, g.getOh(), g.getOw(), g.getOc()}));
  for (Value operand : op->getOperands())
    fresh(operand, operand.getType());
  auto clone = cast<kern::ContractOp>(b.clone(*op, map));
  clone.removePoolAttr();
  clone.setScheduleAttr(schedule);
  if (clone.getOuts().size() > 1) { // partial sums: as many rows as the schedule has items
    Value sums = clone.getOuts()[1];
    kern::Grid grid = clone.getGrid();
    SmallVector<int64_t> shape(kern::shapedType(sums).getShape());
    shape[1] = (grid.rowsPerImage + grid.rowsPerItem - 1) / grid.rowsPerItem;
    sums.setType(reshaped(sums, shape));
  }
  return clone;
}

static MemRefType filterType(kern::ContractOp op) {
  kern::GeometryAttr g = op.getGeometry();
  return MemRefType::get({g.getOc(), g.getIc() / g.getGroups(), g.getKh(), g.getKw()},
                         Float32Type::get(op.getContext()));
}

/// The launches of one schedule, in the order in which a step runs them.
static SmallVector<kern::KernelOpInterface> buildLaunches(OpBuilder &b, kern::ContractOp op,
                                                          kern::ScheduleAttr schedule,
                                                          bool training, const CpuTarget &target) {
  kern::ContractOp contract = cloneWith(b, op, schedule, target);
  SmallVector<kern::KernelOpInterface> result{contract};
  if (!training)
    return result;
  kern::GeometryAttr g = op.getGeometry();
  bool lanewise = kern::isLanewise(g, schedule.getLanes());
  Value filter = kern::AllocOp::create(b, op.getLoc(), filterType(op));
  if (contract.getWeights())
    result.push_back(kern::PackOp::create(b, op.getLoc(), TypeRange{}, ValueRange{filter},
                                          ValueRange{contract.getWeights()}, g.getGroups(),
                                          op.getKind() == kern::ContractKind::InputGrad, lanewise,
                                          schedule.getWinograd(), schedule.getLanes()));
  else
    result.push_back(kern::UnpackOp::create(
        b, op.getLoc(), TypeRange{}, ValueRange{contract.getOuts()[0]}, ValueRange{filter},
        lanewise ? 1 : g.getGroups(), schedule.getWinograd(), schedule.getLanes()));
  return result;
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

static LogicalResult failed(kern::ContractOp op, llvm::Error error) {
  return op.emitError("a candidate could not be loaded: ") << llvm::toString(std::move(error));
}

FailureOr<std::unique_ptr<TrialKernels>>
TrialKernels::compile(kern::ContractOp op, bool training, ArrayRef<kern::ScheduleAttr> schedules,
                      const CpuTarget &target) {
  MLIRContext *context = op.getContext();
  std::unique_ptr<TrialKernels> result(new TrialKernels());
  result->launches = ModuleOp::create(UnknownLoc::get(context));
  OpBuilder b = OpBuilder::atBlockEnd(result->launches->getBody());
  cpu::KernelSet set(*context, target);
  for (kern::ScheduleAttr schedule : schedules) {
    Trial &trial = result->all.emplace_back();
    for (kern::KernelOpInterface launch : buildLaunches(b, op, schedule, training, target)) {
      unsigned index = set.get(launch);
      trial.launches.push_back({launch, index, nullptr, set.kernels()[index].scratchBytes});
    }
  }
  llvm::LLVMContext llvmContext;
  std::unique_ptr<llvm::Module> code = cpu::lowerKernels(set.module(), llvmContext);
  if (!code)
    return failure();
  llvm::SmallVector<char, 0> object;
  llvm::raw_svector_ostream out(object);
  if (mlir::failed(writeCode(set.module(), *code, target, CodeKind::Object, out)))
    return failure();

  auto jit = llvm::orc::LLJITBuilder().create();
  if (!jit)
    return ::failed(op, jit.takeError());
  result->jit = std::move(*jit);
  auto process = llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      result->jit->getDataLayout().getGlobalPrefix());
  if (!process)
    return ::failed(op, process.takeError());
  result->jit->getMainJITDylib().addGenerator(std::move(*process));
  auto buffer = std::make_unique<llvm::SmallVectorMemoryBuffer>(std::move(object),
                                                                /*RequiresNullTerminator=*/false);
  if (llvm::Error error = result->jit->addObjectFile(std::move(buffer)))
    return ::failed(op, std::move(error));
  for (Trial &trial : result->all)
    for (TrialLaunch &launch : trial.launches) {
      auto address = result->jit->lookup(set.kernels()[launch.kernel].name);
      if (!address)
        return ::failed(op, address.takeError());
      launch.fn = address->toPtr<KernelFn>();
    }
  return result;
}

//===----------------------------------------------------------------------===//
// Time
//===----------------------------------------------------------------------===//

static constexpr size_t kLine = 64, kHugePage = 2 << 20;

/// Zero-filled but for `fill`, and on huge pages where it is large, as in an executable.
char *Trial::take(size_t bytes, float fill) {
  size_t alignment = bytes >= kHugePage / 2 ? kHugePage : kLine,
         size = llvm::alignTo(bytes + kLine, alignment);
  char *data = static_cast<char *>(std::aligned_alloc(alignment, size));
  if (!data)
    llvm::report_bad_alloc_error("no memory to time schedules in");
  memory.emplace_back(data);
  if (alignment == kHugePage)
    madvise(data, size, MADV_HUGEPAGE); // where there are none, small ones do
  std::memset(data, 0, size);
  std::fill_n(reinterpret_cast<float *>(data), bytes / sizeof(float), fill);
  return data;
}

static int64_t elements(ShapedType type, int64_t batch) {
  int64_t count = 1;
  for (int64_t size : type.getShape())
    count *= ShapedType::isDynamic(size) ? batch : size;
  return count;
}

static void readLines(const char *data, size_t bytes) {
  for (size_t i = 0; i < bytes; i += kLine)
    (void)*static_cast<const volatile char *>(data + i);
}

/// One image meets weights that no cache holds: the other layers' have passed since. What is read
/// here is never written, so that nothing is left to write back while a launch is timed.
static void forgetCaches() {
  static const std::vector<char> other(64 << 20, 1);
  readLines(other.data(), other.size());
}

void Trial::prepare(int64_t images) {
  batch = images;
  DenseMap<Value, char *> known;
  size_t scratchBytes = 0;
  for (TrialLaunch &launch : launches) {
    std::vector<char *> &pointers = operands.emplace_back();
    auto dps = cast<DestinationStyleOpInterface>(launch.op.getOperation());
    for (OpOperand &operand : launch.op->getOpOperands()) {
      ShapedType type = kern::shapedType(operand.get());
      size_t bytes =
          static_cast<size_t>(kern::elementBytes(type.getElementType()) * elements(type, batch));
      char *&at = known[operand.get()];
      if (!at)
        at = take(bytes, 0.5f);
      pointers.push_back(at);
      if (!type.hasStaticShape() && !dps.isDpsInit(&operand))
        activations.emplace_back(at, bytes);
    }
    pointers.push_back(take(4096, 0)); // the hyper block, where one is read: dropout is off
    scratchBytes = std::max<size_t>(scratchBytes, launch.scratchBytes);
  }
  scratch = take(scratchBytes + 4096, 0);
  run();
}

void Trial::run() {
  for (auto [launch, pointers] : llvm::zip(launches, operands)) {
    kern::Grid grid = launch.op.getGrid();
    int64_t rows = (batch * grid.rowsPerImage + grid.rowsPerItem - 1) / grid.rowsPerItem;
    launch.fn(pointers.data(), scratch, batch, 0, grid.outer * (grid.rowsPerImage ? rows : 1));
  }
}

double Trial::seconds() {
  using Clock = std::chrono::steady_clock;
  auto timed = [&] {
    auto start = Clock::now();
    run();
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  if (batch == 1) {
    forgetCaches();
    for (auto [data, bytes] : activations)
      readLines(data, bytes);
    return timed();
  }
  double spent = 0;
  int runs = 0;
  for (; spent < 1e-3; ++runs)
    spent += timed();
  return spent / runs;
}

void Trial::release() {
  memory.clear();
  activations.clear();
  operands.clear();
  scratch = nullptr;
}
