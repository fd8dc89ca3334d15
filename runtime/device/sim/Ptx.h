//===- Ptx.h - PTX text as plain structs ------------------------*- C++ -*-===//
//
// What the parser hands on: statements with their words, not yet understood.
// Views point into Module::text. Source: NVIDIA, PTX ISA 8.8, sections 4 and 5.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_DEVICE_SIM_PTX_H
#define NETC_RUNTIME_DEVICE_SIM_PTX_H

#include <array>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace netc::runtime::sim {

/// The text is not PTX that the simulator runs; `what()` names the line.
class PtxError : public std::runtime_error {
public:
  PtxError(unsigned line, const std::string &message)
      : std::runtime_error("PTX line " + std::to_string(line) + ": " + message) {}
};

enum class Space : uint8_t { Generic, Global, Shared, Local, Param, Const };

enum class OperandKind : uint8_t {
  Register,
  Integer,
  Float32,
  Float64,
  Symbol,
  Address,
  List,
  Sink
};

struct Operand {
  OperandKind kind = OperandKind::Sink;
  bool negated = false;  // !%p or -%r
  std::string_view name; // as written; of an Address: its base, "" for a bare number
  uint32_t index = 0;    // Register, or the base of an Address: index into Function::registers
  bool baseIsRegister = false;
  uint64_t bits = 0;          // value; of an Address: the offset
  std::vector<Operand> items; // List; Address: none; `p|q`: the second register
};

struct Statement {
  std::string_view opcode;                 // "ld"
  std::vector<std::string_view> modifiers; // "global", "v4", "b32"
  std::vector<Operand> operands;
  int32_t guard = -1; // register index of the predicate
  bool guardNegated = false;
  unsigned scope = 0;                      // innermost block, for labels and variables
  unsigned line = 0;                       // in the PTX text, from 1
  unsigned sourceFile = 0, sourceLine = 0; // .loc
};

/// A variable in some space, of a module, a function or a parameter list.
struct Variable {
  std::string_view name;
  Space space = Space::Global;
  uint64_t bytes = 0;
  uint64_t align = 1;
  bool external = false; // .extern: dynamic shared memory
  unsigned scope = 0;
  unsigned line = 0;
  std::vector<uint8_t> initial;
};

struct Register {
  std::string_view name; // of a range %r<10>: its prefix
  uint8_t bytes = 4;     // 0 is a predicate
};

struct Function {
  std::string_view name;
  bool isEntry = false;
  unsigned line = 0;
  std::vector<Variable> parameters, results;
  std::vector<Variable> variables; // local, shared and param space
  std::vector<Register> registers;
  std::vector<Statement> body;
  std::vector<unsigned> scopeParents; // [scope]; scope 0 is its own parent
  std::map<std::pair<unsigned, std::string_view>, uint32_t> labels; // (scope, name) → index in body
  std::map<std::pair<unsigned, std::string_view>, std::vector<std::string_view>> branchTargets;
  std::array<uint32_t, 3> requiredThreads = {0, 0, 0}, maximumThreads = {0, 0, 0};
};

struct Module {
  std::string text;
  unsigned chip = 0;        // of .target: 80
  bool accelerated = false; // .target sm_90a: instructions of that chip alone
  unsigned version = 0;     // of .version: 10 * major + minor
  std::vector<Variable> variables;
  std::vector<Function> functions;
  std::map<unsigned, std::string> files; // .file
  std::string_view lineText(unsigned line) const;
};

/// Parses a whole module. Fails with a PtxError.
Module parsePtx(std::string text);

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_PTX_H
