// RUN: net-opt %s --net-compose-permutes | FileCheck %s
// RUN: net-opt %s --net-compose-permutes --net-compose-permutes | FileCheck %s

// Windows of 2x3 pixels, then two heads of 4 features: the axes of both, in one order.
// CHECK-LABEL: func.func @windows
// CHECK: %[[FLAT:.*]] = net.flatten %arg0
// CHECK: %[[X:.*]] = net.unflatten %[[FLAT]] {{.*}} -> tensor<?x5x2x7x3x2x4xf32>
// CHECK: %[[Y:.*]] = net.permute %[[X]] {order = array<i64: 0, 1, 3, 5, 2, 4, 6>} {{.*}} -> tensor<?x5x7x2x2x3x4xf32>
// CHECK: %[[Z:.*]] = net.flatten %[[Y]]
// CHECK: net.unflatten %[[Z]] {{.*}} -> tensor<?x35x2x6x4xf32>
// CHECK-NOT: net.permute
func.func @windows(%x: tensor<?x5x2x7x24xf32>) -> tensor<?x35x2x6x4xf32> {
  %a = net.permute %x {order = array<i64: 0, 1, 3, 2, 4>} : (tensor<?x5x2x7x24xf32>) -> tensor<?x5x7x2x24xf32>
  %f = net.flatten %a : (tensor<?x5x7x2x24xf32>) -> tensor<?x1680xf32>
  %u = net.unflatten %f : (tensor<?x1680xf32>) -> tensor<?x35x6x2x4xf32>
  %y = net.permute %u {order = array<i64: 0, 1, 3, 2, 4>} : (tensor<?x35x6x2x4xf32>) -> tensor<?x35x2x6x4xf32>
  return %y : tensor<?x35x2x6x4xf32>
}

// Two that cancel leave no permutation.
// CHECK-LABEL: func.func @inverse
// CHECK-NOT: net.permute
// CHECK: return
func.func @inverse(%x: tensor<?x3x4xf32>) -> tensor<?x3x4xf32> {
  %a = net.permute %x {order = array<i64: 0, 2, 1>} : (tensor<?x3x4xf32>) -> tensor<?x4x3xf32>
  %y = net.permute %a {order = array<i64: 0, 2, 1>} : (tensor<?x4x3xf32>) -> tensor<?x3x4xf32>
  return %y : tensor<?x3x4xf32>
}

// Axes of 4 and 6 are not products of parts of 6 and 4.
// CHECK-LABEL: func.func @overlapping
// CHECK-COUNT-2: net.permute
func.func @overlapping(%x: tensor<?x6x4xf32>) -> tensor<?x4x6xf32> {
  %a = net.permute %x {order = array<i64: 0, 2, 1>} : (tensor<?x6x4xf32>) -> tensor<?x4x6xf32>
  %f = net.flatten %a : (tensor<?x4x6xf32>) -> tensor<?x24xf32>
  %u = net.unflatten %f : (tensor<?x24xf32>) -> tensor<?x6x4xf32>
  %y = net.permute %u {order = array<i64: 0, 2, 1>} : (tensor<?x6x4xf32>) -> tensor<?x4x6xf32>
  return %y : tensor<?x4x6xf32>
}

// Something else reads the first.
// CHECK-LABEL: func.func @shared
// CHECK-COUNT-2: net.permute
func.func @shared(%x: tensor<?x3x4xf32>) -> (tensor<?x4x3xf32>, tensor<?x3x4xf32>) {
  %a = net.permute %x {order = array<i64: 0, 2, 1>} : (tensor<?x3x4xf32>) -> tensor<?x4x3xf32>
  %y = net.permute %a {order = array<i64: 0, 2, 1>} : (tensor<?x4x3xf32>) -> tensor<?x3x4xf32>
  return %a, %y : tensor<?x4x3xf32>, tensor<?x3x4xf32>
}
