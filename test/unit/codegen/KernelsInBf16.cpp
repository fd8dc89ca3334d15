//===- KernelsInBf16.cpp - every kernel on activations stored in bf16 -----===//
//
// kernels_in_bf16 FILE.mlir LEVEL [PRECISION], for lit: FILE is what `netc --emit kern --cpu LEVEL`
// wrote; PRECISION chooses what native means. Each distinct launch is compiled twice, as it is and
// with its activations (what has the batch in front, but for partial sums and losses) in bf16, and
// run on the same values, all of which bf16 has. Kernels compute in f32, so what the second stores
// is the first's result, rounded where it is bf16. Kernels of integers, and those that already have
// bf16 (FILE of --precision bf16), run as they are. What lies behind a buffer must stay as it was,
// and behind the scratch that a kernel asks for. The two runs find other bits there and in their
// scratch, NaN the second time: a kernel that reads what it has not written gives other results.
//
//===----------------------------------------------------------------------===//
#include "codegen/common/KernelSignatures.h"
#include "codegen/cpu/KernelSet.h"
#include "codegen/cpu/LowerKernels.h"
#include "codegen/package/ObjectFile.h"
#include "dialect/interfaces/Hyper.h"
#include "dialect/net/NetDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"

#include <cmath>
#include <cstring>
#include <map>
#include <memory>

using namespace mlir;
using namespace netc;

static constexpr int64_t kImages = 3;
static constexpr size_t kGuard = 256;
static constexpr size_t kScratchGuard = 16384; // a kernel's mistake there is a row per lane or so

using KernelFn = void (*)(char *const *, char *, int64_t, int64_t, int64_t);

