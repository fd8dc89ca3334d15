// RUN: net-opt %s --kern-plan-memory | FileCheck %s

// Three buffers, two alive at a time: the third takes the first one's place.
// CHECK-LABEL: func.func @infer
// CHECK-SAME: arena_bytes_per_image = 512
// CHECK-SAME: peak_bytes_per_image = 512
// CHECK: kern.buffer arena_image 0
// CHECK: kern.buffer arena_image 256
// CHECK: kern.buffer arena_image 0
func.func @infer() attributes {net.role = #net.role<infer>} {
  %x = kern.buffer input 0 : memref<?x64xf32>
  %a = kern.alloc : memref<?x64xf32>
  %b = kern.alloc : memref<?x64xf32>
  %c = kern.alloc : memref<?x64xf32>
  kern.copy ins(%x : memref<?x64xf32>) outs(%a : memref<?x64xf32>) {size = 64 : i64, per_image}
  kern.copy ins(%a : memref<?x64xf32>) outs(%b : memref<?x64xf32>) {size = 64 : i64, per_image}
  kern.copy ins(%b : memref<?x64xf32>) outs(%c : memref<?x64xf32>) {size = 64 : i64, per_image}
  kern.copy ins(%c : memref<?x64xf32>) outs(%x : memref<?x64xf32>) {size = 64 : i64, per_image}
  return
}
