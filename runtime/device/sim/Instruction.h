//===- Instruction.h - decoded instructions and programs --------*- C++ -*-===//
//
// A program is decoded once per kernel into a flat array of instructions, each
// with the function that runs it for the 32 lanes of a warp. Calls are inlined,
// immediates are constants with 32 equal lanes, so that every operand is a slot.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_DEVICE_SIM_INSTRUCTION_H
#define NETC_RUNTIME_DEVICE_SIM_INSTRUCTION_H

#include "runtime/device/sim/Ptx.h"

namespace netc::runtime::sim {

struct Warp;
struct Instr;
/// Runs one instruction for the lanes of Warp::exec.
using Handler = void (*)(Warp &, const Instr &);

constexpr unsigned lanes = 32;

enum class Type : uint8_t {
  None,
  B8,
  B16,
  B32,
  B64,
  B128,
  U8,
  U16,
  U32,
  U64,
  S8,
  S16,
  S32,
  S64,
  F16,
  F16x2,
  BF16,
  BF16x2,
  TF32,
  F32,
  F64,
  Pred
};

/// What an instruction does beyond its handler.
enum class Kind : uint8_t {
  Plain,       // only the handler
  Branch,      // to `target`
  BranchIndex, // to branchTables[target][op[0]]
  Exit,
  Trap,
  Barrier,     // of the block
  Together,    // all lanes of the member mask op[13] run it at once
  AllTogether, // all lanes of the warp run it at once
  Watched,     // only the handler, on registers that wgmma uses
  Poll,        // only the handler; where it waits in vain others take their turn
  Unreachable, // past the end of a function
};

enum class Op : uint8_t {
  Add,
  Sub,
  Mul,
  MulHigh,
  MulWide,
  Mad,
  MadHigh,
  MadWide,
  Div,
  Rem,
  Abs,
  Neg,
  Min,
  Max,
  Sad,
  And,
  Or,
  Xor,
  Not,
  LogicalNot,
  Shl,
  Shr,
  ShiftLeftFunnel,
  ShiftRightFunnel,
  Popc,
  Clz,
  Brev,
  Find,
  FindShift,
  ExtractBits,
  InsertBits,
  Permute,
  Lop3,
  Mov,
  Select,
  SelectSign,
  Fma,
  Rcp,
  Sqrt,
  Rsqrt,
  Sin,
  Cos,
  Lg2,
  Ex2,
  Tanh,
  CopySign,
  Exchange,
  CompareExchange,
  Increment,
  Decrement, // atomics only
};

enum class Compare : uint8_t { Eq, Ne, Lt, Le, Gt, Ge, Equ, Neu, Ltu, Leu, Gtu, Geu, Num, Nan };
enum class BoolOp : uint8_t { None, And, Or, Xor };
enum class Rounding : uint8_t { None, Rn, Rz, Rm, Rp, Rna, Rni, Rzi, Rmi, Rpi };
enum class BarrierOp : uint8_t { Sync, Arrive, Popc, And, Or };
enum class ShuffleMode : uint8_t { Up, Down, Butterfly, Index };
enum class VoteMode : uint8_t { All, Any, Uni, Ballot };

/// Bits of Instr::flags.
enum : uint8_t {
  flagFtz = 1,
  flagSat = 2,
  flagNan = 4,
  flagClamp = 4,
  flagRelu = 8,
  flagSized = 16,
  flagParity = 32
};

/// `op` holds slots: byte offset into the warp's registers, or, with bit 0 set,
/// into the program's constants. A predicate is its number, bit 31 negates it.
struct Instr {
  Handler run = nullptr;
  Kind kind = Kind::Plain;
  uint8_t flags = 0;
  bool guardNegated = false;
  uint8_t mode = 0;  // BarrierOp, ShuffleMode, BoolOp, Lop3's table, number of matrices, …
  uint8_t count = 1; // elements of a vector access
  uint8_t addressBytes = 8;
  uint16_t window = 0; // which cached allocation a global access looks at first
  uint32_t guard = 0;  // predicate number; 0 is always true
  uint32_t target = 0;
  uint32_t op[14] = {};
  uint64_t offset = 0; // added to the address; size of a cp.async
  uint32_t watch = 0;  // place in Program::watched of the registers it names; 0: none
};

struct Detail {
  unsigned line = 0; // in the PTX text
  unsigned sourceFile = 0, sourceLine = 0;
};

/// Special registers that have a slot: filled when a block starts.
enum class Special : uint8_t {
  TidX,
  TidY,
  TidZ,
  NtidX,
  NtidY,
  NtidZ,
  CtaidX,
  CtaidY,
  CtaidZ,
  NctaidX,
  NctaidY,
  NctaidZ,
  LaneId,
  WarpId,
  NwarpId,
  LaneMaskEq,
  LaneMaskLe,
  LaneMaskLt,
  LaneMaskGe,
  LaneMaskGt,
  Clock,
  Clock64,
  GlobalTimer,
  SmId,
  NsmId,
  GridId,
  DynamicSharedBytes,
  TotalSharedBytes
};

/// Slots are read with full vectors: they begin at a line.
struct alignas(64) CacheLine {
  char bytes[64];
};

struct Program {
  std::string name;
  const Module *module = nullptr;
  std::vector<Instr> code;
  std::vector<Detail> details; // [instruction]
  std::vector<CacheLine> constants;
  std::vector<std::vector<uint32_t>> branchTables;
  /// Operands of wgmma.mma_async, from Instr::target on: the sums, then A where it is in registers.
  std::vector<uint32_t> wideOperands;
  /// [of wideOperands]: the number of the register among those that some wgmma.mma_async names.
  std::vector<uint32_t> wideNumbers;
  uint32_t watchedRegisters = 0;
  std::vector<std::vector<uint32_t>> watched;         // numbers of those that an instruction names
  std::vector<std::pair<Special, uint32_t>> specials; // slots to fill
  uint64_t registerBytes = 0;                         // of a warp
  uint32_t predicates = 1;                            // number 0 is always true
  uint64_t localBytes = 0;                            // of a thread
  uint64_t staticSharedBytes = 0;
  bool usesDynamicShared = false;
  std::vector<std::pair<uint64_t, uint64_t>> parameters; // offset, bytes
  uint64_t parameterBytes = 0;
  std::array<uint32_t, 3> requiredThreads = {0, 0, 0}, maximumThreads = {0, 0, 0};
};

/// The windows of generic addresses; everything else is global.
constexpr uint64_t sharedWindow = uint64_t(0x0A00) << 32, localWindow = uint64_t(0x0B00) << 32,
                   parameterWindow = uint64_t(0x0C00) << 32, windowBytes = uint64_t(1) << 32;

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_INSTRUCTION_H
