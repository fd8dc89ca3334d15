//===- GpuStaging.cpp - operands of a tile on their way to it -------------===//
#include "codegen/cuda/GpuStaging.h"

#include "dialect/target/Target.h"

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

/// A block of so many threads may take GpuFacts::stageBytes.
static constexpr int64_t kStageThreads = 256;

/// Bytes that cp.async copies: 4, 8 or 16.
static constexpr int64_t kLeastCopy = 4;

int64_t StagedOperand::copies() const { return llvm::count(inputs.accesses, Access::Full); }

bool StagedOperand::canCopy(Type element) const {
  return llvm::all_of(llvm::zip(inputs.pointers, inputs.accesses), [&](auto input) {
    auto [pointer, access] = input;
    return access != Access::Full ||
           (pointer.element == element && width * pointer.bytes() >= kLeastCopy);
  });
}

namespace {
/// One operand of one product: its chunks from global memory to the values that are multiplied.
class Stager {
public:
  Stager(GpuEmitter &k, const StagedOperand &from, const GpuTile &tile, int64_t tileElements)
      : k(k), from(from), tileElements(tileElements),
        rounds(tile.isMma() && !tile.isBf16() && !from.rounded) {}

  int64_t elements() const { return tileElements * from.copies(); }
  int64_t count() const { return from.count; }
  /// Whether what was copied is not yet what is multiplied.
  bool finishes() const { return from.formula || rounds; }
  /// Starts copying the stage at depth `at` to the tiles from `base` on. Result: i32, bit i says
  /// whether chunk i is valid; null where nobody asks.
  Value copy(Value at, TypedPointer base);
  /// What landed at `base`, and the channel-wise inputs, as finish() takes them.
  Values fetch(Value at, TypedPointer base);
  /// The same from global memory.
  Values load(Value at);
  /// Which chunks of the stage at depth `at` are valid, one i1 each, null: always; from copy()'s
  /// bits where they are given.
  Values validity(Value at, Value bits = {});
  /// What is multiplied.
  Values finish(Value at, ValueRange raw, ArrayRef<Value> valid);
  void store(ValueRange values, TypedPointer base);

private:
  SmallVector<Chunk> chunksAt(Value at);
  /// Values of chunk `i` of the full input at `pointer`, whose copy is number `copy`.
  using Full =
      llvm::function_ref<Values(TypedPointer pointer, int64_t copy, int64_t i, const Chunk &)>;
  /// Values of one input after the other, chunk by chunk; of a channel-wise one, once.
  Values gather(Value at, Full full);
  int64_t chunksOf(Access access) const { return access == Access::Channel ? 1 : from.count; }
  void copyChunk(TypedPointer to, TypedPointer pointer, Value offset, Value valid);

  GpuEmitter &k;
  const StagedOperand &from;
  int64_t tileElements;
  bool rounds; ///< to tf32; a tile of bf16 rounds what is stored
};
} // namespace

/// `width` elements from global to shared memory, or zeros where `valid` is false.
void Stager::copyChunk(TypedPointer to, TypedPointer pointer, Value offset, Value valid) {
  assert(to.element == pointer.element && "a copy converts nothing");
  TypedPointer source = k.at(pointer, offset); // not read where there are no bytes
  int64_t bytes = pointer.bytes() * from.width;
  Value read = valid ? k.select(valid, k.c(bytes), k.c(0)) : k.c(bytes);
  // Past the first cache where the instruction can: nobody reads the same bytes again soon.
  auto cache = bytes == 16 ? NVVM::LoadCacheModifierKind::CG : NVVM::LoadCacheModifierKind::CA;
  NVVM::CpAsyncOp::create(k.b, k.loc, to, source, static_cast<uint32_t>(bytes), cache, read);
}

SmallVector<Chunk> Stager::chunksAt(Value at) {
  SmallVector<Chunk> chunks;
  for (int64_t i = 0; i < from.count; ++i)
    chunks.push_back(from.chunk(at, i));
  return chunks;
}

