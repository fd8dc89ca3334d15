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

// -----

// A label that is ignored costs nothing and makes the others weigh more, by a factor that terms of one label share; dice compares
// probabilities.
// CHECK-LABEL: func.func @step
// CHECK-SAME: (%[[X:.*]]: tensor<?x3x4x6xf32>, %[[L:.*]]: tensor<?x4x6xi64> {net.target = 0 : i64})
// CHECK: %[[S:.*]] = net.label_share %[[L]] ignore 255 : (tensor<?x4x6xi64>) -> tensor<1xf32>
// CHECK: %[[C:.*]] = net.softmax_cross_entropy %[[X]], %[[L]], %[[S]] {ignore = 255 : i64}
// CHECK: %[[D:.*]] = net.softmax_cross_entropy %[[X]], %[[L]], %[[S]] {ignore = 255 : i64}
// CHECK: %[[P:.*]] = net.softmax %[[X]]
// CHECK: %[[U:.*]] = net.dice_sums %[[P]], %[[L]] {ignore = 255 : i64} : (tensor<?x3x4x6xf32>, tensor<?x4x6xi64>) -> tensor<?x6xf32>
// CHECK: %[[E:.*]] = net.dice_loss %[[P]], %[[L]], %[[U]] {ignore = 255 : i64, smooth = 5.000000e-01 : f64}
// CHECK: net.mean_loss %[[C]], %[[D]], %[[E]]
module attributes {net.losses = [#net.loss<cross_entropy, 0, 1.0, {ignore = 255}>, #net.loss<cross_entropy, 0, 2.0, {ignore = 255}>,
    #net.loss<dice, 0, 0.5, {ignore = 255, smooth = 0.5}>]} {
  func.func @forward(%x: tensor<?x3x4x6xf32>) -> tensor<?x3x4x6xf32> attributes {net.role = #net.role<forward>} {
    return %x : tensor<?x3x4x6xf32>
  }
}

// -----

// Binary cross entropy compares with values of the prediction's type.
// CHECK-LABEL: func.func @step
// CHECK-SAME: (%[[X:.*]]: tensor<?x7xf32>, %[[T:.*]]: tensor<?x7xf32> {net.target = 0 : i64})
// CHECK: net.regression_loss bce %[[X]], %[[T]] {threshold = 2.000000e-01 : f64} : (tensor<?x7xf32>, tensor<?x7xf32>) -> tensor<?xf32>
module attributes {net.losses = [#net.loss<bce, 0, 1.0, {threshold = 0.2}>]} {
  func.func @forward(%x: tensor<?x7xf32>) -> tensor<?x7xf32> attributes {net.role = #net.role<forward>} {
    return %x : tensor<?x7xf32>
  }
}
