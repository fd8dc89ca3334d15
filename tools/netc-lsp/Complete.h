//===- Complete.h - completion and signature help ---------------*- C++ -*-===//
//
// Both read the tokens before the cursor, not the tree: a text that is being typed has
// none there.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_TOOLS_NETC_LSP_COMPLETE_H
#define NETC_TOOLS_NETC_LSP_COMPLETE_H

#include "frontend/elaborate/Analyze.h"

#include "llvm/Support/JSON.h"

namespace netc::lsp {

/// `before`: the text up to the cursor. `known`: the definitions of the file, from when it could
/// last be read; may be null. Items of the protocol.
llvm::json::Array complete(const std::string &before, const frontend::Analysis *known);

/// Null where the cursor stands in no call.
llvm::json::Value signatureHelp(const std::string &before, const frontend::Analysis *known);

} // namespace netc::lsp

#endif // NETC_TOOLS_NETC_LSP_COMPLETE_H
