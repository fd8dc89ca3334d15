// RUN: net-opt %s --net-verify-graph --split-input-file --verify-diagnostics

func.func @forward(%x: tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32> attributes {net.role = #net.role<forward>} {
  %y = net.activation relu %x : tensor<?x4x8x8xf32>
  return %y : tensor<?x4x8x8xf32>
}

// -----

// expected-error @below {{dimension 2 of 'tensor<?x4x?x8xf32>' is dynamic}}
func.func @forward(%x: tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32> attributes {net.role = #net.role<forward>} {
  // expected-error @below {{stage graph: dimension 2 of 'tensor<?x4x?x8xf32>' is dynamic; only the batch may be}}
  %y = net.activation relu %x : tensor<?x4x?x8xf32>
  return %y : tensor<?x4x?x8xf32>
}

// -----

// expected-error @below {{has 5 sizes behind the batch}}
func.func @forward(%x: tensor<?x2x2x2x2x2xf32>) -> tensor<?x2x2x2x2x2xf32> attributes {net.role = #net.role<forward>} {
  // expected-error @below {{has 5 sizes behind the batch, at most 4 are possible}}
  %y = net.activation relu %x : tensor<?x2x2x2x2x2xf32>
  return %y : tensor<?x2x2x2x2x2xf32>
}

// -----

func.func @forward(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {net.role = #net.role<forward>} {
  // expected-error @below {{stage graph: 'net.activation_grad' is no layer of a model}}
  %y = net.activation_grad relu %x, %x : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

func.func @forward(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {net.role = #net.role<forward>} {
  // expected-error @below {{names @w, which is no parameter of this module}}
  %w = net.get_parameter @w : tensor<4x4xf32>
  %y = net.linear %x, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// expected-error @below {{stage graph: expected a function with the role forward}}
module {
}

// -----

module attributes {net.layers = [{name = "relu1"}]} {
  func.func @forward(%x: tensor<?x4xf32>) -> tensor<?x4xf32> attributes {net.role = #net.role<forward>} {
    %y = net.activation relu %x {net.layer = "relu1"} : tensor<?x4xf32>
    // expected-error @below {{stage graph: layer "relu2" is not in 'net.layers'}}
    %z = net.activation relu %y {net.layer = "relu2"} : tensor<?x4xf32>
    return %z : tensor<?x4xf32>
  }
}
