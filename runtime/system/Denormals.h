//===- Denormals.h - denormals flushed to zero ------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_SYSTEM_DENORMALS_H
#define NETC_RUNTIME_SYSTEM_DENORMALS_H

#include <immintrin.h>

namespace netc::runtime {

/// Has the calling thread take and give zero for denormals.
inline void flushDenormals() { _mm_setcsr(_mm_getcsr() | 0x8040); }

/// The same during its lifetime, in a thread of which only a call is ours.
class FlushedDenormals {
public:
  FlushedDenormals() : before(_mm_getcsr()) { flushDenormals(); }
  ~FlushedDenormals() { _mm_setcsr(before); }
  FlushedDenormals(const FlushedDenormals &) = delete;

private:
  const unsigned before;
};

} // namespace netc::runtime

#endif // NETC_RUNTIME_SYSTEM_DENORMALS_H
