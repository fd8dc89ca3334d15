//===- Exchange.cpp - shfl, vote, match, redux ----------------------------===//
#include "runtime/device/sim/exec/Lanes.h"

namespace netc::runtime::sim::NETC_SIM_LEVEL {

/// op: d, p (0: none), a, b, c (PTX ISA, shfl.sync)
template <ShuffleMode Mode> static void shuffle(Warp &warp, const Instr &instr) {
  const uint32_t *a = in<uint32_t>(warp, instr.op[2]), *b = in<uint32_t>(warp, instr.op[3]),
                 *c = in<uint32_t>(warp, instr.op[4]);
  uint32_t values[32], valid = 0, asleep = 0;
  for (unsigned lane = 0; lane < 32; ++lane) {
    int at = int(lane), delta = int(b[lane] & 31), clamp = int(c[lane] & 31),
        segment = int((c[lane] >> 8) & 31);
    int most = (at & segment) | (clamp & ~segment), least = at & segment;
    int from = Mode == ShuffleMode::Up          ? at - delta
               : Mode == ShuffleMode::Down      ? at + delta
               : Mode == ShuffleMode::Butterfly ? at ^ delta
                                                : least | (delta & ~segment);
    bool inside = Mode == ShuffleMode::Up ? from >= most : from <= most;
    from = inside ? from : at;
    valid |= uint32_t(inside) << lane;
    if (((warp.exec >> lane) & 1) && !((warp.exec >> from) & 1))
      asleep |= 1u << lane;
    values[lane] = a[from];
  }
  if (asleep && warp.checks)
    reportFault(warp, instr, asleep, "shuffle from an inactive lane",
                "the lane that it reads does not take part");
  put(warp, instr.op[0], values);
  if (instr.op[1])
    putPredicate(warp, instr.op[1], valid);
}

Handler selectShuffle(ShuffleMode mode) {
  switch (mode) {
  case ShuffleMode::Up:
    return shuffle<ShuffleMode::Up>;
  case ShuffleMode::Down:
    return shuffle<ShuffleMode::Down>;
  case ShuffleMode::Butterfly:
    return shuffle<ShuffleMode::Butterfly>;
  case ShuffleMode::Index:
    return shuffle<ShuffleMode::Index>;
  }
  return nullptr;
}

/// op: d, p
template <VoteMode Mode> static void vote(Warp &warp, const Instr &instr) {
  uint32_t yes = predicate(warp, instr.op[1]) & warp.exec;
  if constexpr (Mode == VoteMode::Ballot) {
    uint32_t values[32];
    NETC_SIM_LANES values[lane] = yes;
    put(warp, instr.op[0], values);
  } else {
    bool result = Mode == VoteMode::All   ? yes == warp.exec
                  : Mode == VoteMode::Any ? yes != 0
                                          : !yes || yes == warp.exec;
    putPredicate(warp, instr.op[0], result ? ~0u : 0);
  }
}

Handler selectVote(VoteMode mode) {
  switch (mode) {
  case VoteMode::All:
    return vote<VoteMode::All>;
  case VoteMode::Any:
    return vote<VoteMode::Any>;
  case VoteMode::Uni:
    return vote<VoteMode::Uni>;
  case VoteMode::Ballot:
    return vote<VoteMode::Ballot>;
  }
  return nullptr;
}

/// op: d, p (0: none), a
template <typename T, bool All> static void match(Warp &warp, const Instr &instr) {
  const T *a = in<T>(warp, instr.op[2]);
  uint32_t values[32], same = 0;
  for (unsigned lane = 0; lane < 32; ++lane) {
    values[lane] = 0;
    for (unsigned other = 0; other < 32; ++other)
      values[lane] |= uint32_t(((warp.exec >> other) & 1) && a[other] == a[lane]) << other;
    same |= uint32_t(values[lane] == warp.exec) << lane;
  }
  bool all = (same & warp.exec) == warp.exec;
  if constexpr (All)
    NETC_SIM_LANES values[lane] = all ? values[lane] : 0;
  put(warp, instr.op[0], values);
  if (instr.op[1])
    putPredicate(warp, instr.op[1], all ? ~0u : 0);
}

Handler selectMatch(Type type, bool all) {
  if (type == Type::B32)
    return all ? match<uint32_t, true> : match<uint32_t, false>;
  return type == Type::B64 ? (all ? match<uint64_t, true> : match<uint64_t, false>) : nullptr;
}

/// op: d, a
template <typename T, Op O> static void reduce(Warp &warp, const Instr &instr) {
  const T *a = in<T>(warp, instr.op[1]);
  bool first = true;
  T sum = 0;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!((warp.exec >> lane) & 1))
      continue;
    T value = a[lane];
    sum = first          ? value
          : O == Op::Add ? T(uint32_t(sum) + uint32_t(value))
          : O == Op::Min ? (sum < value ? sum : value)
          : O == Op::Max ? (sum > value ? sum : value)
          : O == Op::And ? sum & value
          : O == Op::Or  ? sum | value
                         : sum ^ value;
    first = false;
  }
  T values[32];
  NETC_SIM_LANES values[lane] = sum;
  put(warp, instr.op[0], values);
}

Handler selectReduce(Op op, Type type) {
  bool isSigned = type == Type::S32, isWord = isSigned || type == Type::U32,
       isBits = type == Type::B32;
  switch (op) {
  case Op::Add:
    return isWord ? reduce<uint32_t, Op::Add> : nullptr;
  case Op::Min:
    return isSigned ? (Handler)reduce<int32_t, Op::Min>
           : isWord ? reduce<uint32_t, Op::Min>
                    : nullptr;
  case Op::Max:
    return isSigned ? (Handler)reduce<int32_t, Op::Max>
           : isWord ? reduce<uint32_t, Op::Max>
                    : nullptr;
  case Op::And:
    return isBits ? reduce<uint32_t, Op::And> : nullptr;
  case Op::Or:
    return isBits ? reduce<uint32_t, Op::Or> : nullptr;
  case Op::Xor:
    return isBits ? reduce<uint32_t, Op::Xor> : nullptr;
  default:
    return nullptr;
  }
}

} // namespace netc::runtime::sim::NETC_SIM_LEVEL
