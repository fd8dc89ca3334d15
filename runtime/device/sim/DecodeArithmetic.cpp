//===- DecodeArithmetic.cpp - arithmetic, bits, comparisons, conversions --===//
#include "runtime/device/sim/Decoder.h"

using namespace netc::runtime::sim;

static bool isHalf(Type type) {
  return type == Type::F16 || type == Type::BF16 || type == Type::F16x2 || type == Type::BF16x2;
}
static bool isReal(Type type) { return type == Type::F32 || type == Type::F64; }

static unsigned sourcesOf(Op op) {
  switch (op) {
  case Op::Abs:
  case Op::Neg:
  case Op::Rcp:
  case Op::Sqrt:
  case Op::Rsqrt:
  case Op::Sin:
  case Op::Cos:
  case Op::Lg2:
  case Op::Ex2:
  case Op::Tanh:
  case Op::Not:
  case Op::LogicalNot:
  case Op::Popc:
  case Op::Clz:
  case Op::Brev:
    return 1;
  case Op::Fma:
  case Op::Mad:
  case Op::MadHigh:
  case Op::MadWide:
  case Op::Sad:
    return 3;
  default:
    return 2;
  }
}

/// Instructions whose operands all have the type's width.
void Decoder::arithmetic(Op op) {
  Type type = takeType();
  unsigned bytes = typeBytes(type), sources = sourcesOf(op);
  Instr instr;
  if (isReal(type) || isHalf(type)) {
    take("approx"), take("full");
    if (Rounding rounding = takeRounding(); rounding != Rounding::None && rounding != Rounding::Rn)
      fail("only rounding to nearest even");
    instr.flags |= take("ftz") ? flagFtz : 0;
    instr.flags |= take("sat") ? flagSat : 0;
    if (op == Op::Min || op == Op::Max)
      instr.flags |= take("NaN") ? flagNan : 0;
  }
  operandCount(1 + sources, 1 + sources);
  instr.op[0] = destination(operand(0), bytes);
  for (unsigned index = 1; index <= sources; ++index)
    instr.op[index] = source(operand(index), bytes);
  if (isReal(type))
    emit(instr, handlers.real(op, type, instr.flags));
  else if (isHalf(type))
    emit(instr, instr.flags ? nullptr : handlers.half(op, type));
  else
    emit(instr, handlers.integer(op, type));
}

void Decoder::realFunction(Op op) { arithmetic(op); }

void Decoder::multiply() {
  Op op = take("wide") ? Op::MulWide : take("hi") ? Op::MulHigh : Op::Mul;
  take("lo");
  if (op != Op::MulWide)
    return arithmetic(op);
  Type type = takeType();
  operandCount(3, 3);
  Instr instr;
  instr.op[0] = destination(operand(0), 2 * typeBytes(type));
  instr.op[1] = source(operand(1), typeBytes(type));
  instr.op[2] = source(operand(2), typeBytes(type));
  emit(instr, handlers.integer(op, type));
}

void Decoder::multiplyAdd() {
  if (take("wide")) {
    Type type = takeType();
    operandCount(4, 4);
    Instr instr;
    instr.op[0] = destination(operand(0), 2 * typeBytes(type));
    instr.op[1] = source(operand(1), typeBytes(type));
    instr.op[2] = source(operand(2), typeBytes(type));
    instr.op[3] = source(operand(3), 2 * typeBytes(type));
    emit(instr, handlers.integer(Op::MadWide, type));
    return;
  }
  if (take("hi"))
    return arithmetic(Op::MadHigh);
  if (take("lo"))
    return arithmetic(Op::Mad);
  arithmetic(Op::Fma); // mad of reals is one too, from sm_20 on
}

