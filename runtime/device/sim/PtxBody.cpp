//===- PtxBody.cpp - bodies of functions ----------------------------------===//
#include "runtime/device/sim/PtxParser.h"

using namespace netc::runtime::sim;

namespace {
constexpr uint64_t maximumRegisters = 1 << 20;
constexpr unsigned maximumDepth = 64;
} // namespace

void PtxParser::body(Function &function) {
  expect("{");
  scopes = {0};
  names.assign(1, {});
  function.scopeParents = {0};
  sourceFile = sourceLine = 0;
  while (!scopes.empty()) {
    if (token.kind == TokenKind::End)
      fail("function '" + std::string(function.name) + "' does not end");
    if (accept("{")) {
      if (scopes.size() >= maximumDepth)
        fail("blocks nested deeper than 64");
      function.scopeParents.push_back(scopes.back());
      scopes.push_back(unsigned(function.scopeParents.size()) - 1);
      names.emplace_back();
    } else if (accept("}")) {
      scopes.pop_back();
    } else if (accept(".reg")) {
      registers(function);
    } else if (is(".local") || is(".shared") || is(".param")) {
      Space space = is(".local") ? Space::Local : is(".shared") ? Space::Shared : Space::Param;
      advance();
      function.variables.push_back(variable(space, false));
      function.variables.back().scope = scopes.back();
      expect(";");
    } else if (accept(".loc")) {
      location();
    } else if (accept(".pragma")) {
      advance();
      expect(";");
    } else if (!accept(";")) {
      statement(function);
    }
  }
}

/// `.reg .b32 %r<10>;`, `.reg .pred p, q;`
void PtxParser::registers(Function &function) {
  std::string_view type = word("the type of a register");
  uint64_t bytes = type == ".pred" ? 0 : elementBytes(type);
  do {
    std::string_view name = word("the name of a register");
    Range range{uint32_t(function.registers.size()), 0};
    uint64_t count = 1;
    if (accept("<")) {
      count = range.count = integer("a number of registers");
      expect(">");
    }
    if (count > maximumRegisters || function.registers.size() + count > maximumRegisters)
      fail("more than 2^20 registers");
    function.registers.resize(function.registers.size() + count, {name, uint8_t(bytes)});
    names[scopes.back()][name] = range;
  } while (accept(","));
  expect(";");
}

/// `.loc 1 5 3`, then what LLVM says of inlining; the inner place is kept.
void PtxParser::location() {
  sourceFile = unsigned(integer("a file number"));
  sourceLine = unsigned(integer("a line"));
  integer("a column");
  while (accept(",")) {
    std::string_view what = word("function_name or inlined_at");
    if (what == "function_name") {
      word("a label");
      if (accept("+"))
        integer("an offset");
    } else {
      integer("a file number"), integer("a line"), integer("a column");
    }
  }
}

std::optional<uint32_t> PtxParser::findRegister(std::string_view name) const {
  size_t digits = name.size();
  while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9')
    --digits;
  std::string_view prefix = name.substr(0, digits), suffix = name.substr(digits);
  bool ranged = !suffix.empty() && suffix.size() < 8 && (suffix.size() == 1 || suffix[0] != '0');
  uint64_t number = 0;
  for (char digit : suffix.substr(0, 8))
    number = number * 10 + uint64_t(digit - '0');
  for (size_t depth = scopes.size(); depth-- > 0;) {
    const auto &scope = names[scopes[depth]];
    if (auto exact = scope.find(name); exact != scope.end() && !exact->second.count)
      return exact->second.first;
    if (!ranged)
      continue;
    if (auto range = scope.find(prefix); range != scope.end() && number < range->second.count)
      return range->second.first + uint32_t(number);
  }
  return std::nullopt;
}

void PtxParser::guard(Function &function, Statement &statement) {
  if (!accept("@"))
    return;
  statement.guardNegated = accept("!");
  std::string_view name = word("a predicate");
  std::optional<uint32_t> index = findRegister(name);
  if (!index || function.registers[*index].bytes != 0)
    fail("'" + std::string(name) + "' is no predicate register");
  statement.guard = int32_t(*index);
}

