// RUN: net-opt %s --net-fuse-kernels --split-input-file | FileCheck %s

// A convolution takes its skip-add and ReLU, since the shortcut exists before it.
// CHECK-LABEL: func.func @infer
// CHECK: net.fusion
// CHECK-NEXT: net.conv2d
// CHECK-NEXT: net.add
// CHECK-NEXT: net.activation relu
// CHECK-NEXT: net.yield
// CHECK-NOT: net.fusion
func.func @infer(%x: tensor<?x8x8x8xf32>, %w: tensor<8x8x1x1xf32>) -> tensor<?x8x8x8xf32> attributes {net.role = #net.role<infer>} {
  %z = net.conv2d %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x8x8x8xf32>, tensor<8x8x1x1xf32>) -> tensor<?x8x8x8xf32>
  %s = net.add %z, %x : (tensor<?x8x8x8xf32>, tensor<?x8x8x8xf32>) -> tensor<?x8x8x8xf32>
  %y = net.activation relu %s : tensor<?x8x8x8xf32>
  return %y : tensor<?x8x8x8xf32>
}

// -----

// A second reader of the convolution needs the value before the ReLU: it is stored, and the
// ReLU becomes a kernel of its own because a pooling cannot compute it while loading.
// CHECK-LABEL: func.func @infer
// CHECK: net.fusion
// CHECK-NEXT: net.conv2d
// CHECK-NEXT: net.yield
// CHECK: net.fusion
// CHECK-NEXT: net.activation relu
func.func @infer(%x: tensor<?x8x8x8xf32>, %w: tensor<8x8x1x1xf32>) -> (tensor<?x8x8x8xf32>, tensor<?x8x4x4xf32>) attributes {net.role = #net.role<infer>} {
  %z = net.conv2d %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x8x8x8xf32>, tensor<8x8x1x1xf32>) -> tensor<?x8x8x8xf32>
  %y = net.activation relu %z : tensor<?x8x8x8xf32>
  %p = net.max_pool %y {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>} : (tensor<?x8x8x8xf32>) -> tensor<?x8x4x4xf32>
  return %z, %p : tensor<?x8x8x8xf32>, tensor<?x8x4x4xf32>
}

// -----

// The other side of the add comes later: the first convolution cannot take it, the second can.
// CHECK-LABEL: func.func @infer
// CHECK: net.fusion
// CHECK-NEXT: net.conv2d
// CHECK-NEXT: net.yield
// CHECK: net.fusion
// CHECK-NEXT: net.conv2d
// CHECK-NEXT: net.add
func.func @infer(%x: tensor<?x8x8x8xf32>, %w: tensor<8x8x1x1xf32>) -> tensor<?x8x8x8xf32> attributes {net.role = #net.role<infer>} {
  %a = net.conv2d %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x8x8x8xf32>, tensor<8x8x1x1xf32>) -> tensor<?x8x8x8xf32>
  %b = net.conv2d %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x8x8x8xf32>, tensor<8x8x1x1xf32>) -> tensor<?x8x8x8xf32>
  %s = net.add %a, %b : (tensor<?x8x8x8xf32>, tensor<?x8x8x8xf32>) -> tensor<?x8x8x8xf32>
  return %s : tensor<?x8x8x8xf32>
}

// -----

// Training: the sums ride in the convolution, normalisation and ReLU on the next one's load.
// CHECK-LABEL: func.func @step
// CHECK: %[[F:.*]]:3 = net.fusion
// CHECK-NEXT: net.conv2d
// CHECK-NEXT: net.channel_moments
// CHECK-NEXT: net.yield
// CHECK: net.batch_norm_statistics %[[F]]#1, %[[F]]#2
// CHECK: net.fusion
// CHECK-NEXT: net.batch_norm_apply
// CHECK-NEXT: net.activation relu
// CHECK-NEXT: net.conv2d
func.func @step(%x: tensor<?x8x8x8xf32>, %w: tensor<8x8x1x1xf32>, %p: tensor<8xf32>) -> tensor<?x8x8x8xf32> attributes {net.role = #net.role<step>} {
  %z = net.conv2d %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x8x8x8xf32>, tensor<8x8x1x1xf32>) -> tensor<?x8x8x8xf32>
  %sums:2 = net.channel_moments %z : (tensor<?x8x8x8xf32>) -> (tensor<8xf32>, tensor<8xf32>)
  %mean, %inv, %scale, %shift, %nm, %nv = net.batch_norm_statistics %sums#0, %sums#1, %p, %p, %p, %p {eps = 1.0e-5 : f64, momentum = 0.1 : f64, pixels = 64 : i64} : (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>)
  %n = net.batch_norm_apply %z, %scale, %shift : (tensor<?x8x8x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x8x8xf32>
  %r = net.activation relu %n : tensor<?x8x8x8xf32>
  %y = net.conv2d %r, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x8x8x8xf32>, tensor<8x8x1x1xf32>) -> tensor<?x8x8x8xf32>
  return %y : tensor<?x8x8x8xf32>
}

// -----

// A kernel keeps partial results of one kind: the moments of the same value get a sweep of their own.
// CHECK-LABEL: func.func @step
// CHECK: net.fusion
// CHECK-NEXT: net.conv2d
// CHECK-NEXT: net.channel_sums
// CHECK-NEXT: net.yield
// CHECK: net.fusion
// CHECK-NEXT: net.channel_moments
// CHECK-NEXT: net.yield
func.func @step(%x: tensor<?x8x8x8xf32>, %w: tensor<8x8x1x1xf32>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) attributes {net.role = #net.role<step>} {
  %z = net.conv2d %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x8x8x8xf32>, tensor<8x8x1x1xf32>) -> tensor<?x8x8x8xf32>
  %m:2 = net.channel_moments %z : (tensor<?x8x8x8xf32>) -> (tensor<8xf32>, tensor<8xf32>)
  %s = net.channel_sums %z : (tensor<?x8x8x8xf32>) -> tensor<8xf32>
  return %m#0, %m#1, %s : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
}
