// RUN: net-opt %s --net-assign-precision | FileCheck %s
// RUN: net-opt %s --net-assign-precision=precision=tf32 | FileCheck %s --check-prefix=TF32
// RUN: net-opt %s --net-assign-precision=precision=tf32 --net-assign-precision=precision=tf32 | FileCheck %s --check-prefix=TF32
// RUN: net-opt %s --net-assign-precision=precision=bf16 | FileCheck %s --check-prefix=BF16
// RUN: net-opt %s --net-assign-precision=precision=bf16 | net-opt | FileCheck %s --check-prefix=BF16
// RUN: net-opt %s --net-assign-precision="precision=bf16 bf16-products=true" | FileCheck %s --check-prefix=PRODUCTS
// RUN: not net-opt %s --net-assign-precision=precision=f8 2>&1 | FileCheck %s --check-prefix=ERROR

// ERROR: error: no precision 'f8', expected f32, tf32, bf16 or int8

net.parameter @w : tensor<3x6xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 0 : i64}
net.parameter @b : tensor<3xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 0 : i64}

// Contractions have an operand type, everything is stored as f32; pointwise ops have no operands to round.
// CHECK-LABEL: func.func @infer
// CHECK: %[[W:.*]] = net.get_parameter @w : tensor<3x6xf32>
// CHECK: %[[Y:.*]] = net.linear %arg0, %[[W]] {net.operand_type = f32} : {{.*}} -> tensor<?x3xf32>
// CHECK: net.activation relu %[[Y]] : tensor<?x3xf32>
// TF32-LABEL: func.func @infer
// TF32: net.linear {{.*}} {net.operand_type = tf32} : {{.*}} -> tensor<?x3xf32>
// TF32: net.activation relu %{{.*}} : tensor<?x3xf32>
// What the function returns stays f32; what it computes on the way is stored in half the bytes.
// BF16-LABEL: func.func @infer(%arg0: tensor<?x6xf32>) -> tensor<?x3xf32>
// BF16: %[[W:.*]] = net.get_parameter @w : tensor<3x6xf32>
// BF16: %[[Y:.*]] = net.linear %arg0, %[[W]] {net.operand_type = f32} : (tensor<?x6xf32>, tensor<3x6xf32>) -> tensor<?x3xbf16>
// BF16: net.activation relu %[[Y]] : tensor<?x3xbf16>, tensor<?x3xf32>
// PRODUCTS-LABEL: func.func @infer
// PRODUCTS: net.linear {{.*}} {net.operand_type = bf16} : {{.*}} -> tensor<?x3xbf16>
func.func @infer(%x: tensor<?x6xf32>) -> tensor<?x3xf32> attributes {net.role = #net.role<infer>} {
  %w = net.get_parameter @w : tensor<3x6xf32>
  %y = net.linear %x, %w : (tensor<?x6xf32>, tensor<3x6xf32>) -> tensor<?x3xf32>
  %r = net.activation relu %y : tensor<?x3xf32>
  return %r : tensor<?x3xf32>
}

// Losses and what they compare stay f32, and so do sums over the batch and what parameters get; cotangents don't.
// BF16-LABEL: func.func @step
// BF16: %[[H:.*]] = net.activation relu %{{.*}} : tensor<?x6xf32>, tensor<?x6xbf16>
// BF16: %[[Y:.*]] = net.linear %[[H]], {{.*}} -> tensor<?x3xf32>
// BF16: net.softmax_cross_entropy %[[Y]], %{{.*}} -> tensor<?xf32>
// BF16: %[[G:.*]] = net.softmax_cross_entropy_grad %[[Y]], {{.*}} -> tensor<?x3xbf16>
// BF16: net.linear_weight_grad %[[H]], %[[G]] {{.*}} : (tensor<?x6xbf16>, tensor<?x3xbf16>) -> tensor<3x6xf32>
// BF16: net.channel_sums %[[G]] : (tensor<?x3xbf16>) -> tensor<3xf32>
func.func @step(%x: tensor<?x6xf32>, %labels: tensor<?xi64>) -> (tensor<?x3xf32>, tensor<1xf32>) attributes {net.role = #net.role<step>} {
  %w = net.get_parameter @w : tensor<3x6xf32>
  %h = net.activation relu %x : tensor<?x6xf32>
  %y = net.linear %h, %w : (tensor<?x6xf32>, tensor<3x6xf32>) -> tensor<?x3xf32>
  %losses = net.softmax_cross_entropy %y, %labels : (tensor<?x3xf32>, tensor<?xi64>) -> tensor<?xf32>
  %loss = net.mean_loss %losses {weights = array<f64: 1.0>} : (tensor<?xf32>) -> tensor<1xf32>
  %g = net.softmax_cross_entropy_grad %y, %labels {weight = 1.0 : f64} : (tensor<?x3xf32>, tensor<?xi64>) -> tensor<?x3xf32>
  %dw = net.linear_weight_grad %h, %g : (tensor<?x6xf32>, tensor<?x3xf32>) -> tensor<3x6xf32>
  net.set_gradient @w, %dw : tensor<3x6xf32>
  %db = net.channel_sums %g : (tensor<?x3xf32>) -> tensor<3xf32>
  net.set_gradient @b, %db : tensor<3xf32>
  return %y, %loss : tensor<?x3xf32>, tensor<1xf32>
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
