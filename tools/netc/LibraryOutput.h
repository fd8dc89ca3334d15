//===- LibraryOutput.h - netc --emit lib ------------------------*- C++ -*-===//
#ifndef NETC_TOOLS_NETC_LIBRARYOUTPUT_H
#define NETC_TOOLS_NETC_LIBRARYOUTPUT_H

#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace netc {
class Objects;

/// Creates the folder of --library where it is missing. Returns an exit code, as does writeLibrary.
int openLibraryFolder(const std::string &folder);

/// Writes the library of a model to `folder`: header, libNAME.so, libNAME.a, NAME.pc, the CMake
/// package, and all of them under the fixed name `model` too. `module`: the model after the kern
/// stage; `target`: what it was compiled for, in words.
int writeLibrary(mlir::ModuleOp module, const Objects &objects,
                 const std::vector<std::string> &archives, const std::string &target,
                 const std::string &folder);

} // namespace netc

#endif // NETC_TOOLS_NETC_LIBRARYOUTPUT_H
