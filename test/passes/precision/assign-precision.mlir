// RUN: net-opt %s --net-assign-precision | FileCheck %s
// RUN: net-opt %s --net-assign-precision=precision=tf32 | FileCheck %s --check-prefix=TF32
// RUN: net-opt %s --net-assign-precision=precision=tf32 --net-assign-precision=precision=tf32 | FileCheck %s --check-prefix=TF32
// RUN: not net-opt %s --net-assign-precision=precision=f8 2>&1 | FileCheck %s --check-prefix=ERROR

// ERROR: error: no precision 'f8', expected f32 or tf32

net.parameter @w : tensor<3x6xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 0 : i64}

// Contractions have an operand type, everything is stored as f32; pointwise ops have no operands to round.
// CHECK-LABEL: func.func @infer
// CHECK: %[[W:.*]] = net.get_parameter @w : tensor<3x6xf32>
// CHECK: %[[Y:.*]] = net.linear %arg0, %[[W]] {net.operand_type = f32} : {{.*}} -> tensor<?x3xf32>
// CHECK: net.activation relu %[[Y]] : tensor<?x3xf32>
// TF32-LABEL: func.func @infer
// TF32: net.linear {{.*}} {net.operand_type = tf32} : {{.*}} -> tensor<?x3xf32>
// TF32: net.activation relu %{{.*}} : tensor<?x3xf32>
func.func @infer(%x: tensor<?x6xf32>) -> tensor<?x3xf32> attributes {net.role = #net.role<infer>} {
  %w = net.get_parameter @w : tensor<3x6xf32>
  %y = net.linear %x, %w : (tensor<?x6xf32>, tensor<3x6xf32>) -> tensor<?x3xf32>
  %r = net.activation relu %y : tensor<?x3xf32>
  return %r : tensor<?x3xf32>
}

// The source of the others is left as it is.
// CHECK-LABEL: func.func @forward
// CHECK: net.linear
// CHECK-NOT: operand_type
func.func @forward(%x: tensor<?x6xf32>) -> tensor<?x3xf32> attributes {net.role = #net.role<forward>} {
  %w = net.get_parameter @w : tensor<3x6xf32>
  %y = net.linear %x, %w : (tensor<?x6xf32>, tensor<3x6xf32>) -> tensor<?x3xf32>
  return %y : tensor<?x3xf32>
}
