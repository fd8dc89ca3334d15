//===- Epilogue.cpp - what a contraction does with its products -----------===//
#include "codegen/cpu/Epilogue.h"

using namespace mlir;
using namespace netc;
using namespace netc::cpu;

Epilogue::Epilogue(kern::ContractOp op, const Launch &launch) : op(op) {
  kern::GeometryAttr g = op.getGeometry();
  bool forward = op.getKind() == kern::ContractKind::Forward;
  pixels = forward ? g.getOh() * g.getOw() : g.getIh() * g.getIw();
  channels = forward ? g.getOc() : g.getIc();
  size_t next = op.getLhs().size() + op.getRhs().size() + 1 + (op.getStart() ? 1 : 0);
  for (Value operand : op.getExtra()) {
    extra.push_back(launch.buffers[next++]);
    access.push_back(accessOf(operand, pixels));
  }
  output = launch.buffers[next++];
  if (op.getOuts().size() > 1) {
    partials = launch.buffers[next++];
    terms = op.getTerms();
    rows = kern::shapedType(op.getOuts()[1]).getDimSize(2);
  }
  random = usesRandom(op.getEpilogue());
  if (random)
    hyper = launch.buffers[next];
}

void Epilogue::beginItem(KernelEmitter &k, Value row, Value block) {
  if (!partials)
    return;
  partialRow = k.at(partials, k.mul(row, rows * channels));
  int64_t blockChannels = op.getSchedule().getChannelBlock();
  Value first = k.mul(block, blockChannels);
  Value count = k.min(k.c(blockChannels), k.sub(k.c(channels), first));
  for (int64_t r = 0; r < rows; ++r) {
    TypedPointer at = k.at(partialRow, k.add(first, r * channels));
    if (op.getMoments() && r == 0)
      k.fillNan(at, count); // no pivot yet
    else
      k.fillZero(at, count);
  }
}

Values Epilogue::argumentsAt(KernelEmitter &k, Value pixel, Value channel, Value destination) {
  Value element = k.add(k.mul(pixel, channels), channel);
  Values arguments{
      k.at(output, destination ? k.add(k.mul(destination, channels), channel) : element)};
  for (auto [pointer, how] : llvm::zip(extra, access)) {
    Value offset = element;
    if (how != Access::Full) {
      Value image = how == Access::ImageChannel ? k.div(pixel, pixels) : Value();
      offset = offsetOf(k, how, pixel, image, channels, channel);
    }
    arguments.push_back(k.at(pointer, offset));
  }
  if (partials)
    arguments.push_back(k.at(partialRow, channel));
  if (random) {
    arguments.push_back(hyper);
    arguments.push_back(element);
  }
  return arguments;
}

SmallVector<Type> Epilogue::argumentTypes(KernelEmitter &k) {
  SmallVector<Type> types(1 + extra.size() + (partials ? 1 : 0) + (random ? 1 : 0),
                          k.pointerType());
  if (random)
    types.push_back(k.i64());
  return types;
}

void Epilogue::prefetch(KernelEmitter &t, ValueRange arguments, int64_t count,
                        ArrayRef<int64_t> offsets) {
  for (int64_t offset : offsets)
    for (int64_t line = 0, more = true; more; ++line) {
      more = false;
      for (size_t i = 0; i < extra.size(); ++i) {
        int64_t at = line * extra[i].perLine();
        if (access[i] != Access::Full || at >= count)
          continue;
        t.prefetchNear(t.at(extraAt(arguments, i), offset + at));
        more = true;
      }
    }
}

/// Where a vector of the item's partial sums lies.
TypedPointer Epilogue::sumPointer(KernelEmitter &t, ValueRange arguments, int64_t sum,
                                  int64_t vector) {
  TypedPointer sums{arguments[1 + extra.size()], partials.element};
  return t.at(sums, sum * channels + vector);
}

/// `sums`: pivot, sum and sum of squares about it. The first value that an item meets is its pivot.
void Epilogue::addMoments(KernelEmitter &t, Value x, Values &sums) {
  if (!sums[1])
    sums[0] = t.select(t.isNan(sums[0]), x, sums[0]);
  Value distance = t.fsub(x, sums[0]);
  sums[2] = sums[1] ? t.fma(distance, distance, sums[2]) : t.fmul(distance, distance);
  sums[1] = sums[1] ? t.fadd(sums[1], distance) : distance;
}

