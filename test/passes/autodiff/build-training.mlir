// RUN: net-opt %s --net-build-training | FileCheck %s

// Each head has its loss, weighted in one mean.
// CHECK-LABEL: func.func @step
// CHECK-SAME: (%[[X:.*]]: tensor<?x4xf32>, %[[L:.*]]: tensor<?xi64>) -> (tensor<?x4xf32>, tensor<1xf32>)
// CHECK: %[[A:.*]] = net.softmax_cross_entropy %{{.*}}, %[[L]]
// CHECK: %[[B:.*]] = net.softmax_cross_entropy %{{.*}}, %[[L]]
// CHECK: net.mean_loss %[[A]], %[[B]] {weights = array<f64: 1.000000e+00, 3.000000e-01>}
func.func @forward(%x: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) attributes {net.auxiliary_weights = array<f64: 0.3>} {
  %a = net.activation relu %x : tensor<?x4xf32>
  %b = net.activation tanh %x : tensor<?x4xf32>
  return %a, %b : tensor<?x4xf32>, tensor<?x4xf32>
}
