//===- BatchStatistics.cpp - what batch norm needs of a batch -------------===//
#include "runtime/train/BatchStatistics.h"

#include "runtime/base/Error.h"

namespace netc::runtime {

void requireBatchStatistics(const ModelInfo &info, int64_t n, const std::string &what) {
  if (n > 1)
    return;
  for (const LayerInfo &layer : info.layers) {
    int64_t pixels = 1; // of a channel
    for (size_t i = 1; i < layer.output.size(); ++i)
      pixels *= layer.output[i];
    if (layer.kind == "bn" && pixels == 1)
      fail("{}: batch norm {} would have one value per channel, expected more than one to take "
           "their variance",
           what, layer.name);
  }
}

} // namespace netc::runtime
