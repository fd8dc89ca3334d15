// RUN: net-opt %s --split-input-file --net-fuse-attention | FileCheck %s
// RUN: net-opt %s --split-input-file --net-fuse-attention --net-fuse-attention | FileCheck %s
// RUN: net-opt %s --split-input-file --net-fuse-attention=gpu | FileCheck %s --check-prefixes=CHECK,GPU

// Through reshapes, and with a number that multiplies the scores.
// CHECK-LABEL: func.func @infer
// CHECK: net.affine %arg0 {scale = 5.000000e-01
// CHECK: net.attention %{{.*}}, %arg1, %arg2 :
// CHECK-NOT: net.softmax
func.func @infer(%q: tensor<?x3x5x8xf32>, %k: tensor<?x3x7x8xf32>, %v: tensor<?x3x7x4xf32>) -> tensor<?x3x5x4xf32> attributes {net.role = #net.role<infer>} {
  %s = net.matmul %q, %k {transpose_rhs} : (tensor<?x3x5x8xf32>, tensor<?x3x7x8xf32>) -> tensor<?x3x5x7xf32>
  %a = net.affine %s {scale = 0.5 : f64, shift = 0.0 : f64} : tensor<?x3x5x7xf32>
  %f = net.flatten %a : (tensor<?x3x5x7xf32>) -> tensor<?x105xf32>
  %r = net.unflatten %f : (tensor<?x105xf32>) -> tensor<?x15x7xf32>
  %p = net.softmax %r : tensor<?x15x7xf32>
  %g = net.flatten %p : (tensor<?x15x7xf32>) -> tensor<?x105xf32>
  %u = net.unflatten %g : (tensor<?x105xf32>) -> tensor<?x3x5x7xf32>
  %y = net.matmul %u, %v : (tensor<?x3x5x7xf32>, tensor<?x3x7x4xf32>) -> tensor<?x3x5x4xf32>
  return %y : tensor<?x3x5x4xf32>
}


// -----

// A bias of each image that repeats over matrices.
// CHECK-LABEL: func.func @biased
// CHECK: net.attention %arg0, %arg1, %arg2 bias %arg3
func.func @biased(%q: tensor<?x4x2x5x8xf32>, %k: tensor<?x4x2x5x8xf32>, %v: tensor<?x4x2x5x8xf32>, %b: tensor<?x50xf32>) -> tensor<?x4x2x5x8xf32> attributes {net.role = #net.role<infer>} {
  %s = net.matmul %q, %k {transpose_rhs} : (tensor<?x4x2x5x8xf32>, tensor<?x4x2x5x8xf32>) -> tensor<?x4x2x5x5xf32>
  %f = net.flatten %s : (tensor<?x4x2x5x5xf32>) -> tensor<?x200xf32>
  %r = net.unflatten %f : (tensor<?x200xf32>) -> tensor<?x4x50xf32>
  %a = net.add %r, %b : (tensor<?x4x50xf32>, tensor<?x50xf32>) -> tensor<?x4x50xf32>
  %g = net.flatten %a : (tensor<?x4x50xf32>) -> tensor<?x200xf32>
  %t = net.unflatten %g : (tensor<?x200xf32>) -> tensor<?x4x2x5x5xf32>
  %p = net.softmax %t : tensor<?x4x2x5x5xf32>
  %y = net.matmul %p, %v : (tensor<?x4x2x5x5xf32>, tensor<?x4x2x5x8xf32>) -> tensor<?x4x2x5x8xf32>
  return %y : tensor<?x4x2x5x8xf32>
}

// -----

// In training too.
// CHECK-LABEL: func.func @step
// CHECK: net.attention %arg0, %arg0, %arg0 bias %arg1
// CHECK-NOT: net.softmax
func.func @step(%q: tensor<?x4x2x5x8xf32>, %b: tensor<?x50xf32>) -> tensor<?x4x2x5x8xf32> attributes {net.role = #net.role<step>} {
  %s = net.matmul %q, %q {transpose_rhs} : (tensor<?x4x2x5x8xf32>, tensor<?x4x2x5x8xf32>) -> tensor<?x4x2x5x5xf32>
  %f = net.flatten %s : (tensor<?x4x2x5x5xf32>) -> tensor<?x200xf32>
  %r = net.unflatten %f : (tensor<?x200xf32>) -> tensor<?x4x50xf32>
  %a = net.add %r, %b : (tensor<?x4x50xf32>, tensor<?x50xf32>) -> tensor<?x4x50xf32>
  %g = net.flatten %a : (tensor<?x4x50xf32>) -> tensor<?x200xf32>
  %t = net.unflatten %g : (tensor<?x200xf32>) -> tensor<?x4x2x5x5xf32>
  %p = net.softmax %t : tensor<?x4x2x5x5xf32>
  %y = net.matmul %p, %q : (tensor<?x4x2x5x5xf32>, tensor<?x4x2x5x8xf32>) -> tensor<?x4x2x5x8xf32>
  return %y : tensor<?x4x2x5x8xf32>
}

