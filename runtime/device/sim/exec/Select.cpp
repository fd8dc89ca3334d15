//===- Select.cpp - the level of this machine -----------------------------===//
#include "runtime/device/sim/exec/Table.h"

using namespace netc::runtime::sim;

const HandlerTable &netc::runtime::sim::handlerTable(unsigned level) {
  bool hasAvx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                 __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("lzcnt");
  bool hasAvx512 = hasAvx2 && __builtin_cpu_supports("avx512f") &&
                   __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
  if (level >= 3 && hasAvx512)
    return avx512::handlers;
  return level >= 2 && hasAvx2 ? avx2::handlers : baseline::handlers;
}
