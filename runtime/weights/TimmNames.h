//===- TimmNames.h - what timm calls torchvision's tensors ------*- C++ -*-===//
#ifndef NETC_RUNTIME_WEIGHTS_TIMMNAMES_H
#define NETC_RUNTIME_WEIGHTS_TIMMNAMES_H

#include <string>

namespace netc::runtime {

/// timm's name of a tensor of torchvision's VGG or MobileNetV2 ("features.1.conv.0.0.weight" is
/// "blocks.0.0.conv_dw.weight"); empty where it has the same or none. timm's ResNets have
/// torchvision's names.
std::string timmName(const std::string &name);

} // namespace netc::runtime

#endif // NETC_RUNTIME_WEIGHTS_TIMMNAMES_H
