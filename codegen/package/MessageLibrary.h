//===- MessageLibrary.h - what --comm links ---------------------*- C++ -*-===//
#ifndef NETC_CODEGEN_PACKAGE_MESSAGELIBRARY_H
#define NETC_CODEGEN_PACKAGE_MESSAGELIBRARY_H

#include "llvm/ADT/StringRef.h"

#include <string>
#include <vector>

namespace netc {

/// Arguments of a C driver that compile and link the runtime's transport over MPI, with the library
/// that pkg-config finds first: that of the system's choice, Open MPI, MPICH; or the package that
/// NETC_MPI names. `folder` holds the runtime's archive and sources. None: `error` says what is
/// missing.
std::vector<std::string> findMpi(llvm::StringRef folder, std::string &error);

/// Arguments for executables that join GPUs by NCCL, which they open when they train. They start
/// under MPI's launcher too where `findMpi` finds one. `isSimulated`: NCCL finds the calls of the
/// driver that it makes in the executable.
std::vector<std::string> linkNccl(llvm::StringRef folder, bool isSimulated);

} // namespace netc

#endif // NETC_CODEGEN_PACKAGE_MESSAGELIBRARY_H
