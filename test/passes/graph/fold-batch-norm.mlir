// RUN: net-opt %s --net-fold-batch-norm | FileCheck %s
// RUN: net-opt %s --net-fold-batch-norm --net-fold-batch-norm | FileCheck %s

// CHECK-LABEL: func.func @folds_into_convolution
// CHECK: %[[W:.*]] = net.scale_filter %arg1, %arg2
// CHECK: net.conv2d %arg0, %[[W]] bias %arg3
// CHECK-NOT: net.scale_shift
func.func @folds_into_convolution(%x: tensor<?x4x8x8xf32>, %w: tensor<8x4x3x3xf32>, %s: tensor<8xf32>, %t: tensor<8xf32>) -> tensor<?x8x8x8xf32> {
  %z = net.conv2d %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x4x8x8xf32>, tensor<8x4x3x3xf32>) -> tensor<?x8x8x8xf32>
  %y = net.scale_shift %z, %s, %t : (tensor<?x8x8x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x8x8xf32>
  return %y : tensor<?x8x8x8xf32>
}

// CHECK-LABEL: func.func @scales_the_bias_too
// CHECK: %[[B:.*]] = net.fold_bias %arg2, %arg2, %arg2
// CHECK: net.conv2d %arg0, %{{.*}} bias %[[B]]
func.func @scales_the_bias_too(%x: tensor<?x4x8x8xf32>, %w: tensor<8x4x1x1xf32>, %s: tensor<8xf32>) -> tensor<?x8x8x8xf32> {
  %z = net.conv2d %x, %w bias %s {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x4x8x8xf32>, tensor<8x4x1x1xf32>, tensor<8xf32>) -> tensor<?x8x8x8xf32>
  %y = net.scale_shift %z, %s, %s : (tensor<?x8x8x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x8x8xf32>
  return %y : tensor<?x8x8x8xf32>
}

// A second reader of the convolution would see rescaled values.
// CHECK-LABEL: func.func @keeps_norm_when_conv_has_two_uses
// CHECK: net.conv2d %arg0, %arg1 {
// CHECK: net.scale_shift
func.func @keeps_norm_when_conv_has_two_uses(%x: tensor<?x8x8x8xf32>, %w: tensor<8x8x1x1xf32>, %s: tensor<8xf32>) -> (tensor<?x8x8x8xf32>, tensor<?x8x8x8xf32>) {
  %z = net.conv2d %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x8x8x8xf32>, tensor<8x8x1x1xf32>) -> tensor<?x8x8x8xf32>
  %y = net.scale_shift %z, %s, %s : (tensor<?x8x8x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x8x8xf32>
  return %y, %z : tensor<?x8x8x8xf32>, tensor<?x8x8x8xf32>
}

// Pre-activation networks normalise a sum: there is no convolution to fold into.
// CHECK-LABEL: func.func @keeps_norm_after_add
// CHECK: net.scale_shift
func.func @keeps_norm_after_add(%x: tensor<?x8x8x8xf32>, %s: tensor<8xf32>) -> tensor<?x8x8x8xf32> {
  %z = net.add %x, %x : (tensor<?x8x8x8xf32>, tensor<?x8x8x8xf32>) -> tensor<?x8x8x8xf32>
  %y = net.scale_shift %z, %s, %s : (tensor<?x8x8x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x8x8xf32>
  return %y : tensor<?x8x8x8xf32>
}

// Packing applies one scale to a filter: the second of two norms stays.
// CHECK-LABEL: func.func @folds_one_of_two
// CHECK: net.scale_filter
// CHECK-NOT: net.scale_filter
// CHECK: %[[Z:.*]] = net.conv2d
// CHECK: net.scale_shift %[[Z]]
func.func @folds_one_of_two(%x: tensor<?x8x8x8xf32>, %w: tensor<8x8x1x1xf32>, %s: tensor<8xf32>) -> tensor<?x8x8x8xf32> {
  %z = net.conv2d %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x8x8x8xf32>, tensor<8x8x1x1xf32>) -> tensor<?x8x8x8xf32>
  %y = net.scale_shift %z, %s, %s : (tensor<?x8x8x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x8x8xf32>
  %u = net.scale_shift %y, %s, %s : (tensor<?x8x8x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x8x8xf32>
  return %u : tensor<?x8x8x8xf32>
}
