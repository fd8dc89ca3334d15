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

// CHECK-LABEL: func.func @any_rank
func.func @any_rank(%x: tensor<?x6x8xf32>, %p: tensor<4x12xf32>, %f: tensor<8x4x3x3xf32>) -> tensor<?x3x2x6xf32> {
  // CHECK: net.slice %arg0 {axis = 2 : i64, begin = -2 : i64} : (tensor<?x6x8xf32>) -> tensor<?x6x10xf32>
  %s = net.slice %x {axis = 2 : i64, begin = -2 : i64} : (tensor<?x6x8xf32>) -> tensor<?x6x10xf32>
  // CHECK: net.concat %{{.*}}, %arg0 {axis = 2 : i64}
  %c = net.concat %s, %x {axis = 2 : i64} : (tensor<?x6x10xf32>, tensor<?x6x8xf32>) -> tensor<?x6x18xf32>
  // CHECK: net.reshape_parameter %arg1
  %v = net.reshape_parameter %p : (tensor<4x12xf32>) -> tensor<48xf32>
  // CHECK: net.add_parameters %{{.*}}, %{{.*}} : tensor<48xf32>
  %sum = net.add_parameters %v, %v : tensor<48xf32>
  // CHECK: net.repeat
  %r = net.repeat %v : (tensor<48xf32>) -> tensor<?x48xf32>
  %u = net.unflatten %r : (tensor<?x48xf32>) -> tensor<?x6x8xf32>
  // CHECK: net.matmul %{{.*}}, %arg0 {transpose_rhs}
  %m = net.matmul %u, %x {transpose_rhs} : (tensor<?x6x8xf32>, tensor<?x6x8xf32>) -> tensor<?x6x6xf32>
  // CHECK: net.row_norm %{{.*}} {eps = 1.000000e-05 : f64}
  %n = net.row_norm %m {eps = 1.0e-5 : f64} : tensor<?x6x6xf32>
  // CHECK: net.row_norm %arg2
  %g = net.row_norm %f {eps = 1.0e-10 : f64} : tensor<8x4x3x3xf32>
  %w = net.flatten %n : (tensor<?x6x6xf32>) -> tensor<?x36xf32>
  %q = net.unflatten %w : (tensor<?x36xf32>) -> tensor<?x2x3x6xf32>
  // CHECK: net.group_mean
  %a = net.group_mean %q {groups = 2 : i64} : tensor<?x2x3x6xf32>
  // CHECK: net.shuffle_channels
  %h = net.shuffle_channels %a {groups = 2 : i64} : tensor<?x2x3x6xf32>
  // CHECK: net.resample %{{.*}} {bilinear}
  %b = net.resample %h {bilinear} : (tensor<?x2x3x6xf32>) -> tensor<?x2x3x6xf32>
  // CHECK: net.permute %{{.*}} {order = array<i64: 0, 2, 1, 3>}
  %o = net.permute %b {order = array<i64: 0, 2, 1, 3>} : (tensor<?x2x3x6xf32>) -> tensor<?x3x2x6xf32>
  return %o : tensor<?x3x2x6xf32>
}
