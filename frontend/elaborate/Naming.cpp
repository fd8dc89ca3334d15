//===- Naming.cpp - names of layers and scopes ----------------------------===//
#include "frontend/elaborate/Naming.h"

namespace netc::frontend {

std::string Scope::qualify(std::string_view label) const {
  if (prefix.empty())
    return std::string(label);
  std::string name = prefix;
  name += '.';
  name += label;
  return name;
}

std::string Scope::next(std::string_view kind) {
  int number = ++counts[std::string(kind)];
  return qualify(std::string(kind) + std::to_string(number));
}

} // namespace netc::frontend