void Decoder::logic(Op op) {
  Type type = takeType();
  unsigned sources = sourcesOf(op);
  operandCount(1 + sources, 1 + sources);
  Instr instr;
  if (type == Type::Pred) {
    instr.op[0] = predicateDestination(operand(0));
    for (unsigned index = 1; index <= sources; ++index)
      instr.op[index] = predicateSource(operand(index));
    emit(instr, handlers.predicate(op));
    return;
  }
  instr.op[0] = destination(operand(0), typeBytes(type));
  for (unsigned index = 1; index <= sources; ++index)
    instr.op[index] = source(operand(index), typeBytes(type));
  emit(instr, handlers.bits(op, type));
}

void Decoder::shift(Op op) {
  Type type = takeType();
  operandCount(3, 3);
  Instr instr;
  instr.op[0] = destination(operand(0), typeBytes(type));
  instr.op[1] = source(operand(1), typeBytes(type));
  instr.op[2] = source(operand(2), 4);
  emit(instr, handlers.bits(op, type));
}

void Decoder::funnelShift() {
  Op op = take("l") ? Op::ShiftLeftFunnel : Op::ShiftRightFunnel;
  take("r");
  Instr instr;
  instr.flags = take("clamp") ? flagClamp : 0;
  take("wrap");
  Type type = takeType();
  operandCount(4, 4);
  instr.op[0] = destination(operand(0), 4);
  for (unsigned index = 1; index < 4; ++index)
    instr.op[index] = source(operand(index), 4);
  emit(instr, handlers.bits(op, type));
}

void Decoder::countBits(Op op) {
  Type type = takeType();
  operandCount(2, 2);
  Instr instr;
  instr.op[0] = destination(operand(0), op == Op::Brev ? typeBytes(type) : 4);
  instr.op[1] = source(operand(1), typeBytes(type));
  emit(instr, handlers.bits(op, type));
}

void Decoder::findBit() {
  Op op = take("shiftamt") ? Op::FindShift : Op::Find;
  countBits(op);
}

void Decoder::extractBits() {
  Type type = takeType();
  operandCount(4, 4);
  Instr instr;
  instr.op[0] = destination(operand(0), typeBytes(type));
  instr.op[1] = source(operand(1), typeBytes(type));
  instr.op[2] = source(operand(2), 4);
  instr.op[3] = source(operand(3), 4);
  emit(instr, handlers.bits(Op::ExtractBits, type));
}

void Decoder::insertBits() {
  Type type = takeType();
  operandCount(5, 5);
  Instr instr;
  instr.op[0] = destination(operand(0), typeBytes(type));
  instr.op[1] = source(operand(1), typeBytes(type));
  instr.op[2] = source(operand(2), typeBytes(type));
  instr.op[3] = source(operand(3), 4);
  instr.op[4] = source(operand(4), 4);
  emit(instr, handlers.bits(Op::InsertBits, type));
}

void Decoder::permute() {
  Type type = takeType();
  operandCount(4, 4);
  Instr instr;
  instr.op[0] = destination(operand(0), 4);
  for (unsigned index = 1; index < 4; ++index)
    instr.op[index] = source(operand(index), 4);
  emit(instr, handlers.bits(Op::Permute, type));
}

void Decoder::lop3() {
  Type type = takeType();
  operandCount(5, 5);
  Instr instr;
  instr.op[0] = destination(operand(0), 4);
  for (unsigned index = 1; index < 4; ++index)
    instr.op[index] = source(operand(index), 4);
  uint32_t table = integerOperand(operand(4), "the table");
  if (table > 255)
    fail("a table beyond 8 bits");
  instr.mode = uint8_t(table);
  emit(instr, handlers.bits(Op::Lop3, type));
}

static const std::initializer_list<std::pair<std::string_view, Compare>> comparisons = {
    {"eq", Compare::Eq},   {"ne", Compare::Ne},   {"lt", Compare::Lt},   {"le", Compare::Le},
    {"gt", Compare::Gt},   {"ge", Compare::Ge},   {"lo", Compare::Lt},   {"ls", Compare::Le},
    {"hi", Compare::Gt},   {"hs", Compare::Ge},   {"equ", Compare::Equ}, {"neu", Compare::Neu},
    {"ltu", Compare::Ltu}, {"leu", Compare::Leu}, {"gtu", Compare::Gtu}, {"geu", Compare::Geu},
    {"num", Compare::Num}, {"nan", Compare::Nan}};
