// RUN: net-opt %s --net-materialize-layouts --net-elide-layouts --net-fuse-kernels --net-lower-to-kern | FileCheck %s

// Two axes behind the batch change places by a transposition, more by a permutation without axes of one index. Where only
// axes of one index change places, no byte moves.
// CHECK-LABEL: func.func @infer
// CHECK: kern.transpose {{.*}}columns = 6 : i64, {{.*}}rows = 4 : i64
// CHECK: kern.permute {{.*}}order = array<i64: 1, 0, 2>, sizes = array<i64: 2, 3, 4>
// CHECK-NOT: kern.permute
// CHECK-NOT: kern.transpose
// CHECK: kern.reshape
func.func @infer(%x: tensor<?x4x6xf32>, %y: tensor<?x2x3x4xf32>, %z: tensor<?x4x5x1x3xf32>) -> (tensor<?x6x4xf32>, tensor<?x3x2x4xf32>, tensor<?x60xf32>) attributes {net.role = #net.role<infer>} {
  %a = net.permute %x {order = array<i64: 0, 2, 1>} : (tensor<?x4x6xf32>) -> tensor<?x6x4xf32>
  %b = net.permute %y {order = array<i64: 0, 2, 1, 3>} : (tensor<?x2x3x4xf32>) -> tensor<?x3x2x4xf32>
  %c = net.permute %z {order = array<i64: 0, 1, 3, 2, 4>} : (tensor<?x4x5x1x3xf32>) -> tensor<?x4x1x5x3xf32>
  %d = net.flatten %c : (tensor<?x4x1x5x3xf32>) -> tensor<?x60xf32>
  return %a, %b, %d : tensor<?x6x4xf32>, tensor<?x3x2x4xf32>, tensor<?x60xf32>
}
