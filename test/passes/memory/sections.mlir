// RUN: net-opt %s --kern-plan-memory=depth-first --kern-verify-plan --split-input-file | FileCheck %s
// RUN: net-opt %s --kern-plan-memory --kern-verify-plan --split-input-file | FileCheck %s --check-prefix=WHOLE

// After the second launch a quarter of the bytes is enough: a cut. What is handed over it lies in the batch's part of the
// arena, the rest in the group's; weights count once.
// CHECK-LABEL: func.func @infer
// CHECK-SAME: arena_bytes_per_image = 1179648
// CHECK-SAME: peak_bytes_per_image = 1179648
// CHECK-SAME: sections = [#kern.section<launches = 2, batch_bytes = 131072, group_bytes = 1048576, live_bytes = 1179648, weight_bytes = 256>, #kern.section<launches = 2, batch_bytes = 131072, group_bytes = 131072, live_bytes = 262144, weight_bytes = 0>]
// CHECK: kern.buffer arena_group 0 : memref<?x64x64x64xf32>
// CHECK: kern.buffer arena_image 0 : memref<?x32768xf32>
// CHECK: kern.buffer arena_group 0 : memref<?x32768xf32>
// WHOLE-LABEL: func.func @infer
// WHOLE-NOT: sections
// WHOLE-NOT: arena_group
func.func @infer() attributes {net.role = #net.role<infer>} {
  %x = kern.buffer input 0 : memref<?x64xf32>
  %w = kern.buffer parameters 0 : memref<64xf32>
  %wide = kern.alloc : memref<?x64x64x64xf32>
  %narrow = kern.alloc : memref<?x32768xf32>
  %last = kern.alloc : memref<?x32768xf32>
  %y = kern.buffer output 0 : memref<?x64xf32>
  kern.pointwise ins(%w, %w : memref<64xf32>, memref<64xf32>) outs(%wide : memref<?x64x64x64xf32>) {lanes = 8 : i64, space = array<i64: 64, 64, 64>, stores = 1 : i64} body {
  ^bb0(%a: f32, %b: f32):
    %p = arith.addf %a, %b : f32
    kern.yield %p : f32
  }
  kern.copy ins(%wide : memref<?x64x64x64xf32>) outs(%narrow : memref<?x32768xf32>) {size = 32768 : i64, per_image}
  kern.copy ins(%narrow : memref<?x32768xf32>) outs(%last : memref<?x32768xf32>) {size = 32768 : i64, per_image}
  kern.copy ins(%last : memref<?x32768xf32>) outs(%y : memref<?x64xf32>) {size = 64 : i64, per_image}
  return
}

// -----

// Little at every launch: no cut, and a group is a part of the batch.
// CHECK-LABEL: func.func @infer
// CHECK-SAME: sections = [#kern.section<launches = 2, batch_bytes = 0, group_bytes = 4096, live_bytes = 4352, weight_bytes = 0>]
func.func @infer() attributes {net.role = #net.role<infer>} {
  %x = kern.buffer input 0 : memref<?x64xf32>
  %a = kern.alloc : memref<?x1024xf32>
  kern.copy ins(%x : memref<?x64xf32>) outs(%a : memref<?x1024xf32>) {size = 64 : i64, per_image}
  kern.copy ins(%a : memref<?x1024xf32>) outs(%x : memref<?x64xf32>) {size = 64 : i64, per_image}
  return
}

// -----

// A launch that computes what all images share would run anew for each group: none then.
// CHECK-LABEL: func.func @infer
// CHECK-NOT: sections
// CHECK: kern.buffer arena_image 0
func.func @infer() attributes {net.role = #net.role<infer>} {
  %x = kern.buffer input 0 : memref<?x64xf32>
  %w = kern.buffer parameters 0 : memref<64xf32>
  %folded = kern.alloc : memref<64xf32>
  %a = kern.alloc : memref<?x64xf32>
  kern.copy ins(%w : memref<64xf32>) outs(%folded : memref<64xf32>) {size = 64 : i64}
  kern.pointwise ins(%folded : memref<64xf32>) outs(%a : memref<?x64xf32>) {lanes = 8 : i64, space = array<i64: 1, 1, 64>, stores = 1 : i64} body {
  ^bb0(%v: f32):
    kern.yield %v : f32
  }
  kern.copy ins(%a : memref<?x64xf32>) outs(%x : memref<?x64xf32>) {size = 64 : i64, per_image}
  return
}

// -----

// Training needs the statistics of the whole batch.
// CHECK-LABEL: func.func @step
// CHECK-NOT: sections
// CHECK: kern.buffer arena_image 0
func.func @step() attributes {net.role = #net.role<step>} {
  %x = kern.buffer input 0 : memref<?x64xf32>
  %a = kern.alloc : memref<?x64xf32>
  kern.copy ins(%x : memref<?x64xf32>) outs(%a : memref<?x64xf32>) {size = 64 : i64, per_image}
  kern.copy ins(%a : memref<?x64xf32>) outs(%x : memref<?x64xf32>) {size = 64 : i64, per_image}
  return
}
