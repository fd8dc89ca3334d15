//===- Decode.cpp - frames, calls inlined, labels -------------------------===//
#include "runtime/device/sim/Decoder.h"

#include <algorithm>

using namespace netc::runtime::sim;

namespace {
constexpr unsigned maximumCallDepth = 16;
constexpr size_t maximumInstructions = size_t(1) << 22;
constexpr uint64_t maximumSharedBytes = uint64_t(1) << 24, maximumLocalBytes = uint64_t(512) << 10;
} // namespace

static uint64_t alignUp(uint64_t value, uint64_t align) {
  return (value + align - 1) & ~(align - 1);
}

Program netc::runtime::sim::decodeEntry(const Module &module, const Function &entry,
                                        const GlobalAddresses &globals,
                                        const HandlerTable &handlers) {
  return Decoder(module, globals, handlers).run(entry);
}

const Function *Decoder::findFunction(std::string_view name) const {
  for (const Function &function : module.functions)
    if (function.name == name)
      return &function;
  return nullptr;
}

void Decoder::placeSharedVariable(const Variable &variable) {
  if (variable.space != Space::Shared || sharedOffsets.count(variable.name))
    return;
  if (variable.external || variable.bytes == 0) {
    program.usesDynamicShared = true;
    return; // behind the static ones: dynamicShared()
  }
  if (variable.bytes > maximumSharedBytes)
    throw PtxError(variable.line, "'" + std::string(variable.name) +
                                      "' needs more shared memory than any chip has");
  uint64_t offset = alignUp(program.staticSharedBytes, variable.align);
  sharedOffsets[variable.name] = offset;
  program.staticSharedBytes = offset + variable.bytes;
}

/// Shared variables that the function and its callees name have one place each.
void Decoder::placeShared(const Function &function, std::set<std::string_view> &seen,
                          unsigned depth) {
  if (!seen.insert(function.name).second || depth > maximumCallDepth)
    return;
  for (const Variable &variable : function.variables)
    placeSharedVariable(variable);
  std::set<std::string_view> named;
  for (const Statement &each : function.body)
    for (const Operand &operand : each.operands)
      if (operand.kind == OperandKind::Symbol ||
          (operand.kind == OperandKind::Address && !operand.baseIsRegister))
        named.insert(operand.name);
  for (const Variable &variable : module.variables)
    if (named.count(variable.name))
      placeSharedVariable(variable);
  for (std::string_view name : named)
    if (const Function *callee = findFunction(name))
      placeShared(*callee, seen, depth + 1);
}

/// Dynamic shared memory begins behind the static one, aligned as it asks for.
void Decoder::dynamicShared() {
  uint64_t align = 16;
  std::vector<const Variable *> dynamic;
  auto look = [&](const Variable &variable) {
    if (variable.space != Space::Shared || !(variable.external || variable.bytes == 0))
      return;
    align = std::max(align, variable.align);
    dynamic.push_back(&variable);
  };
  for (const Variable &variable : module.variables)
    look(variable);
  if (!program.usesDynamicShared)
    return;
  program.staticSharedBytes = alignUp(program.staticSharedBytes, align);
  for (const Variable *variable : dynamic)
    sharedOffsets[variable->name] = program.staticSharedBytes;
}

Program Decoder::run(const Function &entry) {
  program.name = std::string(entry.name);
  program.module = &module;
  program.requiredThreads = entry.requiredThreads;
  program.maximumThreads = entry.maximumThreads;
  std::set<std::string_view> seen;
  placeShared(entry, seen, 0);
  dynamicShared();
  Frame frame;
  frame.function = &entry;
  for (const Variable &parameter : entry.parameters) {
    program.parameterBytes = alignUp(program.parameterBytes, parameter.align);
    frame.variables[{0, parameter.name}] = {Space::Param, program.parameterBytes, false};
    program.parameters.emplace_back(program.parameterBytes, parameter.bytes);
    program.parameterBytes += parameter.bytes;
    if (program.parameterBytes > 32764)
      throw PtxError(parameter.line, "more than 32764 bytes of parameters");
  }
  hasMatrices = module.text.find("wgmma") != std::string::npos;
  body(frame);
  watchRegisters();
  Instr end;
  end.kind = Kind::Exit;
  end.run = runNothing;
  program.code.push_back(end);
  program.details.push_back({entry.line, 0, 0});
  program.localBytes = alignUp(program.localBytes, 16);
  return std::move(program);
}

