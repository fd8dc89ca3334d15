// RUN: net-opt %s --net-quantize --split-input-file | FileCheck %s
// RUN: net-opt %s --net-quantize=keep-f32=conv2 --split-input-file | FileCheck %s --check-prefix=KEPT
// RUN: net-opt %s --net-quantize --split-input-file | net-opt --split-input-file | FileCheck %s
// RUN: not net-opt %s --net-quantize=keep-f32=conv9* --split-input-file 2>&1 | FileCheck %s --check-prefix=ERROR

// ERROR: error: --keep-f32 'conv9*' fits no convolution or linear layer of the model

module attributes {net.layers = [{name = "conv1"}, {name = "relu1"}, {name = "pool1"}, {name = "conv2"}]} {
net.parameter @w : tensor<4x3x3x3xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 0 : i64}
net.parameter @b : tensor<4xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 0 : i64}
net.parameter @v : tensor<2x4x1x1xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 3 : i64}

// The image is signed, what ReLU leaves is not; the pool keeps its integers and their scale; the output stays f32. Scale and bias of what is
// stored are divided by its scale, and unsigned bytes need no ReLU.
// CHECK: net.parameter @x.activation_scale : tensor<1xf32> {init = ["constant", 1.000000e+00, 0.000000e+00], layer = 0 : i64, net.levels = 127 : i64}
// CHECK: net.parameter @relu1.activation_scale : {{.*}}layer = 1 : i64, net.levels = 255 : i64}
// CHECK-LABEL: func.func @infer
// CHECK: %[[S:.*]] = net.get_parameter @x.activation_scale
// CHECK: %[[SCALES:.*]], %[[INVERSES:.*]] = net.scale_vectors %[[S]] : (tensor<1xf32>) -> (tensor<3xf32>, tensor<3xf32>)
// CHECK: %[[Q:.*]] = net.quantize "x", %arg0, %[[INVERSES]] : {{.*}} -> tensor<?x3x8x8xsi8>
// CHECK: %{{.*}}, %[[BY:.*]] = net.scale_vectors %{{.*}} : (tensor<1xf32>) -> (tensor<1xf32>, tensor<1xf32>)
// CHECK: %[[BIAS:.*]] = net.product_scale %[[BY]], %{{.*}}
// CHECK: %[[W:.*]], %[[WS:.*]], %{{.*}} = net.quantize_filter %{{.*}} -> (tensor<4x3x3x3xi8>, tensor<4xf32>, tensor<4xi32>)
// CHECK: %[[SCALE:.*]] = net.product_scale %[[S]], %[[WS]]
// CHECK: %[[DIVIDED:.*]] = net.product_scale %[[BY]], %[[SCALE]]
// CHECK: %[[SUMS:.*]] = net.conv2d %[[Q]], %[[W]] {{.*}}(tensor<?x3x8x8xsi8>, tensor<4x3x3x3xi8>) -> tensor<?x4x8x8xf32>
// CHECK: %[[Y:.*]] = net.scale_shift %[[SUMS]], %[[DIVIDED]], %[[BIAS]]
// CHECK-NOT: net.activation
// CHECK: %[[QR:.*]] = net.quantize "relu1", %[[Y]] {{.*}} -> tensor<?x4x8x8xui8>
// CHECK: %[[P:.*]] = net.max_pool %[[QR]] {{.*}} -> tensor<?x4x4x4xui8>
// CHECK: %[[Z:.*]] = net.conv2d %[[P]], {{.*}} -> tensor<?x2x4x4xf32>
// CHECK: %[[OUT:.*]] = net.mul %[[Z]]
// CHECK: return %[[OUT]] : tensor<?x2x4x4xf32>
// CHECK-LABEL: func.func @observe
// CHECK-SAME: net.role = #net.role<observe>
// CHECK: net.observe "x", %arg0
// CHECK: net.observe "relu1"
// CHECK-NOT: net.quantize

