//===- Table.h - which function runs an instruction -------------*- C++ -*-===//
//
// The handlers are compiled once per level of the x86-64 instruction set, each
// in a namespace of its own; decoding takes them from the level of this machine.
// A selector returns null for what PTX does not have or the simulator lacks.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_DEVICE_SIM_EXEC_TABLE_H
#define NETC_RUNTIME_DEVICE_SIM_EXEC_TABLE_H

#include "runtime/device/sim/Instruction.h"

namespace netc::runtime::sim {

struct Conversion {
  Type to = Type::None, from = Type::None;
  uint8_t toBytes = 4, fromBytes = 4; // of the registers
  Rounding rounding = Rounding::None;
  uint8_t flags = 0;
};

struct HandlerTable {
  Handler (*integer)(Op, Type);
  Handler (*bits)(Op, Type);
  Handler (*real)(Op, Type, uint8_t flags);
  Handler (*half)(Op, Type);
  /// setp where `bytes` is 0, else set with a result register of the type `result`.
  Handler (*compare)(Compare, Type, bool ftz);
  Handler (*compareTo)(Compare, Type, Type result);
  Handler (*predicate)(Op);
  Handler (*select)(Op, Type);
  Handler (*convert)(const Conversion &);
  Handler (*convertPair)(Type to, uint8_t flags);
  /// mov between registers of one size, and of parts: `count` parts.
  Handler (*move)(unsigned bytes);
  Handler (*pack)(unsigned bytes, unsigned count);
  Handler (*unpack)(unsigned bytes, unsigned count);
  Handler (*load)(Space, Type, unsigned registerBytes, unsigned count);
  Handler (*store)(Space, Type, unsigned registerBytes, unsigned count);
  Handler (*atomic)(Space, Op, Type, bool returns);
  Handler (*copyAsync)();
  Handler (*loadMatrix)(unsigned count, bool transposed);
  /// k of m16n8k, type of a and b.
  Handler (*multiplyMatrix)(unsigned k, Type);
  Handler (*multiplyWarpgroup)(Type);
  Handler (*shuffle)(ShuffleMode);
  Handler (*vote)(VoteMode);
  Handler (*match)(Type, bool all);
  Handler (*reduce)(Op, Type);
};

namespace baseline {
extern const HandlerTable handlers;
} // namespace baseline
namespace avx2 {
extern const HandlerTable handlers;
} // namespace avx2
namespace avx512 {
extern const HandlerTable handlers;
} // namespace avx512

/// Of this machine; `level` 1, 2 or 3 takes baseline, AVX2 or AVX-512 as far as
/// the machine has it.
const HandlerTable &handlerTable(unsigned level = 3);

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_EXEC_TABLE_H