Value Stager::copy(Value at, TypedPointer base) {
  SmallVector<Chunk> chunks = chunksAt(at);
  k.when(from.on, [&] {
    for (auto [i, chunk] : llvm::enumerate(chunks)) {
      int64_t copied = 0;
      for (auto [pointer, access] : llvm::zip(from.inputs.pointers, from.inputs.accesses))
        if (access == Access::Full)
          copyChunk(from.place(k.at(base, copied++ * tileElements), static_cast<int64_t>(i)),
                    pointer, k.element(chunk.pixel, from.channels, chunk.channel), chunk.valid);
    }
  });
  if (!from.formula)
    return {};
  Value bits = k.c(0);
  for (auto [i, chunk] : llvm::enumerate(chunks))
    if (chunk.valid)
      bits = k.add(bits, k.select(chunk.valid, k.c(int64_t(1) << i), k.c(0)));
  return bits;
}

Values Stager::validity(Value at, Value bits) {
  Values result;
  for (int64_t i = 0; i < from.count; ++i) {
    Value valid = from.chunk(at, i).valid;
    if (valid && bits)
      valid = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::ne,
                                    arith::AndIOp::create(k.b, k.loc, bits, k.c(int64_t(1) << i)),
                                    k.c(0));
    result.push_back(valid);
  }
  return result;
}

Values Stager::gather(Value at, Full full) {
  SmallVector<Chunk> chunks = chunksAt(at);
  Values raw;
  int64_t copied = 0;
  for (auto [pointer, access] : llvm::zip(from.inputs.pointers, from.inputs.accesses)) {
    for (int64_t i = 0; i < chunksOf(access); ++i) {
      const Chunk &chunk = chunks[i];
      if (access == Access::Full) {
        raw.append(full(pointer, copied, i, chunk));
        continue;
      }
      Value offset = offsetOf(k, access, chunk.pixel, chunk.image, from.channels, chunk.channel);
      Value valid = access == Access::Channel ? chunk.channelValid : chunk.valid;
      raw.append(k.loadGuarded(valid, pointer, offset, from.width));
    }
    copied += access == Access::Full;
  }
  return raw;
}

Values Stager::load(Value at) {
  return gather(at, [&](TypedPointer pointer, int64_t, int64_t, const Chunk &chunk) {
    return k.loadGuarded(k.both(chunk.valid, from.on), pointer,
                         k.element(chunk.pixel, from.channels, chunk.channel), from.width);
  });
}

Values Stager::fetch(Value at, TypedPointer base) {
  return gather(at, [&](TypedPointer, int64_t copy, int64_t i, const Chunk &) {
    auto read = [&] {
      return k.loadChunk(from.place(k.at(base, copy * tileElements), i), from.width);
    };
    return from.on ? k.where(from.on, from.width, read) : read();
  });
}

Values Stager::finish(Value at, ValueRange raw, ArrayRef<Value> valid) {
  Values finished;
  for (int64_t i = 0; i < from.count; ++i) {
    for (int64_t lane = 0; lane < from.width; ++lane) {
      Values arguments;
      int64_t begin = 0;
      for (Access access : from.inputs.accesses) {
        int64_t index = access == Access::Channel ? 0 : i;
        arguments.push_back(raw[begin + index * from.width + lane]);
        begin += chunksOf(access) * from.width;
      }
      Value value = arguments[0];
      if (from.formula) {
        RandomSource random;
        if (from.hyper) {
          Chunk chunk = from.chunk(at, i);
          random = {from.hyper, k.add(k.element(chunk.pixel, from.channels, chunk.channel), lane)};
        }
        value = emitFormula(k, *from.formula, arguments, random)[0];
        if (valid[i])
          value = k.select(valid[i], value, k.number(0));
      }
      finished.push_back(rounds ? roundToTf32(k, value) : value);
    }
  }
  return finished;
}

