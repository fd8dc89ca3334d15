//===- Linker.h - object and runtime to an executable -----------*- C++ -*-===//
#ifndef NETC_CODEGEN_PACKAGE_LINKER_H
#define NETC_CODEGEN_PACKAGE_LINKER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <string>

namespace netc {

/// Links `objects` with `archives` (libnetc_runtime.a last) to `output`, which appears whole or
/// not at all. False: `error` says what is missing or what the linker said.
bool linkExecutable(llvm::ArrayRef<std::string> objects, llvm::ArrayRef<std::string> archives,
                    llvm::StringRef output, std::string &error);

} // namespace netc

#endif // NETC_CODEGEN_PACKAGE_LINKER_H