static uint16_t toBf16(float value) {
  auto bits = llvm::bit_cast<uint32_t>(value);
  if (std::isnan(value))
    return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float fromBf16(uint16_t half) { return llvm::bit_cast<float>(uint32_t(half) << 16); }

/// Sums of an attention that stay f32: its logarithms and the gradient of its bias.
static bool isSumOfAttention(kern::KernelOpInterface launch, unsigned operand) {
  if (isa<kern::AttentionOp>(launch))
    return operand + 1 == launch->getNumOperands();
  auto grad = dyn_cast<kern::AttentionGradOp>(*launch);
  bool ofBias = grad && grad.getBiases() && !grad.getOfKeys();
  return grad && (operand == 4 || (ofBias && operand + 1 == launch->getNumOperands()));
}

/// Whether a launch multiplies or moves integers of --precision int8.
static bool isOfIntegers(kern::KernelOpInterface launch) {
  return llvm::any_of(launch->getOperandTypes(), [](Type type) {
    auto element = dyn_cast<IntegerType>(cast<MemRefType>(type).getElementType());
    return element && element.getWidth() <= 16;
  });
}

/// Whether something is stored as bf16 already.
static bool isOfBf16(kern::KernelOpInterface launch) {
  return llvm::any_of(launch->getOperandTypes(),
                      [](Type type) { return cast<MemRefType>(type).getElementType().isBF16(); });
}

/// Whether a later change may store this operand in bf16: sums, losses and what has no batch stay.
static bool isActivation(kern::KernelOpInterface launch, OpOperand &operand) {
  auto type = cast<MemRefType>(operand.get().getType());
  if (!type.getElementType().isF32() || type.getRank() < 2 || !type.isDynamicDim(0))
    return false;
  if (isa<kern::MeanLossOp, kern::ReduceOp>(launch) ||
      isSumOfAttention(launch, operand.getOperandNumber()) || isOfIntegers(launch) ||
      isOfBf16(launch))
    return false;
  int64_t index = operand.getOperandNumber(), outs = 0, stores = 1;
  if (auto op = dyn_cast<kern::ContractOp>(*launch))
    outs = static_cast<int64_t>(op.getOuts().size());
  else if (auto op = dyn_cast<kern::PointwiseOp>(*launch))
    outs = static_cast<int64_t>(op.getOuts().size()), stores = static_cast<int64_t>(op.getStores());
  else if (auto op = dyn_cast<kern::RowOp>(*launch)) {
    bool loss = llvm::is_contained({kern::RowKind::CrossEntropy, kern::RowKind::Squared,
                                    kern::RowKind::Absolute, kern::RowKind::Bce,
                                    kern::RowKind::DiceSums, kern::RowKind::Dice},
                                   op.getKind());
    outs = 1, stores = loss ? 0 : 1;
  }
  int64_t first = static_cast<int64_t>(launch->getNumOperands()) - outs; // of the destinations
  return outs == 0 || index < first + stores;
}

static size_t elementsOf(ShapedType type) {
  int64_t count = 1;
  for (int64_t size : type.getShape())
    count *= ShapedType::isDynamic(size) ? kImages : size;
  return static_cast<size_t>(count);
}

namespace {
/// A launch compiled for one choice of types, with memory of its own.
struct Version {
  kern::KernelOpInterface op;
  unsigned kernel = 0;
  std::vector<std::vector<char>> memory; ///< of operands, then NetcHyper; each with a guard
  char unwritten = '\x5a';               ///< what guards and scratch are filled with
  bool keepsScratch = true;              ///< nothing was written behind it

  void fill();
  void run(KernelFn fn, size_t scratchBytes);
  bool keepsGuards() const;
  float at(size_t operand, size_t element);
};
} // namespace

/// The same values for all versions of a launch; any bits for integers.
void Version::fill() {
  uint32_t state = 12345;
  auto random = [&] { return state = state * 1664525 + 1013904223, state >> 8; };
  for (Value operand : op->getOperands()) {
    ShapedType type = kern::shapedType(operand);
    Type element = type.getElementType();
    size_t count = elementsOf(type), bytes = count * kern::elementBytes(element);
    std::vector<char> &place = memory.emplace_back(bytes + kGuard, unwritten);
    for (size_t i = 0; i < count; ++i) {
      uint32_t number = random();
      uint16_t half = toBf16(static_cast<float>(number) / (1 << 23) - 1);
      float wide = fromBf16(half);
      auto label = static_cast<int64_t>(number % 3);
      const void *from = element.isBF16()                       ? static_cast<const void *>(&half)
                         : element.isF32()                      ? static_cast<const void *>(&wide)
                         : element.getIntOrFloatBitWidth() < 64 ? static_cast<const void *>(&number)
                                                                : static_cast<const void *>(&label);
      std::memcpy(place.data() + i * kern::elementBytes(element), from,
                  kern::elementBytes(element));
    }
  }
  std::vector<char> &hyper = memory.emplace_back(kHyperWords * kWordBytes + kGuard, unwritten);
  std::fill_n(hyper.begin(), kHyperWords * kWordBytes, 0);
  float dropout = 1;
  std::memcpy(hyper.data() + kDropout * kWordBytes, &dropout, sizeof dropout);
}

void Version::run(KernelFn fn, size_t scratchBytes) {
  std::vector<char *> pointers;
  for (std::vector<char> &place : memory)
    pointers.push_back(place.data());
  std::unique_ptr<char, void (*)(void *)> scratch(
      static_cast<char *>(std::aligned_alloc(64, (scratchBytes + kScratchGuard + 63) / 64 * 64)),
      [](void *of) { std::free(of); });
  std::memset(scratch.get(), unwritten, scratchBytes + kScratchGuard);
  kern::Grid grid = op.getGrid();
  int64_t rows = (kImages * grid.rowsPerImage + grid.rowsPerItem - 1) / grid.rowsPerItem;
  fn(pointers.data(), scratch.get(), kImages, 0, grid.outer * (grid.rowsPerImage ? rows : 1));
  char *behind = scratch.get() + scratchBytes;
  keepsScratch =
      std::all_of(behind, behind + kScratchGuard, [&](char c) { return c == unwritten; });
}

bool Version::keepsGuards() const {
  return llvm::all_of(memory, [&](const std::vector<char> &place) {
    return std::all_of(place.end() - kGuard, place.end(), [&](char c) { return c == unwritten; });
  });
}

float Version::at(size_t operand, size_t element) {
  const char *place = memory[operand].data();
  if (kern::shapedType(op->getOperand(operand)).getElementType().isF32()) {
    float value;
    std::memcpy(&value, place + element * sizeof value, sizeof value);
    return value;
  }
  uint16_t half;
  std::memcpy(&half, place + element * sizeof half, sizeof half);
  return fromBf16(half);
}

/// Whether an element of a filter gradient's partial sums, [chunks, G, blocks, KH, KW, I, T], is in
/// a lane beyond the last channel: those hold anything.
static bool hasNoChannel(kern::KernelOpInterface launch, ShapedType type, size_t element) {
  auto op = dyn_cast<kern::ContractOp>(*launch);
  if (!op || op.getKind() != kern::ContractKind::FilterGrad)
    return false;
  ArrayRef<int64_t> shape = type.getShape();
  auto index = static_cast<int64_t>(element);
  int64_t lane = index % shape[6], block = index / ShapedType::getNumElements(shape.drop_front(3));
  return block % shape[2] * shape[6] + lane >= op.getGeometry().getOc() / shape[1];
}

/// Why the stored results are not those of f32, rounded; empty: they are.
static std::string compare(Version &f32, Version &bf16) {
  if (!f32.keepsGuards() || !bf16.keepsGuards())
    return "writes behind a buffer";
  if (!f32.keepsScratch || !bf16.keepsScratch)
    return "writes behind its scratch";
  // A max pool's gradient is added up in its destination: it rounds at each window.
  auto pool = dyn_cast<kern::PoolOp>(*f32.op);
  bool sumsInPlace = pool && pool.getKind() == kern::PoolKind::MaxGrad;
  auto dps = cast<DestinationStyleOpInterface>(f32.op.getOperation());
  for (OpOperand &operand : f32.op->getOpOperands()) {
    unsigned index = operand.getOperandNumber();
    Type element = kern::shapedType(bf16.op->getOperand(index)).getElementType();
    if (!dps.isDpsInit(&operand))
      continue;
    if (!isa<FloatType>(element)) {
      size_t bytes = f32.memory[index].size() - kGuard;
      if (std::memcmp(f32.memory[index].data(), bf16.memory[index].data(), bytes) != 0)
        return "operand " + std::to_string(index) + ": depends on what was never written";
      continue;
    }
    ShapedType type = kern::shapedType(operand.get());
    for (size_t i = 0; i < elementsOf(type); ++i) {
      if (hasNoChannel(f32.op, type, i))
        continue;
      float want = f32.at(index, i), have = bf16.at(index, i);
      if (element.isBF16())
        want = fromBf16(toBf16(want));
      bool same = want == have || (std::isnan(want) && std::isnan(have)) ||
                  (sumsInPlace && std::abs(want - have) <= 0.02f * std::max(1.f, std::abs(want)));
      if (!same)
        return "operand " + std::to_string(index) + ", element " + std::to_string(i) + ": " +
               std::to_string(have) + ", expected " + std::to_string(want);
    }
  }
  return "";
}

/// A copy of `launch` with operands of its own, activations in bf16 where `narrow`.
static kern::KernelOpInterface copyOf(OpBuilder &b, kern::KernelOpInterface launch, bool narrow) {
  SmallVector<Value> operands;
  for (OpOperand &operand : launch->getOpOperands()) {
    auto type = cast<MemRefType>(operand.get().getType());
    if (narrow && isActivation(launch, operand))
      type = MemRefType::get(type.getShape(), b.getBF16Type());
    operands.push_back(kern::AllocOp::create(b, launch->getLoc(), type));
  }
  Operation *copy = b.clone(*launch);
  copy->setOperands(operands);
  return cast<kern::KernelOpInterface>(copy);
}

static std::unique_ptr<llvm::orc::LLJIT> load(cpu::KernelSet &set, const CpuTarget &target) {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = cpu::lowerKernels(set.module(), context);
  llvm::SmallVector<char, 0> object;
  llvm::raw_svector_ostream out(object);
  if (!code || failed(writeCode(set.module(), *code, target, CodeKind::Object, out)))
    return nullptr;
  std::unique_ptr<llvm::orc::LLJIT> jit = llvm::cantFail(llvm::orc::LLJITBuilder().create());
  jit->getMainJITDylib().addGenerator(
      llvm::cantFail(llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
          jit->getDataLayout().getGlobalPrefix())));
  llvm::cantFail(jit->addObjectFile(std::make_unique<llvm::SmallVectorMemoryBuffer>(
      std::move(object), /*RequiresNullTerminator=*/false)));
  return jit;
}

