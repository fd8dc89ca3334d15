//===- KernelEmitter.cpp - vocabulary of the CPU kernels ------------------===//
#include "codegen/cpu/KernelEmitter.h"

#include "codegen/common/PoolWindow.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

static constexpr auto nsw = arith::IntegerOverflowFlags::nsw;

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

Value KernelEmitter::c(int64_t value) {
  return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
}
Value KernelEmitter::add(Value x, Value y) { return arith::AddIOp::create(b, loc, x, y, nsw); }
Value KernelEmitter::sub(Value x, Value y) { return arith::SubIOp::create(b, loc, x, y, nsw); }
Value KernelEmitter::mul(Value x, Value y) { return arith::MulIOp::create(b, loc, x, y, nsw); }
Value KernelEmitter::div(Value x, int64_t y) {
  return y == 1 ? x : Value(arith::DivUIOp::create(b, loc, x, c(y)));
}
Value KernelEmitter::rem(Value x, int64_t y) {
  return y == 1 ? c(0) : Value(arith::RemUIOp::create(b, loc, x, c(y)));
}
Value KernelEmitter::ceilDiv(Value x, int64_t y) { return div(add(x, y - 1), y); }
Value KernelEmitter::min(Value x, Value y) { return arith::MinSIOp::create(b, loc, x, y); }
Value KernelEmitter::max(Value x, Value y) { return arith::MaxSIOp::create(b, loc, x, y); }
Value KernelEmitter::less(Value x, Value y) {
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, x, y);
}
Value KernelEmitter::both(Value x, Value y) { return arith::AndIOp::create(b, loc, x, y); }
Value KernelEmitter::select(Value p, Value x, Value y) {
  return arith::SelectOp::create(b, loc, p, x, y);
}

Value KernelEmitter::number(double value) {
  return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(static_cast<float>(value)));
}
Value KernelEmitter::zeros(int64_t n) {
  return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(vec(n), 0.0f));
}
Value KernelEmitter::splat(Value scalar, int64_t n) {
  return vector::BroadcastOp::create(b, loc, vec(n), scalar);
}
Value KernelEmitter::fadd(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
Value KernelEmitter::fsub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
Value KernelEmitter::fmul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
Value KernelEmitter::fdiv(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }
Value KernelEmitter::fma(Value x, Value y, Value z) {
  return vector::FMAOp::create(b, loc, x, y, z);
}
/// A call of an intrinsic with one result.
static Value intrinsic(KernelEmitter &k, StringRef name, Type result, ValueRange arguments) {
  return LLVM::CallIntrinsicOp::create(k.b, k.loc, result, k.b.getStringAttr(name), arguments)
      .getResult(0);
}
static VectorType stepsType(KernelEmitter &k, Type element) {
  Type multiplied = element.isBF16() ? element : memoryType(element);
  return VectorType::get({4 / kern::elementBytes(element) * k.lanes}, multiplied);
}
static VectorType sumsType(KernelEmitter &k) {
  return VectorType::get({k.lanes}, k.b.getI32Type());
}
Value KernelEmitter::integerZeros() {
  return arith::ConstantOp::create(b, loc, b.getZeroAttr(sumsType(*this)));
}
Value KernelEmitter::loadSteps(TypedPointer pointer) {
  return LLVM::LoadOp::create(b, loc, stepsType(*this, pointer.element), pointer.address,
                              static_cast<unsigned>(pointer.bytes()));
}
Value KernelEmitter::splatSteps(TypedPointer pointer) {
  Value steps = LLVM::LoadOp::create(b, loc, b.getI32Type(), pointer.address,
                                     static_cast<unsigned>(pointer.bytes()));
  Value all = vector::BroadcastOp::create(b, loc, sumsType(*this), steps);
  return vector::BitCastOp::create(b, loc, stepsType(*this, pointer.element), all);
}
Value KernelEmitter::addProducts(Value sum, Value weights, Value pixels) {
  Type element = cast<VectorType>(weights.getType()).getElementType();
  if (element.isBF16()) {
    assert(target.bf16 && lanes == 16);
    return intrinsic(*this, "llvm.x86.avx512bf16.dpbf16ps.512", vec(), {sum, weights, pixels});
  }
  if (element.isInteger(8)) {
    assert(target.vnni && lanes >= 8);
    StringRef name =
        lanes == 16 ? "llvm.x86.avx512.vpdpbusd.512" : "llvm.x86.avx512.vpdpbusd.256"; // or VEX
    return intrinsic(*this, name, sumsType(*this), {sum, pixels, weights});
  }
  StringRef name = lanes == 16  ? "llvm.x86.avx512.pmaddw.d.512"
                   : lanes == 8 ? "llvm.x86.avx2.pmadd.wd"
                                : "llvm.x86.sse2.pmadd.wd";
  Value products = intrinsic(*this, name, sumsType(*this), {weights, pixels});
  return arith::AddIOp::create(b, loc, sum, products);
}
Value KernelEmitter::isNan(Value x) {
  return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, x, x);
}
Value KernelEmitter::poolMax(Value best, Value x) { return netc::poolMax(b, loc, best, x); }

