// RUN: net-opt %s --net-build-inference --net-build-training --net-autodiff --net-materialize-layouts --net-elide-layouts --net-fuse-kernels --net-lower-to-kern | FileCheck %s
// RUN: net-opt %s --net-build-inference --net-materialize-layouts --net-elide-layouts --net-fuse-kernels --net-lower-to-kern | FileCheck %s --check-prefix=PORTS

// Inputs, outputs and targets have names and places, with and without a training step.
// PORTS: net.ports = [#kern.port<name = "image", space = input, offset = 0, type = tensor<?x1x3x7xf32>, output = -1>
// PORTS-SAME: #kern.port<name = "x", space = input, offset = 128, type = tensor<?x5x6xf32>, output = -1>
// PORTS-SAME: #kern.port<name = "map", space = output, offset = 0, type = tensor<?x1x3x7xf32>, output = -1>
// PORTS-SAME: #kern.port<name = "tokens", space = output, offset = 128, type = tensor<?x5x6xf32>, output = -1>
// PORTS-SAME: #kern.port<name = "targets", space = targets, offset = 0, type = tensor<?x1x3x7xf32>, output = 0>
// PORTS-SAME: #kern.port<name = "labels", space = labels, offset = 0, type = tensor<?x5xi64>, output = 1>
module attributes {net.losses = [#net.loss<mse, 0, 1.0>, #net.loss<cross_entropy, 1, 1.0>]} {
  // CHECK: net.parameter @w
  net.parameter @w : tensor<6x6xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 0 : i64}
  // The tokens of a sequence are pixels of one row; the loss goes over rows of the last axis, in the order of files.
  // CHECK-LABEL: func.func @step()
  // CHECK-DAG: %[[X:.*]] = kern.buffer input 128 : tensor<?x5x6xf32>
  // CHECK-DAG: %[[T:.*]] = kern.buffer targets 0 : tensor<?x1x3x7xf32>
  // CHECK-DAG: %[[L:.*]] = kern.buffer labels 0 : tensor<?x5xi64>
  // CHECK: kern.contract forward lhs(%[[X]] : tensor<?x5x6xf32>)
  // CHECK-SAME: geometry = #kern.geometry<ih = 1, iw = 5, ic = 6, oh = 1, ow = 5, oc = 6,
  // CHECK: kern.row squared ins(%{{.*}}, %[[T]]
  // CHECK-SAME: channels = 7 : i64
  // CHECK-SAME: pixels = 3 : i64
  // CHECK: kern.row cross_entropy ins({{.*}}, %[[L]]
  // CHECK-SAME: channels = 6 : i64
  // CHECK-SAME: pixels = 5 : i64
  // CHECK: kern.mean_loss
  func.func @forward(%image: tensor<?x1x3x7xf32> {net.name = "image"}, %x: tensor<?x5x6xf32> {net.name = "x"})
      -> (tensor<?x1x3x7xf32> {net.name = "map"}, tensor<?x5x6xf32> {net.name = "tokens"}) attributes {net.role = #net.role<forward>} {
    %w = net.get_parameter @w : tensor<6x6xf32>
    %y = net.linear %x, %w : (tensor<?x5x6xf32>, tensor<6x6xf32>) -> tensor<?x5x6xf32>
    %r = net.activation tanh %image : tensor<?x1x3x7xf32>
    return %r, %y : tensor<?x1x3x7xf32>, tensor<?x5x6xf32>
  }
}
