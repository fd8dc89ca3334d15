//===- GpuContractEpilogue.cpp - what becomes of products on the GPU ------===//
//
// Bias, pointwise readers and channel sums on the accumulators, and the stores of both.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/GpuContractEmitter.h"
#include "codegen/cuda/GpuMoments.h"

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

/// Values of full operands that an epilogue has in registers at once, beside the sums.
static constexpr int64_t kEpilogueLoads = 16;

void ContractEmitter::emitEpilogue(ArrayRef<Fragment> fragments, int64_t columnsOfThread,
                                   int64_t rowGroups, Value rowGroup) {
  int64_t whole = static_cast<int64_t>(fragments[0].values.size());
  int64_t limit = direct ? outC : groupOut; // of columns
  int64_t width = groupOut % whole == 0 ? whole : 1;
  bool mayEnd = limit % s.getColumns() != 0;
  Sums sums{SmallVector<Values>(partialRows, Values(columnsOfThread * whole, k.number(0))),
            Values(columnsOfThread), k.number(0)};
  // Fragments of one row together, so that their loads are under way at the same time; as many as
  // registers have room for. Where columns end, each has a condition of its own.
  int64_t loads = std::max<int64_t>(1, llvm::count(extra.accesses, Access::Full) * width);
  size_t together = mayEnd ? 1 : std::max<int64_t>(1, kEpilogueLoads / loads);
  for (size_t begin = 0; begin < fragments.size();) {
    size_t end = begin + 1;
    while (end < fragments.size() && fragments[end].row == fragments[begin].row)
      ++end;
    ContractRow row = rowAt(fragments[begin].row);
    SmallVector<Part> parts;
    for (const Fragment &fragment : fragments.slice(begin, end - begin))
      for (int64_t first = 0; first < whole; first += width)
        parts.push_back({&fragment, first, width});
    for (ArrayRef<Part> rest = parts; !rest.empty();) {
      ArrayRef<Part> now = rest.take_front(std::min(rest.size(), together));
      Value p = row.valid;
      if (mayEnd)
        p = k.both(p, k.less(columnOf(now[0]), limit));
      addParts(now, storeParts(now, row, p), row, sums);
      rest = rest.drop_front(now.size());
    }
    begin = end;
  }
  if (op.getMoments())
    storeMoments(sums.values, sums.columns, sums.rowCount, rowGroups, rowGroup);
  else if (terms)
    storeSums(sums.values, sums.columns, rowGroups, rowGroup);
}

Value ContractEmitter::columnOf(const Part &part) {
  return k.add(k.add(firstColumn, part.fragment->column), part.first);
}

/// Stores the epilogue's result of `parts` of `row` where `p`. Returns the terms,
/// [part][term][lane]. Under a branch: the destination may be one of the operands, so what is
/// masked must not be read either. All loads come before the first store: no part reads what
/// another writes.
Values ContractEmitter::storeParts(ArrayRef<Part> parts, const ContractRow &row, Value p) {
  Block *epilogue = kern::blockOf(op.getEpilogue());
  int64_t width = parts[0].width;
  return k.where(p, terms * width * static_cast<int64_t>(parts.size()), [&] {
    SmallVector<SmallVector<Values>> loaded;
    Values channels, stored, summed;
    for (const Part &part : parts) {
      channels.push_back(k.add(k.mul(group, groupOut), columnOf(part)));
      loaded.push_back(
          loadInputs(k, extra, {}, row.pixel, row.image, outC, channels.back(), width));
    }
    for (auto [part, inputs, channel] : llvm::zip(parts, loaded, channels)) {
      Values terms(this->terms * width);
      for (int64_t lane = 0; lane < width; ++lane) {
        Values arguments{part.fragment->values[part.first + lane]};
        for (Values &values : inputs)
          arguments.push_back(values[lane]);
        RandomSource random;
        if (hyper)
          random = {hyper, k.add(k.element(row.pixel, outC, channel), lane)};
        Values results =
            epilogue ? emitFormula(k, *epilogue, arguments, random) : Values{arguments[0]};
        stored.push_back(results[0]);
        for (int64_t term = 0; term < this->terms; ++term)
          terms[term * width + lane] = results[1 + term];
      }
      summed.append(terms);
    }
    for (auto [index, channel] : llvm::enumerate(channels))
      k.storeChunk(ValueRange(stored).slice(index * width, width),
                   k.at(output, k.element(row.pixel, outC, channel)));
    return summed;
  });
}

