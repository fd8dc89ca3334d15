//===- GpuTile.cpp - one block's product of two tiles ---------------------===//
#include "codegen/cuda/GpuTile.h"

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

GpuTile::GpuTile(GpuEmitter &k, kern::GpuScheduleAttr s, bool deepRows, bool rounds)
    : k(k), s(s), deepRows(deepRows), rounds(rounds) {
  Value t = k.thread();
  if (!isMma()) {
    threadColumns = s.getRows() * s.getColumns() / (s.getThreads() * s.getThreadRows());
    int64_t across = s.getColumns() / threadColumns;
    tx = k.rem(t, across), ty = k.div(t, across);
    return;
  }
  int64_t warpsDown = s.getRows() / s.getThreadRows();
  warpsAcross = s.getThreads() / 32 / warpsDown;
  warpColumns = s.getColumns() / warpsAcross;
  Value warp = k.div(t, 32);
  lane = k.rem(t, 32);
  warpRow = k.mul(k.div(warp, warpsAcross), s.getThreadRows());
  warpColumn = k.mul(k.rem(warp, warpsAcross), warpColumns);
  quad = k.div(lane, 4), lane4 = k.rem(lane, 4);
}

/// Rows of 16 floats: row r has its four chunks c at c ^ (r / 2 % 4). Eight rows of one chunk,
/// which ldmatrix reads at once, and two whole rows, which eight threads copy, both lie in 32
/// different banks.
Value GpuTile::placeOfA(Value a, Value row, Value depth) {
  if (!deepRows)
    return placeAcross(a, depth, row, s.getRows());
  Value chunk = arith::XOrIOp::create(k.b, k.loc, k.div(depth, 4), k.rem(k.div(row, 2), 4));
  return k.at(a, k.add(k.add(k.mul(row, s.getDepth()), k.mul(chunk, 4)), k.rem(depth, 4)));
}

Value GpuTile::placeOfB(Value b, Value depth, Value column) {
  return placeAcross(b, depth, column, s.getColumns());
}

/// Rows of 16 or a multiple of 32 floats: groups of eight columns change places, so that eight
/// columns at four depths, a fragment of mma.sync, lie in 32 different banks, and so does a whole
/// row.
Value GpuTile::placeAcross(Value base, Value depth, Value column, int64_t columns) {
  Value group = columns >= 32 ? k.rem(depth, 4) : k.rem(k.div(depth, 2), 2);
  Value swizzled = arith::XOrIOp::create(k.b, k.loc, column, k.mul(group, 8));
  return k.at(base, k.add(k.mul(depth, columns), swizzled));
}

Values GpuTile::zeros() {
  int64_t count = s.getRows() * s.getColumns() / s.getThreads();
  return Values(count, k.number(0));
}

Values GpuTile::multiply(Value a, Value b, ValueRange accumulators) {
  return isMma() ? multiplyMma(a, b, accumulators) : multiplyFma(a, b, accumulators);
}

//===----------------------------------------------------------------------===//
// f32 multiply-adds
//===----------------------------------------------------------------------===//

Value GpuTile::rowOffset(int64_t r) {
  if (deepRows) // rows a thread reads one by one: any distance will do
    return k.add(ty, r * (s.getRows() / s.getThreadRows()));
  return k.add(k.mul(ty, 4), r / 4 * (4 * s.getRows() / s.getThreadRows()) + r % 4);
}
Value GpuTile::columnOffset(int64_t j) {
  return k.add(k.mul(tx, 4), j * (4 * s.getColumns() / threadColumns));
}

Values GpuTile::multiplyFma(Value a, Value b, ValueRange accumulators) {
  int64_t rows = s.getThreadRows(), chunks = threadColumns / 4;
  constexpr int64_t kStep = 4;
  return k.reduce(k.c(0), k.c(s.getDepth()), kStep, accumulators, [&](Value depth, ValueRange acc) {
    Values next(acc.begin(), acc.end());
    SmallVector<Values> deep;
    if (deepRows)
      for (int64_t r = 0; r < rows; ++r)
        deep.push_back(k.loadChunk(placeOfA(a, rowOffset(r), depth), 4));
    for (int64_t d = 0; d < kStep; ++d) {
      Values x(rows), y;
      for (int64_t r = 0; r < rows; ++r) {
        if (deepRows) {
          x[r] = deep[r][d];
        } else if (r % 4 == 0) {
          llvm::copy(k.loadChunk(placeOfA(a, rowOffset(r), k.add(depth, d)), 4), x.begin() + r);
        }
      }
      for (int64_t j = 0; j < chunks; ++j)
        y.append(k.loadChunk(placeOfB(b, k.add(depth, d), columnOffset(j)), 4));
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t j = 0; j < threadColumns; ++j)
          next[r * threadColumns + j] = k.fma(x[r], y[j], next[r * threadColumns + j]);
    }
    return next;
  });
}

