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
  %y = net.add %f, %h : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %l = net.softmax_cross_entropy %y, %labels : (tensor<?x4xf32>, tensor<?xi64>) -> tensor<?xf32>
  %m = net.mean_loss %l {weights = array<f64: 1.0>} : (tensor<?xf32>) -> tensor<1xf32>
  return %y, %m : tensor<?x4xf32>, tensor<1xf32>
}

// -----

net.parameter @p : tensor<4xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 0 : i64}
net.parameter @w : tensor<4x4xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 0 : i64}

// A frozen norm is a linear function of its input: no sums enter the input's gradient. A number only scales it.
// CHECK-LABEL: func.func @step
// CHECK: %[[SCALE:.*]], %{{.*}} = net.batch_norm_coefficients
// CHECK: %[[G:.*]] = net.softmax_cross_entropy_grad
// CHECK: %[[HALF:.*]] = net.affine %[[G]] {scale = 5.000000e-01 : f64, shift = 0.000000e+00 : f64}
// CHECK: %[[SUMS:.*]]:2 = net.channel_sums %[[HALF]], %{{.*}} about
// CHECK: net.frozen_norm_grads %[[SUMS]]#0, %[[SUMS]]#1
// CHECK: %[[DX:.*]] = net.frozen_norm_input_grad %[[HALF]], %[[SCALE]]
// CHECK: net.linear_weight_grad %arg0, %[[DX]]
func.func @step(%x: tensor<?x4xf32>, %m: tensor<4xf32>, %labels: tensor<?xi64>) -> (tensor<?x4xf32>, tensor<1xf32>) attributes {net.role = #net.role<step>} {
  %w = net.get_parameter @w : tensor<4x4xf32>
  %p = net.get_parameter @p : tensor<4xf32>
  %h = net.linear %x, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %s, %t = net.batch_norm_coefficients %p, %p, %m, %m {eps = 1.0e-5 : f64} : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  %n = net.batch_norm_apply %h, %s, %t : (tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %y = net.affine %n {scale = 0.5 : f64, shift = 3.0 : f64} : tensor<?x4xf32>
  %l = net.softmax_cross_entropy %y, %labels : (tensor<?x4xf32>, tensor<?xi64>) -> tensor<?xf32>
  %o = net.mean_loss %l {weights = array<f64: 1.0>} : (tensor<?xf32>) -> tensor<1xf32>
  return %y, %o : tensor<?x4xf32>, tensor<1xf32>
}

// -----

net.parameter @w : tensor<4x6xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 0 : i64}

// A vector beside an image held for each pixel: its gradient is their sum, in the vector's shape.
// CHECK-LABEL: func.func @step
// CHECK: %[[G:.*]] = net.regression_loss_grad
// CHECK: %[[MEAN:.*]] = net.avg_pool %[[G]] {kernel = array<i64: 3, 5>
// CHECK: %[[SUM:.*]] = net.spread %[[MEAN]] {factor = 1.500000e+01 : f64} : (tensor<?x4x1x1xf32>) -> tensor<?x4x1x1xf32>
// CHECK: %[[V:.*]] = net.flatten %[[SUM]]
// CHECK: net.linear_weight_grad %arg1, %[[V]]
func.func @step(%x: tensor<?x4x3x5xf32>, %c: tensor<?x6xf32>, %t: tensor<?x4x3x5xf32>) -> (tensor<?x4x3x5xf32>, tensor<1xf32>) attributes {net.role = #net.role<step>} {
  %w = net.get_parameter @w : tensor<4x6xf32>
  %v = net.linear %c, %w : (tensor<?x6xf32>, tensor<4x6xf32>) -> tensor<?x4xf32>
  %y = net.add %x, %v : (tensor<?x4x3x5xf32>, tensor<?x4xf32>) -> tensor<?x4x3x5xf32>
  %l = net.regression_loss mse %y, %t : (tensor<?x4x3x5xf32>, tensor<?x4x3x5xf32>) -> tensor<?x12xf32>
  %o = net.mean_loss %l {weights = array<f64: 1.0>} : (tensor<?x12xf32>) -> tensor<1xf32>
  return %y, %o : tensor<?x4x3x5xf32>, tensor<1xf32>
}
