//===- Decode.h - from statements to a program ------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_DEVICE_SIM_DECODE_H
#define NETC_RUNTIME_DEVICE_SIM_DECODE_H

#include "runtime/device/sim/exec/Table.h"

namespace netc::runtime::sim {

/// Device addresses of a module's global and constant variables, by name.
using GlobalAddresses = std::map<std::string_view, uint64_t>;

/// The program of an entry. Fails with a PtxError that names the instruction, its
/// line and what about it is not simulated.
Program decodeEntry(const Module &module, const Function &entry, const GlobalAddresses &globals,
                    const HandlerTable &handlers);

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_DECODE_H
