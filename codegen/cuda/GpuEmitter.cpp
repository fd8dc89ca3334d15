//===- GpuEmitter.cpp - vocabulary of the CUDA kernels --------------------===//
#include "codegen/cuda/GpuEmitter.h"

#include "dialect/target/Target.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

Value GpuEmitter::c(int64_t value) {
  return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(static_cast<int32_t>(value)));
}
Value GpuEmitter::wideConstant(int64_t value) {
  return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
}
Value GpuEmitter::like(Value x, int64_t y) {
  return x.getType().isInteger(64) ? wideConstant(y) : c(y);
}
Value GpuEmitter::add(Value x, Value y) { return arith::AddIOp::create(b, loc, x, y); }
Value GpuEmitter::sub(Value x, Value y) { return arith::SubIOp::create(b, loc, x, y); }
Value GpuEmitter::mul(Value x, Value y) { return arith::MulIOp::create(b, loc, x, y); }
Value GpuEmitter::div(Value x, int64_t y) {
  return y == 1 ? x : Value(arith::DivUIOp::create(b, loc, x, like(x, y)));
}
Value GpuEmitter::rem(Value x, int64_t y) {
  return y == 1 ? like(x, 0) : Value(arith::RemUIOp::create(b, loc, x, like(x, y)));
}
Value GpuEmitter::min(Value x, Value y) { return arith::MinSIOp::create(b, loc, x, y); }
Value GpuEmitter::max(Value x, Value y) { return arith::MaxSIOp::create(b, loc, x, y); }
Value GpuEmitter::less(Value x, Value y) {
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, x, y);
}
Value GpuEmitter::equal(Value x, Value y) {
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, x, y);
}
Value GpuEmitter::equal(Value x, int64_t y) { return equal(x, like(x, y)); }
Value GpuEmitter::inside(Value x, int64_t y) {
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, x, like(x, y));
}
Value GpuEmitter::both(Value x, Value y) {
  return !x ? y : !y ? x : Value(arith::AndIOp::create(b, loc, x, y));
}
Value GpuEmitter::yes() { return arith::ConstantOp::create(b, loc, b.getBoolAttr(true)); }
Value GpuEmitter::select(Value p, Value x, Value y) {
  return arith::SelectOp::create(b, loc, p, x, y);
}
Value GpuEmitter::wide(Value x) {
  return x.getType().isInteger(64) ? x : Value(arith::ExtUIOp::create(b, loc, i64(), x));
}