//===----------------------------------------------------------------------===//
// tf32 on tensor cores
//===----------------------------------------------------------------------===//

Value netc::cuda::roundToTf32(GpuEmitter &k, Value x) {
  Value bits = NVVM::ConvertFloatToTF32Op::create(k.b, k.loc, k.i32(), x, NVVM::FPRoundingMode::RNA,
                                                  NVVM::SaturationMode::NONE, false);
  return arith::BitcastOp::create(k.b, k.loc, k.f32(), bits);
}

Value GpuTile::rounded(Value x) {
  if (rounds)
    x = roundToTf32(k, x);
  return arith::BitcastOp::create(k.b, k.loc, k.i32(), x);
}

/// Fragments of m16n8k8 (PTX ISA, "Matrix fragments for mma.m16n8k8"): with g = lane / 4 and q =
/// lane % 4, A holds (g, q), (g + 8, q), (g, q + 4), (g + 8, q + 4); B (q, g), (q + 4, g); C (g,
/// 2q), (g, 2q + 1), (g + 8, 2q), (g + 8, 2q + 1).
Values GpuTile::multiplyMma(Value a, Value b, ValueRange accumulators) {
  Values next(accumulators.begin(), accumulators.end());
  int64_t down = s.getThreadRows() / 16, across = warpColumns / 8;
  auto four = LLVM::LLVMStructType::getLiteral(k.b.getContext(), SmallVector<Type>(4, k.i32()));
  auto fourFloats =
      LLVM::LLVMStructType::getLiteral(k.b.getContext(), SmallVector<Type>(4, k.f32()));
  auto asFloat = [&](Value bits) -> Value {
    return arith::BitcastOp::create(k.b, k.loc, k.f32(), bits);
  };
  for (int64_t depth = 0; depth < s.getDepth(); depth += 8) {
    SmallVector<Values> x, y;
    for (int64_t i = 0; i < down; ++i) {
      Values operand;
      if (deepRows) {
        // Each lane names a row of one of four 8x4 matrices: rows 0-7 and 8-15, depths 0-3 and 4-7.
        Value row = k.add(k.add(warpRow, i * 16), k.rem(lane, 16));
        Value loaded = NVVM::LdMatrixOp::create(
            k.b, k.loc, four, placeOfA(a, row, k.add(k.mul(k.div(lane, 16), 4), depth)), 4,
            NVVM::MMALayout::row, NVVM::LdStMatrixShapeAttr::get(k.b.getContext(), 8, 8),
            NVVM::LdStMatrixEltType::B16);
        for (int64_t part = 0; part < 4; ++part)
          operand.push_back(
              rounded(asFloat(LLVM::ExtractValueOp::create(k.b, k.loc, loaded, part))));
      } else {
        for (int64_t part = 0; part < 4; ++part) {
          Value row = k.add(k.add(warpRow, i * 16 + part % 2 * 8), quad);
          operand.push_back(rounded(k.load(placeOfA(a, row, k.add(lane4, depth + part / 2 * 4)))));
        }
      }
      x.push_back(operand);
    }
    for (int64_t j = 0; j < across; ++j) {
      Values operand;
      for (int64_t part = 0; part < 2; ++part) {
        Value column = k.add(k.add(warpColumn, j * 8), quad);
        operand.push_back(rounded(k.load(placeOfB(b, k.add(lane4, depth + part * 4), column))));
      }
      y.push_back(operand);
    }
    for (int64_t i = 0; i < down; ++i)
      for (int64_t j = 0; j < across; ++j) {
        auto own = MutableArrayRef<Value>(next).slice((i * across + j) * 4, 4);
        Value product = NVVM::MmaOp::create(k.b, k.loc, fourFloats, x[i], y[j], ValueRange(own),
                                            ArrayRef<int64_t>{16, 8, 8}, std::nullopt, std::nullopt,
                                            std::array{NVVM::MMATypes::tf32, NVVM::MMATypes::tf32},
                                            std::array{NVVM::MMALayout::row, NVVM::MMALayout::col});
        for (int64_t part = 0; part < 4; ++part)
          own[part] = LLVM::ExtractValueOp::create(k.b, k.loc, product, part);
      }
  }
  return next;
}

//===----------------------------------------------------------------------===//
// The product's place
//===----------------------------------------------------------------------===//

