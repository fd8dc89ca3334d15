//===- DecodeAsync.cpp - mbarriers and warpgroups -------------------------===//
#include "runtime/device/sim/Decoder.h"
#include "runtime/device/sim/MemoryBarriers.h"
#include "runtime/device/sim/TensorMap.h"
#include "runtime/device/sim/WarpgroupMatrix.h"

#include <algorithm>

using namespace netc::runtime::sim;

/// Ordering and scope: lanes of a block see memory in order.
static constexpr std::string_view orders[] = {"relaxed", "acquire", "release", "cta", "cluster"};

/// Instructions of one chip's own instruction set (.target sm_90a).
void Decoder::requireAccelerated(unsigned chip) const {
  if (!module.accelerated || module.chip != chip)
    fail("it needs .target sm_" + std::to_string(chip) + "a");
}

/// op: result, address, count, bytes or what is waited for.
void Decoder::memoryBarrier() {
  requireChip(80);
  for (std::string_view word : orders)
    take(word);
  Instr instr;
  std::optional<MemoryBarrierOp> op =
      takeOneOf<MemoryBarrierOp>({{"init", MemoryBarrierOp::Init},
                                  {"inval", MemoryBarrierOp::Invalidate},
                                  {"arrive", MemoryBarrierOp::Arrive},
                                  {"test_wait", MemoryBarrierOp::Wait},
                                  {"try_wait", MemoryBarrierOp::Wait}});
  bool expects = take("expect_tx");
  if (expects && (!op || *op == MemoryBarrierOp::Arrive)) {
    requireChip(90);
    op = op ? MemoryBarrierOp::ArriveExpect : MemoryBarrierOp::Expect;
  }
  if (!op)
    fail("");
  Space space = takeSpace();
  bool parity = take("parity");
  if (takeType() != Type::B64 || (space != Space::Shared && space != Space::Generic))
    fail("");
  instr.mode = uint8_t(*op);
  size_t at = 0;
  bool returns = *op == MemoryBarrierOp::Arrive || *op == MemoryBarrierOp::ArriveExpect;
  bool waits = *op == MemoryBarrierOp::Wait;
  bool needsThree = waits || *op == MemoryBarrierOp::ArriveExpect;
  operandCount(needsThree ? 3 : *op == MemoryBarrierOp::Invalidate ? 1 : 2, 4);
  if (returns) {
    bool ignored = operand(at).kind == OperandKind::Sink;
    instr.op[0] = ignored ? ~0u : destination(operand(at), 8);
    ++at;
  } else if (waits) {
    instr.op[0] = predicateDestination(operand(at++));
    instr.kind = Kind::Poll;
  }
  instr.op[1] = address(operand(at++), space, instr);
  if (waits && !parity) {
    instr.op[2] = source(operand(at++), 8);
  } else if (*op != MemoryBarrierOp::Invalidate) {
    instr.flags |= parity ? flagParity : 0;
    instr.op[2] = at < statement->operands.size() ? source(operand(at++), 4) : constant(1, 4);
  }
  emit(instr, runMemoryBarrier); // a time limit of try_wait changes nothing
}

void Decoder::bulkCopy() {
  requireChip(90);
  if (take("tensor"))
    return tensorCopy();
  Instr instr;
  if (take("commit_group")) {
    operandCount(0, 0);
    emit(instr, runBulkCommit);
    return;
  }
  if (!take("wait_group"))
    fail("only of tensors");
  take("read");
  operandCount(1, 1);
  instr.offset = integerOperand(operand(0), "the number of groups");
  emit(instr, runBulkWait);
}

/// One of the addresses of a bulk copy; see TensorCopies.cpp.
void Decoder::placeOfCopy(Instr &instr, unsigned index, const Operand &operand, Space space) {
  Instr part;
  instr.op[index] = address(operand, space, part);
  if (int64_t(part.offset) != int32_t(part.offset))
    fail("an offset beyond 32 bits");
  instr.op[8 + index] = uint32_t(part.offset);
  instr.op[13] |= uint32_t(part.addressBytes) << (8 * index);
}

/// cp.async.bulk.tensor.Nd.shared::cluster.global.tile.mbarrier::complete_tx::bytes [to], [map,
/// {coordinates}], [mbarrier], or .global.shared::cta.tile.bulk_group [map, {coordinates}], [from].
void Decoder::tensorCopy() {
  unsigned rank = 0;
  for (unsigned count = 1; count <= maximumRank && !rank; ++count)
    rank = take(std::to_string(count) + "d") ? count : 0;
  take("tile");
  bool stores = take("bulk_group"), loads = take("mbarrier::complete_tx::bytes");
  bool shared = take("shared::cta") || take("shared::cluster");
  if (!rank || stores == loads || !shared || !take("global"))
    fail("only tiles, between global memory and the block's own shared memory");
  operandCount(stores ? 2 : 3, stores ? 2 : 3);
  Instr instr;
  instr.count = uint8_t(rank);
  const Operand &map = operand(stores ? 0 : 1);
  placeOfCopy(instr, 0, operand(stores ? 1 : 0), Space::Shared);
  placeOfCopy(instr, 1, map, Space::Generic);
  if (loads)
    placeOfCopy(instr, 2, operand(2), Space::Shared);
  if (map.items.size() != rank)
    fail("it has " + std::to_string(map.items.size()) + " coordinates, expected " +
         std::to_string(rank));
  for (unsigned axis = 0; axis < rank; ++axis)
    instr.op[3 + axis] = source(map.items[axis], 4);
  emit(instr, loads ? runTensorLoad : runTensorStore);
}

