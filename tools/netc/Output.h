//===- Output.h - what netc says and writes ---------------------*- C++ -*-===//
#ifndef NETC_TOOLS_NETC_OUTPUT_H
#define NETC_TOOLS_NETC_OUTPUT_H

#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"

#include <string>

namespace netc {

/// Prints an error; returns kFailed.
int fail(const llvm::Twine &message);

/// Whether `path` is a device or a pipe: those are written to, never replaced.
bool isSpecial(llvm::StringRef path);

/// Writes `text` to stdout. Returns an exit code.
int writeStdout(llvm::StringRef text);

/// Writes `text` to `path`: the file appears as a whole or not at all. Returns an exit code.
int writeFile(const std::string &path, llvm::StringRef text);

} // namespace netc

#endif // NETC_TOOLS_NETC_OUTPUT_H
