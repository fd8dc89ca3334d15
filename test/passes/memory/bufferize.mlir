// RUN: net-opt %s --kern-bufferize | FileCheck %s

// The second kernel writes over its dying operand; the first may not touch the input.
// CHECK-LABEL: func.func @infer
// CHECK: %[[X:.*]] = kern.buffer input 0 : memref<?x64xf32>
// CHECK: %[[A:.*]] = kern.alloc : memref<?x64xf32>
// CHECK-NOT: kern.alloc
// CHECK: kern.pointwise ins(%[[X]] : memref<?x64xf32>) outs(%[[A]] : memref<?x64xf32>)
// CHECK: kern.pointwise ins(%[[A]] : memref<?x64xf32>) outs(%[[A]] : memref<?x64xf32>)
// CHECK: kern.copy ins(%[[A]]
func.func @infer() attributes {net.role = #net.role<infer>} {
  %x = kern.buffer input 0 : tensor<?x64xf32>
  %e0 = kern.empty : tensor<?x64xf32>
  %a = kern.pointwise ins(%x : tensor<?x64xf32>) outs(%e0 : tensor<?x64xf32>) {space = array<i64: 1, 1, 64>, stores = 1 : i64, lanes = 8 : i64} -> tensor<?x64xf32> body {
  ^bb0(%v: f32):
    kern.yield %v : f32
  }
  %e1 = kern.empty : tensor<?x64xf32>
  %b = kern.pointwise ins(%a : tensor<?x64xf32>) outs(%e1 : tensor<?x64xf32>) {space = array<i64: 1, 1, 64>, stores = 1 : i64, lanes = 8 : i64} -> tensor<?x64xf32> body {
  ^bb0(%v: f32):
    kern.yield %v : f32
  }
  %o = kern.buffer output 0 : tensor<?x64xf32>
  %c = kern.copy ins(%b : tensor<?x64xf32>) outs(%o : tensor<?x64xf32>) {size = 64 : i64, per_image} -> tensor<?x64xf32>
  return
}

// The operand is read again later: it must stay whole.
// CHECK-LABEL: func.func @keeps_operands_that_live_on
// CHECK-COUNT-2: kern.alloc
func.func @keeps_operands_that_live_on() {
  %e0 = kern.empty : tensor<?x64xf32>
  %a = kern.pointwise outs(%e0 : tensor<?x64xf32>) {space = array<i64: 1, 1, 64>, stores = 1 : i64, lanes = 8 : i64} -> tensor<?x64xf32> body {
    %z = arith.constant 0.0 : f32
    kern.yield %z : f32
  }
  %e1 = kern.empty : tensor<?x64xf32>
  %b = kern.pointwise ins(%a : tensor<?x64xf32>) outs(%e1 : tensor<?x64xf32>) {space = array<i64: 1, 1, 64>, stores = 1 : i64, lanes = 8 : i64} -> tensor<?x64xf32> body {
  ^bb0(%v: f32):
    kern.yield %v : f32
  }
  %o = kern.buffer output 0 : tensor<?x64xf32>
  %c = kern.pointwise ins(%a, %b : tensor<?x64xf32>, tensor<?x64xf32>) outs(%o : tensor<?x64xf32>) {space = array<i64: 1, 1, 64>, stores = 1 : i64, lanes = 8 : i64} -> tensor<?x64xf32> body {
  ^bb0(%v: f32, %w: f32):
    kern.yield %v : f32
  }
  return
}
