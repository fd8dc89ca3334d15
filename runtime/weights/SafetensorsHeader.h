//===- SafetensorsHeader.h - what a file says about its tensors -*- C++ -*-===//
#ifndef NETC_RUNTIME_WEIGHTS_SAFETENSORSHEADER_H
#define NETC_RUNTIME_WEIGHTS_SAFETENSORSHEADER_H

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace netc::runtime {

/// A tensor as the header has it: the type is any text, sizes may be negative.
struct HeaderEntry {
  std::string name, dtype;
  std::vector<int64_t> shape;
  std::vector<uint64_t> offsets; ///< two: begin and end, behind the header
};

struct SafetensorsHeader {
  std::vector<HeaderEntry> entries; ///< in file order
  std::map<std::string, std::string> metadata;
};

/// Reads the JSON of a header in time and memory that its length bounds. Fails with an Error that
/// names `path`: no JSON, a name that is there twice, a field that is missing or of another kind,
/// numbers that are no integers.
SafetensorsHeader readSafetensorsHeader(const char *begin, const char *end,
                                        const std::string &path);

} // namespace netc::runtime

#endif // NETC_RUNTIME_WEIGHTS_SAFETENSORSHEADER_H
