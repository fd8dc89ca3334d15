//===- Text.h - a text as editors count in it -------------------*- C++ -*-===//
//
// The protocol counts lines from 0 and columns in UTF-16 units; the compiler counts
// lines from 1 and columns in bytes from 1.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_TOOLS_NETC_LSP_TEXT_H
#define NETC_TOOLS_NETC_LSP_TEXT_H

#include "frontend/syntax/Diagnostics.h"

#include "llvm/Support/JSON.h"

#include <string>
#include <string_view>

namespace netc::lsp {

struct Position {
  int64_t line = 0, character = 0;
};

/// Missing or negative numbers count as 0.
Position readPosition(const llvm::json::Object *object);
llvm::json::Object toJson(Position position);

/// Byte offset of a position; one outside of the text is moved into it.
size_t offsetOf(std::string_view text, Position position);
Position positionOf(std::string_view text, size_t offset);

/// The whole of the text, for edits that replace it.
llvm::json::Object wholeRange(std::string_view text);
/// Of a range of the compiler in its source; line 0 (no place) becomes the beginning.
llvm::json::Object toJson(const frontend::Source &source, frontend::Range range);

/// Applies one item of `contentChanges`: a whole text, or the text of a range.
void applyChange(std::string &text, const llvm::json::Object &change);

/// Bytes that are no UTF-8, as a damaged import may hold them, replaced: JSON takes none.
std::string validText(std::string text);

/// "file:///a%20b.net" -> "/a b.net"; other schemes stay as they are.
std::string pathOf(std::string_view uri);
std::string uriOf(std::string_view path);

} // namespace netc::lsp

#endif // NETC_TOOLS_NETC_LSP_TEXT_H