int main(int argc, char **argv) {
  if (argc != 3 && argc != 4)
    return llvm::errs() << "usage: kernels_in_bf16 FILE.mlir LEVEL [PRECISION]\n", 2;
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  MLIRContext context;
  context.loadDialect<func::FuncDialect, kern::KernDialect, net::NetDialect>();
  cpu::loadKernelDialects(context);
  OwningOpRef<ModuleOp> file = parseSourceFile<ModuleOp>(argv[1], &context);
  std::optional<CpuTarget> target = lookupCpuTarget(argv[2], argc > 3 ? argv[3] : "f32");
  if (!file || !target)
    return 2;
  OwningOpRef<ModuleOp> copies = ModuleOp::create(UnknownLoc::get(&context));
  OpBuilder b = OpBuilder::atBlockEnd(copies->getBody());
  cpu::KernelSet set(context, *target);
  KernelSignatures known;
  std::vector<std::pair<Version, Version>> pairs;
  file->walk([&](kern::KernelOpInterface launch) {
    auto narrows = [&](OpOperand &operand) { return isActivation(launch, operand); };
    bool isOfUse =
        isOfIntegers(launch) || isOfBf16(launch) || llvm::any_of(launch->getOpOperands(), narrows);
    if (!known.insert(launch).second || !isOfUse)
      return;
    auto [f32, bf16] = std::tuple(copyOf(b, launch, false), copyOf(b, launch, true));
    pairs.push_back({{f32, set.get(f32), {}}, {bf16, set.get(bf16), {}, '\xff'}});
  });
  std::unique_ptr<llvm::orc::LLJIT> jit = load(set, *target);
  if (!jit)
    return 2;
  std::map<std::string, int> same;
  int wrong = 0;
  for (auto &[f32, bf16] : pairs) {
    for (Version *version : {&f32, &bf16}) {
      const cpu::KernelInfo &info = set.kernels()[version->kernel];
      version->fill();
      version->run(llvm::cantFail(jit->lookup(info.name)).toPtr<KernelFn>(), info.scratchBytes);
    }
    std::string fault = compare(f32, bf16);
    if (!fault.empty()) {
      llvm::errs() << fault << "\n", bf16.op->print(llvm::errs()), llvm::errs() << "\n", ++wrong;
      continue;
    }
    ++same[f32.op->getName().getStringRef().str()];
  }
  for (auto &[name, count] : same)
    llvm::outs() << name << ": " << count << "\n";
  llvm::outs() << wrong << " wrong\n";
  return wrong ? 1 : 0;
}
