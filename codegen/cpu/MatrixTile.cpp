//===- MatrixTile.cpp - products by AMX's tile registers ------------------===//
#include "codegen/cpu/MatrixTile.h"

#include "llvm/Support/MathExtras.h"

#include <cstring>
#include <utility>

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

/// Of a register.
static constexpr int64_t kRows = 16, kRowBytes = 64, kStepBytes = 4;
/// Registers 0 to 3 are sums.
static constexpr int64_t kSums = 4;

MatrixTile::MatrixTile(int64_t pixels, int64_t steps)
    : groups(llvm::divideCeilSigned(pixels, kRows)), lastRows(pixels - (groups - 1) * kRows),
      depth(1) {
  assert(groups <= 2 && fits(pixels, steps));
  if (!steps) // a residue without taps
    return;
  // Equal products, if that leaves nothing.
  depth = llvm::divideCeilSigned(steps, llvm::divideCeilSigned(steps, kRows));
  whole = steps / depth, rest = steps % depth;
}

bool MatrixTile::fits(int64_t pixels, int64_t steps) {
  bool hasRest =
      steps && steps % llvm::divideCeilSigned(steps, llvm::divideCeilSigned(steps, kRows));
  return pixels <= kRows || !hasRest || pixels % kRows == 0;
}

/// With a rest: 4 and 5 are pixels and weights of whole products, 6 and 7 those of the rest. Else
/// each group of pixels has one, and two are weights.
int64_t MatrixTile::pixelsRegister(int64_t group, bool isRest) const {
  return rest ? (isRest ? 6 : 4) : kSums + group;
}
int64_t MatrixTile::weightsRegister(int64_t vector, bool isRest) const {
  return rest ? (isRest ? 7 : 5) : 6 + vector % 2;
}

/// Two groups have up to two vectors each, one has up to four.
void MatrixTile::overSums(int64_t vectors, OfSum body) const {
  assert(groups * vectors <= kSums);
  for (int64_t group = 0; group < groups; ++group)
    for (int64_t vector = 0; vector < vectors; ++vector)
      body(group * 2 + vector, group, vector);
}

std::array<int32_t, 16> MatrixTile::configuration() const {
  constexpr size_t firstBytes = 16, firstRows = 48; // u16 each, u8 each
  std::array<uint8_t, 64> bytes{1};                 // palette 1
  auto set = [&](int64_t index, int64_t rows, int64_t rowBytes) {
    auto at = static_cast<size_t>(index);
    bytes[firstBytes + 2 * at] = static_cast<uint8_t>(rowBytes);
    bytes[firstRows + at] = static_cast<uint8_t>(rows);
  };
  auto rowsOf = [&](int64_t group) { return group == groups - 1 ? lastRows : kRows; };
  for (int64_t sum = 0; sum < kSums; ++sum)
    set(sum, rowsOf(groups == 1 ? 0 : sum / 2), kRowBytes);
  for (bool isRest : {false, true}) {
    int64_t steps = isRest && rest ? rest : depth;
    for (int64_t group = 0; group < groups; ++group)
      set(pixelsRegister(group, isRest), rowsOf(group), steps * kStepBytes);
    for (int64_t vector : {0, 1})
      set(weightsRegister(vector, isRest), steps, kRowBytes);
  }
  std::array<int32_t, 16> words;
  std::memcpy(words.data(), bytes.data(), sizeof words);
  return words;
}

/// A call of an intrinsic without result, of register numbers and then other operands.
static void call(KernelEmitter &k, StringRef name, ArrayRef<int64_t> registers,
                 ValueRange operands = {}) {
  Values arguments;
  for (int64_t index : registers)
    arguments.push_back(
        arith::ConstantOp::create(k.b, k.loc, k.b.getI8IntegerAttr(static_cast<int8_t>(index))));
  llvm::append_range(arguments, operands);
  LLVM::CallIntrinsicOp::create(k.b, k.loc, k.b.getStringAttr(name), arguments);
}

