//===- DepthFirst.h - a few images through many layers ----------*- C++ -*-===//
//
// Early layers of a network have large activations and small weights. Where those of a
// whole batch exceed the cache, it is better to take a few images through several layers
// than all images through each. Later layers are the other way round: all images share
// one reading of their weights.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_RUNTIME_DEPTHFIRST_H
#define NETC_RUNTIME_DEPTHFIRST_H

#include "runtime/Abi.h"

#include <cstdint>
#include <vector>

namespace netc::runtime {

/// Commands [begin, end) of a program, run for at most `images` images at a time.
struct Stretch {
  uint64_t begin, end;
  int64_t images;
};

/// Divides inference of a batch of n into stretches that cover all commands in order. A command is run for some of
/// the images only where it writes nothing that is shared by images; the bits are the same.
/// `cacheBytes`: what the threads share of the last cache; 0: all commands see the whole batch.
std::vector<Stretch> depthFirst(const NetcModel &model, const NetcProgram &program, int64_t n, uint64_t cacheBytes);

/// Bytes of the last cache of this machine, 0 where it is unknown.
uint64_t lastCacheBytes();

} // namespace netc::runtime

#endif // NETC_RUNTIME_DEPTHFIRST_H