/// Swaps blocks off the diagonal at each power of two (Eklundh, 1972).
Values KernelEmitter::transpose(Values rows) {
  for (int64_t distance = 1; distance < lanes; distance *= 2)
    for (int64_t i = 0; i < lanes; ++i) {
      if (i & distance)
        continue;
      SmallVector<int64_t> low, high; // of the concatenation of both rows
      for (int64_t lane = 0; lane < lanes; ++lane) {
        low.push_back(lane & distance ? lanes + lane - distance : lane);
        high.push_back(lane & distance ? lanes + lane : lane + distance);
      }
      Value x = rows[i], y = rows[i + distance];
      rows[i] = vector::ShuffleOp::create(b, loc, x, y, low);
      rows[i + distance] = vector::ShuffleOp::create(b, loc, x, y, high);
    }
  return rows;
}

Value KernelEmitter::keepLanes(Value vector, Value count) {
  SmallVector<int64_t> iota(lanes);
  for (int64_t i = 0; i < lanes; ++i)
    iota[i] = i;
  auto type = VectorType::get({lanes}, i64());
  Value lane =
      arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, ArrayRef<int64_t>(iota)));
  return select(less(lane, vector::BroadcastOp::create(b, loc, type, count)), vector, zeros());
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

TypedPointer KernelEmitter::at(TypedPointer pointer, Value offset) {
  Type step = isa<IntegerType>(pointer.element) ? memoryType(pointer.element) : pointer.element;
  Value moved = LLVM::GEPOp::create(b, loc, pointerType(), step, pointer.address,
                                    ArrayRef<LLVM::GEPArg>{offset}, LLVM::GEPNoWrapFlags::inbounds);
  return {moved, pointer.element};
}
Value KernelEmitter::element(Value pixel, int64_t channels, Value channel) {
  return add(mul(pixel, channels), channel);
}

static unsigned alignmentOf(TypedPointer pointer) { return static_cast<unsigned>(pointer.bytes()); }

Value KernelEmitter::load(TypedPointer pointer) { return loadElement(b, loc, pointer); }
void KernelEmitter::store(Value scalar, TypedPointer pointer) {
  storeElement(b, loc, scalar, pointer);
}

/// A constant mask with the first `valid` of `n` lanes on.
static Value prefixMask(KernelEmitter &k, int64_t n, int64_t valid) {
  SmallVector<bool> bits(n, false);
  std::fill_n(bits.begin(), valid, true);
  auto type = VectorType::get({n}, k.b.getI1Type());
  return arith::ConstantOp::create(k.b, k.loc, DenseElementsAttr::get(type, ArrayRef<bool>(bits)));
}

