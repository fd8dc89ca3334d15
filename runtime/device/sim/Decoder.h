//===- Decoder.h - the inside of decodeEntry() ------------------*- C++ -*-===//
//
// One object decodes one entry. The families of instructions lie in files of
// their own: arithmetic, memory, control, warp-wide.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_DEVICE_SIM_DECODER_H
#define NETC_RUNTIME_DEVICE_SIM_DECODER_H

#include "runtime/device/sim/Decode.h"

#include <optional>
#include <set>

namespace netc::runtime::sim {

/// Bytes of a type; 0 of Type::None and Type::Pred.
unsigned typeBytes(Type type);
std::optional<Type> typeNamed(std::string_view name);
/// Slots of registers and constants: 32 lanes.
inline uint64_t slotBytes(unsigned bytes) { return uint64_t(bytes) * lanes; }

class Decoder {
public:
  Decoder(const Module &module, const GlobalAddresses &globals, const HandlerTable &handlers)
      : module(module), globals(globals), handlers(handlers) {}
  Program run(const Function &entry);

private:
  struct Place {
    Space space = Space::Local;
    uint64_t offset = 0;
    bool parameterOfCall = false; // a .param variable of a body, or of a callee
  };
  /// A function while its body is decoded: the entry, or an inlined callee.
  struct Frame {
    const Function *function = nullptr;
    std::vector<uint32_t> slots; // [register]; of a predicate: its number
    std::map<std::pair<unsigned, std::string_view>, Place> variables;
    std::vector<uint32_t> pcOf; // [statement]
    struct Jump {
      uint32_t instr;     // index in program.code
      int64_t table = -1; // else which branch table
      uint32_t entry = 0;
      std::string_view label;
      unsigned scope, line;
    };
    std::vector<Jump> jumps;
    std::vector<uint32_t> returns;
  };

  // Frames and places (Decode.cpp).
  void placeShared(const Function &function, std::set<std::string_view> &seen, unsigned depth);
  void placeSharedVariable(const Variable &variable);
  void body(Frame &frame);
  void bind(Frame &frame);
  void resolve(Frame &frame);
  void dynamicShared();
  const Function *findFunction(std::string_view name) const;
  uint32_t labelTarget(const Frame &frame, unsigned scope, std::string_view label,
                       unsigned line) const;

  // Operands (Operands.cpp).
  [[noreturn]] void fail(const std::string &why) const;
  void requireChip(unsigned chip) const;
  void requireAccelerated(unsigned chip) const;
  void operandCount(size_t least, size_t most) const;
  const Operand &operand(size_t index) const { return statement->operands[index]; }
  uint32_t newSlot(unsigned bytes);
  uint32_t constant(uint64_t bits, unsigned bytes);
  uint32_t source(const Operand &operand, unsigned bytes);
  uint32_t sourceAnyWidth(const Operand &operand, unsigned least, unsigned fallback,
                          unsigned &bytes);
  uint32_t destination(const Operand &operand, unsigned bytes);
  uint32_t destinationAnyWidth(const Operand &operand, unsigned least, unsigned &bytes);
  uint32_t predicateSource(const Operand &operand);
  uint32_t predicateDestination(const Operand &operand);
  uint32_t special(std::string_view name, unsigned bytes);
  uint32_t integerOperand(const Operand &operand, const char *what);
  std::optional<Place> findPlace(std::string_view name) const;
  /// Fills the slot, the offset and the width of an address; the space may be
  /// made more precise.
  uint32_t address(const Operand &operand, Space &space, Instr &instr);
  const std::vector<Operand> parts(const Operand &operand) const;

  // Modifiers: each must be taken.
  bool take(std::string_view word);
  bool takePrefix(std::string_view prefix);
  Type takeType();
  std::optional<Type> takeTypeIf();
  Rounding takeRounding();
  Space takeSpace();
  template <typename T>
  std::optional<T> takeOneOf(std::initializer_list<std::pair<std::string_view, T>> words) {
    for (const auto &[word, value] : words)
      if (take(word))
        return value;
    return std::nullopt;
  }
  void allTaken() const;
  /// Adds the instruction; null says that the table has no such handler.
  Instr &emit(Instr instr, Handler run);

  // Families.
  void decode(const Statement &statement);
  void arithmetic(Op op);
  void realFunction(Op op);
  void multiply();
  void multiplyAdd();
  void logic(Op op);
  void shift(Op op);
  void funnelShift();
  void countBits(Op op);
  void findBit();
  void extractBits();
  void insertBits();
  void permute();
  void lop3();
  void setPredicate();
  void setRegister();
  void select();
  void selectSign();
  void convert();
  void move();
  void convertAddress();
  void loadStore(bool isLoad);
  void atomic(bool returns);
  void asyncCopy();
  void fence();
  void noEffect();
  void branch();
  void branchIndex();
  void call();
  void leave(bool isReturn);
  void trap();
  void barrier(bool isBar);
  void barrierReduction(bool isBar);
  void shuffle();
  void vote();
  void match();
  void reduce();
  void activeMask();
  void loadMatrix();
  void multiplyMatrix();
  // Mbarriers and warpgroups (DecodeAsync.cpp).
  void memoryBarrier();
  void bulkCopy();
  void tensorCopy();
  void placeOfCopy(Instr &instr, unsigned index, const Operand &operand, Space space);
  void elect();
  void setMaximumRegisters();
  void warpgroupMatrix();
  void multiplyWarpgroup(Instr instr);
  void watchRegisters();
  void combineWith(Instr &instr, BoolOp op, size_t index);
  void together(Instr &instr, const Operand &members);

  const Module &module;
  const GlobalAddresses &globals;
  const HandlerTable &handlers;
  Program program;
  std::vector<Frame *> frames; // innermost last
  std::map<std::string_view, uint64_t> sharedOffsets;
  std::map<std::pair<uint64_t, unsigned>, uint32_t> constants;
  std::map<std::pair<Special, unsigned>, uint32_t> specials;
  const Statement *statement = nullptr;
  std::vector<std::string_view> words;        // modifiers not yet taken
  std::vector<uint32_t> named;                // slots of registers that the statement names
  std::vector<std::vector<uint32_t>> namedBy; // [instruction], where the module has wgmma
  bool hasMatrices = false;
  uint16_t nextWindow = 0;
};

// Handlers that need no vector code; in Control.cpp.
void runActiveMask(Warp &, const Instr &);
void runElect(Warp &, const Instr &);
void runClock(Warp &, const Instr &);
void runFence(Warp &, const Instr &);
void runWarpBarrier(Warp &, const Instr &);
void runCommitCopies(Warp &, const Instr &);
void runWaitCopies(Warp &, const Instr &);
void runNothing(Warp &, const Instr &);

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_DECODER_H