void MatrixTile::configure(KernelEmitter &k, Value place) const {
  auto type = VectorType::get({16}, k.b.getI32Type());
  Value words = arith::ConstantOp::create(
      k.b, k.loc, DenseElementsAttr::get(type, ArrayRef<int32_t>(configuration())));
  LLVM::StoreOp::create(k.b, k.loc, words, place, kStepBytes);
  call(k, "llvm.x86.ldtilecfg", {}, place);
}

void MatrixTile::restore(KernelEmitter &k, Value place) {
  call(k, "llvm.x86.ldtilecfg", {}, place);
}

void MatrixTile::release(KernelEmitter &k) { call(k, "llvm.x86.tilerelease", {}); }

void MatrixTile::clearSums(KernelEmitter &k, int64_t vectors) const {
  overSums(vectors, [&](int64_t sum, int64_t, int64_t) { call(k, "llvm.x86.tilezero", {sum}); });
}

/// Where the sums of a group and a vector lie.
static Values placeOf(KernelEmitter &k, MatrixRows of, int64_t group, int64_t vector) {
  int64_t elements = (group * kRows * of.pitch + vector * kRowBytes) / kStepBytes;
  return {k.at(of.first, elements), k.c(of.pitch)};
}

void MatrixTile::loadSums(KernelEmitter &k, int64_t vectors, MatrixRows from) const {
  overSums(vectors, [&](int64_t sum, int64_t group, int64_t vector) {
    call(k, "llvm.x86.tileloadd64", {sum}, placeOf(k, from, group, vector));
  });
}

void MatrixTile::storeSums(KernelEmitter &k, int64_t vectors, MatrixRows to) const {
  overSums(vectors, [&](int64_t sum, int64_t group, int64_t vector) {
    call(k, "llvm.x86.tilestored64", {sum}, placeOf(k, to, group, vector));
  });
}

/// One product of each group and vector, each operand loaded once where it has a register of its
/// own.
void MatrixTile::multiplyOnce(KernelEmitter &k, int64_t vectors, MatrixRows pixels,
                              MatrixRows weights, bool isRest) const {
  StringRef product = weights.first.element.isBF16() ? "llvm.x86.tdpbf16ps" : "llvm.x86.tdpbusd";
  std::array<int64_t, 8> holds; // the operand in each register
  holds.fill(-1);
  auto load = [&](int64_t index, int64_t operand, MatrixRows from, int64_t bytes) {
    if (std::exchange(holds[static_cast<size_t>(index)], operand) != operand)
      call(k, "llvm.x86.tileloadd64", {index},
           {k.at(from.first, bytes / from.first.bytes()), k.c(from.pitch)});
  };
  for (int64_t vector = 0; vector < vectors; ++vector)
    for (int64_t group = 0; group < groups; ++group) {
      int64_t a = pixelsRegister(group, isRest), b = weightsRegister(vector, isRest);
      load(b, vector, weights, vector * kRowBytes);
      load(a, group, pixels, group * kRows * pixels.pitch);
      call(k, product, {group * 2 + vector, a, b});
    }
}

void MatrixTile::multiply(KernelEmitter &k, int64_t vectors, MatrixRows pixels,
                          MatrixRows weights) const {
  auto from = [&](Value step) {
    auto moved = [&](MatrixRows rows, int64_t bytes) {
      return MatrixRows{k.at(rows.first, k.mul(step, bytes / rows.first.bytes())), rows.pitch};
    };
    return std::pair(moved(pixels, kStepBytes), moved(weights, weights.pitch));
  };
  k.loop(0, whole * depth, depth, [&](Value step) {
    auto [a, b] = from(step);
    multiplyOnce(k, vectors, a, b, /*isRest=*/false);
  });
  if (rest) {
    auto [a, b] = from(k.c(whole * depth));
    multiplyOnce(k, vectors, a, b, /*isRest=*/true);
  }
}
