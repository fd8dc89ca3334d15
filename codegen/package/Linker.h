//===- Linker.h - objects and runtime to what a system runs -----*- C++ -*-===//
#ifndef NETC_CODEGEN_PACKAGE_LINKER_H
#define NETC_CODEGEN_PACKAGE_LINKER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <string>

namespace netc {

// Each writes `output`, which appears whole or not at all. False: `error` says what is missing or
// what the linker said.

/// Links `objects` with `archives` (libnetc_runtime.a last) to an executable; `others`: further
/// arguments, which may name sources to compile.
bool linkExecutable(llvm::ArrayRef<std::string> objects, llvm::ArrayRef<std::string> archives,
                    llvm::ArrayRef<std::string> others, llvm::StringRef output, std::string &error);

/// Links `objects` and what `wanted` symbols need of `archives` to one object file.
bool linkRelocatable(llvm::ArrayRef<std::string> objects, llvm::ArrayRef<std::string> archives,
                     llvm::ArrayRef<std::string> wanted, llvm::StringRef output,
                     std::string &error);

/// Links `object` to a shared library that is found under the name `soname` when a program starts.
/// It exports the object's symbols alone.
bool linkShared(const std::string &object, llvm::StringRef soname, llvm::StringRef output,
                std::string &error);

} // namespace netc

#endif // NETC_CODEGEN_PACKAGE_LINKER_H
