// RUN: net-opt %s --net-verify-training --split-input-file --verify-diagnostics

// expected-error @below {{stage train: parameter w has 0 gradients, expected 1; the loss does not depend on it}}
net.parameter @w : tensor<4xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 0 : i64}
func.func @step() attributes {net.role = #net.role<step>} { return }

// -----

// expected-error @below {{stage train: parameter w has 2 gradients, expected 1}}
net.parameter @w : tensor<4xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 0 : i64}
func.func @step(%g: tensor<4xf32>) attributes {net.role = #net.role<step>} {
  net.set_gradient @w, %g : tensor<4xf32>
  net.set_gradient @w, %g : tensor<4xf32>
  return
}

// -----

net.parameter @m : tensor<8xf32> {init = ["constant", 0.0, 0.0], layer = 0 : i64}
func.func @step(%x: tensor<?x8xf32>, %p: tensor<8xf32>) -> tensor<?x8xf32> attributes {net.role = #net.role<step>} {
  // expected-error @below {{stage train: batch_norm is not expanded}}
  %y = net.batch_norm %x, %p, %p, %p, %p {eps = 1.0e-5 : f64, momentum = 0.1 : f64, running_mean_symbol = @m, running_var_symbol = @m} : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
