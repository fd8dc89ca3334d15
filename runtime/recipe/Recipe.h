//===- Recipe.h - how a model is trained, as written ------------*- C++ -*-===//
#ifndef NETC_RUNTIME_RECIPE_RECIPE_H
#define NETC_RUNTIME_RECIPE_RECIPE_H

#include "runtime/exec/Model.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace netc::runtime {

enum class TransformKind {
  RandomCrop,
  RandomResizedCrop,
  HorizontalFlip,
  Resize,
  CenterCrop,
  TenCrop,
  ColorJitter,
  PcaJitter,
  RandomErasing,
  SubtractMean,
  Mixup,
  Cutmix,
  VerticalFlip,
  RandomRotation,
  RandomAffine,
  RandAugment,
  TrivialAugment,
  AutoAugment,
  Grayscale,
  GaussianBlur,
  Repeated,
};

struct Transform {
  TransformKind kind = TransformKind::Resize;
  int height = 0, width = 0; ///< pixels; 0: the model's input. Resize: width 0 is "shorter side"
  int pad = 0;               ///< RandomCrop: zeros around, pixels
  bool bicubic = false;      ///< Resize
  double probability = 0.5;  ///< flips, RandomErasing, Grayscale, GaussianBlur
  /// RandomResizedCrop, RandomErasing: bounds. `area`: also of RandomAffine's scale and
  /// GaussianBlur's sigma.
  std::array<double, 2> area{}, ratio{};
  /// RandomRotation, RandomAffine: bounds in degrees.
  std::array<double, 2> degrees{}, shear{};
  std::array<double, 2> translate{}; ///< RandomAffine: most, horizontal and vertical, of the size
  double strength = 0;           ///< PcaJitter: sigma; Mixup, Cutmix: alpha; RandAugment: magnitude
  int count = 1;                 ///< RandAugment: transforms; Repeated: visits to an image
  std::array<double, 4> color{}; ///< ColorJitter: brightness, contrast, saturation, hue
  bool perPixel = false;         ///< SubtractMean
  std::vector<float> values, vectors; ///< PcaJitter: given eigenvalues and (row-major) eigenvectors
};

/// A point of the run: epochs, iterations or a fraction of all steps.
struct SchedulePoint {
  enum class Unit { Epochs, Iterations, Fraction } unit = Unit::Epochs;
  double value = 0;
  int64_t toStep(int64_t stepsPerEpoch, int64_t totalSteps) const;
};

enum class ScheduleKind { Constant, Step, Cosine, Polynomial, Exponential, Plateau, Warmup };

struct ScheduleStage {
  ScheduleKind kind = ScheduleKind::Constant;
  std::vector<SchedulePoint> at;      ///< Step
  std::optional<SchedulePoint> every; ///< Step; Cosine: length of a cycle
  SchedulePoint length;               ///< Warmup
  double factor = 0.1;                ///< Step, Plateau: multiplies; Exponential: per epoch
  double power = 1;                   ///< Polynomial
  double floor = 0;                   ///< Cosine, Polynomial: last, Plateau: least learning rate
  double from = 0;                    ///< Warmup: first fraction of the learning rate
  bool flat = false;                  ///< Warmup: stays at `from` until its end
  int patience = 5; ///< Plateau: as many epochs without a better validation error, then `factor`
};

struct Normalization {
  bool automatic = false;
  std::vector<float> mean, std; ///< by channel of the input, of pixels in 0..1; empty: none
  bool bgr = false;             ///< the input's channels are blue, green, red
  /// The command line names mean or std (or the pixels' scale), or the order: weights don't decide.
  bool valuesSet = false, orderSet = false;
};

/// What the command line changes.
struct RecipeOverrides {
  std::optional<int64_t> epochs, batch;
  std::optional<double> lr, momentum, weightDecay, clipNorm, labelSmoothing;
  std::optional<int64_t> accumulate;
  std::vector<std::string> freeze, freezeBatchNorm;
  std::vector<std::pair<std::string, double>> ownRates;
  std::vector<std::string> set; ///< see RecipeOverride.h; the others go before
  bool addsEvaluation = false;  ///< `set` may name steps of eval that the recipe lacks
  uint64_t seed = 0;
  std::optional<int64_t> shards; ///< see Recipe::shards
  int64_t limit = 0;             ///< training images; 0: all
  int64_t validationLimit = 0;   ///< validation images; 0: all
};

struct Recipe {
  bool written = false;
  std::vector<Transform> augment, eval;
  Normalization normalize;
  std::string optimizer = "sgd";
  double lr = 0.1, momentum = 0, weightDecay = 0; ///< momentum: Adam's beta1
  double beta2 = 0.999, epsilon = 1e-8;           ///< Adam, LAMB; RMSprop: beta2 is alpha
  double trust = 0.001;                           ///< LARS: the trust coefficient
  bool decayWeightsOnly =
      false; ///< biases and normalisations are not decayed (nor adapted by LARS)
  /// Weight decay of normalisations and of biases, where it is not that of the weights.
  std::optional<double> normDecay, biasDecay;
  double labelSmoothing = 0; ///< of the loss, 0 to 1
  double clipNorm = 0;       ///< largest norm of all gradients together; 0: no bound
  double average = 0;        ///< decay of the weights' moving average; 0: none is kept
  int64_t accumulate = 1;    ///< batches that make one update
  /// Runs of images that each batch is cut into, whatever the number of processes; each is
  /// normalised by itself.
  int64_t shards = 1;
  std::vector<std::string> freeze;          ///< patterns of parameters that stay as they are
  std::vector<std::string> freezeBatchNorm; ///< of layers that take their running statistics
  std::vector<std::pair<std::string, double>> ownRates; ///< pattern, learning rate
  std::vector<ScheduleStage> schedule;
  int64_t batch = 128, epochs = 10;
  uint64_t seed = 0;
  int64_t limit = 0, validationLimit = 0;
  std::string effective; ///< JSON of all the above after the overrides

  bool hasTransform(TransformKind kind) const;
  /// Adam and its like: `momentum` is their beta1.
  bool hasMoments() const {
    return optimizer == "adam" || optimizer == "adamw" || optimizer == "lamb";
  }
};

/// Interprets the model's recipe. Fails with an Error that names the call and
/// the argument where it is not understood.
Recipe parseRecipe(const ModelInfo &info, const RecipeOverrides &overrides);

/// One clause for each top-level field that differs between two effective
/// recipes ("batch was 128, is 64"); `ignoreEpochs` leaves epochs out.
std::string compareRecipes(const std::string &before, const std::string &now, bool ignoreEpochs);

/// The epochs of an effective recipe.
int64_t recipeEpochs(const std::string &effective);

} // namespace netc::runtime

#endif // NETC_RUNTIME_RECIPE_RECIPE_H
