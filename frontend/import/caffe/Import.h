//===- Import.h - a Caffe network as a graph --------------------*- C++ -*-===//
#ifndef NETC_FRONTEND_IMPORT_CAFFE_IMPORT_H
#define NETC_FRONTEND_IMPORT_CAFFE_IMPORT_H

#include "frontend/import/caffe/Net.h"
#include "frontend/import/onnx/Graph.h"

#include <optional>
#include <string>
#include <vector>

namespace netc::frontend::caffe {

/// The network as a graph. Without `weights` all parameters are 0. A softmax over the classes at
/// the end is left out. Nothing: `errors` names each layer that has no counterpart, with its line
/// and what to do.
std::optional<onnx::Graph> convert(const Net &net, const Weights *weights,
                                   std::vector<std::string> &errors);

} // namespace netc::frontend::caffe

#endif // NETC_FRONTEND_IMPORT_CAFFE_IMPORT_H