/// Adds the sums of some pixels to the item's.
void Epilogue::storeSums(KernelEmitter &t, ValueRange arguments, int64_t vector, int64_t valid,
                         ArrayRef<Value> sums) {
  for (auto [index, sum] : llvm::enumerate(sums)) {
    TypedPointer at = sumPointer(t, arguments, static_cast<int64_t>(index), vector);
    bool pivot = op.getMoments() && index == 0;
    t.storeVector(pivot ? sum : t.fadd(t.loadVector(at, valid), sum), at, valid);
  }
}

/// What is to be stored for each value; adds the terms that are summed by channel to `sums`.
Values Epilogue::apply(KernelEmitter &t, ValueRange arguments, int64_t vector, int64_t valid,
                       ArrayRef<Value> values, ArrayRef<int64_t> offsets, Values &sums) {
  Block *formula = kern::blockOf(op.getEpilogue());
  Values still(extra.size());
  for (size_t i = 0; i < extra.size(); ++i)
    if (access[i] != Access::Full)
      still[i] = t.loadVector(t.at(extraAt(arguments, i), vector), valid);
  Values stored;
  for (auto [value, pixelOffset] : llvm::zip(values, offsets)) {
    int64_t offset = pixelOffset + vector;
    Values inputs{value};
    for (size_t i = 0; i < extra.size(); ++i)
      inputs.push_back(still[i] ? still[i]
                                : t.loadVector(t.at(extraAt(arguments, i), offset), valid));
    RandomSource source;
    if (random)
      source = {arguments[arguments.size() - 2], t.add(arguments.back(), offset)};
    Values results = formula ? emitFormula(t, *formula, inputs, source) : Values{value};
    stored.push_back(results[0]);
    if (op.getMoments())
      addMoments(t, results[1], sums);
    for (int64_t i = 0; i < terms && !op.getMoments(); ++i)
      sums[i] = sums[i] ? t.fadd(sums[i], results[1 + i]) : results[1 + i];
  }
  return stored;
}

void Epilogue::emit(KernelEmitter &t, ValueRange arguments, int64_t vector, int64_t valid,
                    ArrayRef<Value> values, ArrayRef<int64_t> offsets) {
  // Everything is read before anything is written: pixels often lie 4 KiB apart, where a load waits
  // for an older store whose address has the same low twelve bits.
  Values sums(rows);
  if (op.getMoments())
    sums[0] = t.loadVector(sumPointer(t, arguments, 0, vector), valid);
  Values stored = apply(t, arguments, vector, valid, values, offsets, sums);
  for (auto [value, pixelOffset] : llvm::zip(stored, offsets))
    t.storeVector(value, t.at(outputAt(arguments), pixelOffset + vector), valid);
  storeSums(t, arguments, vector, valid, sums);
}

void Epilogue::emitPooled(KernelEmitter &t, ValueRange arguments, int64_t vector, int64_t valid,
                          ArrayRef<Value> values, ArrayRef<int64_t> offsets,
                          ArrayRef<int64_t> destinations) {
  Values sums, computed = apply(t, arguments, vector, valid, values, offsets, sums);
  kern::PoolingAttr pool = op.getPoolAttr();
  size_t window = pool.getKh() * pool.getKw();
  for (auto [index, destination] : llvm::enumerate(destinations)) {
    ArrayRef<Value> pixels = ArrayRef(computed).slice(index * window, window);
    // In the order of kern.pool, for the same bits.
    Value result;
    if (pool.getKind() == kern::PoolKind::Max) {
      result = pixels[0];
      for (Value pixel : pixels.drop_front())
        result = t.poolMax(result, pixel);
    } else {
      result = t.zeros();
      for (Value pixel : pixels)
        result = t.fadd(result, pixel);
      result = t.fmul(result, t.splat(1.0 / static_cast<double>(window)));
    }
    t.storeVector(result, t.at(outputAt(arguments), destination + vector), valid);
  }
}