Value KernelEmitter::loadVector(TypedPointer pointer, int64_t valid) {
  auto type = VectorType::get({lanes}, memoryType(pointer.element));
  Value stored;
  if (valid == 0 || valid == lanes) {
    stored = LLVM::LoadOp::create(b, loc, type, pointer.address, alignmentOf(pointer));
  } else {
    Value mask = prefixMask(*this, lanes, valid);
    Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(type));
    stored =
        LLVM::MaskedLoadOp::create(b, loc, type, pointer.address, mask, zero, alignmentOf(pointer));
  }
  return fromStorage(b, loc, stored, pointer.element);
}
/// toStorage's bytes by AVX-512's instructions: VCVTPS2DQ rounds, and what is beyond its range
/// becomes 2^31, which VPMOVUSDB stores as 255 like all above.
static Value narrowedToBytes(KernelEmitter &k, Value vector, Type element) {
  Type i32 = k.b.getI32Type();
  VectorType wide = VectorType::get({k.lanes}, i32);
  auto all = [&](int32_t number) -> Value {
    return arith::ConstantOp::create(k.b, k.loc, DenseElementsAttr::get(wide, number));
  };
  int32_t bias = static_cast<uint8_t>(zeroByte(element));
  Value least = k.splat(bias ? -127 : 0);
  Value above = arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::OGT, vector, least);
  Value mask = arith::ConstantOp::create(k.b, k.loc, k.b.getI16IntegerAttr(-1)),
        rounding = arith::ConstantOp::create(k.b, k.loc, k.b.getI32IntegerAttr(4)); // MXCSR's
  Value integers = intrinsic(k, "llvm.x86.avx512.mask.cvtps2dq.512", wide,
                             {k.select(above, vector, least), all(0), mask, rounding});
  if (bias)
    integers = arith::AddIOp::create(k.b, k.loc, integers, all(bias));
  integers = arith::MinUIOp::create(k.b, k.loc, integers, all(255));
  return arith::TruncIOp::create(k.b, k.loc, VectorType::get({k.lanes}, memoryType(element)),
                                 integers);
}

/// A vector as memory holds it. bf16's instruction makes zeros of denormals, which toStorage keeps.
static Value narrowed(KernelEmitter &k, Value vector, Type element) {
  if (k.lanes == 16 && (element.isUnsignedInteger(8) || element.isSignedInteger(8)))
    return narrowedToBytes(k, vector, element);
  if (!element.isBF16() || !k.target.bf16 || k.lanes != 16)
    return toStorage(k.b, k.loc, vector, element);
  Value halves = intrinsic(k, "llvm.x86.avx512bf16.cvtneps2bf16.512",
                           VectorType::get({k.lanes}, element), vector);
  return vector::BitCastOp::create(k.b, k.loc, VectorType::get({k.lanes}, memoryType(element)),
                                   halves);
}

void KernelEmitter::storeVector(Value vector, TypedPointer pointer, int64_t valid) {
  Value stored = narrowed(*this, vector, pointer.element);
  if (valid == 0 || valid == lanes)
    LLVM::StoreOp::create(b, loc, stored, pointer.address, alignmentOf(pointer));
  else if (valid == 1 && pointer.bytes() < 4) // LLVM 22 stores 4 bytes of a truncated vector's lane
    LLVM::StoreOp::create(b, loc, vector::ExtractOp::create(b, loc, stored, ArrayRef<int64_t>{0}),
                          pointer.address, alignmentOf(pointer));
  else
    LLVM::MaskedStoreOp::create(b, loc, stored, pointer.address, prefixMask(*this, lanes, valid),
                                alignmentOf(pointer));
}

void KernelEmitter::storePairs(Value first, Value second, TypedPointer pointer, int64_t valid) {
  auto wide = VectorType::get({lanes}, b.getI32Type());
  auto halves = [&](Value vector) {
    return arith::ExtUIOp::create(b, loc, wide, narrowed(*this, vector, pointer.element));
  };
  Value bits = arith::ConstantOp::create(b, loc, DenseElementsAttr::get(wide, int32_t(16)));
  Value high = arith::ShLIOp::create(b, loc, halves(second), bits);
  Value stored = arith::OrIOp::create(b, loc, halves(first), high);
  if (valid == 0 || valid == lanes)
    LLVM::StoreOp::create(b, loc, stored, pointer.address, alignmentOf(pointer));
  else
    LLVM::MaskedStoreOp::create(b, loc, stored, pointer.address, prefixMask(*this, lanes, valid),
                                alignmentOf(pointer));
}

