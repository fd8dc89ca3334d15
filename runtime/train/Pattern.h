//===- Pattern.h - patterns of names ----------------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_TRAIN_PATTERN_H
#define NETC_RUNTIME_TRAIN_PATTERN_H

#include <string>

namespace netc::runtime {

/// `*` any characters, `?` one: "layer1.*", "*.bias".
bool matches(const std::string &pattern, const std::string &name);

} // namespace netc::runtime

#endif // NETC_RUNTIME_TRAIN_PATTERN_H