static const std::initializer_list<std::pair<std::string_view, BoolOp>> combinations = {
    {"and", BoolOp::And}, {"or", BoolOp::Or}, {"xor", BoolOp::Xor}};

void Decoder::combineWith(Instr &instr, BoolOp op, size_t index) {
  instr.mode = uint8_t(op);
  operandCount(index + (op != BoolOp::None), index + (op != BoolOp::None));
  if (op != BoolOp::None)
    instr.op[4] = predicateSource(operand(index));
}

void Decoder::setPredicate() {
  std::optional<Compare> compare = takeOneOf<Compare>(comparisons);
  if (!compare)
    fail("no comparison that is known");
  BoolOp combination = takeOneOf<BoolOp>(combinations).value_or(BoolOp::None);
  bool ftz = take("ftz");
  Type type = takeType();
  Instr instr;
  combineWith(instr, combination, 3);
  instr.op[0] = predicateDestination(operand(0));
  instr.op[1] = operand(0).items.empty() ? 0 : predicateDestination(operand(0).items[0]);
  instr.op[2] = source(operand(1), typeBytes(type));
  instr.op[3] = source(operand(2), typeBytes(type));
  emit(instr, handlers.compare(*compare, type, ftz));
}

void Decoder::setRegister() {
  std::optional<Compare> compare = takeOneOf<Compare>(comparisons);
  if (!compare)
    fail("no comparison that is known");
  BoolOp combination = takeOneOf<BoolOp>(combinations).value_or(BoolOp::None);
  Type result = takeType(), type = takeType();
  Instr instr;
  combineWith(instr, combination, 3);
  instr.op[0] = destination(operand(0), typeBytes(result));
  instr.op[2] = source(operand(1), typeBytes(type));
  instr.op[3] = source(operand(2), typeBytes(type));
  emit(instr, handlers.compareTo(*compare, type, result));
}

void Decoder::select() {
  Type type = takeType();
  operandCount(4, 4);
  Instr instr;
  instr.op[0] = destination(operand(0), typeBytes(type));
  instr.op[1] = source(operand(1), typeBytes(type));
  instr.op[2] = source(operand(2), typeBytes(type));
  instr.op[3] = predicateSource(operand(3));
  emit(instr, handlers.select(Op::Select, type));
}

void Decoder::selectSign() {
  take("ftz");
  Type type = takeType(), sign = takeType();
  if (sign != Type::S32 && sign != Type::F32)
    fail("the sign is of s32 or f32");
  operandCount(4, 4);
  Instr instr;
  instr.mode = sign == Type::F32;
  instr.op[0] = destination(operand(0), typeBytes(type));
  instr.op[1] = source(operand(1), typeBytes(type));
  instr.op[2] = source(operand(2), typeBytes(type));
  instr.op[3] = source(operand(3), 4);
  emit(instr, handlers.select(Op::SelectSign, type));
}