void KernelEmitter::streamVector(Value vector, TypedPointer pointer) {
  auto alignment = static_cast<unsigned>(pointer.bytes() * lanes);
  LLVM::StoreOp::create(b, loc, toStorage(b, loc, vector, pointer.element), pointer.address,
                        alignment, /*isVolatile=*/false, /*isNonTemporal=*/true);
}
void KernelEmitter::fenceStreams() {
  LLVM::CallIntrinsicOp::create(b, loc, b.getStringAttr("llvm.x86.sse.sfence"), ValueRange{});
}

void KernelEmitter::fillZero(TypedPointer pointer, Value count) {
  Value zero = arith::ConstantOp::create(b, loc, b.getI8IntegerAttr(zeroByte(pointer.element)));
  LLVM::MemsetOp::create(b, loc, pointer.address, zero, mul(count, pointer.bytes()), false);
}
void KernelEmitter::fillNan(TypedPointer pointer, Value count) {
  assert(isa<FloatType>(pointer.element));
  Value ones = arith::ConstantOp::create(b, loc, b.getI8IntegerAttr(-1)); // all bits: a quiet NaN
  LLVM::MemsetOp::create(b, loc, pointer.address, ones, mul(count, pointer.bytes()), false);
}
void KernelEmitter::fillZero(TypedPointer pointer, int64_t count) {
  if (count <= 0)
    return;
  // A few vectors are cheaper than a call.
  if (count % lanes == 0 && count <= 8 * lanes) {
    for (int64_t i = 0; i < count; i += lanes)
      storeVector(zeros(), at(pointer, i));
    return;
  }
  fillZero(pointer, c(count));
}
void KernelEmitter::copy(TypedPointer to, TypedPointer from, Value count) {
  assert(to.element == from.element);
  LLVM::MemcpyOp::create(b, loc, to.address, from.address, mul(count, from.bytes()), false);
}
void KernelEmitter::prefetch(Value pointer) { LLVM::Prefetch::create(b, loc, pointer, 0, 2, 1); }
void KernelEmitter::prefetchNear(Value pointer) {
  LLVM::Prefetch::create(b, loc, pointer, 0, 3, 1);
}
Value KernelEmitter::loadPointer(Value table, int64_t index) {
  Value slot = LLVM::GEPOp::create(b, loc, pointerType(), pointerType(), table,
                                   ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(index)});
  return LLVM::LoadOp::create(b, loc, pointerType(), slot, 8);
}

//===----------------------------------------------------------------------===//
// Control
//===----------------------------------------------------------------------===//

void KernelEmitter::loop(Value low, Value high, int64_t step, function_ref<void(Value)> body) {
  scf::ForOp::create(b, loc, low, high, c(step), ValueRange{},
                     [&](OpBuilder &inner, Location, Value iv, ValueRange) {
                       OpBuilder saved = b;
                       b = inner;
                       body(iv);
                       scf::YieldOp::create(b, loc);
                       b = saved;
                     });
}

