//===- GpuTile.cpp - one block's product of two tiles ---------------------===//
#include "codegen/cuda/GpuTile.h"

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

GpuTile::GpuTile(GpuEmitter &k, kern::GpuScheduleAttr s, bool deepRows)
    : k(k), s(s), deepRows(deepRows) {
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
TypedPointer GpuTile::placeOfA(TypedPointer a, Value row, Value depth) {
  if (!deepRows)
    return placeAcross(a, depth, row, s.getRows());
  Value chunk = arith::XOrIOp::create(k.b, k.loc, k.div(depth, 4), k.rem(k.div(row, 2), 4));
  return k.at(a, k.add(k.add(k.mul(row, s.getDepth()), k.mul(chunk, 4)), k.rem(depth, 4)));
}

TypedPointer GpuTile::placeOfB(TypedPointer b, Value depth, Value column) {
  return placeAcross(b, depth, column, s.getColumns());
}

/// Rows of 16 or a multiple of 32 floats: groups of eight columns change places, so that eight
/// columns at four depths, a fragment of mma.sync, lie in 32 different banks, and so does a whole
/// row.
TypedPointer GpuTile::placeAcross(TypedPointer base, Value depth, Value column, int64_t columns) {
  Value group = columns >= 32 ? k.rem(depth, 4) : k.rem(k.div(depth, 2), 2);
  Value swizzled = arith::XOrIOp::create(k.b, k.loc, column, k.mul(group, 8));
  return k.at(base, k.add(k.mul(depth, columns), swizzled));
}

Values GpuTile::zeros() {
  int64_t count = s.getRows() * s.getColumns() / s.getThreads();
  return Values(count, k.number(0));
}

Values GpuTile::multiply(TypedPointer a, TypedPointer b, ValueRange accumulators, int64_t begin,
                         int64_t end) {
  return isMma() ? multiplyMma(a, b, accumulators, begin, end)
                 : multiplyFma(a, b, accumulators, begin, end);
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

Values GpuTile::multiplyFma(TypedPointer a, TypedPointer b, ValueRange accumulators, int64_t begin,
                            int64_t end) {
  int64_t rows = s.getThreadRows(), chunks = threadColumns / 4;
  constexpr int64_t kStep = 4;
  return k.reduce(k.c(begin), k.c(end), kStep, accumulators, [&](Value depth, ValueRange acc) {
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

/// Fragments of m16n8k8 (PTX ISA, "Matrix fragments for mma.m16n8k8"): with g = lane / 4 and q =
/// lane % 4, A holds (g, q), (g + 8, q), (g, q + 4), (g + 8, q + 4); B (q, g), (q + 4, g); C (g,
/// 2q), (g, 2q + 1), (g + 8, 2q), (g + 8, 2q + 1).
Values GpuTile::multiplyMma(TypedPointer a, TypedPointer b, ValueRange accumulators, int64_t begin,
                            int64_t end) {
  Values next(accumulators.begin(), accumulators.end());
  int64_t down = s.getThreadRows() / 16, across = warpColumns / 8;
  auto four = LLVM::LLVMStructType::getLiteral(k.b.getContext(), SmallVector<Type>(4, k.i32()));
  auto fourFloats =
      LLVM::LLVMStructType::getLiteral(k.b.getContext(), SmallVector<Type>(4, k.f32()));
  auto bitsAt = [&](TypedPointer place) -> Value {
    return arith::BitcastOp::create(k.b, k.loc, k.i32(), k.load(place));
  };
  for (int64_t depth = begin; depth < end; depth += 8) {
    SmallVector<Values> x, y;
    for (int64_t i = 0; i < down; ++i) {
      Values operand;
      if (deepRows) {
        // Each lane names a row of one of four 8x4 matrices: rows 0-7 and 8-15, depths 0-3 and 4-7.
        Value row = k.add(k.add(warpRow, i * 16), k.rem(lane, 16));
        Value loaded = NVVM::LdMatrixOp::create(
            k.b, k.loc, four, Value(placeOfA(a, row, k.add(k.mul(k.div(lane, 16), 4), depth))), 4,
            NVVM::MMALayout::row, NVVM::LdStMatrixShapeAttr::get(k.b.getContext(), 8, 8),
            NVVM::LdStMatrixEltType::B16);
        for (int64_t part = 0; part < 4; ++part)
          operand.push_back(LLVM::ExtractValueOp::create(k.b, k.loc, loaded, part));
      } else {
        for (int64_t part = 0; part < 4; ++part) {
          Value row = k.add(k.add(warpRow, i * 16 + part % 2 * 8), quad);
          operand.push_back(bitsAt(placeOfA(a, row, k.add(lane4, depth + part / 2 * 4))));
        }
      }
      x.push_back(operand);
    }
    for (int64_t j = 0; j < across; ++j) {
      Values operand;
      for (int64_t part = 0; part < 2; ++part) {
        Value column = k.add(k.add(warpColumn, j * 8), quad);
        operand.push_back(bitsAt(placeOfB(b, k.add(lane4, depth + part * 4), column)));
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
