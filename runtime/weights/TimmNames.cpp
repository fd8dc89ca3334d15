//===- TimmNames.cpp - what timm calls torchvision's tensors --------------===//
#include "runtime/weights/TimmNames.h"

#include <string_view>
#include <unordered_map>

namespace netc::runtime {

static constexpr std::string_view timmModules =
#include "runtime/weights/TimmNames.inc"
    ;

using Names = std::unordered_map<std::string_view, std::string_view>;

/// timm's names by torchvision's.
static Names readNames() {
  Names names;
  for (std::string_view rest = timmModules; !rest.empty();) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    size_t blank = line.find(' ');
    names.emplace(line.substr(0, blank), line.substr(blank + 1));
  }
  return names;
}

std::string timmName(const std::string &name) {
  static const Names names = readNames();
  size_t dot = name.rfind('.');
  if (dot == std::string::npos)
    return {};
  auto found = names.find(std::string_view(name).substr(0, dot));
  return found == names.end() ? std::string() : std::string(found->second) + name.substr(dot);
}

} // namespace netc::runtime
