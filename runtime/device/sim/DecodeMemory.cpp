//===- DecodeMemory.cpp - ld, st, atom, red, cp.async ---------------------===//
#include "runtime/device/sim/Decoder.h"
#include "runtime/device/sim/MemoryBarriers.h"

using namespace netc::runtime::sim;

void Decoder::loadStore(bool isLoad) {
  // Caching and ordering change nothing here: lanes and blocks see memory in order.
  for (std::string_view word : {"volatile", "relaxed", "acquire", "release", "weak", "cta", "gpu",
                                "sys", "ca", "cg", "cs", "lu", "cv", "wb", "wt", "nc"})
    take(word);
  takePrefix("L1::");
  takePrefix("L2::");
  Space space = takeSpace();
  unsigned count = take("v2") ? 2 : take("v4") ? 4 : 1;
  Type type = takeType();
  operandCount(2, 2);
  Instr instr;
  instr.count = uint8_t(count);
  const Operand &values = operand(isLoad ? 0 : 1);
  std::vector<Operand> items = parts(values);
  if (items.size() != count || (count > 1) != (values.kind == OperandKind::List))
    fail("it names " + std::to_string(items.size()) + " registers, expected " +
         std::to_string(count));
  unsigned bytes = typeBytes(type);
  if (!bytes || bytes * count > 16)
    fail("not with these types");
  Space asked = space;
  uint32_t slot = address(operand(isLoad ? 1 : 0), space, instr);
  unsigned width = 0;
  for (const Operand &item : items) // the registers have one width, at least the type's
    if (item.kind == OperandKind::Register)
      width = std::max(width, unsigned(frames.back()->function->registers[item.index].bytes));
  if (width == 0)
    width = std::max(2u, bytes);
  if (width < bytes || width > 8)
    fail("registers of " + std::to_string(8 * width) + " bits for elements of " +
         std::to_string(8 * bytes));
  unsigned first = isLoad ? 0 : 1;
  for (unsigned part = 0; part < count; ++part)
    instr.op[first + part] = isLoad ? destination(items[part], width) : source(items[part], width);
  instr.op[isLoad ? count : 0] = slot;
  instr.window = uint16_t(nextWindow++ % 64);
  if (!isLoad && asked == Space::Const)
    fail("constant memory is read only");
  emit(instr, isLoad ? handlers.load(space, type, width, count)
                     : handlers.store(space, type, width, count));
}

void Decoder::atomic(bool returns) {
  if (take("async"))
    fail("");
  for (std::string_view word : {"relaxed", "acquire", "release", "acq_rel", "cta", "gpu", "sys"})
    take(word);
  Space space = takeSpace();
  std::optional<Op> op = takeOneOf<Op>({{"add", Op::Add},
                                        {"min", Op::Min},
                                        {"max", Op::Max},
                                        {"and", Op::And},
                                        {"or", Op::Or},
                                        {"xor", Op::Xor},
                                        {"exch", Op::Exchange},
                                        {"cas", Op::CompareExchange},
                                        {"inc", Op::Increment},
                                        {"dec", Op::Decrement}});
  if (!op)
    fail("no operation that is known");
  Type type = takeType();
  unsigned bytes = typeBytes(type);
  size_t operands = (returns ? 3 : 2) + (*op == Op::CompareExchange);
  operandCount(operands, operands);
  Instr instr;
  size_t at = 0;
  if (returns)
    instr.op[0] = destination(operand(at++), bytes);
  instr.op[1] = address(operand(at++), space, instr);
  instr.op[2] = source(operand(at++), bytes);
  if (*op == Op::CompareExchange)
    instr.op[3] = source(operand(at++), bytes);
  instr.window = uint16_t(nextWindow++ % 64);
  emit(instr, handlers.atomic(space, *op, type, returns));
}

void Decoder::asyncCopy() {
  if (!take("async"))
    fail("");
  requireChip(80);
  if (take("bulk"))
    return bulkCopy();
  Instr instr;
  if (take("commit_group")) {
    operandCount(0, 0);
    emit(instr, runCommitCopies);
    return;
  }
  if (take("wait_all")) {
    operandCount(0, 0);
    instr.mode = 1; // commits, too
    emit(instr, runWaitCopies);
    return;
  }
  if (take("wait_group")) {
    operandCount(1, 1);
    instr.offset = integerOperand(operand(0), "the number of groups");
    emit(instr, runWaitCopies);
    return;
  }
  bool onlyL2 = take("cg");
  if (!onlyL2 && !take("ca"))
    fail("");
  if ((!take("shared") && !take("shared::cta")) || !take("global"))
    fail("from global to shared memory only");
  takePrefix("L2::");
  operandCount(3, 4);
  uint32_t size = integerOperand(operand(2), "the size");
  if (size != 16 && (onlyL2 || (size != 4 && size != 8)))
    fail("a size of " + std::to_string(size) + " bytes");
  Space shared = Space::Shared, global = Space::Global;
  Instr from;
  instr.op[0] = address(operand(0), shared, instr);
  instr.op[1] = address(operand(1), global, from);
  instr.op[3] = uint32_t(instr.offset);
  instr.op[4] = uint32_t(from.offset);
  if (int64_t(instr.offset) != int32_t(instr.offset) ||
      int64_t(from.offset) != int32_t(from.offset))
    fail("an offset beyond 32 bits");
  instr.mode = from.addressBytes;
  instr.offset = size;
  if (statement->operands.size() == 4) {
    instr.flags |= flagSized;
    instr.op[2] = source(operand(3), 4);
  }
  instr.window = uint16_t(nextWindow++ % 64);
  emit(instr, handlers.copyAsync());
}

void Decoder::fence() {
  Handler run = runFence;
  if (take("proxy")) { // generic and asynchronous accesses of one address
    requireChip(90);
    if (!take("async"))
      fail("only .proxy.async");
    take("global"), take("shared::cta"), take("shared::cluster");
    run = runAsyncFence;
  } else if (take("mbarrier_init")) {
    requireChip(90);
    run = runBarrierInitFence;
  }
  for (std::string_view word :
       {"sc", "acq_rel", "acquire", "release", "cta", "cluster", "gl", "gpu", "sys"})
    take(word);
  operandCount(0, 0);
  emit(Instr(), run);
}

/// Hints of timing and caching.
void Decoder::noEffect() {
  words.clear();
  emit(Instr(), runNothing);
}
