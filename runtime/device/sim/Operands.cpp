//===- Operands.cpp - operands to slots, modifiers ------------------------===//
#include "runtime/device/sim/Decoder.h"

#include <algorithm>
#include <cstring>

using namespace netc::runtime::sim;

unsigned netc::runtime::sim::typeBytes(Type type) {
  switch (type) {
  case Type::B8:
  case Type::U8:
  case Type::S8:
    return 1;
  case Type::B16:
  case Type::U16:
  case Type::S16:
  case Type::F16:
  case Type::BF16:
    return 2;
  case Type::B32:
  case Type::U32:
  case Type::S32:
  case Type::F32:
  case Type::F16x2:
  case Type::BF16x2:
  case Type::TF32:
    return 4;
  case Type::B64:
  case Type::U64:
  case Type::S64:
  case Type::F64:
    return 8;
  case Type::B128:
    return 16;
  case Type::None:
  case Type::Pred:
    return 0;
  }
  return 0;
}

std::optional<Type> netc::runtime::sim::typeNamed(std::string_view name) {
  static const std::map<std::string_view, Type> types = {
      {"b8", Type::B8},         {"b16", Type::B16},   {"b32", Type::B32},     {"b64", Type::B64},
      {"b128", Type::B128},     {"u8", Type::U8},     {"u16", Type::U16},     {"u32", Type::U32},
      {"u64", Type::U64},       {"s8", Type::S8},     {"s16", Type::S16},     {"s32", Type::S32},
      {"s64", Type::S64},       {"f16", Type::F16},   {"f16x2", Type::F16x2}, {"bf16", Type::BF16},
      {"bf16x2", Type::BF16x2}, {"tf32", Type::TF32}, {"f32", Type::F32},     {"f64", Type::F64},
      {"pred", Type::Pred}};
  auto found = types.find(name);
  return found == types.end() ? std::nullopt : std::optional<Type>(found->second);
}

void Decoder::fail(const std::string &why) const {
  std::string name(statement->opcode);
  for (std::string_view word : statement->modifiers)
    name += "." + std::string(word);
  throw PtxError(statement->line,
                 "instruction '" + name + "' is not simulated" + (why.empty() ? "" : ": " + why));
}

/// The .target of the module must have the instruction.
void Decoder::requireChip(unsigned chip) const {
  if (module.chip < chip)
    fail("it needs .target sm_" + std::to_string(chip) + " or newer, the module has sm_" +
         std::to_string(module.chip));
}

void Decoder::operandCount(size_t least, size_t most) const {
  size_t have = statement->operands.size();
  if (have < least || have > most)
    fail("it has " + std::to_string(have) + " operands, expected " + std::to_string(least) +
         (most > least ? " to " + std::to_string(most) : ""));
}

uint32_t Decoder::newSlot(unsigned bytes) {
  uint64_t at = (program.registerBytes + 63) & ~uint64_t(63);
  program.registerBytes = at + slotBytes(bytes);
  if (program.registerBytes > (uint64_t(1) << 28))
    throw PtxError(statement ? statement->line : 0, "more registers than the simulator holds");
  return uint32_t(at);
}

uint32_t Decoder::constant(uint64_t bits, unsigned bytes) {
  if (bytes < 8)
    bits &= (uint64_t(1) << (8 * bytes)) - 1;
  auto [entry, isNew] = constants.try_emplace({bits, bytes}, 0);
  if (isNew) {
    size_t line = program.constants.size();
    program.constants.resize(line + std::max<uint64_t>(1, slotBytes(bytes) / 64));
    char *to = program.constants[line].bytes;
    for (unsigned lane = 0; lane < lanes; ++lane)
      std::memcpy(to + lane * bytes, &bits, bytes);
    entry->second = uint32_t(line * 64) | 1;
  }
  return entry->second;
}

std::optional<Decoder::Place> Decoder::findPlace(std::string_view name) const {
  const Frame &frame = *frames.back();
  for (unsigned scope = statement->scope;; scope = frame.function->scopeParents[scope]) {
    if (auto found = frame.variables.find({scope, name}); found != frame.variables.end())
      return found->second;
    if (scope == 0)
      break;
  }
  if (auto found = sharedOffsets.find(name); found != sharedOffsets.end())
    return Place{Space::Shared, found->second, false};
  if (auto found = globals.find(name); found != globals.end())
    return Place{Space::Global, found->second, false};
  return std::nullopt;
}

