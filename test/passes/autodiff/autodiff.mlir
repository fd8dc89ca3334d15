// RUN: net-opt %s --net-autodiff --split-input-file | FileCheck %s

net.parameter @w : tensor<4x6xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 0 : i64}
net.parameter @b : tensor<4xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 0 : i64}

// The sweep starts at the loss with its weight; nothing is computed for the image.
// CHECK-LABEL: func.func @step
// CHECK: %[[G:.*]] = net.softmax_cross_entropy_grad %{{.*}}, %arg1 {weight = 1.000000e+00 : f64}
// CHECK-DAG: %[[W:.*]] = net.linear_weight_grad %arg0, %[[G]]
// CHECK-DAG: %[[B:.*]] = net.channel_sums %[[G]]
// CHECK-NOT: net.linear_input_grad
// CHECK-DAG: net.set_gradient @w, %[[W]]
// CHECK-DAG: net.set_gradient @b, %[[B]]
func.func @step(%x: tensor<?x6xf32>, %labels: tensor<?xi64>) -> (tensor<?x4xf32>, tensor<1xf32>) attributes {net.role = #net.role<step>} {
  %w = net.get_parameter @w : tensor<4x6xf32>
  %b = net.get_parameter @b : tensor<4xf32>
  %y = net.linear %x, %w bias %b : (tensor<?x6xf32>, tensor<4x6xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %l = net.softmax_cross_entropy %y, %labels : (tensor<?x4xf32>, tensor<?xi64>) -> tensor<?xf32>
  %m = net.mean_loss %l {weights = array<f64: 1.0>} : (tensor<?xf32>) -> tensor<1xf32>
  return %y, %m : tensor<?x4xf32>, tensor<1xf32>
}

// -----

net.parameter @w : tensor<4x4xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 0 : i64}

// y = F(x) + x: both branches get the same cotangent, and their gradients are added.
// CHECK-LABEL: func.func @step
// CHECK: %[[G:.*]] = net.softmax_cross_entropy_grad
// CHECK: net.linear_weight_grad %{{.*}}, %[[G]]
// CHECK: %[[DX:.*]] = net.linear_input_grad %[[G]]
// CHECK: net.add %[[G]], %[[DX]]
func.func @step(%x: tensor<?x4xf32>, %labels: tensor<?xi64>) -> (tensor<?x4xf32>, tensor<1xf32>) attributes {net.role = #net.role<step>} {
  %w = net.get_parameter @w : tensor<4x4xf32>
  %h = net.linear %x, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %f = net.linear %h, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %y = net.add %f, %h : tensor<?x4xf32>
  %l = net.softmax_cross_entropy %y, %labels : (tensor<?x4xf32>, tensor<?xi64>) -> tensor<?xf32>
  %m = net.mean_loss %l {weights = array<f64: 1.0>} : (tensor<?xf32>) -> tensor<1xf32>
  return %y, %m : tensor<?x4xf32>, tensor<1xf32>
}
