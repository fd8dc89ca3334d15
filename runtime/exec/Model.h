//===- Model.h - the description inside a compiled model --------*- C++ -*-===//
#ifndef NETC_RUNTIME_EXEC_MODEL_H
#define NETC_RUNTIME_EXEC_MODEL_H

#include "runtime/abi/Abi.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace netc::runtime {

struct LayerInfo {
  std::string name, kind;
  std::vector<int64_t> output; ///< without the batch
  int64_t parameters = 0;
  int64_t flops = 0;    ///< forward, one image
  std::string products; ///< of int8: what its products are of, "int8" or "f32"; else empty
  bool frozen = false;  ///< a batch norm that takes its running statistics in training too
};

enum class InitializerKind { Constant, Uniform, Normal };

/// A parameter or running statistic.
struct ParameterInfo {
  std::string name;
  NetcType type = NETC_TYPE_F32;
  std::vector<int64_t> shape;
  uint64_t offset = 0; ///< bytes within NETC_SPACE_PARAMETERS
  bool trainable = true;
  bool decay = true;
  bool aux = false; ///< of an auxiliary head: absent from inference
  int64_t layer = -1;
  int levels = 0; ///< of an activation's scale: the largest integer, 127 or 255; else 0
  InitializerKind init = InitializerKind::Constant;
  double initA = 0, initB = 0; ///< value; low, high; mean, std

  int64_t elements() const;
  uint64_t bytes() const { return uint64_t(elements()) * netc_type_bytes(type); }
  bool isScale() const { return levels != 0; }
};

/// What the name of an activation's scale ends in, behind the name of the value.
inline constexpr const char *kScaleEnding = ".activation_scale";

/// A value that a command of a program stores, by the name of its layer.
struct NamedValue {
  std::string name;
  uint64_t command = 0;
};

/// A named input or output, or what a loss compares an output with: NetcTensor.
struct TensorInfo {
  std::string name;
  NetcSpace space = NETC_SPACE_INPUT;
  NetcType type = NETC_TYPE_F32;
  std::vector<int64_t> shape; ///< without the batch
  uint64_t offset = 0;        ///< of a batch of n: n * offset bytes into its space
  int output = -1;            ///< of a target: the output that is compared with it

  int64_t elements() const;
  uint64_t bytes() const { return uint64_t(elements()) * netc_type_bytes(type); } ///< of one image
  std::vector<int64_t> batchShape(int64_t n) const;
};

enum class LossKind { CrossEntropy, Mse, L1, Bce, Dice };

/// A term of the loss on one output.
struct LossInfo {
  LossKind kind = LossKind::CrossEntropy;
  size_t output = 0, target = 0; ///< indices of ModelInfo::outputs and targets
  double weight = 1;
  std::optional<int64_t> ignore = {};   ///< CrossEntropy, Dice: the label that does not count
  std::optional<double> threshold = {}; ///< Bce: targets above it are 1, all others 0
  double smooth = 1;                    ///< Dice

  /// Whether it compares scores with class indices rather than with values.
  bool comparesClasses() const { return kind == LossKind::CrossEntropy || kind == LossKind::Dice; }
};

/// NetcModel::json and its table of tensors, parsed.
struct ModelInfo {
  std::string name, file, compiler, target, cpu, precision;
  std::vector<std::string> features;
  std::vector<TensorInfo> inputs, outputs, targets;
  std::vector<LossInfo> losses;
  int channels = 0, height = 0, width = 0; ///< of one image, the first input
  int64_t classes = 0;                     ///< channels of the output that the loss is of
  int64_t flopsPerImage = 0;
  std::vector<LayerInfo> layers;
  std::vector<ParameterInfo> parameters;
  /// Of int8: values that inference stores as integers, and that Program::Observe stores in f32.
  std::vector<NamedValue> stored, observed;
  /// Of `--mode infer`: parameters of auxiliary heads, which a file of weights may have.
  std::vector<std::string> leftOut;
  std::string recipe; ///< JSON, read by parseRecipe
  std::string graph;  ///< JSON, read by reference::readGraph; empty: none
  /// The loss reads distributions, in NETC_SPACE_TARGETS, which the runtime makes of labels.
  bool softLabels = false;
  bool multiLabel = false;   ///< of bce on one vector: the data say yes or no to each class
  double labelSmoothing = 0; ///< of the loss, as the recipe says
  bool averages = false;     ///< the update keeps a moving average of all weights in its last slot

  int64_t inputElements() const { return inputs.front().elements(); }
  /// Bytes that a space takes for each image, if it is one of those that tensors lie in.
  uint64_t bytesPerImage(NetcSpace space) const;
  /// Whether the loss is a cross entropy of one vector of class scores, and images have one label:
  /// then there are top-1, confusion and predictions.
  bool classifies() const;
  /// Whether bce is the loss of one vector: its data may have labels, or targets.
  bool scoresEachClass() const;
  /// From now on the data are targets rather than labels.
  void compareWithTargets() { softLabels = false, multiLabel = true; }
  /// The term that compares a map of class scores [classes, height, width] with class indices;
  /// null: there is none.
  const LossInfo *mapLoss() const;
  /// Whether there is one input that an image fits: [C, H, W], or [F].
  bool takesImages() const;
  /// Whether the first of several inputs is one that an image fits and the others are vectors of
  /// numbers: a table has both.
  bool takesImagesAndNumbers() const;
  /// The class scores of a model that classifies.
  const TensorInfo &scores() const { return outputs[losses.front().output]; }
  /// The first output whose loss is a cross entropy of one vector, beside whatever others there
  /// are; null: none.
  const TensorInfo *classScores() const;
  const TensorInfo *findInput(const std::string &name) const;
  int64_t trainableElements() const;
  /// Hash of everything that weights and checkpoints depend on: name, input,
  /// classes, layers, parameters. Not of target or recipe.
  uint64_t fingerprint() const;
};

/// Checks the ABI version and parses the description. Fails with an Error that
/// says what is wrong with the executable.
ModelInfo readModel(const NetcModel &model);

/// "image [3, 32, 32], mask [1, 32, 32]"
std::string describeTensors(const std::vector<TensorInfo> &tensors);

/// "[64, 3, 7, 7]"
std::string describeShape(const std::vector<int64_t> &shape);

} // namespace netc::runtime

#endif // NETC_RUNTIME_EXEC_MODEL_H
