//===- Safetensors.h - the file format of weights ---------------*- C++ -*-===//
#ifndef NETC_RUNTIME_WEIGHTS_SAFETENSORS_H
#define NETC_RUNTIME_WEIGHTS_SAFETENSORS_H

#include "runtime/system/MappedFile.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace netc::runtime {

/// One tensor, dense and row-major. `data` is not aligned.
struct Tensor {
  std::string name;
  std::string dtype; ///< F32, F16, BF16, F64, I64, …
  std::vector<int64_t> shape;
  const char *data = nullptr;
  uint64_t bytes = 0;

  int64_t elements() const;
};

/// A whole file in memory; tensors point into it.
class Safetensors {
public:
  /// Fails with an Error that names the file, and the tensor where one is at
  /// fault: truncated, bad header, offsets that overlap, leave holes or don't
  /// match dtype and shape.
  static Safetensors read(const std::string &path);
  /// The same of a file that is in memory already, where it must stay as long as this; `name`
  /// stands for it in errors.
  static Safetensors readMemory(const std::string &name, const char *bytes, uint64_t size);

  const Tensor *find(const std::string &name) const;
  const std::vector<Tensor> &tensors() const { return list; } ///< in file order
  const std::map<std::string, std::string> &metadata() const { return meta; }
  const std::string &path() const { return file; }

private:
  void parse(const char *bytes, uint64_t size);

  std::string file;
  MappedFile mapping; ///< empty of a file in memory
  std::vector<Tensor> list;
  std::map<std::string, size_t> index;
  std::map<std::string, std::string> meta;
};

/// Converts F32, F16, BF16 or F64 to f32. Fails on any other type, naming
/// `file` and the tensor.
void convertToF32(const Tensor &tensor, const std::string &file, float *out);

/// Size and checksum of a written file, for a checkpoint's list of files.
struct WrittenFile {
  uint64_t bytes = 0;
  uint32_t crc = 0;
};

/// Writes atomically; equal arguments give equal bytes.
WrittenFile writeSafetensors(const std::string &path, const std::vector<Tensor> &tensors,
                             const std::map<std::string, std::string> &metadata);

/// An f32 tensor to write.
Tensor f32Tensor(std::string name, std::vector<int64_t> shape, const float *data);

} // namespace netc::runtime

#endif // NETC_RUNTIME_WEIGHTS_SAFETENSORS_H
