//===- Pattern.cpp - patterns of names ------------------------------------===//
#include "runtime/train/Pattern.h"

namespace netc::runtime {

bool matches(const std::string &pattern, const std::string &name) {
  size_t p = 0, n = 0, star = std::string::npos, from = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star != std::string::npos) {
      p = star + 1; // the last star takes one more
      n = ++from;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string::npos;
}

} // namespace netc::runtime
