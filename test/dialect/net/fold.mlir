// RUN: net-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @relu_of_relu
// CHECK-COUNT-1: net.activation relu
// CHECK-NEXT: return
func.func @relu_of_relu(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %a = net.activation relu %x : tensor<?x4xf32>
  %b = net.activation relu %a : tensor<?x4xf32>
  return %b : tensor<?x4xf32>
}

// Not idempotent: tanh of tanh is another function.
// CHECK-LABEL: func.func @tanh_of_tanh
// CHECK-COUNT-2: net.activation tanh
func.func @tanh_of_tanh(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %a = net.activation tanh %x : tensor<?x4xf32>
  %b = net.activation tanh %a : tensor<?x4xf32>
  return %b : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @dropout_of_nothing
// CHECK-NEXT: return %arg0
func.func @dropout_of_nothing(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %a = net.dropout %x {p = 0.0 : f64, id = 0 : i64} : tensor<?x4xf32>
  return %a : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @move_that_stays
// CHECK-NEXT: return %arg0
func.func @move_that_stays(%x: tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32> {
  %a = net.move %x {strides = array<i64: 1, 1>, spreads = array<i64: 1, 1>, offsets = array<i64: 0, 0>, channel_offset = 0 : i64} : (tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32>
  return %a : tensor<?x4x8x8xf32>
}

// CHECK-LABEL: func.func @layout_there_and_back
// CHECK-NEXT: return %arg0
func.func @layout_there_and_back(%x: tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32> {
  %a = net.to_layout %x : tensor<?x4x8x8xf32> -> tensor<?x4x8x8xf32, #net.channels_last>
  %b = net.to_layout %a : tensor<?x4x8x8xf32, #net.channels_last> -> tensor<?x4x8x8xf32>
  return %b : tensor<?x4x8x8xf32>
}

// CHECK-LABEL: func.func @times_one
// CHECK-NEXT: return %arg0
func.func @times_one(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %a = net.affine %x {scale = 1.0 : f64, shift = 0.0 : f64} : tensor<?x4xf32>
  return %a : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @plus_three
// CHECK: net.affine %arg0
func.func @plus_three(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %a = net.affine %x {scale = 1.0 : f64, shift = 3.0 : f64} : tensor<?x4xf32>
  return %a : tensor<?x4xf32>
}
