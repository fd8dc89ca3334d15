// RUN: not net-opt %s --net-build-training 2>&1 | FileCheck %s

// CHECK: error: cannot train: a loss needs one vector of class scores an image, found 'tensor<?x4x2x2xf32>'
func.func @forward(%x: tensor<?x4x2x2xf32>) -> tensor<?x4x2x2xf32> {
  %a = net.activation relu %x : tensor<?x4x2x2xf32>
  return %a : tensor<?x4x2x2xf32>
}