/// The lowest lane of the mask.
void Decoder::elect() {
  requireChip(90);
  if (!take("sync"))
    fail("");
  operandCount(2, 2);
  Instr instr;
  instr.op[0] = destination(operand(0), 4);
  instr.op[1] = operand(0).items.empty() ? 0 : predicateDestination(operand(0).items[0]);
  together(instr, operand(1));
  emit(instr, runElect);
}

/// PTX ISA 9.7.19.5. How many registers there are is ptxas's to say: only the count is checked.
void Decoder::setMaximumRegisters() {
  requireAccelerated(90);
  if (!(take("inc") || take("dec")) || !take("sync") || !take("aligned") || takeType() != Type::U32)
    fail("");
  operandCount(1, 1);
  uint32_t count = integerOperand(operand(0), "the number of registers");
  if (count < 24 || count > 256 || count % 8)
    fail(std::to_string(count) + " registers, expected a multiple of 8 from 24 to 256");
  Instr instr;
  instr.kind = Kind::AllTogether;
  emit(instr, runNothing);
}

void Decoder::warpgroupMatrix() {
  requireAccelerated(90);
  if (!take("sync") || !take("aligned"))
    fail("");
  Instr instr;
  instr.kind = Kind::AllTogether;
  if (take("mma_async"))
    return multiplyWarpgroup(instr);
  Handler run = take("fence")          ? runMatrixFence
                : take("commit_group") ? runMatrixCommit
                : take("wait_group")   ? runMatrixWait
                                       : nullptr;
  if (!run)
    fail("");
  bool waits = run == runMatrixWait;
  operandCount(waits, waits);
  if (waits)
    instr.offset = integerOperand(operand(0), "the number of groups");
  emit(instr, run);
}

/// wgmma.mma_async.sync.aligned.m64nNk16.f32.T.T sums, A, B's descriptor, scale-d, signs of A and
/// B, transpositions.
void Decoder::multiplyWarpgroup(Instr instr) {
  unsigned columns = 0;
  for (unsigned count = 8; count <= 256 && !columns; count += 8)
    columns = take("m64n" + std::to_string(count) + "k16") ? count : 0;
  Type d = takeType(), a = takeType(), b = takeType();
  if (!columns || d != Type::F32 || a != b || (a != Type::BF16 && a != Type::F16))
    fail("only m64nNk16 of f16 and bf16, N a multiple of 8 up to 256, with sums in f32");
  bool registers = statement->operands.size() > 1 && operand(1).kind == OperandKind::List;
  operandCount(registers ? 7 : 8, registers ? 7 : 8);
  auto flag = [&](size_t index, uint64_t yes, uint64_t no, uint8_t bit) {
    const Operand &value = operand(index);
    if (value.kind != OperandKind::Integer || (value.bits != yes && value.bits != no))
      fail("operand " + std::to_string(index) + " is not one of the numbers it may be");
    instr.mode |= value.bits == yes ? bit : 0;
  };
  flag(4, uint64_t(-1), 1, matrixNegateA);
  flag(5, uint64_t(-1), 1, matrixNegateB);
  if (!registers)
    flag(6, 1, 0, matrixTransposeA);
  flag(registers ? 6 : 7, 1, 0, matrixTransposeB);
  instr.mode |= registers ? matrixRegisters : 0;
  instr.count = uint8_t(columns / 8);
  instr.target = uint32_t(program.wideOperands.size());
  auto list = [&](size_t index, size_t count) {
    std::vector<Operand> items = parts(operand(index));
    if (items.size() != count)
      fail("operand " + std::to_string(index) + " names " + std::to_string(items.size()) +
           " registers, expected " + std::to_string(count));
    for (const Operand &item : items)
      program.wideOperands.push_back(destination(item, 4));
  };
  list(0, columns / 2);
  if (registers)
    list(1, 4);
  else
    instr.op[1] = source(operand(1), 8);
  instr.op[0] = source(operand(2), 8);
  instr.op[2] = predicateSource(operand(3));
  named.clear(); // its registers follow rules of their own
  emit(instr, handlers.multiplyWarpgroup(a));
}

/// Finds the instructions that name registers of some wgmma: they are checked when they run.
void Decoder::watchRegisters() {
  if (program.wideOperands.empty())
    return;
  std::map<uint32_t, uint32_t> numbers;
  for (uint32_t slot : program.wideOperands)
    program.wideNumbers.push_back(
        numbers.try_emplace(slot, uint32_t(numbers.size())).first->second);
  program.watchedRegisters = uint32_t(numbers.size());
  program.watched.emplace_back(); // number 0 is none
  for (size_t pc = 0; pc < namedBy.size(); ++pc) {
    std::vector<uint32_t> own;
    for (uint32_t slot : namedBy[pc])
      if (auto found = numbers.find(slot); found != numbers.end())
        own.push_back(found->second);
    if (own.empty())
      continue;
    Instr &instr = program.code[pc];
    instr.watch = uint32_t(program.watched.size());
    program.watched.push_back(std::move(own));
    if (instr.kind == Kind::Plain)
      instr.kind = Kind::Watched;
  }
}
