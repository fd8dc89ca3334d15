// What is stored as bf16 and what as f32 meet: reshapes convert by a copy, moves and kernels on load and store.
// RUN: net-opt %s --split-input-file --net-fuse-kernels --net-lower-to-kern | FileCheck %s

// CHECK-LABEL: func.func @infer
// CHECK: %[[IN:.*]] = kern.buffer input 0 : tensor<?x2x3x5xf32>
// CHECK: %[[FLAT:.*]] = kern.reshape %[[IN]] : tensor<?x2x3x5xf32> -> tensor<?x30xf32>
// CHECK: kern.copy ins(%[[FLAT]] : tensor<?x30xf32>) outs(%{{.*}} : tensor<?x30xbf16>) {per_image, size = 30 : i64}
func.func @infer(%x: tensor<?x2x3x5xf32>) -> tensor<?x30xf32> attributes {net.role = #net.role<infer>} {
  %f = net.flatten %x : (tensor<?x2x3x5xf32>) -> tensor<?x30xbf16>
  %r = net.activation relu %f : tensor<?x30xbf16>, tensor<?x30xf32>
  return %r : tensor<?x30xf32>
}

// -----

// The stored value decides, not the contraction's own result; partial sums stay f32.
net.parameter @w : tensor<4x6x1x1xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 0 : i64}
// CHECK-LABEL: func.func @infer
// CHECK: kern.contract forward lhs(%{{.*}} : tensor<?x2x2x6xbf16>)
// CHECK-SAME: weights(%{{.*}} : tensor<{{.*}}xf32>) outs(%{{.*}} : tensor<?x2x2x4xf32>)
func.func @infer(%x: tensor<?x6x2x2xf32, #net.channels_last>) -> tensor<?x4x2x2xf32, #net.channels_last> attributes {net.role = #net.role<infer>} {
  %w = net.get_parameter @w : tensor<4x6x1x1xf32>
  %p = net.max_pool %x {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>} : (tensor<?x6x2x2xf32, #net.channels_last>) -> tensor<?x6x2x2xbf16, #net.channels_last>
  %y = net.conv2d %p, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x6x2x2xbf16, #net.channels_last>, tensor<4x6x1x1xf32>) -> tensor<?x4x2x2xbf16, #net.channels_last>
  %r = net.activation relu %y : tensor<?x4x2x2xbf16, #net.channels_last>, tensor<?x4x2x2xf32, #net.channels_last>
  return %r : tensor<?x4x2x2xf32, #net.channels_last>
}
