//===- Naming.h - names of layers and scopes --------------------*- C++ -*-===//
#ifndef NETC_FRONTEND_ELABORATE_NAMING_H
#define NETC_FRONTEND_ELABORATE_NAMING_H

#include <string>
#include <string_view>
#include <unordered_map>

namespace netc::frontend {

/// The names of one block instance. The model's own scope has no prefix.
class Scope {
public:
  explicit Scope(std::string prefix = {}) : prefix(std::move(prefix)) {}

  /// "layer1.0" + "conv1" -> "layer1.0.conv1".
  std::string qualify(std::string_view label) const;
  /// The next unlabelled name of a kind: "layer1.0.conv2".
  std::string next(std::string_view kind);
  const std::string &name() const { return prefix; }

private:
  std::string prefix;
  std::unordered_map<std::string, int> counts; ///< unlabelled ones so far, by kind
};

} // namespace netc::frontend

#endif // NETC_FRONTEND_ELABORATE_NAMING_H