SmallVector<Fragment> GpuTile::fragments(ValueRange accumulators) {
  SmallVector<Fragment> result;
  if (isMma()) {
    int64_t down = s.getThreadRows() / 16, across = warpColumns / 8;
    for (int64_t i = 0; i < down; ++i)
      for (int64_t half = 0; half < 2; ++half)
        for (int64_t j = 0; j < across; ++j) {
          Value row = k.add(k.add(warpRow, i * 16 + half * 8), quad);
          Value column = k.add(k.add(warpColumn, j * 8), k.mul(lane4, 2));
          result.push_back(
              {row, column, j, Values(accumulators.slice((i * across + j) * 4 + half * 2, 2))});
        }
    return result;
  }
  for (int64_t r = 0; r < s.getThreadRows(); ++r)
    for (int64_t j = 0; j < threadColumns / 4; ++j)
      result.push_back({rowOffset(r), columnOffset(j), j,
                        Values(accumulators.slice(r * threadColumns + j * 4, 4))});
  return result;
}

int64_t GpuTile::columnsOfThread() const { return isMma() ? warpColumns / 8 : threadColumns / 4; }
int64_t GpuTile::rowGroups() const {
  return isMma() ? 8 * s.getRows() / s.getThreadRows() : s.getRows() / s.getThreadRows();
}
Value GpuTile::rowGroup() {
  return isMma() ? k.add(k.mul(k.div(k.thread(), 32 * warpsAcross), 8), quad) : ty;
}

//===----------------------------------------------------------------------===//
// Stages
//===----------------------------------------------------------------------===//

void netc::cuda::copyAsync(GpuEmitter &k, Value to, Value base, Value offset, Value p) {
  Value zero = offset.getType().isInteger(64) ? k.wideConstant(0) : k.c(0);
  Value from = k.at(base, p ? k.select(p, offset, zero) : offset);
  Value bytes = p ? k.select(p, k.c(16), k.c(0)) : k.c(16);
  NVVM::CpAsyncOp::create(k.b, k.loc, to, from, 16, NVVM::LoadCacheModifierKind::CG, bytes);
}

/// Two buffers: while one is multiplied, the next stage is on its way to registers.
static Values runThroughRegisters(GpuEmitter &k, GpuTile &tile, kern::GpuScheduleAttr s,
                                  Value first, Value iterations, const StageSource &source) {
  Value memory = k.shared(4 * 2 * tile.stageFloats());
  auto stage = [&](Value index) { return k.at(memory, k.mul(index, tile.stageFloats())); };
  source.store(source.load(first), memory, k.at(memory, tile.aFloats()));
  k.barrier();
  return k.reduce(k.c(0), iterations, 1, tile.zeros(), [&](Value i, ValueRange accumulators) {
    Value current = arith::AndIOp::create(k.b, k.loc, i, k.c(1)), other = k.sub(k.c(1), current);
    // Past the end it reads zeros.
    Values loaded = source.load(k.add(first, k.mul(k.add(i, 1), s.getDepth())));
    Value a = stage(current);
    Values next = tile.multiply(a, k.at(a, tile.aFloats()), accumulators);
    Value to = stage(other);
    source.store(loaded, to, k.at(to, tile.aFloats()));
    k.barrier();
    return next;
  });
}

/// A ring of stages; copies run stages - 1 ahead.
static Values runCopies(GpuEmitter &k, GpuTile &tile, kern::GpuScheduleAttr s, Value first,
                        Value iterations, const StageSource &source) {
  int64_t stages = s.getStages();
  Value memory = k.shared(4 * stages * tile.stageFloats());
  auto issue = [&](Value i) {
    Value a = k.at(memory, k.mul(k.rem(i, stages), tile.stageFloats()));
    source.copy(k.add(first, k.mul(i, s.getDepth())), a, k.at(a, tile.aFloats()));
    NVVM::CpAsyncCommitGroupOp::create(k.b, k.loc);
  };
  for (int64_t i = 0; i < stages - 1; ++i)
    issue(k.c(i));
  Values result =
      k.reduce(k.c(0), iterations, 1, tile.zeros(), [&](Value i, ValueRange accumulators) {
        NVVM::CpAsyncWaitGroupOp::create(k.b, k.loc, static_cast<int32_t>(stages - 2));
        k.barrier(); // stage i has landed for all, and all have read stage i - 1, whose place is
                     // next
        issue(k.add(i, stages - 1));
        Value a = k.at(memory, k.mul(k.rem(i, stages), tile.stageFloats()));
        return tile.multiply(a, k.at(a, tile.aFloats()), accumulators);
      });
  NVVM::CpAsyncWaitGroupOp::create(k.b, k.loc, 0);
  k.barrier();
  return result;
}

Values netc::cuda::runStages(GpuEmitter &k, GpuTile &tile, kern::GpuScheduleAttr s, Value first,
                             Value iterations, bool async, const StageSource &source) {
  return async ? runCopies(k, tile, s, first, iterations, source)
               : runThroughRegisters(k, tile, s, first, iterations, source);
}
