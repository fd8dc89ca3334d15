//===- DecodeControl.cpp - branches, calls, barriers, warp-wide -----------===//
#include "runtime/device/sim/Decoder.h"

using namespace netc::runtime::sim;

void Decoder::branch() {
  take("uni");
  operandCount(1, 1);
  if (operand(0).kind != OperandKind::Symbol)
    fail("expected a label");
  Instr instr;
  instr.kind = Kind::Branch;
  emit(instr, runNothing);
  frames.back()->jumps.push_back({uint32_t(program.code.size()) - 1, -1, 0, operand(0).name,
                                  statement->scope, statement->line});
}

void Decoder::branchIndex() {
  if (!take("idx"))
    fail("");
  take("uni");
  operandCount(2, 2);
  const Function &function = *frames.back()->function;
  const std::vector<std::string_view> *targets = nullptr;
  for (unsigned scope = statement->scope; !targets; scope = function.scopeParents[scope]) {
    if (auto found = function.branchTargets.find({scope, operand(1).name});
        found != function.branchTargets.end())
      targets = &found->second;
    else if (scope == 0)
      fail("no .branchtargets '" + std::string(operand(1).name) + "'");
  }
  Instr instr;
  instr.kind = Kind::BranchIndex;
  instr.op[0] = source(operand(0), 4);
  instr.target = uint32_t(program.branchTables.size());
  emit(instr, runNothing);
  program.branchTables.emplace_back(targets->size());
  for (size_t entry = 0; entry < targets->size(); ++entry)
    frames.back()->jumps.push_back({uint32_t(program.code.size()) - 1, int64_t(instr.target),
                                    uint32_t(entry), (*targets)[entry], statement->scope,
                                    statement->line});
}

/// `call (result), callee, (arguments);`: the callee's body in this place, with
/// its parameters where the arguments lie. A guarded call jumps around it.
void Decoder::call() {
  take("uni");
  operandCount(1, 3);
  size_t at = operand(0).kind == OperandKind::List ? 1 : 0;
  std::vector<Operand> results = at ? operand(0).items : std::vector<Operand>();
  if (at >= statement->operands.size() || operand(at).kind != OperandKind::Symbol)
    fail("only calls of named functions");
  std::string name(operand(at).name);
  std::vector<Operand> arguments;
  if (at + 1 < statement->operands.size())
    arguments = parts(operand(at + 1));
  const Function *callee = findFunction(name);
  if (!callee)
    fail("function '" + name + "' has no body in this module");
  if (callee->isEntry || callee->parameters.size() != arguments.size() ||
      callee->results.size() != results.size())
    fail("the arguments do not match function '" + name + "'");
  const Statement *outer = statement;
  Frame frame;
  frame.function = callee;
  auto bindAll = [&](const std::vector<Variable> &formal, const std::vector<Operand> &actual) {
    for (size_t index = 0; index < formal.size(); ++index) {
      std::optional<Place> place;
      if (actual[index].kind == OperandKind::Symbol)
        place = findPlace(actual[index].name);
      if (!place || !place->parameterOfCall)
        fail("arguments are variables in .param space");
      frame.variables[{0, formal[index].name}] = *place;
    }
  };
  bindAll(callee->parameters, arguments);
  bindAll(callee->results, results);
  std::optional<size_t> around;
  if (statement->guard >= 0) {
    Instr instr;
    instr.kind = Kind::Branch;
    Instr &jump = emit(instr, runNothing);
    jump.guardNegated = !jump.guardNegated;
    around = program.code.size() - 1;
  }
  body(frame);
  statement = outer;
  if (around)
    program.code[*around].target = uint32_t(program.code.size());
}

void Decoder::leave(bool isReturn) {
  take("uni");
  operandCount(0, 0);
  Instr instr;
  bool inlined = isReturn && frames.size() > 1;
  instr.kind = inlined ? Kind::Branch : Kind::Exit;
  emit(instr, runNothing);
  if (inlined)
    frames.back()->returns.push_back(uint32_t(program.code.size()) - 1);
}

