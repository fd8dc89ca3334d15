// RUN: net-opt %s --net-verify-graph --split-input-file --verify-diagnostics

func.func @forward(%x: tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32> {
  %y = net.activation relu %x : tensor<?x4x8x8xf32>
  return %y : tensor<?x4x8x8xf32>
}

// -----

func.func @forward(%x: tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32> {
  // expected-error @below {{stage graph: dimension 2 of 'tensor<?x4x?x8xf32>' is dynamic; only the batch may be}}
  %y = net.activation relu %x : tensor<?x4x?x8xf32>
  return %y : tensor<?x4x?x8xf32>
}
