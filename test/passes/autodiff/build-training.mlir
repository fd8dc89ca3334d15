// RUN: net-opt %s --net-build-training --split-input-file | FileCheck %s

// Each head has its loss, weighted in one mean.
// CHECK-LABEL: func.func @step
// CHECK-SAME: (%[[X:.*]]: tensor<?x4xf32>, %[[L:.*]]: tensor<?xi64> {net.target = 0 : i64}) -> (tensor<?x4xf32>, tensor<1xf32>)
// CHECK: %[[A:.*]] = net.softmax_cross_entropy %{{.*}}, %[[L]]
// CHECK: %[[B:.*]] = net.softmax_cross_entropy %{{.*}}, %[[L]]
// CHECK: net.mean_loss %[[A]], %[[B]] {weights = array<f64: 1.000000e+00, 3.000000e-01>}
func.func @forward(%x: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) attributes {net.role = #net.role<forward>, net.auxiliary_weights = array<f64: 0.3>} {
  %a = net.activation relu %x : tensor<?x4xf32>
  %b = net.activation tanh %x : tensor<?x4xf32>
  return %a, %b : tensor<?x4xf32>, tensor<?x4xf32>
}

// -----

// Losses by output; terms of one output share its target; outputs keep their names.
// CHECK-LABEL: func.func @step
// CHECK-SAME: (%[[X:.*]]: tensor<?x2x4x6xf32> {net.name = "x"}, %[[T:.*]]: tensor<?x2x4x6xf32> {net.target = 1 : i64}, %[[L:.*]]: tensor<?x4x6xi64> {net.target = 0 : i64})
// CHECK-SAME: -> (tensor<?x2x4x6xf32> {net.name = "map"}, tensor<?x2x4x6xf32> {net.name = "depth"}, tensor<1xf32>)
// CHECK: %[[A:.*]] = net.activation relu %[[X]]
// CHECK: %[[S:.*]] = net.regression_loss mse %[[A]], %[[T]] : (tensor<?x2x4x6xf32>, tensor<?x2x4x6xf32>) -> tensor<?x8xf32>
// CHECK: %[[D:.*]] = net.regression_loss l1 %[[A]], %[[T]]
// CHECK: %[[C:.*]] = net.softmax_cross_entropy %[[X]], %[[L]] : (tensor<?x2x4x6xf32>, tensor<?x4x6xi64>) -> tensor<?x24xf32>
// CHECK: net.mean_loss %[[S]], %[[D]], %[[C]] {weights = array<f64: 1.000000e+00, 5.000000e-01, 2.000000e+00>}
module attributes {net.losses = [#net.loss<mse, 1, 1.0>, #net.loss<l1, 1, 0.5>, #net.loss<cross_entropy, 0, 2.0>]} {
  func.func @forward(%x: tensor<?x2x4x6xf32> {net.name = "x"})
      -> (tensor<?x2x4x6xf32> {net.name = "map"}, tensor<?x2x4x6xf32> {net.name = "depth"}) attributes {net.role = #net.role<forward>} {
    %a = net.activation relu %x : tensor<?x2x4x6xf32>
    return %x, %a : tensor<?x2x4x6xf32>, tensor<?x2x4x6xf32>
  }
}
