//===- Safetensors.cpp - the weights of an imported model -----------------===//
#include "frontend/import/Imported.h"

#include <fmt/format.h>

#include <cstring>
#include <iterator>

using namespace netc::frontend;

std::string netc::frontend::safetensorsBytes(const std::vector<ImportedTensor> &tensors) {
  std::string header = R"({"__metadata__":{"format":"pt"})";
  uint64_t offset = 0;
  for (const ImportedTensor &tensor : tensors) { // names are labels: nothing in them is escaped
    uint64_t end = offset + tensor.values.size() * sizeof(float);
    header += fmt::format(R"(,"{}":{{"dtype":"F32","shape":[{}],"data_offsets":[{},{}]}})",
                          tensor.name, fmt::join(tensor.shape, ","), offset, end);
    offset = end;
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  uint64_t length = header.size();
  std::string bytes(reinterpret_cast<const char *>(&length), sizeof length);
  bytes += header;
  bytes.reserve(bytes.size() + offset);
  for (const ImportedTensor &tensor : tensors)
    bytes.append(reinterpret_cast<const char *>(tensor.values.data()),
                 tensor.values.size() * sizeof(float));
  return bytes;
}
