//===- Symbols.h - which names of a text mean the same ----------*- C++ -*-===//
#ifndef NETC_TOOLS_NETC_LSP_SYMBOLS_H
#define NETC_TOOLS_NETC_LSP_SYMBOLS_H

#include "frontend/elaborate/Analyze.h"

#include <string>
#include <vector>

namespace netc::lsp {

/// A name in a text. `symbols`: what it means, as keys that are equal in all files: a variable is
/// "var:FILE:DEFINITION:NAME", a block or model "def:FILE:NAME", a word of the language
/// "layer:NAME", "function:NAME", and so on. An argument of a variable that held several blocks
/// means a parameter of each.
struct Occurrence {
  frontend::Range range;
  std::vector<std::string> symbols;
  bool binds = false; ///< a definition, a parameter, or the left of '='
};

/// All names of a file and its imports.
class Symbols {
public:
  explicit Symbols(const frontend::Analysis &analysis);

  const std::vector<Occurrence> &all() const { return occurrences; }
  /// At a byte of source `file`; null where no name stands.
  const Occurrence *at(uint32_t file, uint32_t line, uint32_t column) const;
  /// Every name that means one of `symbols`.
  std::vector<const Occurrence *> meaning(const std::vector<std::string> &symbols) const;

private:
  friend class SymbolWalk;
  std::vector<Occurrence> occurrences;
};

/// A block or model, a parameter or a variable: what can be renamed and has a place.
bool isOwn(const Occurrence &occurrence);

} // namespace netc::lsp

#endif // NETC_TOOLS_NETC_LSP_SYMBOLS_H
