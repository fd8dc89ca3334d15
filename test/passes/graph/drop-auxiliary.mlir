// RUN: net-opt %s --net-drop-auxiliary --split-input-file --verify-diagnostics | FileCheck %s

// The head's layer and parameter are gone, their names stay, and the layers behind it move up.
// CHECK: module
// CHECK-SAME: net.layers = [{name = "body"}, {name = "fc"}]
// CHECK-SAME: net.left_out = ["head.weight"]
// CHECK: net.parameter @body.weight {{.*}}layer = 0
// CHECK-NOT: head.weight
// CHECK: net.parameter @fc.weight {{.*}}layer = 1
// CHECK-NOT: @forward
module attributes {net.layers = [{name = "body"}, {name = "head", auxiliary}, {name = "fc"}]} {
  net.parameter @body.weight : tensor<4x4xf32> {trainable, decay, init = ["constant", 0.0, 0.0], layer = 0}
  net.parameter @head.weight : tensor<4x4xf32> {auxiliary, trainable, decay, init = ["constant", 0.0, 0.0], layer = 1}
  net.parameter @fc.weight : tensor<4x4xf32> {trainable, decay, init = ["constant", 0.0, 0.0], layer = 2}
  func.func @infer(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {net.role = #net.role<infer>} {
    return %x : tensor<?x4xf32>
  }
  func.func @forward(%x: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<4x4xf32>) attributes {net.role = #net.role<forward>} {
    %w = net.get_parameter @head.weight : tensor<4x4xf32>
    return %x, %w : tensor<?x4xf32>, tensor<4x4xf32>
  }
}

// -----

// Without auxiliary heads only @forward goes.
// CHECK: module
// CHECK-SAME: net.layers = [{name = "body"}]
// CHECK-NOT: net.left_out
// CHECK: net.parameter @body.weight {{.*}}layer = 0
// CHECK-NOT: @forward
module attributes {net.layers = [{name = "body"}]} {
  net.parameter @body.weight : tensor<4x4xf32> {trainable, decay, init = ["constant", 0.0, 0.0], layer = 0}
  func.func @infer(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {net.role = #net.role<infer>} {
    return %x : tensor<?x4xf32>
  }
  func.func @forward(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {net.role = #net.role<forward>} {
    return %x : tensor<?x4xf32>
  }
}

// -----

// expected-error@+1 {{expected a function with the role infer}}
module {
}

// -----

module {
  // expected-error@+1 {{an auxiliary head's parameter is read by inference}}
  net.parameter @head.weight : tensor<4x4xf32> {auxiliary, trainable, init = ["constant", 0.0, 0.0], layer = 0}
  func.func @infer(%x: tensor<?x4xf32>) -> tensor<4x4xf32> attributes {net.role = #net.role<infer>} {
    %w = net.get_parameter @head.weight : tensor<4x4xf32>
    return %w : tensor<4x4xf32>
  }
}
