// RUN: net-opt %s --net-verify-layouts --verify-diagnostics

func.func @infer(%x: tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32> attributes {net.role = #net.role<infer>} {
  // expected-error @below {{stage layout: expected channels-last images, found 'tensor<?x4x8x8xf32>'}}
  %y = net.activation relu %x : tensor<?x4x8x8xf32>
  return %y : tensor<?x4x8x8xf32>
}
