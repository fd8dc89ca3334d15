//===- LayerNotes.h - what an editor says about a word of the language ----===//
#ifndef NETC_TOOLS_NETC_LSP_LAYERNOTES_H
#define NETC_TOOLS_NETC_LSP_LAYERNOTES_H

#include <string>
#include <string_view>

namespace netc::lsp {

struct LayerNote {
  std::string_view layer;
  std::string_view pytorch;  ///< the class or function that computes the same
  std::string_view defaults; ///< "stride=1, pad=0": of arguments that may be left out
  std::string_view summary;
};

/// Null for a layer that has none.
const LayerNote *findLayerNote(std::string_view layer);

/// One sentence about a compile-time function or a word of the language; empty: unknown.
std::string_view describeWord(std::string_view word);

/// "conv(c, k, stride=1, …)" and where each argument stands in it. Empty for unknown names.
std::string signatureOfLayer(std::string_view layer);
std::string signatureOfFunction(std::string_view function);

} // namespace netc::lsp

#endif // NETC_TOOLS_NETC_LSP_LAYERNOTES_H
