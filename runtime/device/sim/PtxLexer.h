//===- PtxLexer.h - PTX text to tokens --------------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_DEVICE_SIM_PTXLEXER_H
#define NETC_RUNTIME_DEVICE_SIM_PTXLEXER_H

#include "runtime/device/sim/Ptx.h"

namespace netc::runtime::sim {

enum class TokenKind : uint8_t { End, Word, Integer, Float32, Float64, String, Punctuation };

/// A word keeps its dots: `ld.global.v4.b32`, `.reg`, `%tid.x`, `L1::evict_last`.
struct Token {
  TokenKind kind = TokenKind::End;
  std::string_view text;
  uint64_t bits = 0; // of a number
  unsigned line = 1;
};

class PtxLexer {
public:
  explicit PtxLexer(std::string_view text) : text(text) {}
  /// Fails with a PtxError on a character or number that is none of PTX.
  Token next();

private:
  void skipBlanks();
  Token number();
  Token take(TokenKind kind, size_t length);

  std::string_view text;
  size_t at = 0;
  unsigned line = 1;
};

} // namespace netc::runtime::sim

#endif // NETC_RUNTIME_DEVICE_SIM_PTXLEXER_H
