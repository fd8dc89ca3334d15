//===- Format.h - canonical formatting of model files -----------*- C++ -*-===//
#ifndef NETC_FRONTEND_SYNTAX_FORMAT_H
#define NETC_FRONTEND_SYNTAX_FORMAT_H

#include <optional>
#include <string>

namespace netc::frontend {

/// Canonical formatting of `source` (`netc fmt`), comments kept; idempotent.
std::optional<std::string> formatSource(const std::string &path, const std::string &source,
                                        std::string &diagnostics);

} // namespace netc::frontend

#endif // NETC_FRONTEND_SYNTAX_FORMAT_H
