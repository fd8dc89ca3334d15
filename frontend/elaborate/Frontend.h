//===- Frontend.h - from .net text to an elaborated network -----*- C++ -*-===//
#ifndef NETC_FRONTEND_ELABORATE_FRONTEND_H
#define NETC_FRONTEND_ELABORATE_FRONTEND_H

#include "frontend/network/Network.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace netc::frontend {

struct ElaborateOptions {
  std::string model;                                    ///< --model; empty: the only candidate
  std::vector<std::pair<std::string, std::string>> set; ///< --set NAME=VALUE, VALUE an expression
};

/// Reads `path` with its imports and elaborates one model. On failure returns
/// nothing and leaves every error that could be found, rendered (file:line:column,
/// source line, caret, notes), in `diagnostics`; warnings may be there on success too.
std::optional<Network> elaborateFile(const std::string &path, const ElaborateOptions &options,
                                     std::string &diagnostics);

/// The syntax tree of `path` as text, for `--emit ast`.
std::optional<std::string> dumpAst(const std::string &path, std::string &diagnostics);

} // namespace netc::frontend

#endif // NETC_FRONTEND_ELABORATE_FRONTEND_H