void Decoder::trap() {
  operandCount(0, 0);
  Instr instr;
  instr.kind = Kind::Trap;
  emit(instr, runNothing);
}

/// op: number, count (0xffffffff: all threads), d, p
void Decoder::barrier(bool isBar) {
  take("cta");
  if (isBar && take("warp")) {
    if (!take("sync"))
      fail("");
    operandCount(1, 1);
    Instr instr;
    together(instr, operand(0));
    emit(instr, runWarpBarrier);
    return;
  }
  if (take("red"))
    return barrierReduction(isBar);
  Instr instr;
  instr.kind = Kind::Barrier;
  if (take("arrive"))
    instr.mode = uint8_t(BarrierOp::Arrive);
  else if (take("sync"))
    instr.mode = uint8_t(BarrierOp::Sync);
  else
    fail("");
  instr.flags = take("aligned") || isBar ? 1 : 0;
  bool arrives = BarrierOp(instr.mode) == BarrierOp::Arrive;
  operandCount(arrives ? 2 : 1, 2);
  instr.op[0] = source(operand(0), 4);
  instr.op[1] = statement->operands.size() > 1 ? source(operand(1), 4) : ~0u;
  emit(instr, runNothing);
}

void Decoder::barrierReduction(bool isBar) {
  Instr instr;
  instr.kind = Kind::Barrier;
  std::optional<BarrierOp> op = takeOneOf<BarrierOp>(
      {{"popc", BarrierOp::Popc}, {"and", BarrierOp::And}, {"or", BarrierOp::Or}});
  if (!op)
    fail("");
  instr.mode = uint8_t(*op);
  instr.flags = take("aligned") || isBar ? 1 : 0;
  Type type = takeType();
  operandCount(3, 4);
  size_t last = statement->operands.size() - 1;
  instr.op[0] = source(operand(1), 4);
  instr.op[1] = last == 3 ? source(operand(2), 4) : ~0u;
  if ((*op == BarrierOp::Popc) != (type == Type::U32) || (type != Type::U32 && type != Type::Pred))
    fail("not with these types");
  instr.op[2] = type == Type::U32 ? destination(operand(0), 4) : predicateDestination(operand(0));
  instr.op[3] = predicateSource(operand(last));
  emit(instr, runNothing);
}

void Decoder::together(Instr &instr, const Operand &members) {
  instr.kind = Kind::Together;
  instr.op[13] = source(members, 4);
}

void Decoder::shuffle() {
  if (!take("sync"))
    fail("only with .sync");
  std::optional<ShuffleMode> mode = takeOneOf<ShuffleMode>({{"up", ShuffleMode::Up},
                                                            {"down", ShuffleMode::Down},
                                                            {"bfly", ShuffleMode::Butterfly},
                                                            {"idx", ShuffleMode::Index}});
  if (!mode || takeType() != Type::B32)
    fail("");
  operandCount(5, 5);
  Instr instr;
  instr.op[0] = destination(operand(0), 4);
  instr.op[1] = operand(0).items.empty() ? 0 : predicateDestination(operand(0).items[0]);
  instr.op[2] = source(operand(1), 4);
  instr.op[3] = source(operand(2), 4);
  instr.op[4] = source(operand(3), 4);
  together(instr, operand(4));
  emit(instr, handlers.shuffle(*mode));
}

void Decoder::vote() {
  if (!take("sync"))
    fail("only with .sync");
  std::optional<VoteMode> mode = takeOneOf<VoteMode>({{"all", VoteMode::All},
                                                      {"any", VoteMode::Any},
                                                      {"uni", VoteMode::Uni},
                                                      {"ballot", VoteMode::Ballot}});
  Type type = takeType();
  if (!mode || (type == Type::B32) != (*mode == VoteMode::Ballot) ||
      (type != Type::B32 && type != Type::Pred))
    fail("");
  operandCount(3, 3);
  Instr instr;
  instr.op[0] = type == Type::B32 ? destination(operand(0), 4) : predicateDestination(operand(0));
  instr.op[1] = predicateSource(operand(1));
  together(instr, operand(2));
  emit(instr, handlers.vote(*mode));
}

