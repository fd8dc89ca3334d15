//===- Imported.h - a model of another format -------------------*- C++ -*-===//
#ifndef NETC_FRONTEND_IMPORT_IMPORTED_H
#define NETC_FRONTEND_IMPORT_IMPORTED_H

#include <cstdint>
#include <string>
#include <vector>

namespace netc::frontend {

/// A parameter's values, row-major.
struct ImportedTensor {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> values;
};

/// The scale of a value in 8 bits. The variable has a statement of its own, or is an input.
struct ImportedScale {
  std::string variable;
  float scale = 1;
};

/// A model file and the weights to it.
struct Imported {
  std::string text; ///< of the .net file
  std::vector<ImportedTensor> tensors;
  std::vector<ImportedScale> scales;
};

/// The bytes of a safetensors file.
std::string safetensorsBytes(const std::vector<ImportedTensor> &tensors);

} // namespace netc::frontend

#endif // NETC_FRONTEND_IMPORT_IMPORTED_H
