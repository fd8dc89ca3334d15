//===- PublishedNames.cpp - tensors of torchvision's own files ------------===//
#include "runtime/weights/PublishedNames.h"

#include <array>
#include <string_view>

namespace netc::runtime {

namespace {
/// A module's name within a module whose name contains `within`, and what files call it.
struct Renamed {
  std::string_view within, name, published;
};
} // namespace

static constexpr std::array<Renamed, 6> renamed{{
    {".denselayer", ".norm1.", ".norm.1."},
    {".denselayer", ".norm2.", ".norm.2."},
    {".denselayer", ".conv1.", ".conv.1."},
    {".denselayer", ".conv2.", ".conv.2."},
    {".encoder_layer_", ".mlp.0.", ".mlp.linear_1."},
    {".encoder_layer_", ".mlp.3.", ".mlp.linear_2."},
}};

std::string publishedName(const std::string &name) {
  for (const Renamed &each : renamed) {
    size_t within = name.find(each.within);
    size_t at = within == std::string::npos ? within : name.find(each.name, within);
    if (at != std::string::npos)
      return std::string(name).replace(at, each.name.size(), each.published);
  }
  return {};
}

} // namespace netc::runtime