/// Adds the terms of `parts`, which storeParts gave, to the thread's sums.
void ContractEmitter::addParts(ArrayRef<Part> parts, ValueRange values, const ContractRow &row,
                               Sums &sums) {
  for (const Part &part : parts) {
    const Fragment &fragment = *part.fragment;
    Value &column = sums.columns[fragment.columnIndex];
    if (part.first == 0) {
      sums.isFirst = !column;
      column = fragment.column;
      if (op.getMoments() && fragment.columnIndex == 0)
        sums.rowCount = k.fadd(sums.rowCount, k.select(row.valid, k.number(1), k.number(0)));
    }
    for (int64_t lane = 0; lane < part.width; ++lane) {
      int64_t index =
          fragment.columnIndex * static_cast<int64_t>(fragment.values.size()) + part.first + lane;
      if (op.getMoments()) {
        Value pivot = sums.isFirst ? values[lane] : sums.values[0][index];
        Moments total = addValue(k, {pivot, sums.values[1][index], sums.values[2][index]},
                                 values[lane], row.valid);
        sums.values[0][index] = pivot, sums.values[1][index] = total.sum,
        sums.values[2][index] = total.squares;
        continue;
      }
      for (int64_t term = 0; term < terms; ++term)
        sums.values[term][index] =
            k.fadd(sums.values[term][index], values[term * part.width + lane]);
    }
    values = values.drop_front(terms * part.width);
  }
}

/// Term `term` of this block's row of partial sums at `column` of its tile.
void ContractEmitter::storePartial(Value total, int64_t term, Value column) {
  Value channel = k.add(k.mul(group, groupOut), k.add(firstColumn, column));
  k.store(total,
          k.at(partials, k.element(k.add(k.mul(rowTile, partialRows), k.c(term)), outC, channel)));
}

/// Four rows of fragments of mma.sync, two columns wide, lie in different banks.
static int64_t sumPitch(int64_t columns, int64_t width) { return columns + (width == 2 ? 8 : 0); }

/// Joins the threads' moments in the order of their rows about the pivot of the first, which has
/// the tile's first row. `rowCount`: the thread's rows that exist.
void ContractEmitter::storeMoments(ArrayRef<Values> moments, ArrayRef<Value> columns,
                                   Value rowCount, int64_t rowGroups, Value rowGroup) {
  k.reuseShared();
  int64_t columnCount = s.getColumns(), limit = direct ? outC : groupOut;
  int64_t width = static_cast<int64_t>(moments[0].size() / columns.size());
  int64_t pitch = sumPitch(columnCount, width), part = rowGroups * pitch;
  TypedPointer place = k.shared(3 * part + rowGroups);
  Value t = k.thread();
  auto slot = [&](Value row, Value column, int64_t of) {
    return k.at(place, k.add(k.add(k.mul(row, pitch), column), of * part));
  };
  k.barrier(); // the product's tiles have been read
  for (int64_t of = 0; of < 3; ++of)
    for (auto [index, column] : llvm::enumerate(columns))
      k.storeChunk(ValueRange(moments[of]).slice(index * width, width), slot(rowGroup, column, of));
  k.when(k.equal(columns[0], 0),
         [&] { k.store(rowCount, k.at(place, k.add(rowGroup, 3 * part))); });
  k.barrier();
  k.when(k.both(k.less(t, columnCount), k.less(k.add(firstColumn, t), limit)), [&] {
    Value pivot = k.load(slot(k.c(0), t, 0));
    Values zero(2, k.number(0));
    Values total = k.reduce(k.c(0), k.c(rowGroups), 1, zero, [&](Value r, ValueRange acc) {
      Moments own{k.load(slot(r, t, 0)), k.load(slot(r, t, 1)), k.load(slot(r, t, 2))};
      Value count = k.load(k.at(place, k.add(r, 3 * part)));
      Moments joined = joinMoments(k, {pivot, acc[0], acc[1]}, own, count);
      return Values{joined.sum, joined.squares};
    });
    storePartial(pivot, 0, t);
    storePartial(total[0], 1, t);
    storePartial(total[1], 2, t);
  });
}

/// Adds the threads' sums in the order of their rows and writes this block's row of partial sums.
void ContractEmitter::storeSums(ArrayRef<Values> sums, ArrayRef<Value> columns, int64_t rowGroups,
                                Value rowGroup) {
  k.reuseShared();
  int64_t columnCount = s.getColumns(), limit = direct ? outC : groupOut;
  int64_t width = static_cast<int64_t>(sums[0].size() / columns.size());
  int64_t pitch = sumPitch(columnCount, width);
  TypedPointer place = k.shared(rowGroups * pitch);
  Value t = k.thread();
  for (int64_t term = 0; term < terms; ++term) {
    k.barrier(); // the product's tiles, or the last term, have been read
    for (auto [index, column] : llvm::enumerate(columns))
      k.storeChunk(ValueRange(sums[term]).slice(index * width, width),
                   k.at(place, k.add(k.mul(rowGroup, pitch), column)));
    k.barrier();
    k.when(k.both(k.less(t, columnCount), k.less(k.add(firstColumn, t), limit)), [&] {
      Value total = k.reduce(k.c(0), k.c(rowGroups), 1, k.number(0), [&](Value r, ValueRange acc) {
        return Values{k.fadd(acc[0], k.load(k.at(place, k.add(k.mul(r, pitch), t))))};
      })[0];
      storePartial(total, term, t);
    });
  }
}