void Decoder::convert() {
  Conversion c;
  c.rounding = takeRounding();
  c.flags |= take("ftz") ? flagFtz : 0;
  c.flags |= take("sat") ? flagSat : 0;
  c.flags |= take("relu") ? flagRelu : 0;
  c.to = takeType();
  c.from = takeType();
  Instr instr;
  instr.flags = c.flags;
  instr.mode = uint8_t(c.rounding);
  if (c.to == Type::F16x2 || c.to == Type::BF16x2) {
    if (c.from != Type::F32 || (c.flags & (flagFtz | flagSat)) ||
        (c.rounding != Rounding::Rn && c.rounding != Rounding::Rz))
      fail("only from f32, by .rn or .rz, with or without .relu");
    operandCount(3, 3);
    instr.op[0] = destination(operand(0), 4);
    instr.op[1] = source(operand(1), 4);
    instr.op[2] = source(operand(2), 4);
    emit(instr, handlers.convertPair(c.to, c.flags));
    return;
  }
  operandCount(2, 2);
  auto isFloating = [](Type type) {
    return isReal(type) || type == Type::F16 || type == Type::BF16;
  };
  if (c.rounding == Rounding::Rna && c.to != Type::TF32)
    fail("rounding .rna is for tf32");
  if (isFloating(c.to) && c.to != Type::F32 && c.rounding != Rounding::None &&
      c.rounding != Rounding::Rn && !(c.rounding == Rounding::Rz && c.to != Type::F64) &&
      c.rounding < Rounding::Rni)
    fail("this rounding is simulated for f32 only");
  unsigned bytes = 0;
  if (isFloating(c.to) || c.to == Type::TF32)
    instr.op[0] = destination(operand(0), bytes = typeBytes(c.to));
  else
    instr.op[0] = destinationAnyWidth(operand(0), typeBytes(c.to), bytes);
  c.toBytes = uint8_t(bytes);
  if (isFloating(c.from))
    instr.op[1] = source(operand(1), bytes = typeBytes(c.from));
  else
    instr.op[1] =
        sourceAnyWidth(operand(1), typeBytes(c.from), std::max(2u, typeBytes(c.from)), bytes);
  c.fromBytes = uint8_t(bytes);
  if (c.toBytes < 2 || c.fromBytes < 2 || c.to == Type::B8 || typeBytes(c.to) == 0 ||
      typeBytes(c.from) == 0)
    fail("not with these types");
  instr.target = uint32_t(c.to) | uint32_t(c.from) << 8;
  instr.offset = uint64_t(c.toBytes) | uint64_t(c.fromBytes) << 8;
  emit(instr, handlers.convert(c));
}

void Decoder::move() {
  Type type = takeType();
  operandCount(2, 2);
  Instr instr;
  if (type == Type::Pred) {
    instr.op[0] = predicateDestination(operand(0));
    instr.op[1] = predicateSource(operand(1));
    emit(instr, handlers.predicate(Op::Mov));
    return;
  }
  unsigned bytes = typeBytes(type);
  for (size_t side : {size_t(0), size_t(1)}) {
    if (operand(side).kind != OperandKind::List)
      continue;
    const std::vector<Operand> &items = operand(side).items;
    unsigned count = unsigned(items.size());
    if (count < 2 || count > 4 || operand(1 - side).kind == OperandKind::List)
      fail("2 or 4 parts of one register");
    unsigned first = side == 0 ? 0 : 1;
    for (unsigned part = 0; part < count; ++part)
      instr.op[first + part] =
          side == 0 ? destination(items[part], bytes / count) : source(items[part], bytes / count);
    if (side == 0)
      instr.op[count] = source(operand(1), bytes);
    else
      instr.op[0] = destination(operand(0), bytes);
    emit(instr, side == 0 ? handlers.unpack(bytes, count) : handlers.pack(bytes, count));
    return;
  }
  instr.op[0] = destination(operand(0), bytes);
  if (operand(1).name == "%clock" || operand(1).name == "%clock64" ||
      operand(1).name == "%globaltimer") {
    instr.count = uint8_t(bytes);
    emit(instr, runClock);
    return;
  }
  instr.op[1] = source(operand(1), bytes);
  emit(instr, handlers.move(bytes));
}

/// cvta.space: from an address in the space to a generic one; cvta.to.space: back.
void Decoder::convertAddress() {
  bool to = take("to");
  Space space = takeSpace();
  if (takeType() != Type::U64)
    fail("only 64-bit addresses");
  operandCount(2, 2);
  uint64_t base = space == Space::Shared  ? sharedWindow
                  : space == Space::Local ? localWindow
                  : space == Space::Param ? parameterWindow
                                          : 0;
  Instr instr;
  instr.op[0] = destination(operand(0), 8);
  instr.op[1] = source(operand(1), 8);
  instr.op[2] = constant(to ? 0 - base : base, 8);
  emit(instr, handlers.integer(Op::Add, Type::U64));
}
