// RUN: net-opt %s --net-autodiff | FileCheck %s

// What the sweep builds belongs to the layer of the op that it is the adjoint of; a sum of cotangents to the layer of
// the value that they are the cotangents of.
// CHECK-LABEL: func.func @step
// CHECK: net.softmax_cross_entropy_grad {{.*}} {net.layer = "fc", weight
// CHECK: net.linear_weight_grad {{.*}} {net.layer = "fc"}
// CHECK: net.linear_input_grad {{.*}} {net.layer = "fc"}
// CHECK: net.add {{.*}} {net.layer = "relu1"}
// CHECK: net.set_gradient @w, {{.*}} {net.layer = "fc"}
// CHECK: net.activation_grad  relu {{.*}} {net.layer = "relu1"}
net.parameter @v : tensor<4x4xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 0 : i64}
net.parameter @w : tensor<4x4xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 0 : i64}
func.func @step(%x: tensor<?x4xf32>, %labels: tensor<?xi64>) -> tensor<1xf32> attributes {net.role = #net.role<step>} {
  %v = net.get_parameter @v {net.layer = "first"} : tensor<4x4xf32>
  %a = net.linear %x, %v {net.layer = "first"} : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %y = net.activation relu %a {net.layer = "relu1"} : tensor<?x4xf32>
  %w = net.get_parameter @w {net.layer = "fc"} : tensor<4x4xf32>
  %b = net.linear %y, %w {net.layer = "fc"} : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %z = net.add %b, %y {net.layer = "add1"} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %l = net.softmax_cross_entropy %z, %labels {net.layer = "fc"} : (tensor<?x4xf32>, tensor<?xi64>) -> tensor<?xf32>
  %m = net.mean_loss %l {weights = array<f64: 1.0>} : (tensor<?xf32>) -> tensor<1xf32>
  return %m : tensor<1xf32>
}
