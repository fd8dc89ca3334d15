// RUN: net-opt %s --net-verify-layouts --verify-diagnostics

// What goes element by element may stay in logical order, if all of it does.
func.func @infer(%x: tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32> attributes {net.role = #net.role<infer>} {
  %r = net.activation relu %x : tensor<?x4x8x8xf32>
  // expected-error @below {{stage layout: expected channels-last images, found 'tensor<?x4x8x8xf32>'}}
  %y = net.shuffle_channels %r {groups = 2 : i64} : tensor<?x4x8x8xf32>
  return %y : tensor<?x4x8x8xf32>
}
