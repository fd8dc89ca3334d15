//===- Hyper.h - the words of the hyper-parameter block ---------*- C++ -*-===//
//
// NetcHyper and NetcParameterHyper of runtime/abi/Abi.h, as generated code reads them: f32 words by
// index.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_DIALECT_INTERFACES_HYPER_H
#define NETC_DIALECT_INTERFACES_HYPER_H

#include "runtime/abi/Abi.h"

#include "mlir/IR/ValueRange.h"

#include <cstddef>

namespace netc {

/// The index of a field among the f32 words of its struct.
#define NETC_WORD(type, field) (offsetof(type, field) / sizeof(float))

/// Bytes of such a word.
constexpr int64_t kWordBytes = sizeof(float);

enum HyperWord : int64_t {
  kLearningRate = NETC_WORD(NetcHyper, lr),
  kMomentum = NETC_WORD(NetcHyper, momentum), ///< Adam: beta1
  kWeightDecay = NETC_WORD(NetcHyper, weight_decay),
  kDropout = NETC_WORD(NetcHyper, dropout),
  kSeedLow = NETC_WORD(NetcHyper, seed_lo),
  kSeedHigh = NETC_WORD(NetcHyper, seed_hi),
  kStep = NETC_WORD(NetcHyper, step),
  kBeta2 = NETC_WORD(NetcHyper, beta2), ///< LARS: the trust coefficient
  kEpsilon = NETC_WORD(NetcHyper, epsilon),
  kCorrection1 = NETC_WORD(NetcHyper, correction1), ///< 1 - beta1^t
  kCorrection2 = NETC_WORD(NetcHyper, correction2), ///< sqrt(1 - beta2^t)
  kGradientScale = NETC_WORD(NetcHyper, gradient_scale),
  kAverageDecay = NETC_WORD(NetcHyper, average_decay),
  kBatchWeight =
      NETC_WORD(NetcHyper, batch_weight), ///< of this batch's gradients among those summed
  kOneMinusBeta2 = NETC_WORD(NetcHyper, one_minus_beta2),
  kGradientNorm = NETC_WORD(NetcHyper, gradient_norm), ///< written by @norm
  kLabelSmoothing = NETC_WORD(NetcHyper, label_smoothing),
  kFirstImage = NETC_WORD(NetcHyper, first_image), ///< u32
  kHyperWords = sizeof(NetcHyper) / sizeof(float)
};

/// A block for each parameter, in the module's order, behind the first.
enum ParameterHyperWord : int64_t {
  kRateScale = NETC_WORD(NetcParameterHyper, rate_scale),   ///< times the learning rate; 0: frozen
  kDecayScale = NETC_WORD(NetcParameterHyper, decay_scale), ///< times the weight decay
  kAdapts = NETC_WORD(NetcParameterHyper, adapts), ///< LARS: 0 switches the adaptive rate off
  /// Of a running mean: 1 freezes its batch norm.
  kFrozenStatistics = NETC_WORD(NetcParameterHyper, frozen_statistics),
  kParameterHyperWords = sizeof(NetcParameterHyper) / sizeof(float)
};

#undef NETC_WORD

/// What an optimizer's formula reads, each an f32 scalar.
struct UpdateScalars {
  mlir::ValueRange hyper;     ///< kHyperWords of them
  mlir::ValueRange parameter; ///< kParameterHyperWords
  mlir::ValueRange norms;     ///< of the parameter, of its gradient; empty unless needsNorms
  mlir::Value gradient, value;
  mlir::ValueRange state; ///< one per slot
};

} // namespace netc

#endif // NETC_DIALECT_INTERFACES_HYPER_H
