//===- EmitRecipe.h - recipes as the executable reads them ------*- C++ -*-===//
#ifndef NETC_FRONTEND_EMIT_EMITRECIPE_H
#define NETC_FRONTEND_EMIT_EMITRECIPE_H

#include "frontend/network/Network.h"

#include <string>

namespace netc::frontend {

/// The recipe as one line of JSON (docs/reference/abi.md).
std::string recipeJson(const Recipe &recipe);

/// `cross_entropy(label_smoothing=…)`; 0 where it is not written.
double labelSmoothing(const Recipe &recipe);

/// `sgd(nesterov)`.
bool usesNesterov(const Recipe &recipe);

/// Mixup or cutmix: the loss then compares with distributions instead of classes.
bool mixesImages(const Recipe &recipe);

} // namespace netc::frontend

#endif // NETC_FRONTEND_EMIT_EMITRECIPE_H
