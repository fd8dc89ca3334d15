// RUN: net-opt %s --net-build-inference --split-input-file | FileCheck %s

// The heads of training and dropout are gone; @forward stays, training starts from it.
// CHECK-LABEL: func.func @infer
// CHECK-SAME: -> tensor<?x4xf32>
// CHECK-NOT: net.dropout
// CHECK-NOT: relu6
// CHECK: %[[R:.*]] = net.activation relu %arg0
// CHECK-NEXT: return %[[R]] : tensor<?x4xf32>
// CHECK-LABEL: func.func @forward
// CHECK: net.dropout
// CHECK: net.activation relu6
func.func @forward(%x: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) attributes {net.role = #net.role<forward>, net.auxiliary_weights = array<f64: 0.3>} {
  %r = net.activation relu %x : tensor<?x4xf32>
  %d = net.dropout %r {p = 0.5 : f64, id = 0 : i64} : tensor<?x4xf32>
  %head = net.activation relu6 %r : tensor<?x4xf32>
  return %d, %head : tensor<?x4xf32>, tensor<?x4xf32>
}

// -----

// What the logits need stays, whatever reads it besides.
// CHECK-LABEL: func.func @infer
// CHECK: net.activation tanh
func.func @forward(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {net.role = #net.role<forward>} {
  %t = net.activation tanh %x : tensor<?x4xf32>
  return %t : tensor<?x4xf32>
}

// -----

// Outputs keep their names; the head behind them goes.
// CHECK-LABEL: func.func @infer
// CHECK-SAME: (%[[A:.*]]: tensor<?x4xf32> {net.name = "a"}, %[[B:.*]]: tensor<?x2x6xf32> {net.name = "b"})
// CHECK-SAME: -> (tensor<?x4xf32> {net.name = "scores"}, tensor<?x2x6xf32> {net.name = "tokens"})
// CHECK-NOT: tanh
// CHECK: %[[R:.*]] = net.activation relu %[[A]]
// CHECK: return %[[R]], %[[B]]
func.func @forward(%a: tensor<?x4xf32> {net.name = "a"}, %b: tensor<?x2x6xf32> {net.name = "b"})
    -> (tensor<?x4xf32> {net.name = "scores"}, tensor<?x2x6xf32> {net.name = "tokens"}, tensor<?x4xf32>)
    attributes {net.role = #net.role<forward>, net.auxiliary_weights = array<f64: 0.3>} {
  %r = net.activation relu %a : tensor<?x4xf32>
  %t = net.activation tanh %a : tensor<?x4xf32>
  return %r, %b, %t : tensor<?x4xf32>, tensor<?x2x6xf32>, tensor<?x4xf32>
}