Value GpuEmitter::number(double value) {
  return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(static_cast<float>(value)));
}
Value GpuEmitter::number64(double value) {
  return arith::ConstantOp::create(b, loc, b.getF64FloatAttr(value));
}
Value GpuEmitter::fadd(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
Value GpuEmitter::fsub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
Value GpuEmitter::fmul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
Value GpuEmitter::fdiv(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }
Value GpuEmitter::fma(Value x, Value y, Value z) { return math::FmaOp::create(b, loc, x, y, z); }
Value GpuEmitter::toF32(Value integer) { return arith::SIToFPOp::create(b, loc, f32(), integer); }
Value GpuEmitter::toF64(Value integer) { return arith::SIToFPOp::create(b, loc, f64(), integer); }
Value GpuEmitter::extend(Value x) { return arith::ExtFOp::create(b, loc, f64(), x); }
Value GpuEmitter::truncate(Value x) { return arith::TruncFOp::create(b, loc, f32(), x); }

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

TypedPointer GpuEmitter::at(TypedPointer pointer, Value offset) {
  Value moved = LLVM::GEPOp::create(b, loc, pointer.address.getType(), pointer.element,
                                    pointer.address, ArrayRef<LLVM::GEPArg>{offset});
  return {moved, pointer.element};
}
Value GpuEmitter::element(Value pixel, int64_t channels, Value channel) {
  return add(mul(wide(pixel), channels), wide(channel));
}

/// Of an access to `width` neighbours.
static unsigned alignmentOf(TypedPointer pointer, int64_t width) {
  return static_cast<unsigned>(pointer.bytes() * width);
}

Value GpuEmitter::packPair(Value low, Value high) {
  Value pair = NVVM::ConvertF32x2ToBF16x2Op::create(
      b, loc, VectorType::get({2}, b.getBF16Type()), high, low, /*random_bits=*/Value(),
      NVVM::FPRoundingMode::RN, NVVM::SaturationMode::NONE, /*relu=*/false);
  return LLVM::BitcastOp::create(b, loc, i32(), pair);
}

Value GpuEmitter::load(TypedPointer pointer) { return loadElement(b, loc, pointer); }
void GpuEmitter::store(Value scalar, TypedPointer pointer) {
  if (!pointer.element.isBF16() || !features.tensorCores)
    return storeElement(b, loc, scalar, pointer);
  Value low = arith::TruncIOp::create(b, loc, b.getI16Type(), packPair(scalar, number(0)));
  LLVM::StoreOp::create(b, loc, low, pointer.address, alignmentOf(pointer, 1));
}

/// bf16: a word is two elements, the first in its lower half.
Values GpuEmitter::loadPairs(TypedPointer pointer, int64_t width) {
  auto type = VectorType::get({width / 2}, i32());
  Value words = LLVM::LoadOp::create(b, loc, type, pointer.address, alignmentOf(pointer, width));
  Values lanes;
  for (int64_t i = 0; i < width / 2; ++i) {
    Value word = LLVM::ExtractElementOp::create(b, loc, words, c(i));
    Value halves[] = {arith::ShLIOp::create(b, loc, word, c(16)),
                      arith::AndIOp::create(b, loc, word, c(-65536))};
    for (Value half : halves)
      lanes.push_back(arith::BitcastOp::create(b, loc, f32(), half));
  }
  return lanes;
}

void GpuEmitter::storePairs(ValueRange scalars, TypedPointer pointer) {
  auto width = static_cast<int64_t>(scalars.size());
  Value words = LLVM::PoisonOp::create(b, loc, VectorType::get({width / 2}, i32()));
  for (int64_t i = 0; i < width / 2; ++i)
    words = LLVM::InsertElementOp::create(b, loc, words,
                                          packPair(scalars[2 * i], scalars[2 * i + 1]), c(i));
  LLVM::StoreOp::create(b, loc, words, pointer.address, alignmentOf(pointer, width));
}

Values GpuEmitter::loadChunk(TypedPointer pointer, int64_t width) {
  if (width == 1)
    return {load(pointer)};
  if (pointer.element.isBF16())
    return loadPairs(pointer, width);
  auto type = VectorType::get({width}, memoryType(pointer.element));
  Value vector = LLVM::LoadOp::create(b, loc, type, pointer.address, alignmentOf(pointer, width));
  Values lanes;
  for (int64_t i = 0; i < width; ++i) {
    Value stored = LLVM::ExtractElementOp::create(b, loc, vector, c(i));
    lanes.push_back(fromStorage(b, loc, stored, pointer.element));
  }
  return lanes;
}

void GpuEmitter::storeChunk(ValueRange scalars, TypedPointer pointer) {
  if (scalars.size() == 1)
    return store(scalars[0], pointer);
  if (pointer.element.isBF16() && features.tensorCores)
    return storePairs(scalars, pointer);
  auto width = static_cast<int64_t>(scalars.size());
  Value vector =
      LLVM::PoisonOp::create(b, loc, VectorType::get({width}, memoryType(pointer.element)));
  for (auto [i, scalar] : llvm::enumerate(scalars))
    vector = LLVM::InsertElementOp::create(
        b, loc, vector, toStorage(b, loc, scalar, pointer.element), c(static_cast<int64_t>(i)));
  LLVM::StoreOp::create(b, loc, vector, pointer.address, alignmentOf(pointer, width));
}

Values GpuEmitter::loadGuarded(Value p, TypedPointer base, Value offset, int64_t width) {
  if (!p)
    return loadChunk(at(base, offset), width);
  Values lanes = loadChunk(at(base, select(p, offset, like(offset, 0))), width);
  for (Value &lane : lanes)
    lane = select(p, lane, number(0));
  return lanes;
}

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

Value GpuEmitter::thread() { return NVVM::ThreadIdXOp::create(b, loc, i32()); }
Value GpuEmitter::block() { return NVVM::BlockIdXOp::create(b, loc, i32()); }
void GpuEmitter::barrier() {
  if (!barrierThreads) {
    NVVM::Barrier0Op::create(b, loc);
    return;
  }
  NVVM::BarrierOp::create(b, loc, Type(), c(1), c(barrierThreads), nullptr, Value());
}

Value GpuEmitter::sharedAddress(TypedPointer place) {
  return LLVM::PtrToIntOp::create(b, loc, i32(), place.address);
}

Values GpuEmitter::assembly(StringRef text, const std::string &constraints, ValueRange operands,
                            size_t results) {
  SmallVector<Type> types(results, f32());
  Type type = results ? LLVM::LLVMStructType::getLiteral(b.getContext(), types) : Type();
  std::string clobbers = constraints + (constraints.empty() ? "~{memory}" : ",~{memory}");
  auto op = LLVM::InlineAsmOp::create(b, loc, type, operands, text, clobbers,
                                      /*has_side_effects=*/true, /*is_align_stack=*/false,
                                      LLVM::tailcallkind::TailCallKind::None,
                                      LLVM::AsmDialectAttr(), ArrayAttr());
  Values parts;
  for (size_t part = 0; part < results; ++part)
    parts.push_back(LLVM::ExtractValueOp::create(b, loc, op.getRes(), static_cast<int64_t>(part)));
  return parts;
}

TypedPointer GpuEmitter::shared(int64_t count, Type element) {
  element = element ? element : f32();
  int64_t bytes = count * kern::elementBytes(element);
  Type pointer = LLVM::LLVMPointerType::get(b.getContext(), 3);
  auto base = LLVM::AddressOfOp::create(b, loc, pointer, name + "_shared");
  sharedUses.push_back(base);
  TypedPointer place = at(TypedPointer{base, f32()}, sharedBytes / kern::elementBytes(f32()));
  sharedBytes += (bytes + 15) / 16 * 16;
  sharedPeak = std::max(sharedPeak, sharedBytes);
  return {place.address, element};
}
void GpuEmitter::reuseShared() { sharedBytes = sharedKept; }

void GpuEmitter::finish(ModuleOp module) {
  if (sharedUses.empty())
    return;
  OpBuilder top = OpBuilder::atBlockBegin(module.getBody());
  bool dynamic = sharedPeak > target::GpuFacts().staticSharedBytes;
  dynamicBytes = dynamic ? sharedPeak : 0;
  // Registers need no room for blocks that shared memory has none for.
  int64_t fit =
      target::GpuFacts().sharedBytes / (sharedPeak + target::GpuFacts().sharedBytesOfBlock);
  blocksPerProcessor = std::min(blocksPerProcessor, std::max<int64_t>(1, fit));
  auto type = LLVM::LLVMArrayType::get(
      f32(), dynamic ? 0 : static_cast<unsigned>(sharedPeak / kern::elementBytes(f32())));
  LLVM::GlobalOp::create(top, loc, type, /*isConstant=*/false,
                         dynamic ? LLVM::Linkage::External : LLVM::Linkage::Internal,
                         name + "_shared", Attribute(), static_cast<uint64_t>(sharedAlign),
                         /*addrSpace=*/3);
}

Values GpuEmitter::where(Value p, int64_t count, function_ref<Values()> body) {
  auto branch = [&](function_ref<Values()> values) {
    return [this, values](OpBuilder &inner, Location) {
      OpBuilder saved = b;
      b = inner;
      scf::YieldOp::create(b, loc, values());
      b = saved;
    };
  };
  auto zeros = [&] { return Values(count, number(0)); };
  auto choice = scf::IfOp::create(b, loc, p, branch(body), branch(zeros));
  return llvm::to_vector(ValueRange(choice.getResults()));
}

Value GpuEmitter::blockReduce(Value own, int64_t count,
                              llvm::function_ref<Value(Value, Value)> combine) {
  TypedPointer place = shared(count, own.getType());
  Value t = thread();
  auto get = [&](Value index) { return load(at(place, index)); };
  store(own, at(place, t));
  for (int64_t half = count / 2; half; half /= 2) {
    barrier();
    when(less(t, half), [&] { store(combine(get(t), get(add(t, half))), at(place, t)); });
  }
  barrier();
  return get(c(0));
}

Value GpuEmitter::acrossLanes(Value own, int64_t lanes,
                              llvm::function_ref<Value(Value, Value)> combine) {
  for (int64_t distance = lanes / 2; distance; distance /= 2) {
    Value other = NVVM::ShflOp::create(b, loc, own.getType(), c(-1), own, c(distance), c(31),
                                       NVVM::ShflKind::bfly, UnitAttr());
    own = combine(own, other);
  }
  return own;
}

//===----------------------------------------------------------------------===//
// Control
//===----------------------------------------------------------------------===//

void GpuEmitter::loop(Value low, Value high, Value step, function_ref<void(Value)> body) {
  reduce(low, high, step, {}, [&](Value iv, ValueRange) {
    body(iv);
    return Values{};
  });
}

Values GpuEmitter::reduce(Value low, Value high, Value step, ValueRange init,
                          function_ref<Values(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(b, loc, low, high, step, init,
                                 [&](OpBuilder &inner, Location, Value iv, ValueRange args) {
                                   OpBuilder saved = b;
                                   b = inner;
                                   Values next = body(iv, args);
                                   scf::YieldOp::create(b, loc, next);
                                   b = saved;
                                 });
  return llvm::to_vector(ValueRange(loop.getResults()));
}

void GpuEmitter::when(Value condition, function_ref<void()> body) {
  if (!condition)
    return body();
  scf::IfOp::create(b, loc, condition, [&](OpBuilder &inner, Location) {
    OpBuilder saved = b;
    b = inner;
    body();
    scf::YieldOp::create(b, loc);
    b = saved;
  });
}

//===----------------------------------------------------------------------===//
// Formulas
//===----------------------------------------------------------------------===//

Values netc::cuda::emitFormula(GpuEmitter &k, Block &formula, ValueRange arguments,
                               RandomSource random) {
  IRMapping map;
  map.map(formula.getArguments(), arguments);
  for (Operation &op : formula.without_terminator()) {
    auto draw = dyn_cast<kern::RandomOp>(op);
    if (!draw) {
      k.b.clone(op, map);
      continue;
    }
    auto wordAt = [&](int64_t word) -> Value {
      return k.at(TypedPointer{random.hyper, k.f32()}, word);
    };
    map.map(draw.getResult(), emitUniform(k.b, k.loc, draw, random.element, /*lanes=*/0, wordAt));
  }
  Values results;
  for (Value value : formula.getTerminator()->getOperands())
    results.push_back(map.lookup(value));
  return results;
}

SmallVector<Values> netc::cuda::loadInputs(GpuEmitter &k, const FormulaInputs &inputs, Value p,
                                           Value pixel, Value image, int64_t channels,
                                           Value channel, int64_t width) {
  SmallVector<Values> loaded;
  for (auto [pointer, access] : llvm::zip(inputs.pointers, inputs.accesses)) {
    Value offset = offsetOf(k, access, pixel, image, channels, channel);
    loaded.push_back(k.loadGuarded(p, pointer, offset, width));
  }
  return loaded;
}

SmallVector<Values> netc::cuda::emitFormulaAt(GpuEmitter &k, Block *formula,
                                              const FormulaInputs &inputs, Value p, Value pixel,
                                              Value image, int64_t channels, Value channel,
                                              int64_t width, Value hyper) {
  SmallVector<Values> loaded = loadInputs(k, inputs, p, pixel, image, channels, channel, width),
                      results;
  for (int64_t lane = 0; lane < width; ++lane) {
    Values arguments;
    for (Values &values : loaded)
      arguments.push_back(values[lane]);
    if (!formula) {
      results.push_back({arguments[0]});
      continue;
    }
    RandomSource random;
    if (hyper)
      random = {hyper, k.add(k.element(pixel, channels, channel), lane)};
    results.push_back(emitFormula(k, *formula, arguments, random));
  }
  return results;
}
