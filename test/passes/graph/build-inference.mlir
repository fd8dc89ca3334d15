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
func.func @forward(%x: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %r = net.activation relu %x : tensor<?x4xf32>
  %d = net.dropout %r {p = 0.5 : f64, id = 0 : i64} : tensor<?x4xf32>
  %head = net.activation relu6 %r : tensor<?x4xf32>
  return %d, %head : tensor<?x4xf32>, tensor<?x4xf32>
}

// -----

// What the logits need stays, whatever reads it besides.
// CHECK-LABEL: func.func @infer
// CHECK: net.activation tanh
func.func @forward(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %t = net.activation tanh %x : tensor<?x4xf32>
  return %t : tensor<?x4xf32>
}