void Decoder::match() {
  bool all = take("all");
  if (!(all || take("any")) || !take("sync"))
    fail("");
  Type type = takeType();
  operandCount(3, 3);
  Instr instr;
  instr.op[0] = destination(operand(0), 4);
  instr.op[1] = all && !operand(0).items.empty() ? predicateDestination(operand(0).items[0]) : 0;
  instr.op[2] = source(operand(1), typeBytes(type));
  together(instr, operand(2));
  emit(instr, handlers.match(type, all));
}

void Decoder::reduce() {
  requireChip(80);
  if (!take("sync"))
    fail("");
  std::optional<Op> op = takeOneOf<Op>({{"add", Op::Add},
                                        {"min", Op::Min},
                                        {"max", Op::Max},
                                        {"and", Op::And},
                                        {"or", Op::Or},
                                        {"xor", Op::Xor}});
  if (!op)
    fail("no operation that is known");
  Type type = takeType();
  operandCount(3, 3);
  Instr instr;
  instr.op[0] = destination(operand(0), 4);
  instr.op[1] = source(operand(1), 4);
  together(instr, operand(2));
  emit(instr, handlers.reduce(*op, type));
}

void Decoder::activeMask() {
  if (takeType() != Type::B32)
    fail("");
  operandCount(1, 1);
  Instr instr;
  instr.op[0] = destination(operand(0), 4);
  emit(instr, runActiveMask);
}

void Decoder::loadMatrix() {
  requireChip(75);
  if (!take("sync") || !take("aligned") || !take("m8n8"))
    fail("");
  unsigned count = take("x4") ? 4 : take("x2") ? 2 : take("x1") ? 1 : 0;
  bool transposed = take("trans");
  Space space = takeSpace();
  if (!count || takeType() != Type::B16 || (space != Space::Shared && space != Space::Generic))
    fail("");
  operandCount(2, 2);
  std::vector<Operand> items = parts(operand(0));
  if (items.size() != count)
    fail("it names " + std::to_string(items.size()) + " registers, expected " +
         std::to_string(count));
  Instr instr;
  instr.kind = Kind::AllTogether;
  for (unsigned part = 0; part < count; ++part)
    instr.op[part] = destination(items[part], 4);
  instr.op[count] = address(operand(1), space, instr);
  instr.mode = space == Space::Generic;
  if (space != Space::Shared && space != Space::Generic)
    fail("from shared memory only");
  emit(instr, handlers.loadMatrix(count, transposed));
}

void Decoder::multiplyMatrix() {
  if (!take("sync") || !take("aligned") || !take("row") || !take("col"))
    fail("");
  unsigned k = take("m16n8k4") ? 4 : take("m16n8k8") ? 8 : take("m16n8k16") ? 16 : 0;
  Type d = takeType(), a = takeType(), b = takeType(), c = takeType();
  if (!k || d != Type::F32 || c != Type::F32 || a != b || (k == 16 && a == Type::TF32) ||
      (k == 4 && a != Type::TF32))
    fail(
        "only m16n8k4 and m16n8k8 of tf32, m16n8k8 and m16n8k16 of f16 and bf16, with sums in f32");
  requireChip(a == Type::F16 && k == 8 ? 75 : 80);
  operandCount(4, 4);
  unsigned perRegister = a == Type::TF32 ? 1 : 2;
  const unsigned counts[4] = {4, k / 2 / perRegister, k / 4 / perRegister, 4};
  Instr instr;
  instr.kind = Kind::AllTogether;
  unsigned at = 0;
  for (size_t index = 0; index < 4; ++index) {
    std::vector<Operand> items = parts(operand(index));
    if (items.size() != counts[index])
      fail("operand " + std::to_string(index) + " names " + std::to_string(items.size()) +
           " registers, expected " + std::to_string(counts[index]));
    for (const Operand &item : items)
      instr.op[at++] = index == 0 ? destination(item, 4) : source(item, 4);
  }
  emit(instr, handlers.multiplyMatrix(k, a));
}
