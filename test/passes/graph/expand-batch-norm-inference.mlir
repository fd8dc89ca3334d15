// RUN: net-opt %s --net-expand-batch-norm-inference | FileCheck %s

net.parameter @m : tensor<8xf32> {init = ["constant", 0.0, 0.0], layer = 0 : i64}
net.parameter @v : tensor<8xf32> {init = ["constant", 1.0, 0.0], layer = 0 : i64}

// CHECK-LABEL: func.func @infer
// CHECK: %[[S:.*]], %[[T:.*]] = net.batch_norm_coefficients %arg1, %arg1, %arg1, %arg1 {eps = 1.000000e-05 : f64}
// CHECK: net.scale_shift %arg0, %[[S]], %[[T]]
func.func @infer(%x: tensor<?x8x4x4xf32>, %p: tensor<8xf32>) -> tensor<?x8x4x4xf32> attributes {net.role = #net.role<infer>} {
  %y = net.batch_norm %x, %p, %p, %p, %p {eps = 1.0e-5 : f64, momentum = 0.1 : f64, running_mean_symbol = @m, running_var_symbol = @v} : (tensor<?x8x4x4xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x4x4xf32>
  return %y : tensor<?x8x4x4xf32>
}

// Training's batch norm is another pass's.
// CHECK-LABEL: func.func @step
// CHECK: net.batch_norm %
func.func @step(%x: tensor<?x8x4x4xf32>, %p: tensor<8xf32>) -> tensor<?x8x4x4xf32> attributes {net.role = #net.role<step>} {
  %y = net.batch_norm %x, %p, %p, %p, %p {eps = 1.0e-5 : f64, momentum = 0.1 : f64, running_mean_symbol = @m, running_var_symbol = @v} : (tensor<?x8x4x4xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x4x4xf32>
  return %y : tensor<?x8x4x4xf32>
}
