//===- PtxParser.h - tokens to modules --------------------------*- C++ -*-===//
//
// parsePtx() is declared in Ptx.h; this class is its inside, apart for the two
// files that hold it: module level and variables, and bodies of functions.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_DEVICE_SIM_PTXPARSER_H
#define NETC_RUNTIME_DEVICE_SIM_PTXPARSER_H

#include "runtime/device/sim/PtxLexer.h"

#include <optional>

namespace netc::runtime::sim {

class PtxParser {
public:
  explicit PtxParser(Module &module) : module(module), lexer(module.text) { advance(); }
  void parse();

private:
  void advance() { token = lexer.next(); }
  bool is(std::string_view text) const {
    return token.kind != TokenKind::String && token.kind != TokenKind::End && token.text == text;
  }
  bool accept(std::string_view text);
  void expect(std::string_view text);
  std::string_view word(const char *what);
  uint64_t integer(const char *what);
  [[noreturn]] void fail(const std::string &message) const;
  std::string found() const;

  // Module level.
  void directive();
  void version();
  void target();
  void file();
  void skipSection();
  Variable variable(Space space, bool external);
  uint64_t elementBytes(std::string_view type) const;
  void arraySize(Variable &variable);
  void initializer(Variable &variable, uint64_t elementBytes);
  void globalVariables(Space space, bool external);
  void function(bool isEntry);
  std::vector<Variable> parameterList();
  void performanceDirectives(Function &function);
  std::array<uint32_t, 3> dimensions();

  // Bodies.
  void body(Function &function);
  void registers(Function &function);
  void location();
  void statement(Function &function);
  void guard(Function &function, Statement &statement);
  Operand operand(Function &function);
  Operand list(Function &function, std::string_view close);
  Operand address(Function &function);
  Operand named();
  std::optional<uint32_t> findRegister(std::string_view name) const;

  struct Range {
    uint32_t first = 0;
    uint64_t count = 0; // 0: a single register
  };

  Module &module;
  PtxLexer lexer;
  Token token;
  std::vector<unsigned> scopes;                         // open ones, innermost last
  std::vector<std::map<std::string_view, Range>> names; // registers, [scope]
  unsigned sourceFile = 0, sourceLine = 0;
};

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_PTXPARSER_H
