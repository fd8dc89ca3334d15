//===- Net.h - a Caffe network as plain structs -----------------*- C++ -*-===//
#ifndef NETC_FRONTEND_IMPORT_CAFFE_NET_H
#define NETC_FRONTEND_IMPORT_CAFFE_NET_H

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace netc::frontend::caffe {

/// A layer's parameter; numbers of all kinds, or words of an enumeration.
struct Parameter {
  std::vector<double> numbers;
  std::vector<std::string> words;
};

/// Weights as a .caffemodel has them.
struct Blob {
  std::vector<int64_t> shape;
  std::vector<float> values;
};

struct Layer {
  std::string name, type; ///< types as the newer `layer` writes them
  int line = 0;           ///< in the .prototxt, from 1
  std::vector<std::string> bottoms, tops;
  std::map<std::string, Parameter> parameters; ///< "convolution_param.num_output"
  std::vector<std::vector<int64_t>> shapes;    ///< of an Input, a top each
};

struct Net {
  std::string name;
  std::vector<std::pair<std::string, std::vector<int64_t>>> inputs; ///< with the batch
  std::vector<Layer> layers; ///< of the phase TEST, in the order of the file
};

using Weights = std::map<std::string, std::vector<Blob>>; ///< by layer

/// Reads a .prototxt. Nothing: `errors` says why, with lines.
std::optional<Net> readNet(const std::string &path, std::vector<std::string> &errors);

/// Reads a .caffemodel. Memory is in proportion to the file's size.
std::optional<Weights> readWeights(const std::string &path, std::string &error);

} // namespace netc::frontend::caffe

#endif // NETC_FRONTEND_IMPORT_CAFFE_NET_H
