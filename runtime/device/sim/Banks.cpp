//===- Banks.cpp - what accesses to shared memory cost --------------------===//
#include "runtime/device/sim/Banks.h"

#include <algorithm>

using namespace netc::runtime::sim;

void BankUse::count(const uint64_t *addresses, uint32_t bytes, uint32_t mask) {
  constexpr unsigned lanes = 32, banks = 32;
  unsigned together = bytes <= 4 ? lanes : lanes * 4 / bytes;
  for (unsigned first = 0; first < lanes; first += together) {
    uint64_t words[lanes];
    unsigned found = 0;
    for (unsigned lane = first; lane < first + together; ++lane)
      if ((mask >> lane) & 1)
        for (uint32_t at = 0; at < std::max(bytes, 4u); at += 4)
          words[found++] = (addresses[lane] + at) / 4;
    if (!found)
      continue;
    std::sort(words, words + found);
    unsigned inBank[banks] = {}, most = 0;
    for (uint64_t *word = words, *end = std::unique(words, words + found); word != end; ++word)
      most = std::max(most, ++inBank[*word % banks]);
    passes += most;
    conflicts += most - 1;
  }
}