Values KernelEmitter::reduce(Value low, Value high, int64_t step, ValueRange init,
                             function_ref<Values(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(b, loc, low, high, c(step), init,
                                 [&](OpBuilder &inner, Location, Value iv, ValueRange args) {
                                   OpBuilder saved = b;
                                   b = inner;
                                   Values next = body(iv, args);
                                   scf::YieldOp::create(b, loc, next);
                                   b = saved;
                                 });
  return llvm::to_vector(ValueRange(loop.getResults()));
}

void KernelEmitter::when(Value condition, function_ref<void()> body) {
  scf::IfOp::create(b, loc, condition, [&](OpBuilder &inner, Location) {
    OpBuilder saved = b;
    b = inner;
    body();
    scf::YieldOp::create(b, loc);
    b = saved;
  });
}

void KernelEmitter::choose(Value condition, function_ref<void()> yes, function_ref<void()> no) {
  chooseValues(condition, [&] { return yes(), Values(); }, [&] { return no(), Values(); });
}

Values KernelEmitter::chooseValues(Value condition, function_ref<Values()> yes,
                                   function_ref<Values()> no) {
  auto branch = [&](function_ref<Values()> body) {
    return [&, body](OpBuilder &inner, Location) {
      OpBuilder saved = b;
      b = inner;
      scf::YieldOp::create(b, loc, body());
      b = saved;
    };
  };
  return llvm::to_vector(
      ValueRange(scf::IfOp::create(b, loc, condition, branch(yes), branch(no)).getResults()));
}

void KernelEmitter::overChannels(int64_t channels, function_ref<void(Value, int64_t)> body) {
  int64_t whole = channels / lanes * lanes;
  if (whole)
    loop(0, whole, lanes, [&](Value offset) { body(offset, lanes); });
  if (channels > whole)
    body(c(whole), channels - whole);
}

func::FuncOp KernelEmitter::helper(StringRef suffix, TypeRange arguments, ArrayRef<bool> noalias,
                                   function_ref<void(KernelEmitter &, ValueRange)> body) {
  std::string full = name + "_" + suffix.str();
  if (auto existing = module.lookupSymbol<func::FuncOp>(full))
    return existing;
  OpBuilder top = OpBuilder::atBlockEnd(module.getBody());
  auto function = func::FuncOp::create(top, loc, full, top.getFunctionType(arguments, {}));
  function.setPrivate();
  // Inlined into a deep loop nest, LLVM hoists a pointer for each broadcast and spills them.
  function->setAttr("passthrough", top.getStrArrayAttr({"noinline"}));
  for (auto [index, alone] : llvm::enumerate(noalias))
    if (alone)
      function.setArgAttr(index, LLVM::LLVMDialect::getNoAliasAttrName(), top.getUnitAttr());
  KernelEmitter inside(OpBuilder::atBlockBegin(function.addEntryBlock()), loc, module, name,
                       target);
  body(inside, function.getArguments());
  func::ReturnOp::create(inside.b, loc);
  return function;
}

func::FuncOp KernelEmitter::part(StringRef suffix, TypeRange arguments,
                                 function_ref<void(KernelEmitter &, ValueRange)> body) {
  func::FuncOp function = helper(suffix, arguments, {}, body);
  function->setAttr(kPartAttr, b.getUnitAttr());
  return function;
}

void KernelEmitter::call(func::FuncOp function, ValueRange arguments) {
  func::CallOp::create(b, loc, function, arguments);
}

//===----------------------------------------------------------------------===//
// Formulas
//===----------------------------------------------------------------------===//

static Type vectorOf(Type type, int64_t lanes) { return VectorType::get({lanes}, type); }

Values netc::cpu::emitFormula(KernelEmitter &k, Block &formula, ValueRange arguments,
                              RandomSource random) {
  IRMapping map;
  map.map(formula.getArguments(), arguments);
  for (Operation &op : formula.without_terminator()) {
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      auto type = cast<VectorType>(vectorOf(constant.getType(), k.lanes));
      map.map(
          constant.getResult(),
          arith::ConstantOp::create(k.b, k.loc, DenseElementsAttr::get(type, constant.getValue()))
              .getResult());
      continue;
    }
    if (auto draw = dyn_cast<kern::RandomOp>(op)) {
      auto wordAt = [&](int64_t word) -> Value { return k.at(k.floats(random.hyper), word); };
      map.map(draw.getResult(), emitUniform(k.b, k.loc, draw, random.element, k.lanes, wordAt));
      continue;
    }
    OperationState state(k.loc, op.getName());
    for (Value operand : op.getOperands())
      state.operands.push_back(map.lookup(operand));
    for (Type type : op.getResultTypes())
      state.types.push_back(vectorOf(type, k.lanes));
    state.attributes = op.getAttrs();
    Operation *clone = k.b.create(state);
    map.map(op.getResults(), clone->getResults());
  }
  Values results;
  for (Value value : formula.getTerminator()->getOperands())
    results.push_back(map.lookup(value));
  return results;
}
