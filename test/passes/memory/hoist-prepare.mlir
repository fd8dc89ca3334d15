// RUN: net-opt %s --net-fuse-kernels --net-lower-to-kern --kern-hoist-prepare | FileCheck %s

net.parameter @w : tensor<3x6xf32> {init = ["constant", 0.0, 0.0], layer = 0 : i64}

// Packing depends on the weights alone; the product reads what was prepared.
// CHECK: net.prepared_bytes = 192
// CHECK-LABEL: func.func @prepare
// CHECK: kern.buffer prepared 0
// CHECK: kern.pack
// CHECK-LABEL: func.func @infer
// CHECK-NOT: kern.pack
// CHECK: %[[P:.*]] = kern.buffer prepared 0
// CHECK: kern.contract forward {{.*}} weights(%[[P]]
func.func @infer(%x: tensor<?x6xf32>) -> tensor<?x3xf32> attributes {net.role = #net.role<infer>} {
  %w = net.get_parameter @w : tensor<3x6xf32>
  %y = net.linear %x, %w : (tensor<?x6xf32>, tensor<3x6xf32>) -> tensor<?x3xf32>
  return %y : tensor<?x3xf32>
}
