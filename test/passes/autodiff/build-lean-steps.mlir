// RUN: net-opt %s --net-autodiff --net-build-lean-steps="shares=0.6,1.0" | FileCheck %s
// RUN: net-opt %s --net-autodiff --net-build-lean-steps="shares=0.1" | FileCheck %s --check-prefix=POOR

// Two convolutions in a row, both read in the backward pass. The first is dropped: it frees as many bytes for fewer
// multiply-adds. The second reads it, so the two cannot go together and there is no second lean step.

net.parameter @a : tensor<8x3x1x1xf32> {trainable, decay, init = ["constant", 0.0, 0.0], layer = 0 : i64}
net.parameter @b : tensor<8x8x1x1xf32> {trainable, decay, init = ["constant", 0.0, 0.0], layer = 0 : i64}

// CHECK-LABEL: func.func @step(
// CHECK-NOT: net.recomputed
// CHECK-LABEL: func.func @step_lean1(
// CHECK: %[[A:.*]] = net.conv2d %arg0, %{{.*}}tensor<8x3x1x1xf32>
// CHECK: %[[RELU:.*]] = net.activation {{ *}}relu %[[A]]
// CHECK: %[[B:.*]] = net.conv2d %[[RELU]]
// CHECK: net.mean_loss
// CHECK: %[[AGAIN:.*]] = net.conv2d %arg0, %{{.*}}net.recomputed
// CHECK: %[[RELU2:.*]] = net.activation {{ *}}relu %[[AGAIN]]
// CHECK: net.conv2d_filter_grad %[[RELU2]]
// It stands before the contraction whose epilogue reads it.
// CHECK: net.conv2d_input_grad
// CHECK: net.activation_grad relu %{{.*}}, %[[RELU2]]
// CHECK-NOT: @step_lean2
// POOR-NOT: @step_lean1
func.func @step(%image: tensor<?x3x4x4xf32>, %labels: tensor<?xi64>) -> (tensor<?x8xf32>, tensor<1xf32>) attributes {net.role = #net.role<step>} {
  %wa = net.get_parameter @a : tensor<8x3x1x1xf32>
  %wb = net.get_parameter @b : tensor<8x8x1x1xf32>
  %a = net.conv2d %image, %wa {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x3x4x4xf32>, tensor<8x3x1x1xf32>) -> tensor<?x8x4x4xf32>
  %r = net.activation relu %a : tensor<?x8x4x4xf32>
  %b = net.conv2d %r, %wb {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<?x8x4x4xf32>
  %t = net.activation tanh %b : tensor<?x8x4x4xf32>
  %p = net.adaptive_avg_pool %t : (tensor<?x8x4x4xf32>) -> tensor<?x8x1x1xf32>
  %l = net.flatten %p : (tensor<?x8x1x1xf32>) -> tensor<?x8xf32>
  %losses = net.softmax_cross_entropy %l, %labels : (tensor<?x8xf32>, tensor<?xi64>) -> tensor<?xf32>
  %loss = net.mean_loss %losses {weights = array<f64: 1.0>} : (tensor<?xf32>) -> tensor<1xf32>
  return %l, %loss : tensor<?x8xf32>, tensor<1xf32>
}
