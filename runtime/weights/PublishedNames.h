//===- PublishedNames.h - tensors of torchvision's own files ----*- C++ -*-===//
#ifndef NETC_RUNTIME_WEIGHTS_PUBLISHEDNAMES_H
#define NETC_RUNTIME_WEIGHTS_PUBLISHEDNAMES_H

#include <string>

namespace netc::runtime {

/// What the weights that torchvision publishes call a tensor whose module it has renamed since, and
/// renames as it loads them: DenseNet's "denselayer1.norm1.weight" is "denselayer1.norm.1.weight"
/// (torchvision/models/densenet.py), a ViT's "mlp.0.weight" is "mlp.linear_1.weight" and "mlp.3"
/// "mlp.linear_2" (vision_transformer.py). Empty for all others.
std::string publishedName(const std::string &name);

} // namespace netc::runtime

#endif // NETC_RUNTIME_WEIGHTS_PUBLISHEDNAMES_H
