//===- Model.h - the description inside a compiled model --------*- C++ -*-===//
#ifndef NETC_RUNTIME_EXEC_MODEL_H
#define NETC_RUNTIME_EXEC_MODEL_H

#include "runtime/abi/Abi.h"

#include <cstdint>
#include <string>
#include <vector>

namespace netc::runtime {

struct LayerInfo {
  std::string name, kind;
  std::vector<int64_t> output; ///< without the batch
  int64_t parameters = 0;
  int64_t flops = 0; ///< forward, one image
};

enum class InitializerKind { Constant, Uniform, Normal };

/// A parameter or running statistic; f32.
struct ParameterInfo {
  std::string name;
  std::vector<int64_t> shape;
  uint64_t offset = 0; ///< bytes within NETC_SPACE_PARAMETERS
  bool trainable = true;
  bool decay = true;
  bool aux = false; ///< of an auxiliary head: absent from inference
  int64_t layer = -1;
  InitializerKind init = InitializerKind::Constant;
  double initA = 0, initB = 0; ///< value; low, high; mean, std

  int64_t elements() const;
};

/// NetcModel::json, parsed.
struct ModelInfo {
  std::string name, file, compiler, target, cpu;
  std::vector<std::string> features;
  int channels = 0, height = 0, width = 0; ///< of one image
  int64_t classes = 0;
  int64_t flopsPerImage = 0;
  std::vector<LayerInfo> layers;
  std::vector<ParameterInfo> parameters;
  /// Of `--mode infer`: parameters of auxiliary heads, which a file of weights may have.
  std::vector<std::string> leftOut;
  std::string recipe;        ///< JSON, read by parseRecipe
  std::string graph;         ///< JSON, read by reference::readGraph; empty: none
  bool softLabels = false;   ///< the loss reads NETC_SPACE_TARGETS
  double labelSmoothing = 0; ///< of the loss, as the recipe says
  bool averages = false;     ///< the update keeps a moving average of all weights in its last slot

  int64_t inputElements() const { return int64_t(channels) * height * width; }
  int64_t trainableElements() const;
  /// Hash of everything that weights and checkpoints depend on: name, input,
  /// classes, layers, parameters. Not of target or recipe.
  uint64_t fingerprint() const;
};

/// Checks the ABI version and parses the description. Fails with an Error that
/// says what is wrong with the executable.
ModelInfo readModel(const NetcModel &model);

/// "[64, 3, 7, 7]"
std::string describeShape(const std::vector<int64_t> &shape);

} // namespace netc::runtime

#endif // NETC_RUNTIME_EXEC_MODEL_H