void Stager::store(ValueRange values, TypedPointer base) {
  k.when(from.on, [&] {
    for (int64_t i = 0; i < from.count; ++i)
      k.storeChunk(values.slice(i * from.width, from.width), from.place(base, i));
  });
}

namespace {
/// Both operands through the stages of one product.
class Pipeline {
public:
  Pipeline(GpuEmitter &k, GpuTile &tile, kern::GpuScheduleAttr s, Value first,
           const StagedOperand &a, const StagedOperand &b)
      : k(k), tile(tile), s(s), first(first), a(k, a, tile, tile.aElements()),
        b(k, b, tile, tile.bElements()) {}
  Values runCopies(Value iterations);
  Values runThroughRegisters(Value iterations);

private:
  Value depthOf(Value i) { return k.add(first, k.mul(i, s.getDepth())); }
  int64_t stagesOfCopies() const;
  // Of copies.
  TypedPointer stage(Value i) {
    return k.at(memory, k.mul(k.rem(i, stages), a.elements() + b.elements()));
  }
  TypedPointer partOfB(TypedPointer stage) { return k.at(stage, a.elements()); }
  void issue(Value i, MutableArrayRef<Value> bits);

  GpuEmitter &k;
  GpuTile &tile;
  kern::GpuScheduleAttr s;
  Value first;
  Stager a, b;
  int64_t stages = 2;
  TypedPointer memory;
};
} // namespace

/// Two buffers: while one is multiplied, the next stage is on its way to registers.
Values Pipeline::runThroughRegisters(Value iterations) {
  int64_t elements = tile.aElements() + tile.bElements();
  memory = k.shared(2 * elements, tile.element());
  auto buffer = [&](Value index) { return k.at(memory, k.mul(index, elements)); };
  auto finished = [&](Stager &part, Value at) {
    return part.finish(at, part.load(at), part.validity(at));
  };
  auto store = [&](ValueRange ofA, ValueRange ofB, TypedPointer to) {
    a.store(ofA, to);
    b.store(ofB, k.at(to, tile.aElements()));
  };
  store(finished(a, first), finished(b, first), memory);
  k.barrier();
  return k.reduce(k.c(0), iterations, 1, tile.zeros(), [&](Value i, ValueRange accumulators) {
    Value current = arith::AndIOp::create(k.b, k.loc, i, k.c(1)), other = k.sub(k.c(1), current);
    // Past the end it reads zeros.
    Value next = depthOf(k.add(i, 1));
    TypedPointer from = buffer(current);
    Values ofA = finished(a, next), ofB = finished(b, next);
    Values product =
        tile.multiply(from, k.at(from, tile.aElements()), accumulators, 0, s.getDepth());
    store(ofA, ofB, buffer(other));
    k.barrier();
    return product;
  });
}

/// As many as shared memory should hold, and as one word's bits of validity reach.
int64_t Pipeline::stagesOfCopies() const {
  int64_t bytes = kern::elementBytes(tile.element()) * (a.elements() + b.elements());
  int64_t room = target::GpuFacts().stageBytes * s.getThreads() / kStageThreads / bytes;
  int64_t bits = 32 / std::max(a.count(), b.count()) + 1;
  return std::clamp<int64_t>(std::min(room, bits), 3, s.getStages());
}

/// Starts the copies of stage `i`. `bits`: of A's and B's stages that are on their way, the oldest
/// in the lowest bits; it leaves, and this one comes.
void Pipeline::issue(Value i, MutableArrayRef<Value> bits) {
  TypedPointer to = stage(i);
  Value added[] = {a.copy(depthOf(i), to), b.copy(depthOf(i), partOfB(to))};
  NVVM::CpAsyncCommitGroupOp::create(k.b, k.loc);
  int64_t counts[] = {a.count(), b.count()};
  for (int part = 0; part < 2; ++part) {
    if (!added[part])
      continue;
    Value older = arith::ShRUIOp::create(k.b, k.loc, bits[part], k.c(counts[part]));
    Value newest = arith::ShLIOp::create(k.b, k.loc, added[part], k.c(counts[part] * (stages - 2)));
    bits[part] = arith::OrIOp::create(k.b, k.loc, older, newest);
  }
}

