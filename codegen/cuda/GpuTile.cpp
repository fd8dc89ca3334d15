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

/// Rows of 64 bytes: row r has its four chunks c at c ^ (r / 2 % 4). Eight rows of one chunk, which
/// ldmatrix reads at once, and two whole rows, which eight threads copy, both lie in 32 different
/// banks.
TypedPointer GpuTile::placeOfA(TypedPointer a, Value row, Value depth) {
  if (!deepRows)
    return placeAcross(a, depth, row, s.getRows());
  Value place = arith::XOrIOp::create(k.b, k.loc, k.div(depth, chunk()), k.rem(k.div(row, 2), 4));
  return k.at(a,
              k.add(k.add(k.mul(row, s.getDepth()), k.mul(place, chunk())), k.rem(depth, chunk())));
}

TypedPointer GpuTile::placeOfB(TypedPointer b, Value depth, Value column) {
  return placeAcross(b, depth, column, s.getColumns());
}

/// Groups of eight columns change places. f32, rows of 16 or a multiple of 32 floats: eight columns
/// at four depths, a fragment of mma.sync, lie in 32 different banks, and so does a whole row.
/// bf16: one group at eight depths, which ldmatrix reads at once, lies in 32 different banks, and
/// so do eight neighbouring groups, which eight threads copy.
TypedPointer GpuTile::placeAcross(TypedPointer base, Value depth, Value column, int64_t columns) {
  Value group = columns >= 32 ? k.rem(depth, 4) : k.rem(k.div(depth, 2), 2);
  if (isBf16()) {
    int64_t groups = std::min<int64_t>(columns / 8, 8);
    group = k.rem(k.div(depth, 8 / groups), groups);
  }
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

Values GpuTile::multiplyStages(TypedPointer a, TypedPointer b, ValueRange accumulators,
                               int64_t stages) {
  if (stages == 1)
    return multiply(a, b, accumulators, 0, s.getDepth());
  return k.reduce(k.c(0), k.c(stages), 1, accumulators, [&](Value stage, ValueRange now) {
    return multiply(k.at(a, k.mul(stage, aElements())), k.at(b, k.mul(stage, bElements())), now, 0,
                    s.getDepth());
  });
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
// Tensor cores
//===----------------------------------------------------------------------===//

Value netc::cuda::roundToTf32(GpuEmitter &k, Value x) {
  Value bits = NVVM::ConvertFloatToTF32Op::create(k.b, k.loc, k.i32(), x, NVVM::FPRoundingMode::RNA,
                                                  NVVM::SaturationMode::NONE, false);
  return arith::BitcastOp::create(k.b, k.loc, k.f32(), bits);
}

/// Four matrices of eight rows of 16 bytes: lanes 0 to 7 name the rows of the first, and so on.
Values GpuTile::loadMatrices(TypedPointer row, bool transposed) {
  auto four = LLVM::LLVMStructType::getLiteral(k.b.getContext(), SmallVector<Type>(4, k.i32()));
  Value loaded = NVVM::LdMatrixOp::create(
      k.b, k.loc, four, Value(row), 4, transposed ? NVVM::MMALayout::col : NVVM::MMALayout::row,
      NVVM::LdStMatrixShapeAttr::get(k.b.getContext(), 8, 8), NVVM::LdStMatrixEltType::B16);
  Values parts;
  for (int64_t part = 0; part < 4; ++part)
    parts.push_back(LLVM::ExtractValueOp::create(k.b, k.loc, loaded, part));
  return parts;
}

/// Rows 16 i on of this warp, two chunks of depths from `depth` on. Fragments of A (PTX ISA,
/// "Matrix fragments for mma.m16n8k8" and ".m16n8k16"), g = lane / 4, q = lane % 4: rows g and g +
/// 8; tf32: depths q, then q + 4; bf16: depths 2q and 2q + 1, then eight more.
Values GpuTile::fragmentOfA(TypedPointer a, int64_t i, int64_t depth) {
  Value first = k.add(warpRow, i * 16);
  if (deepRows) {
    // Each lane names a row of one of four matrices: rows 0-7 and 8-15, first and second chunk.
    Value row = k.add(first, k.rem(lane, 16));
    return loadMatrices(placeOfA(a, row, k.add(k.mul(k.div(lane, 16), chunk()), depth)),
                        /*transposed=*/false);
  }
  if (isBf16()) {
    // Rows of memory are depths: the matrices are transposed on their way.
    Value row = k.add(first, k.mul(k.rem(k.div(lane, 8), 2), 8));
    Value at = k.add(k.add(k.mul(k.div(lane, 16), 8), k.rem(lane, 8)), depth);
    return loadMatrices(placeOfA(a, row, at), /*transposed=*/true);
  }
  Values operand;
  for (int64_t part = 0; part < 4; ++part) {
    Value row = k.add(k.add(first, part % 2 * 8), quad);
    Value x = k.load(placeOfA(a, row, k.add(lane4, depth + part / 2 * 4)));
    operand.push_back(arith::BitcastOp::create(k.b, k.loc, k.i32(), x));
  }
  return operand;
}

/// Columns 8 j to 8 j + 15 of this warp, two fragments. Fragments of B: column g; tf32: depths q
/// and q + 4; bf16: depths 2q and 2q + 1, then eight more.
Values GpuTile::fragmentsOfB(TypedPointer b, int64_t j, int64_t depth) {
  if (isBf16()) {
    Value column = k.add(k.add(warpColumn, j * 8), k.mul(k.div(lane, 16), 8));
    return loadMatrices(placeOfB(b, k.add(k.rem(lane, 16), depth), column), /*transposed=*/true);
  }
  Values operand;
  for (int64_t part = 0; part < 4; ++part) {
    Value column = k.add(k.add(warpColumn, j * 8 + part / 2 * 8), quad);
    Value x = k.load(placeOfB(b, k.add(lane4, depth + part % 2 * 4), column));
    operand.push_back(arith::BitcastOp::create(k.b, k.loc, k.i32(), x));
  }
  return operand;
}

Value GpuTile::multiplyFragments(ValueRange a, ValueRange b, ValueRange sums) {
  auto type = isBf16() ? NVVM::MMATypes::bf16 : NVVM::MMATypes::tf32;
  auto four = LLVM::LLVMStructType::getLiteral(k.b.getContext(), SmallVector<Type>(4, k.f32()));
  return NVVM::MmaOp::create(k.b, k.loc, four, a, b, sums, ArrayRef<int64_t>{16, 8, 2 * chunk()},
                             std::nullopt, std::nullopt, std::array{type, type},
                             std::array{NVVM::MMALayout::row, NVVM::MMALayout::col});
}

/// C holds (g, 2q), (g, 2q + 1), (g + 8, 2q), (g + 8, 2q + 1), for either type.
Values GpuTile::multiplyMma(TypedPointer a, TypedPointer b, ValueRange accumulators, int64_t begin,
                            int64_t end) {
  Values next(accumulators.begin(), accumulators.end());
  int64_t down = s.getThreadRows() / 16, across = warpColumns / 8;
  for (int64_t depth = begin; depth < end; depth += 2 * chunk()) {
    SmallVector<Values> x;
    for (int64_t i = 0; i < down; ++i)
      x.push_back(fragmentOfA(a, i, depth));
    Values y;
    for (int64_t j = 0; j < across; j += 2)
      y.append(fragmentsOfB(b, j, depth));
    for (int64_t i = 0; i < down; ++i)
      for (int64_t j = 0; j < across; ++j) {
        auto own = MutableArrayRef<Value>(next).slice((i * across + j) * 4, 4);
        Value product = multiplyFragments(x[i], ValueRange(y).slice(2 * j, 2), ValueRange(own));
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
          int64_t first = (i * across + j) * 4 + half * 2;
          result.push_back(
              {row, column, j, i * 2 + half, first, Values(accumulators.slice(first, 2))});
        }
    return result;
  }
  for (int64_t r = 0; r < s.getThreadRows(); ++r)
    for (int64_t j = 0; j < threadColumns / 4; ++j) {
      int64_t first = r * threadColumns + j * 4;
      result.push_back(
          {rowOffset(r), columnOffset(j), j, r, first, Values(accumulators.slice(first, 4))});
    }
  return result;
}

int64_t GpuTile::columnsOfThread() const { return isMma() ? warpColumns / 8 : threadColumns / 4; }
int64_t GpuTile::rowGroups() const {
  return isMma() ? 8 * s.getRows() / s.getThreadRows() : s.getRows() / s.getThreadRows();
}
Value GpuTile::rowGroup() {
  return isMma() ? k.add(k.mul(k.div(k.thread(), 32 * warpsAcross), 8), quad) : ty;
}
Value GpuTile::acrossRow(Value own, llvm::function_ref<Value(Value, Value)> combine) {
  assert((isMma() ? warpsAcross == 1 : s.getColumns() / threadColumns <= 32) &&
         "a row lies in one warp");
  return k.acrossLanes(own, isMma() ? 4 : s.getColumns() / threadColumns, combine);
}
