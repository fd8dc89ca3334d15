// RUN: not net-opt %s --net-build-training --split-input-file 2>&1 | FileCheck %s

// CHECK: error: cannot train: cross_entropy needs class scores, a vector, a sequence or a map, found 'tensor<?x4x2x2x3xf32>'
func.func @forward(%x: tensor<?x4x2x2x3xf32>) -> tensor<?x4x2x2x3xf32> attributes {net.role = #net.role<forward>} {
  %a = net.activation relu %x : tensor<?x4x2x2x3xf32>
  return %a : tensor<?x4x2x2x3xf32>
}

// -----

// CHECK: error: a loss of result 1, but there are 1 outputs
module attributes {net.losses = [#net.loss<mse, 1, 1.0>]} {
  func.func @forward(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {net.role = #net.role<forward>} {
    return %x : tensor<?x4xf32>
  }
}