// With its only reader in f32, nothing stores the ReLU as integers.
// KEPT-LABEL: func.func @infer
// KEPT: net.conv2d {{.*}}xi8>
// KEPT-NOT: net.quantize "relu1"
// KEPT: net.conv2d {{.*}}(tensor<?x4x4x4xf32>, tensor<2x4x1x1xf32>)
func.func @infer(%x: tensor<?x3x8x8xf32> {net.name = "x"}) -> tensor<?x2x4x4xf32> attributes {net.role = #net.role<infer>} {
  %w = net.get_parameter @w : tensor<4x3x3x3xf32>
  %b = net.get_parameter @b : tensor<4xf32>
  %y = net.conv2d %x, %w bias %b {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 1, net.layer = "conv1"} : (tensor<?x3x8x8xf32>, tensor<4x3x3x3xf32>, tensor<4xf32>) -> tensor<?x4x8x8xf32>
  %r = net.activation relu %y {net.layer = "relu1"} : tensor<?x4x8x8xf32>
  %p = net.max_pool %r {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, net.layer = "pool1"} : (tensor<?x4x8x8xf32>) -> tensor<?x4x4x4xf32>
  %v = net.get_parameter @v : tensor<2x4x1x1xf32>
  %z = net.conv2d %p, %v {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1, net.layer = "conv2"} : (tensor<?x4x4x4xf32>, tensor<2x4x1x1xf32>) -> tensor<?x2x4x4xf32>
  return %z : tensor<?x2x4x4xf32>
}
}

// -----

// A concatenation's parts have one scale and, as one of them may be negative, one type. Of a skip-add, what is computed first is
// stored as integers; what is computed last is added where it is computed.
module attributes {net.layers = [{name = "a"}, {name = "r"}, {name = "c"}, {name = "conv2"}, {name = "sum"}]} {
net.parameter @w : tensor<4x4x1x1xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 0 : i64}
net.parameter @v : tensor<8x8x1x1xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 3 : i64}
// CHECK-LABEL: func.func @infer
// CHECK: %[[ONE:.*]] = net.quantize "", %{{.*}} -> tensor<?x4x8x8xsi8>
// CHECK: %[[TWO:.*]] = net.quantize "", %{{.*}} -> tensor<?x4x8x8xsi8>
// CHECK: %[[C:.*]] = net.concat %[[TWO]], %[[ONE]] {{.*}} -> tensor<?x8x8x8xsi8>
// CHECK: %[[BACK:.*]] = net.dequantize %[[C]]
// CHECK: %[[SUMS:.*]] = net.conv2d %[[C]]
// CHECK: %[[Y:.*]] = net.mul %[[SUMS]]
// CHECK-NOT: net.quantize
// CHECK: net.add %[[Y]], %[[BACK]]
func.func @infer(%x: tensor<?x4x8x8xf32>) -> tensor<?x8x8x8xf32> attributes {net.role = #net.role<infer>} {
  %w = net.get_parameter @w : tensor<4x4x1x1xf32>
  %y = net.conv2d %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1, net.layer = "a"} : (tensor<?x4x8x8xf32>, tensor<4x4x1x1xf32>) -> tensor<?x4x8x8xf32>
  %r = net.activation relu %y {net.layer = "r"} : tensor<?x4x8x8xf32>
  %c = net.concat %r, %y {net.layer = "c"} : (tensor<?x4x8x8xf32>, tensor<?x4x8x8xf32>) -> tensor<?x8x8x8xf32>
  %v = net.get_parameter @v : tensor<8x8x1x1xf32>
  %z = net.conv2d %c, %v {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1, net.layer = "conv2"} : (tensor<?x8x8x8xf32>, tensor<8x8x1x1xf32>) -> tensor<?x8x8x8xf32>
  %s = net.add %z, %c {net.layer = "sum"} : (tensor<?x8x8x8xf32>, tensor<?x8x8x8xf32>) -> tensor<?x8x8x8xf32>
  return %s : tensor<?x8x8x8xf32>
}
}
