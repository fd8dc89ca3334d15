// RUN: net-opt %s | net-opt | FileCheck %s

// CHECK: net.parameter @w : tensor<8x4x3x3xf32> {init = ["normal", 0.000000e+00, 1.000000e-01], layer = 0 : i64, trainable}
net.parameter @w : tensor<8x4x3x3xf32> {trainable, init = ["normal", 0.0, 0.1], layer = 0 : i64}

// CHECK-LABEL: func.func @layers
func.func @layers(%x: tensor<?x4x8x8xf32>) -> tensor<?x512xf32> {
  // CHECK: net.get_parameter @w : tensor<8x4x3x3xf32>
  %w = net.get_parameter @w : tensor<8x4x3x3xf32>
  // CHECK: net.fusion (%{{.*}} = %arg0 : tensor<?x4x8x8xf32>, %{{.*}} = %{{.*}} : tensor<8x4x3x3xf32>) -> (tensor<?x8x8x8xf32>)
  %y = net.fusion (%a = %x : tensor<?x4x8x8xf32>, %b = %w : tensor<8x4x3x3xf32>) -> (tensor<?x8x8x8xf32>) {
    %c = net.conv2d %a, %b {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x4x8x8xf32>, tensor<8x4x3x3xf32>) -> tensor<?x8x8x8xf32>
    %d = net.activation leaky_relu %c {slope = 0.1 : f64} : tensor<?x8x8x8xf32>
    net.yield %d : tensor<?x8x8x8xf32>
  }
  // CHECK: net.flatten
  %f = net.flatten %y : (tensor<?x8x8x8xf32>) -> tensor<?x512xf32>
  return %f : tensor<?x512xf32>
}
