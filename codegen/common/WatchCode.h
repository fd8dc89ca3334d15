//===- WatchCode.h - a view of generated code -------------------*- C++ -*-===//
#ifndef NETC_CODEGEN_COMMON_WATCHCODE_H
#define NETC_CODEGEN_COMMON_WATCHCODE_H

#include "llvm/ADT/StringRef.h"

#include <functional>

namespace netc {

/// Is given generated code as text: its name, a file's extension ("ll", "ptx") and the text. Null:
/// nobody looks, and no text is made. Several threads may call it.
using WatchCode =
    std::function<void(llvm::StringRef name, llvm::StringRef extension, llvm::StringRef text)>;

} // namespace netc

#endif // NETC_CODEGEN_COMMON_WATCHCODE_H
