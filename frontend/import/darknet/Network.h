//===- Network.h - a Darknet network as a graph -----------------*- C++ -*-===//
#ifndef NETC_FRONTEND_IMPORT_DARKNET_NETWORK_H
#define NETC_FRONTEND_IMPORT_DARKNET_NETWORK_H

#include "frontend/import/onnx/Graph.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace netc::frontend::darknet {

struct Option {
  std::string value;
  int line = 0;
};

/// A part of a .cfg file: a layer, or the [net] at its begin.
struct Section {
  std::string name;
  int line = 0; ///< from 1
  std::map<std::string, Option> options;
};

/// The numbers of a .weights file in their order, and what its header says.
struct Weights {
  std::vector<float> values;
  bool isTransposed = false; ///< matrices are [inputs, outputs]
};

/// Reads a .cfg file. Nothing: `errors` says why, with lines.
std::optional<std::vector<Section>> readSections(const std::string &path,
                                                 std::vector<std::string> &errors);

/// Reads a .weights file, of any version of its header. Memory is in proportion to its size.
std::optional<Weights> readWeights(const std::string &path, std::string &error);

/// The network as a graph. Without `weights` all parameters are 0. A softmax over the classes at
/// the end is left out. Nothing: `errors` names each layer that has no counterpart, with its line
/// and what to do.
std::optional<onnx::Graph> convert(const std::vector<Section> &sections, const Weights *weights,
                                   std::vector<std::string> &errors);

} // namespace netc::frontend::darknet

#endif // NETC_FRONTEND_IMPORT_DARKNET_NETWORK_H
