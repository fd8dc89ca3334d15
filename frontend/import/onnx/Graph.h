//===- Graph.h - an ONNX model as plain structs -----------------*- C++ -*-===//
#ifndef NETC_FRONTEND_IMPORT_ONNX_GRAPH_H
#define NETC_FRONTEND_IMPORT_ONNX_GRAPH_H

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace netc::frontend::onnx {

/// A tensor whose values the file has: numbers of all floating-point types are kept as f32, of all
/// integer types as i64.
struct Tensor {
  std::vector<int64_t> dims;
  bool isFloat = true;
  int32_t type = 0; ///< ONNX's number of the element type; 0: not said
  std::vector<float> floats;
  std::vector<int64_t> ints;

  int64_t elements() const { return int64_t(isFloat ? floats.size() : ints.size()); }
  double at(int64_t i) const {
    return isFloat ? double(floats[size_t(i)]) : double(ints[size_t(i)]);
  }
};

/// ONNX's numbers of the element types that are told apart here.
enum ElementType : int32_t {
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kHalf = 10,
  kDouble = 11,
  kUint32 = 12,
  kUint64 = 13,
  kBfloat16 = 16
};

struct Attribute {
  int64_t i = 0;
  double f = 0;
  std::string s;
  std::vector<int64_t> ints;
  std::vector<double> floats;
  std::optional<Tensor> tensor;
};

struct Node {
  std::string op, domain, name;
  std::vector<std::string> inputs, outputs; ///< an empty name: left out
  std::map<std::string, Attribute> attributes;
  std::string where = {}; ///< of another format: what errors call the layer; else its name and op
  std::string scope = {}; ///< the module that it is part of, where the exporter says it
};

/// A size of an input; no number: a name ("batch"), or nothing.
struct Dim {
  std::optional<int64_t> size;
  std::string name;
};

struct Port {
  std::string name;
  std::vector<Dim> dims;
  bool isFloat = true;
  int32_t type = 0;
};

struct Graph {
  int64_t opset = 0;
  std::string producer;
  std::string format = {};  ///< "Caffe", "Darknet"; empty: ONNX
  std::string clauses = {}; ///< of a recipe, a line each, that the format implies
  std::vector<Node> nodes;  ///< each after those that it reads from
  std::map<std::string, Tensor> initializers;
  std::vector<Port> inputs; ///< without initializers
  std::vector<Port> outputs;
};

/// Reads a file. Nothing: `error` says why: no ONNX model, damaged, of an opset that is not known,
/// with tensors whose bytes do not fit their shapes. Whatever the file holds, reading takes memory
/// in proportion to its size, that of its external data included.
std::optional<Graph> readGraph(const std::string &path, std::string &error);

} // namespace netc::frontend::onnx

#endif // NETC_FRONTEND_IMPORT_ONNX_GRAPH_H