uint32_t Decoder::source(const Operand &operand, unsigned bytes) {
  switch (operand.kind) {
  case OperandKind::Register: {
    unsigned have = frames.back()->function->registers[operand.index].bytes;
    if (have != bytes || operand.negated)
      fail("register " + std::string(operand.name) + " has " + std::to_string(8 * have) +
           " bits, expected " + std::to_string(8 * bytes));
    named.push_back(frames.back()->slots[operand.index]);
    return named.back();
  }
  case OperandKind::Integer:
    return constant(operand.bits, bytes);
  case OperandKind::Float32:
    if (bytes == 8) {
      float value;
      uint32_t bits = uint32_t(operand.bits);
      std::memcpy(&value, &bits, 4);
      double wide = value;
      uint64_t wideBits;
      std::memcpy(&wideBits, &wide, 8);
      return constant(wideBits, 8);
    }
    if (bytes != 4)
      fail("a number of 32 bits, expected " + std::to_string(8 * bytes));
    return constant(operand.bits, 4);
  case OperandKind::Float64:
    if (bytes != 8)
      fail("a number of 64 bits, expected " + std::to_string(8 * bytes));
    return constant(operand.bits, 8);
  case OperandKind::Symbol:
    if (operand.name == "WARP_SZ")
      return constant(lanes, bytes);
    if (operand.name[0] == '%')
      return special(operand.name, bytes);
    if (std::optional<Place> place = findPlace(operand.name)) {
      if (bytes < 4)
        fail("an address in " + std::to_string(8 * bytes) + " bits");
      // The address of a callee's parameter becomes local when it is made generic.
      uint64_t base = place->parameterOfCall ? localWindow - parameterWindow : 0;
      return constant(base + place->offset + operand.bits, bytes);
    }
    fail("'" + std::string(operand.name) + "' is not declared");
  default:
    fail("an operand of an unexpected kind");
  }
}

uint32_t Decoder::sourceAnyWidth(const Operand &operand, unsigned least, unsigned fallback,
                                 unsigned &bytes) {
  bytes = fallback;
  if (operand.kind == OperandKind::Register) {
    bytes = frames.back()->function->registers[operand.index].bytes;
    if (bytes < least || bytes > 8)
      fail("register " + std::string(operand.name) + " has " + std::to_string(8 * bytes) +
           " bits, expected at least " + std::to_string(8 * least));
  }
  return source(operand, bytes);
}

uint32_t Decoder::destination(const Operand &operand, unsigned bytes) {
  if (operand.kind == OperandKind::Sink)
    return newSlot(bytes);
  if (operand.kind != OperandKind::Register)
    fail("the result is no register");
  return source(operand, bytes);
}

uint32_t Decoder::destinationAnyWidth(const Operand &operand, unsigned least, unsigned &bytes) {
  bytes = std::max(least, 2u);
  if (operand.kind == OperandKind::Sink)
    return newSlot(bytes);
  if (operand.kind != OperandKind::Register)
    fail("the result is no register");
  return sourceAnyWidth(operand, least, bytes, bytes);
}

uint32_t Decoder::predicateSource(const Operand &operand) {
  if (operand.kind == OperandKind::Integer) // true and false
    return (operand.bits != 0) != operand.negated ? 0 : uint32_t(1) << 31;
  if (operand.kind != OperandKind::Register ||
      frames.back()->function->registers[operand.index].bytes)
    fail("expected a predicate");
  return frames.back()->slots[operand.index] | (operand.negated ? uint32_t(1) << 31 : 0);
}

uint32_t Decoder::predicateDestination(const Operand &operand) {
  if (operand.kind == OperandKind::Sink)
    return program.predicates++;
  if (operand.kind != OperandKind::Register || operand.negated)
    fail("expected a predicate as result");
  return predicateSource(operand);
}

uint32_t Decoder::special(std::string_view name, unsigned bytes) {
  static const std::map<std::string_view, std::pair<Special, unsigned>> known = {
      {"%tid.x", {Special::TidX, 4}},
      {"%tid.y", {Special::TidY, 4}},
      {"%tid.z", {Special::TidZ, 4}},
      {"%ntid.x", {Special::NtidX, 4}},
      {"%ntid.y", {Special::NtidY, 4}},
      {"%ntid.z", {Special::NtidZ, 4}},
      {"%ctaid.x", {Special::CtaidX, 4}},
      {"%ctaid.y", {Special::CtaidY, 4}},
      {"%ctaid.z", {Special::CtaidZ, 4}},
      {"%nctaid.x", {Special::NctaidX, 4}},
      {"%nctaid.y", {Special::NctaidY, 4}},
      {"%nctaid.z", {Special::NctaidZ, 4}},
      {"%laneid", {Special::LaneId, 4}},
      {"%warpid", {Special::WarpId, 4}},
      {"%nwarpid", {Special::NwarpId, 4}},
      {"%lanemask_eq", {Special::LaneMaskEq, 4}},
      {"%lanemask_le", {Special::LaneMaskLe, 4}},
      {"%lanemask_lt", {Special::LaneMaskLt, 4}},
      {"%lanemask_ge", {Special::LaneMaskGe, 4}},
      {"%lanemask_gt", {Special::LaneMaskGt, 4}},
      {"%clock", {Special::Clock, 4}},
      {"%clock_hi", {Special::Clock, 4}},
      {"%clock64", {Special::Clock64, 8}},
      {"%globaltimer", {Special::GlobalTimer, 8}},
      {"%smid", {Special::SmId, 4}},
      {"%nsmid", {Special::NsmId, 4}},
      {"%gridid", {Special::GridId, 8}},
      {"%dynamic_smem_size", {Special::DynamicSharedBytes, 4}},
      {"%total_smem_size", {Special::TotalSharedBytes, 4}}};
  auto found = known.find(name);
  if (found == known.end())
    fail("register " + std::string(name) +
         " is not declared, or a special register that is not simulated");
  auto [which, width] = found->second;
  if (bytes != width)
    fail("special register " + std::string(name) + " has " + std::to_string(8 * width) +
         " bits, expected " + std::to_string(8 * bytes));
  auto [entry, isNew] = specials.try_emplace({which, bytes}, 0);
  if (isNew) {
    entry->second = newSlot(bytes);
    program.specials.emplace_back(which, entry->second);
  }
  return entry->second;
}

