//===- Hyper.h - the words of the hyper-parameter block ---------*- C++ -*-===//
//
// NetcHyper and NetcParameterHyper of runtime/abi/Abi.h, as generated code reads them: f32 words by
// index.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_DIALECT_INTERFACES_HYPER_H
#define NETC_DIALECT_INTERFACES_HYPER_H

#include "mlir/IR/ValueRange.h"

namespace netc {

enum HyperWord : int64_t {
  kLearningRate = 0,
  kMomentum = 1, ///< Adam: beta1
  kWeightDecay = 2,
  kDropout = 3,
  kSeedLow = 4,
  kSeedHigh = 5,
  kStep = 6,
  kBeta2 = 7, ///< LARS: the trust coefficient
  kEpsilon = 8,
  kCorrection1 = 9,  ///< 1 - beta1^t
  kCorrection2 = 10, ///< sqrt(1 - beta2^t)
  kGradientScale = 11,
  kAverageDecay = 12,
  kBatchWeight = 13, ///< of this batch's gradients among those accumulated
  kOneMinusBeta2 = 14,
  kGradientNorm = 15, ///< written by @norm
  kLabelSmoothing = 16,
  kHyperWords = 32
};

/// A block for each parameter, in the module's order, behind the first.
enum ParameterHyperWord : int64_t {
  kRateScale = 0,  ///< times the learning rate; 0: frozen
  kDecayScale = 1, ///< times the weight decay
  kAdapts = 2,     ///< LARS: 0 switches the adaptive rate off
  kParameterHyperWords = 4
};

/// What an optimizer's formula reads, each an f32 scalar.
struct UpdateScalars {
  mlir::ValueRange hyper;     ///< kHyperWords of them
  mlir::ValueRange parameter; ///< kParameterHyperWords
  mlir::ValueRange norms;     ///< of the parameter, of its gradient; empty unless needsNorms
  mlir::Value gradient, value;
  mlir::ValueRange state; ///< one a slot
};

} // namespace netc

#endif // NETC_DIALECT_INTERFACES_HYPER_H
