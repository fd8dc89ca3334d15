//===- Access.h - how a formula's operands are read -------------*- C++ -*-===//
#ifndef NETC_CODEGEN_COMMON_ACCESS_H
#define NETC_CODEGEN_COMMON_ACCESS_H

#include "mlir/IR/Value.h"

#include <cstdint>

namespace netc {

/// How one operand of a formula is read while sweeping pixels.
enum class Access { Full, Channel, ImageChannel };

/// Whether a vector of kern.reduce is one number for all channels.
bool isForAllChannels(mlir::Value vector);

/// By shape: [C] is Channel; [N, 1, 1, C] or [N, C] over several pixels ImageChannel; else Full.
Access accessOf(mlir::Value operand, int64_t pixels);

/// The element that an operand gives to `channel` of `pixel`, which is one of `image`; the images'
/// element for ImageChannel, the channel for Channel. Pixels count over the whole batch.
template <typename Emitter>
mlir::Value offsetOf(Emitter &k, Access access, mlir::Value pixel, mlir::Value image,
                     int64_t channels, mlir::Value channel) {
  switch (access) {
  case Access::Full:
    return k.element(pixel, channels, channel);
  case Access::Channel:
    return k.wide(channel);
  case Access::ImageChannel:
    return k.element(image, channels, channel);
  }
  __builtin_unreachable();
}

} // namespace netc

#endif // NETC_CODEGEN_COMMON_ACCESS_H
