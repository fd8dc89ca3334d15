// RUN: net-opt %s --net-autodiff --verify-diagnostics

net.parameter @w : tensor<8xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 0 : i64}

func.func @step(%x: tensor<?x8xf32>, %labels: tensor<?xi64>) -> (tensor<?x8xf32>, tensor<1xf32>) attributes {net.role = #net.role<step>} {
  %w = net.get_parameter @w : tensor<8xf32>
  // expected-error @below {{'net.scale_shift' lies between a parameter and the loss but has no adjoint}}
  %y = net.scale_shift %x, %w, %w : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %l = net.softmax_cross_entropy %y, %labels : (tensor<?x8xf32>, tensor<?xi64>) -> tensor<?xf32>
  %m = net.mean_loss %l {weights = array<f64: 1.0>} : (tensor<?xf32>) -> tensor<1xf32>
  return %y, %m : tensor<?x8xf32>, tensor<1xf32>
}
