//===- Describe.h - hover texts and inlay hints -----------------*- C++ -*-===//
#ifndef NETC_TOOLS_NETC_LSP_DESCRIBE_H
#define NETC_TOOLS_NETC_LSP_DESCRIBE_H

#include "tools/netc-lsp/Symbols.h"

#include <optional>

namespace netc::lsp {

/// A text in Markdown about a place, and the range that it is about.
struct Hover {
  frontend::Range range;
  std::string text;
};

/// About the token at a byte of source 0.
std::optional<Hover> hover(const frontend::Analysis &analysis, const Symbols &symbols,
                           uint32_t line, uint32_t column);

/// "basic(x, c, stride=1)", defaults as written.
std::string signatureOf(const frontend::Analysis &analysis, const frontend::Definition &def);
/// The lines of comment right above a definition, without '#'.
std::string commentAbove(const frontend::Analysis &analysis, const frontend::Definition &def);

/// A shape behind a name.
struct Hint {
  frontend::Range after;
  std::string text;
};
/// Shapes of the tensors that source 0 binds or returns, in the lines from `first` to `last`.
std::vector<Hint> hints(const frontend::Analysis &analysis, uint32_t first, uint32_t last);

} // namespace netc::lsp

#endif // NETC_TOOLS_NETC_LSP_DESCRIBE_H
