//===- TemporaryFile.h - files that go with an object -----------*- C++ -*-===//
#ifndef NETC_CODEGEN_COMMON_TEMPORARYFILE_H
#define NETC_CODEGEN_COMMON_TEMPORARYFILE_H

#include "llvm/ADT/StringRef.h"

#include <string>
#include <system_error>

namespace netc {

/// Why a temporary file could not be made: names the folder, and where its name comes from.
std::string temporaryFileError(std::error_code error);

/// The temporary file that is renamed to `path` when it is complete: in the same folder, under a
/// name that no other process uses.
std::string partialName(llvm::StringRef path);

} // namespace netc

#endif // NETC_CODEGEN_COMMON_TEMPORARYFILE_H