/// A ring of stages; copies run stages - 1 ahead, prologues one.
Values Pipeline::runCopies(Value iterations) {
  stages = stagesOfCopies();
  memory = k.shared(stages * (a.elements() + b.elements()), tile.element());
  // All copies of this thread but those of the last `stages - 2` have landed.
  auto wait = [&] {
    NVVM::CpAsyncWaitGroupOp::create(k.b, k.loc, static_cast<uint32_t>(stages - 2));
  };
  // Both parts' loads, then what `between` does, then the arithmetic and the stores.
  auto finish = [&](Value i, ArrayRef<Value> bits, llvm::function_ref<void()> between) {
    Value at = depthOf(i);
    TypedPointer to = stage(i), places[] = {to, partOfB(to)};
    Stager *parts[] = {&a, &b};
    Values raw[2];
    for (int p = 0; p < 2; ++p)
      if (parts[p]->finishes())
        raw[p] = parts[p]->fetch(at, places[p]);
    between();
    for (int p = 0; p < 2; ++p)
      if (parts[p]->finishes())
        parts[p]->store(parts[p]->finish(at, raw[p], parts[p]->validity(at, bits[p])), places[p]);
  };
  bool finishes = a.finishes() || b.finishes();
  Values bits(2, k.c(0));
  for (int64_t i = 0; i < stages - 1; ++i)
    issue(k.c(i), bits);
  if (finishes) {
    wait();
    finish(k.c(0), bits, [] {});
  }
  Values carried = tile.zeros();
  size_t sums = carried.size();
  carried.append(bits);
  Values result = k.reduce(k.c(0), iterations, 1, carried, [&](Value i, ValueRange now) {
    Values product = llvm::to_vector(now.take_front(sums));
    Values running = llvm::to_vector(now.drop_front(sums));
    if (!finishes)
      wait();
    // Stage i is complete for all, and all have read stage i - 1, whose place is the next.
    k.barrier();
    issue(k.add(i, stages - 1), running);
    TypedPointer from = stage(i);
    auto multiply = [&](int64_t begin, int64_t end) {
      product = tile.multiply(from, partOfB(from), product, begin, end);
    };
    if (finishes) {
      // The prologue's loads and its arithmetic lie between the products of this stage.
      multiply(0, s.getDepth() / 2);
      wait();
      finish(k.add(i, 1), running, [&] { multiply(s.getDepth() / 2, s.getDepth()); });
    } else {
      multiply(0, s.getDepth());
    }
    product.append(running);
    return product;
  });
  NVVM::CpAsyncWaitGroupOp::create(k.b, k.loc, 0);
  k.barrier();
  result.truncate(sums);
  return result;
}

Values netc::cuda::runStages(GpuEmitter &k, GpuTile &tile, kern::GpuScheduleAttr s, Value first,
                             Value iterations, const StagedOperand &a, const StagedOperand &b) {
  // Without tensor cores a product is bound by its multiply-adds: copies where nothing is left to
  // do to them, in chunks of 16 bytes.
  auto plain = [](const StagedOperand &x) { return !x.formula && x.width == 4; };
  bool copies = k.features.asyncCopy && a.canCopy(tile.element()) && b.canCopy(tile.element()) &&
                (tile.isMma() || (plain(a) && plain(b)));
  Pipeline pipeline(k, tile, s, first, a, b);
  return copies ? pipeline.runCopies(iterations) : pipeline.runThroughRegisters(iterations);
}