/// Gives registers and variables of the frame their places.
void Decoder::bind(Frame &frame) {
  frame.slots.reserve(frame.function->registers.size());
  for (const Register &each : frame.function->registers)
    frame.slots.push_back(each.bytes ? newSlot(each.bytes) : program.predicates++);
  for (const Variable &variable : frame.function->variables) {
    if (variable.space == Space::Shared)
      continue;
    uint64_t offset = alignUp(program.localBytes, variable.align);
    program.localBytes = offset + variable.bytes;
    if (variable.bytes > maximumLocalBytes || program.localBytes > maximumLocalBytes)
      throw PtxError(variable.line, "more than 512 KiB of local memory a thread");
    frame.variables[{variable.scope, variable.name}] = {Space::Local, offset,
                                                        variable.space == Space::Param};
  }
}

void Decoder::body(Frame &frame) {
  if (frames.size() >= maximumCallDepth)
    throw PtxError(frame.function->line, "calls nested deeper than 16");
  for (const Frame *outer : frames)
    if (outer->function == frame.function)
      throw PtxError(frame.function->line, "'" + std::string(frame.function->name) +
                                               "' calls itself: recursion is not simulated");
  frames.push_back(&frame);
  bind(frame);
  for (const Statement &each : frame.function->body) {
    frame.pcOf.push_back(uint32_t(program.code.size()));
    decode(each);
    if (program.code.size() > maximumInstructions)
      throw PtxError(each.line, "more than 2^22 instructions after calls were inlined");
  }
  frame.pcOf.push_back(uint32_t(program.code.size()));
  resolve(frame);
  frames.pop_back();
}

uint32_t Decoder::labelTarget(const Frame &frame, unsigned scope, std::string_view label,
                              unsigned line) const {
  for (;;) {
    auto found = frame.function->labels.find({scope, label});
    if (found != frame.function->labels.end())
      return frame.pcOf[found->second];
    if (scope == 0)
      throw PtxError(line, "no label '" + std::string(label) + "'");
    scope = frame.function->scopeParents[scope];
  }
}

void Decoder::resolve(Frame &frame) {
  for (const Frame::Jump &jump : frame.jumps) {
    uint32_t target = labelTarget(frame, jump.scope, jump.label, jump.line);
    if (jump.table < 0)
      program.code[jump.instr].target = target;
    else
      program.branchTables[size_t(jump.table)][jump.entry] = target;
  }
  for (uint32_t instr : frame.returns)
    program.code[instr].target = uint32_t(program.code.size());
}

