// RUN: net-opt %s --net-expand-batch-norm --split-input-file | FileCheck %s
// RUN: net-opt %s --net-expand-batch-norm --net-expand-batch-norm --split-input-file | FileCheck %s

net.parameter @m : tensor<8xf32> {init = ["constant", 0.0, 0.0], layer = 0 : i64}
net.parameter @v : tensor<8xf32> {init = ["constant", 1.0, 0.0], layer = 0 : i64}

// The moments, the statistics, the next running statistics, and the normalisation, each on its own.
// CHECK-LABEL: func.func @step
// CHECK: %[[MEAN:.*]], %[[SQUARES:.*]] = net.channel_moments %arg0
// CHECK: %{{.*}}, %{{.*}}, %[[SCALE:.*]], %[[SHIFT:.*]], %[[NM:.*]], %[[NV:.*]] = net.batch_norm_statistics %[[MEAN]], %[[SQUARES]]
// CHECK-SAME: pixels = 20
// CHECK: net.assign @m, %[[NM]]
// CHECK: net.assign @v, %[[NV]]
// CHECK: net.batch_norm_apply %arg0, %[[SCALE]], %[[SHIFT]]
// CHECK-NOT: net.batch_norm %
func.func @step(%x: tensor<?x8x4x5xf32>, %p: tensor<8xf32>) -> tensor<?x8x4x5xf32> attributes {net.role = #net.role<step>} {
  %y = net.batch_norm %x, %p, %p, %p, %p {eps = 1.0e-5 : f64, momentum = 0.1 : f64, running_mean_symbol = @m, running_var_symbol = @v} : (tensor<?x8x4x5xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x4x5xf32>
  return %y : tensor<?x8x4x5xf32>
}

// CHECK-LABEL: func.func @infer
// CHECK: net.batch_norm %
func.func @infer(%x: tensor<?x8x4x5xf32>, %p: tensor<8xf32>) -> tensor<?x8x4x5xf32> attributes {net.role = #net.role<infer>} {
  %y = net.batch_norm %x, %p, %p, %p, %p {eps = 1.0e-5 : f64, momentum = 0.1 : f64, running_mean_symbol = @m, running_var_symbol = @v} : (tensor<?x8x4x5xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x4x5xf32>
  return %y : tensor<?x8x4x5xf32>
}

// -----

net.parameter @m : tensor<8xf32> {init = ["constant", 0.0, 0.0], layer = 0 : i64}
net.parameter @v : tensor<8xf32> {init = ["constant", 1.0, 0.0], layer = 0 : i64}

// Two norms of one value share its moments.
// CHECK-LABEL: func.func @step
// CHECK: net.channel_moments
// CHECK-NOT: net.channel_moments
func.func @step(%x: tensor<?x8x4x5xf32>, %p: tensor<8xf32>) -> (tensor<?x8x4x5xf32>, tensor<?x8x4x5xf32>) attributes {net.role = #net.role<step>} {
  %y = net.batch_norm %x, %p, %p, %p, %p {eps = 1.0e-5 : f64, momentum = 0.1 : f64, running_mean_symbol = @m, running_var_symbol = @v} : (tensor<?x8x4x5xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x4x5xf32>
  %z = net.batch_norm %x, %p, %p, %p, %p {eps = 1.0e-5 : f64, momentum = 0.1 : f64, running_mean_symbol = @m, running_var_symbol = @v} : (tensor<?x8x4x5xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x4x5xf32>
  return %y, %z : tensor<?x8x4x5xf32>, tensor<?x8x4x5xf32>
}

// -----

net.parameter @m : tensor<8xf32> {init = ["constant", 0.0, 0.0], layer = 0 : i64}
net.parameter @v : tensor<8xf32> {init = ["constant", 1.0, 0.0], layer = 0 : i64}

// A frozen norm has no moments, reads the running statistics and leaves them.
// CHECK-LABEL: func.func @step
// CHECK-NOT: net.channel_moments
// CHECK-NOT: net.assign
// CHECK: %[[SCALE:.*]], %[[SHIFT:.*]] = net.batch_norm_coefficients %arg1, %arg1, %arg1, %arg1
// CHECK: net.batch_norm_apply %arg0, %[[SCALE]], %[[SHIFT]]
// CHECK-NOT: net.assign
func.func @step(%x: tensor<?x8x4x5xf32>, %p: tensor<8xf32>) -> tensor<?x8x4x5xf32> attributes {net.role = #net.role<step>} {
  %y = net.batch_norm %x, %p, %p, %p, %p {frozen, eps = 1.0e-5 : f64, momentum = 0.1 : f64, running_mean_symbol = @m, running_var_symbol = @v} : (tensor<?x8x4x5xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x4x5xf32>
  return %y : tensor<?x8x4x5xf32>
}