// -----

// Probabilities that something else reads are stored; so are those of keys that are not transposed.
// CHECK-LABEL: func.func @read
// CHECK-NOT: net.attention
func.func @read(%q: tensor<?x5x8xf32>, %k: tensor<?x8x7xf32>, %v: tensor<?x7x4xf32>) -> (tensor<?x5x4xf32>, tensor<?x5x5xf32>, tensor<?x5x8xf32>) attributes {net.role = #net.role<infer>} {
  %s = net.matmul %q, %k : (tensor<?x5x8xf32>, tensor<?x8x7xf32>) -> tensor<?x5x7xf32>
  %p = net.softmax %s : tensor<?x5x7xf32>
  %y = net.matmul %p, %v : (tensor<?x5x7xf32>, tensor<?x7x4xf32>) -> tensor<?x5x4xf32>
  %t = net.matmul %q, %q {transpose_rhs} : (tensor<?x5x8xf32>, tensor<?x5x8xf32>) -> tensor<?x5x5xf32>
  %o = net.softmax %t : tensor<?x5x5xf32>
  %z = net.matmul %o, %q : (tensor<?x5x5xf32>, tensor<?x5x8xf32>) -> tensor<?x5x8xf32>
  return %y, %o, %z : tensor<?x5x4xf32>, tensor<?x5x5xf32>, tensor<?x5x8xf32>
}

// -----

// Heads of so many features that a GPU's shared memory has no room for a block of their rows.
// CHECK-LABEL: func.func @wide
// GPU: net.softmax
// GPU-NOT: net.attention
func.func @wide(%q: tensor<?x5x128xf32>) -> tensor<?x5x128xf32> attributes {net.role = #net.role<infer>} {
  %s = net.matmul %q, %q {transpose_rhs} : (tensor<?x5x128xf32>, tensor<?x5x128xf32>) -> tensor<?x5x5xf32>
  %p = net.softmax %s : tensor<?x5x5xf32>
  %y = net.matmul %p, %q : (tensor<?x5x5xf32>, tensor<?x5x128xf32>) -> tensor<?x5x128xf32>
  return %y : tensor<?x5x128xf32>
}

// -----

// A learned bias, and one as large as the scores, on either side.
// CHECK-LABEL: func.func @learned
// CHECK: %[[B:.*]] = net.repeat %arg1
// CHECK: net.attention %arg0, %arg0, %arg0 bias %[[B]]
// CHECK: %[[F:.*]] = net.flatten %arg2
// CHECK: net.attention %{{.*}}, %{{.*}}, %{{.*}} bias %[[F]]
func.func @learned(%q: tensor<?x2x5x8xf32>, %b: tensor<50xf32>, %c: tensor<?x2x5x5xf32>) -> tensor<?x2x5x8xf32> attributes {net.role = #net.role<infer>} {
  %s = net.matmul %q, %q {transpose_rhs} : (tensor<?x2x5x8xf32>, tensor<?x2x5x8xf32>) -> tensor<?x2x5x5xf32>
  %f = net.flatten %s : (tensor<?x2x5x5xf32>) -> tensor<?x50xf32>
  %a = net.add %f, %b : (tensor<?x50xf32>, tensor<50xf32>) -> tensor<?x50xf32>
  %t = net.unflatten %a : (tensor<?x50xf32>) -> tensor<?x10x5xf32>
  %p = net.softmax %t : tensor<?x10x5xf32>
  %g = net.flatten %p : (tensor<?x10x5xf32>) -> tensor<?x50xf32>
  %u = net.unflatten %g : (tensor<?x50xf32>) -> tensor<?x2x5x5xf32>
  %y = net.matmul %u, %q : (tensor<?x2x5x5xf32>, tensor<?x2x5x8xf32>) -> tensor<?x2x5x8xf32>
  %s2 = net.matmul %y, %y {transpose_rhs} : (tensor<?x2x5x8xf32>, tensor<?x2x5x8xf32>) -> tensor<?x2x5x5xf32>
  %a2 = net.add %c, %s2 : (tensor<?x2x5x5xf32>, tensor<?x2x5x5xf32>) -> tensor<?x2x5x5xf32>
  %f2 = net.flatten %a2 : (tensor<?x2x5x5xf32>) -> tensor<?x50xf32>
  %t2 = net.unflatten %f2 : (tensor<?x50xf32>) -> tensor<?x10x5xf32>
  %p2 = net.softmax %t2 : tensor<?x10x5xf32>
  %g2 = net.flatten %p2 : (tensor<?x10x5xf32>) -> tensor<?x50xf32>
  %u2 = net.unflatten %g2 : (tensor<?x50xf32>) -> tensor<?x2x5x5xf32>
  %y2 = net.matmul %u2, %y : (tensor<?x2x5x5xf32>, tensor<?x2x5x8xf32>) -> tensor<?x2x5x8xf32>
  return %y2 : tensor<?x2x5x8xf32>
}
