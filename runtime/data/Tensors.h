//===- Tensors.h - data that are tensors already ----------------*- C++ -*-===//
#ifndef NETC_RUNTIME_DATA_TENSORS_H
#define NETC_RUNTIME_DATA_TENSORS_H

#include "runtime/data/Dataset.h"
#include "runtime/exec/Model.h"
#include "runtime/weights/Safetensors.h"

#include <memory>
#include <string>
#include <vector>

namespace netc::runtime {

/// The first of `names` that the file has; fails, naming the first and what the file has instead.
const Tensor &requireTensor(const Safetensors &file, const TensorInfo &wanted,
                            const std::vector<std::string> &names);

/// How many samples a tensor of the file has, which must be `n` where that is not 0. Fails where
/// its shape is not that of `wanted` behind the samples.
int64_t checkTensor(const Safetensors &file, const Tensor &tensor, const TensorInfo &wanted,
                    int64_t n);

/// Copies class indices, I64 or I32. Fails where one is neither below `classes` nor `ignore`.
void readLabels(const Safetensors &file, const Tensor &labels, int64_t classes,
                std::optional<int64_t> ignore, int64_t *out);

/// The names that the file may have an input under: its own, and `input` for the first where no
/// input has that name.
std::vector<std::string> namesOf(const ModelInfo &info, const TensorInfo &input);

/// What a data file holds for a loss: class indices where the executable makes distributions of
/// them.
TensorInfo targetInFile(const ModelInfo &info, const LossInfo &loss);

/// Classes that a loss's output scores.
int64_t classesOf(const ModelInfo &info, const LossInfo &loss);

/// tensors:FILE.safetensors for this model.
std::unique_ptr<Dataset> openTensors(const std::string &path, const ModelInfo &info);

} // namespace netc::runtime

#endif // NETC_RUNTIME_DATA_TENSORS_H