void Decoder::decode(const Statement &each) {
  using Action = void (*)(Decoder &);
  static const std::map<std::string_view, Action> actions = {
      {"add", [](Decoder &d) { d.arithmetic(Op::Add); }},
      {"sub", [](Decoder &d) { d.arithmetic(Op::Sub); }},
      {"mul", [](Decoder &d) { d.multiply(); }},
      {"mad", [](Decoder &d) { d.multiplyAdd(); }},
      {"fma", [](Decoder &d) { d.multiplyAdd(); }},
      {"div", [](Decoder &d) { d.arithmetic(Op::Div); }},
      {"rem", [](Decoder &d) { d.arithmetic(Op::Rem); }},
      {"min", [](Decoder &d) { d.arithmetic(Op::Min); }},
      {"max", [](Decoder &d) { d.arithmetic(Op::Max); }},
      {"abs", [](Decoder &d) { d.arithmetic(Op::Abs); }},
      {"neg", [](Decoder &d) { d.arithmetic(Op::Neg); }},
      {"sad", [](Decoder &d) { d.arithmetic(Op::Sad); }},
      {"copysign", [](Decoder &d) { d.arithmetic(Op::CopySign); }},
      {"rcp", [](Decoder &d) { d.realFunction(Op::Rcp); }},
      {"sqrt", [](Decoder &d) { d.realFunction(Op::Sqrt); }},
      {"rsqrt", [](Decoder &d) { d.realFunction(Op::Rsqrt); }},
      {"sin", [](Decoder &d) { d.realFunction(Op::Sin); }},
      {"cos", [](Decoder &d) { d.realFunction(Op::Cos); }},
      {"lg2", [](Decoder &d) { d.realFunction(Op::Lg2); }},
      {"ex2", [](Decoder &d) { d.realFunction(Op::Ex2); }},
      {"tanh", [](Decoder &d) { d.realFunction(Op::Tanh); }},
      {"and", [](Decoder &d) { d.logic(Op::And); }},
      {"or", [](Decoder &d) { d.logic(Op::Or); }},
      {"xor", [](Decoder &d) { d.logic(Op::Xor); }},
      {"not", [](Decoder &d) { d.logic(Op::Not); }},
      {"cnot", [](Decoder &d) { d.logic(Op::LogicalNot); }},
      {"shl", [](Decoder &d) { d.shift(Op::Shl); }},
      {"shr", [](Decoder &d) { d.shift(Op::Shr); }},
      {"shf", [](Decoder &d) { d.funnelShift(); }},
      {"popc", [](Decoder &d) { d.countBits(Op::Popc); }},
      {"clz", [](Decoder &d) { d.countBits(Op::Clz); }},
      {"brev", [](Decoder &d) { d.countBits(Op::Brev); }},
      {"bfind", [](Decoder &d) { d.findBit(); }},
      {"bfe", [](Decoder &d) { d.extractBits(); }},
      {"bfi", [](Decoder &d) { d.insertBits(); }},
      {"prmt", [](Decoder &d) { d.permute(); }},
      {"lop3", [](Decoder &d) { d.lop3(); }},
      {"setp", [](Decoder &d) { d.setPredicate(); }},
      {"set", [](Decoder &d) { d.setRegister(); }},
      {"selp", [](Decoder &d) { d.select(); }},
      {"slct", [](Decoder &d) { d.selectSign(); }},
      {"cvt", [](Decoder &d) { d.convert(); }},
      {"mov", [](Decoder &d) { d.move(); }},
      {"cvta", [](Decoder &d) { d.convertAddress(); }},
      {"ld", [](Decoder &d) { d.loadStore(true); }},
      {"ldu", [](Decoder &d) { d.loadStore(true); }},
      {"st", [](Decoder &d) { d.loadStore(false); }},
      {"atom", [](Decoder &d) { d.atomic(true); }},
      {"red", [](Decoder &d) { d.atomic(false); }},
      {"cp", [](Decoder &d) { d.asyncCopy(); }},
      {"membar", [](Decoder &d) { d.fence(); }},
      {"fence", [](Decoder &d) { d.fence(); }},
      {"prefetch", [](Decoder &d) { d.noEffect(); }},
      {"prefetchu", [](Decoder &d) { d.noEffect(); }},
      {"nanosleep", [](Decoder &d) { d.noEffect(); }},
      {"griddepcontrol", [](Decoder &d) { d.noEffect(); }},
      {"bra", [](Decoder &d) { d.branch(); }},
      {"brx", [](Decoder &d) { d.branchIndex(); }},
      {"call", [](Decoder &d) { d.call(); }},
      {"ret", [](Decoder &d) { d.leave(true); }},
      {"exit", [](Decoder &d) { d.leave(false); }},
      {"trap", [](Decoder &d) { d.trap(); }},
      {"bar", [](Decoder &d) { d.barrier(true); }},
      {"barrier", [](Decoder &d) { d.barrier(false); }},
      {"shfl", [](Decoder &d) { d.shuffle(); }},
      {"vote", [](Decoder &d) { d.vote(); }},
      {"match", [](Decoder &d) { d.match(); }},
      {"redux", [](Decoder &d) { d.reduce(); }},
      {"activemask", [](Decoder &d) { d.activeMask(); }},
      {"ldmatrix", [](Decoder &d) { d.loadMatrix(); }},
      {"mma", [](Decoder &d) { d.multiplyMatrix(); }},
      {"mbarrier", [](Decoder &d) { d.memoryBarrier(); }},
      {"elect", [](Decoder &d) { d.elect(); }},
      {"setmaxnreg", [](Decoder &d) { d.setMaximumRegisters(); }},
      {"wgmma", [](Decoder &d) { d.warpgroupMatrix(); }},
  };
  statement = &each;
  words = each.modifiers;
  named.clear();
  auto found = actions.find(each.opcode);
  if (found == actions.end())
    fail("");
  found->second(*this);
}
