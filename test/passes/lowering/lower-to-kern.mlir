// RUN: net-opt %s --net-fuse-kernels --net-lower-to-kern | FileCheck %s
// RUN: net-opt %s --net-fuse-kernels --net-lower-to-kern="lanes=16 registers=32" | FileCheck %s --check-prefix=WIDE

// Parameters are placed 64 bytes apart.
// CHECK: net.parameter @b
// CHECK-SAME: offset = 0
// CHECK: net.parameter @w
// CHECK-SAME: offset = 64
net.parameter @b : tensor<3xf32> {init = ["constant", 0.0, 0.0], layer = 0 : i64}
net.parameter @w : tensor<3x6xf32> {init = ["constant", 0.0, 0.0], layer = 0 : i64}

// Input and output are buffers; the product is computed straight into the output, bias in the epilogue.
// CHECK-LABEL: func.func @infer()
// CHECK: %[[X:.*]] = kern.buffer input 0 : tensor<?x6xf32>
// CHECK: %[[W:.*]] = kern.buffer parameters 64 : tensor<3x6xf32>
// CHECK: %[[O:.*]] = kern.buffer output 0 : tensor<?x3xf32>
// CHECK: %[[P:.*]] = kern.pack ins(%[[W]] : tensor<3x6xf32>) outs(%{{.*}} : tensor<1x1x1x1x6x8xf32>)
// CHECK: kern.contract forward lhs(%[[X]] : tensor<?x6xf32>) weights(%[[P]]
// CHECK-SAME: outs(%[[O]] : tensor<?x3xf32>)
// CHECK: arith.addf
// WIDE: kern.pack {{.*}} outs(%{{.*}} : tensor<1x1x1x1x6x16xf32>)
func.func @infer(%x: tensor<?x6xf32>) -> tensor<?x3xf32> attributes {net.role = #net.role<infer>} {
  %b = net.get_parameter @b : tensor<3xf32>
  %w = net.get_parameter @w : tensor<3x6xf32>
  %y = net.linear %x, %w bias %b : (tensor<?x6xf32>, tensor<3x6xf32>, tensor<3xf32>) -> tensor<?x3xf32>
  return %y : tensor<?x3xf32>
}