void PtxParser::statement(Function &function) {
  Statement result;
  result.line = token.line;
  result.scope = scopes.back();
  result.sourceFile = sourceFile;
  result.sourceLine = sourceLine;
  guard(function, result);
  std::string_view mnemonic = word("an instruction");
  if (accept(":")) {
    auto key = std::make_pair(scopes.back(), mnemonic);
    if (accept(".branchtargets")) {
      auto &targets = function.branchTargets[key];
      do
        targets.push_back(word("a label"));
      while (accept(","));
      return expect(";");
    }
    if (!function.labels.emplace(key, uint32_t(function.body.size())).second)
      fail("a second label '" + std::string(mnemonic) + "'");
    return;
  }
  if (mnemonic[0] == '.' || mnemonic[0] == '%')
    fail("expected an instruction, found '" + std::string(mnemonic) + "'");
  size_t dot = mnemonic.find('.');
  result.opcode = mnemonic.substr(0, dot);
  while (dot != std::string_view::npos) {
    size_t next = mnemonic.find('.', dot + 1);
    result.modifiers.push_back(
        mnemonic.substr(dot + 1, next == std::string_view::npos ? next : next - dot - 1));
    dot = next;
  }
  if (!is(";"))
    do
      result.operands.push_back(operand(function));
    while (accept(","));
  expect(";");
  function.body.push_back(std::move(result));
}

Operand PtxParser::operand(Function &function) {
  if (accept("{"))
    return list(function, "}");
  if (accept("("))
    return list(function, ")");
  if (accept("["))
    return address(function);
  Operand result;
  bool minus = false;
  while (is("!") || is("-")) {
    (is("!") ? result.negated : minus) ^= true;
    advance();
  }
  result.bits = token.bits;
  switch (token.kind) {
  case TokenKind::Integer:
    result.kind = OperandKind::Integer;
    result.bits = minus ? 0 - token.bits : token.bits;
    advance();
    return result;
  case TokenKind::Float32:
  case TokenKind::Float64:
    result.kind = token.kind == TokenKind::Float32 ? OperandKind::Float32 : OperandKind::Float64;
    result.bits ^= minus ? uint64_t(1) << (token.kind == TokenKind::Float32 ? 31 : 63) : 0;
    advance();
    return result;
  case TokenKind::Word: {
    if (minus)
      fail("a register with a minus sign");
    bool negated = result.negated;
    result = named();
    result.negated = negated;
    if (accept("|"))
      result.items.push_back(named());
    return result;
  }
  default:
    fail("expected an operand, found " + found());
  }
}

/// A register, `_`, or else a symbol: a variable (with an offset), a label, a
/// special register.
Operand PtxParser::named() {
  Operand result;
  result.name = word("a register or a variable");
  if (result.name == "_")
    return result;
  if (std::optional<uint32_t> index = findRegister(result.name)) {
    result.kind = OperandKind::Register;
    result.index = *index;
    return result;
  }
  result.kind = OperandKind::Symbol;
  if (accept("+")) {
    bool minus = accept("-");
    uint64_t offset = integer("an offset");
    result.bits = minus ? 0 - offset : offset;
  }
  return result;
}

Operand PtxParser::list(Function &function, std::string_view close) {
  Operand result;
  result.kind = OperandKind::List;
  while (!is(close)) {
    if (is("{") || is("(") || is("["))
      fail("a list within a list");
    result.items.push_back(operand(function));
    if (!accept(","))
      break;
  }
  expect(close);
  return result;
}

/// `[%rd1+4]`; of a tensor `[%rd1, {%r1, %r2}]`: the coordinates are its items.
Operand PtxParser::address(Function &function) {
  Operand result;
  if (token.kind == TokenKind::Word) {
    Operand base = named();
    if (base.kind == OperandKind::Sink)
      fail("expected an address, found '_'");
    result = base;
    result.baseIsRegister = base.kind == OperandKind::Register;
  }
  result.kind = OperandKind::Address;
  while (!is("]") && !is(",")) {
    bool minus = accept("-");
    if (!minus) {
      accept("+");
      minus = accept("-");
    }
    uint64_t offset = integer("an offset");
    result.bits += minus ? 0 - offset : offset;
  }
  if (accept(",")) {
    expect("{");
    result.items = list(function, "}").items;
  }
  expect("]");
  return result;
}
