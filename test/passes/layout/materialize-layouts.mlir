// RUN: net-opt %s --net-materialize-layouts | FileCheck %s

// Every op on images gets conversions of its own; vectors and weights none.
// CHECK-LABEL: func.func @infer
// CHECK: %[[A:.*]] = net.to_layout %arg0 : tensor<?x4x8x8xf32> -> tensor<?x4x8x8xf32, #net.channels_last>
// CHECK: net.conv2d %[[A]], %arg1
// CHECK: net.to_layout {{.*}} -> tensor<?x4x8x8xf32>
// CHECK: net.to_layout {{.*}} -> tensor<?x4x8x8xf32, #net.channels_last>
// CHECK: net.activation relu
// CHECK: %[[P:.*]] = net.to_layout {{.*}} -> tensor<?x4x8x8xf32>
// CHECK: %[[F:.*]] = net.flatten %[[P]]
// CHECK-NEXT: net.linear %[[F]]
func.func @infer(%x: tensor<?x4x8x8xf32>, %w: tensor<4x4x1x1xf32>, %l: tensor<3x256xf32>) -> tensor<?x3xf32> attributes {net.role = #net.role<infer>} {
  %z = net.conv2d %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x4x8x8xf32>, tensor<4x4x1x1xf32>) -> tensor<?x4x8x8xf32>
  %y = net.activation relu %z : tensor<?x4x8x8xf32>
  %f = net.flatten %y : (tensor<?x4x8x8xf32>) -> tensor<?x256xf32>
  %o = net.linear %f, %l : (tensor<?x256xf32>, tensor<3x256xf32>) -> tensor<?x3xf32>
  return %o : tensor<?x3xf32>
}

// Between ops that keep the logical order, what goes element by element or in whole runs has no conversions: an
// attention's scores. A random number belongs to a place in memory and is drawn in one order only.
// CHECK-LABEL: func.func @step
// CHECK: net.matmul
// CHECK-NEXT: net.affine
// CHECK-NEXT: net.slice
// CHECK-NEXT: net.add
// CHECK-NEXT: net.to_layout
// CHECK-NEXT: net.dropout
// CHECK-NEXT: net.to_layout
// CHECK-NEXT: net.flatten
func.func @step(%x: tensor<?x4x8x8xf32>) -> tensor<?x256xf32> attributes {net.role = #net.role<step>} {
  %s = net.matmul %x, %x {transpose_rhs} : (tensor<?x4x8x8xf32>, tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32>
  %a = net.affine %s {scale = 0.5 : f64, shift = 0.0 : f64} : tensor<?x4x8x8xf32>
  %b = net.slice %a {axis = 3 : i64, begin = 1 : i64} : (tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32>
  %c = net.add %b, %a : (tensor<?x4x8x8xf32>, tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32>
  %d = net.dropout %c {p = 0.1 : f64, id = 0 : i64} : tensor<?x4x8x8xf32>
  %f = net.flatten %d : (tensor<?x4x8x8xf32>) -> tensor<?x256xf32>
  return %f : tensor<?x256xf32>
}