uint32_t Decoder::integerOperand(const Operand &operand, const char *what) {
  if (operand.kind != OperandKind::Integer || operand.bits > UINT32_MAX)
    fail(std::string("expected a number for ") + what);
  return uint32_t(operand.bits);
}

uint32_t Decoder::address(const Operand &operand, Space &space, Instr &instr) {
  if (operand.kind != OperandKind::Address)
    fail("expected an address in brackets");
  instr.addressBytes = 8;
  if (operand.baseIsRegister) {
    unsigned bytes = frames.back()->function->registers[operand.index].bytes;
    if (bytes != 4 && bytes != 8)
      fail("an address in a register of " + std::to_string(8 * bytes) + " bits");
    instr.addressBytes = uint8_t(bytes);
    instr.offset = operand.bits;
    named.push_back(frames.back()->slots[operand.index]);
    return named.back();
  }
  instr.offset = 0;
  if (operand.name.empty())
    return constant(operand.bits, 8);
  std::optional<Place> place = findPlace(operand.name);
  if (!place)
    fail("'" + std::string(operand.name) + "' is not declared");
  Space wanted = place->parameterOfCall ? Space::Param : place->space;
  bool fits = space == Space::Generic || space == wanted ||
              (space == Space::Const && wanted == Space::Global);
  if (!fits)
    fail("'" + std::string(operand.name) + "' lies in another space");
  space = place->space;
  return constant(place->offset + operand.bits, 8);
}

/// The items of a list, or the operand alone.
const std::vector<Operand> Decoder::parts(const Operand &operand) const {
  return operand.kind == OperandKind::List ? operand.items : std::vector<Operand>{operand};
}

bool Decoder::take(std::string_view word) {
  auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end())
    return false;
  words.erase(found);
  return true;
}

bool Decoder::takePrefix(std::string_view prefix) {
  for (auto word = words.begin(); word != words.end(); ++word)
    if (word->substr(0, prefix.size()) == prefix) {
      words.erase(word);
      return true;
    }
  return false;
}

std::optional<Type> Decoder::takeTypeIf() {
  for (auto word = words.begin(); word != words.end(); ++word)
    if (std::optional<Type> type = typeNamed(*word)) {
      words.erase(word);
      return type;
    }
  return std::nullopt;
}

Type Decoder::takeType() {
  std::optional<Type> type = takeTypeIf();
  if (!type)
    fail("no type that is known");
  return *type;
}

Rounding Decoder::takeRounding() {
  return takeOneOf<Rounding>({{"rn", Rounding::Rn},
                              {"rz", Rounding::Rz},
                              {"rm", Rounding::Rm},
                              {"rp", Rounding::Rp},
                              {"rna", Rounding::Rna},
                              {"rni", Rounding::Rni},
                              {"rzi", Rounding::Rzi},
                              {"rmi", Rounding::Rmi},
                              {"rpi", Rounding::Rpi}})
      .value_or(Rounding::None);
}

Space Decoder::takeSpace() {
  return takeOneOf<Space>({{"global", Space::Global},
                           {"shared", Space::Shared},
                           {"shared::cta", Space::Shared},
                           {"shared::cluster", Space::Shared}, // of a cluster of one block
                           {"local", Space::Local},
                           {"param", Space::Param},
                           {"param::entry", Space::Param},
                           {"param::func", Space::Param},
                           {"const", Space::Const}})
      .value_or(Space::Generic);
}

void Decoder::allTaken() const {
  if (!words.empty())
    fail("modifier '." + std::string(words.front()) + "'");
}

Instr &Decoder::emit(Instr instr, Handler run) {
  allTaken();
  if (!run)
    fail("not with these types");
  instr.run = run;
  if (statement->guard >= 0) {
    instr.guard = frames.back()->slots[size_t(statement->guard)];
    instr.guardNegated = statement->guardNegated;
  }
  program.code.push_back(instr);
  program.details.push_back({statement->line, statement->sourceFile, statement->sourceLine});
  if (hasMatrices)
    namedBy.push_back(named);
  return program.code.back();
}
