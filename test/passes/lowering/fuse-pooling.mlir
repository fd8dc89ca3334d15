// RUN: net-opt %s --kern-fuse-pooling | FileCheck %s
// RUN: net-opt %s --kern-fuse-pooling --kern-fuse-pooling | FileCheck %s

#conv = #kern.geometry<ih = 9, iw = 8, ic = 32, oh = 9, ow = 8, oc = 32, kh = 3, kw = 3, sh = 1, sw = 1, pt = 1, pl = 1, dh = 1, dw = 1, groups = 1>
#winograd = #kern.schedule<lanes = 8, tile_pixels = 6, tile_vectors = 2, strip_rows = 6, channel_block = 32, chunks = 1, flat = false, winograd = 4>
#direct = #kern.schedule<lanes = 8, tile_pixels = 6, tile_vectors = 2, strip_rows = 9, channel_block = 32, chunks = 1, flat = false>

// The ninth row, which no window covers, is dropped.
// CHECK-LABEL: func.func @max_pool(
// CHECK: %[[Y:.*]] = kern.contract forward {{.*}} outs(%{{.*}} : tensor<?x4x4x32xf32>)
// CHECK-SAME: pool = #kern.pooling<kind = max, kh = 2, kw = 2>
// CHECK-NOT: kern.pool max
// CHECK: return %[[Y]]
func.func @max_pool(%x: tensor<?x9x8x32xf32>, %w: tensor<1x2x6x6x32x16xf32>) -> tensor<?x4x4x32xf32> {
  %e = kern.empty : tensor<?x9x8x32xf32>
  %y = kern.contract forward lhs(%x : tensor<?x9x8x32xf32>) weights(%w : tensor<1x2x6x6x32x16xf32>)
    outs(%e : tensor<?x9x8x32xf32>) {geometry = #conv, schedule = #winograd} -> tensor<?x9x8x32xf32>
    lhs_prologue {} rhs_prologue {} epilogue {}
  %ze = kern.empty : tensor<?x4x4x32xf32>
  %z = kern.pool max ins(%y : tensor<?x9x8x32xf32>) outs(%ze : tensor<?x4x4x32xf32>)
    {geometry = #kern.geometry<ih = 9, iw = 8, ic = 32, oh = 4, ow = 4, oc = 32, kh = 2, kw = 2, sh = 2, sw = 2, pt = 0, pl = 0, dh = 1, dw = 1, groups = 1>,
     end_pads = array<i64: 0, 0>, lanes = 8 : i64} -> tensor<?x4x4x32xf32>
  return %z : tensor<?x4x4x32xf32>
}

// Windows need not be square.
// CHECK-LABEL: func.func @average_pool(
// CHECK: kern.contract forward
// CHECK-SAME: pool = #kern.pooling<kind = average, kh = 1, kw = 4>
// CHECK-NOT: kern.pool average
func.func @average_pool(%x: tensor<?x9x8x32xf32>, %w: tensor<1x2x6x6x32x16xf32>) -> tensor<?x9x2x32xf32> {
  %e = kern.empty : tensor<?x9x8x32xf32>
  %y = kern.contract forward lhs(%x : tensor<?x9x8x32xf32>) weights(%w : tensor<1x2x6x6x32x16xf32>)
    outs(%e : tensor<?x9x8x32xf32>) {geometry = #conv, schedule = #winograd} -> tensor<?x9x8x32xf32>
    lhs_prologue {} rhs_prologue {} epilogue {}
  %ze = kern.empty : tensor<?x9x2x32xf32>
  %z = kern.pool average ins(%y : tensor<?x9x8x32xf32>) outs(%ze : tensor<?x9x2x32xf32>)
    {geometry = #kern.geometry<ih = 9, iw = 8, ic = 32, oh = 9, ow = 2, oc = 32, kh = 1, kw = 4, sh = 1, sw = 4, pt = 0, pl = 0, dh = 1, dw = 1, groups = 1>,
     end_pads = array<i64: 0, 0>, lanes = 8 : i64} -> tensor<?x9x2x32xf32>
  return %z : tensor<?x9x2x32xf32>
}

// An adaptive pool has windows side by side where the sizes divide.
// CHECK-LABEL: func.func @adaptive_pool_of_equal_windows(
// CHECK: kern.contract forward
// CHECK-SAME: pool = #kern.pooling<kind = average, kh = 1, kw = 2>
func.func @adaptive_pool_of_equal_windows(%x: tensor<?x9x8x32xf32>, %w: tensor<1x2x6x6x32x16xf32>) -> tensor<?x9x4x32xf32> {
  %e = kern.empty : tensor<?x9x8x32xf32>
  %y = kern.contract forward lhs(%x : tensor<?x9x8x32xf32>) weights(%w : tensor<1x2x6x6x32x16xf32>)
    outs(%e : tensor<?x9x8x32xf32>) {geometry = #conv, schedule = #winograd} -> tensor<?x9x8x32xf32>
    lhs_prologue {} rhs_prologue {} epilogue {}
  %ze = kern.empty : tensor<?x9x4x32xf32>
  %z = kern.pool adaptive ins(%y : tensor<?x9x8x32xf32>) outs(%ze : tensor<?x9x4x32xf32>)
    {geometry = #kern.geometry<ih = 9, iw = 8, ic = 32, oh = 9, ow = 4, oc = 32, kh = 1, kw = 1, sh = 1, sw = 1, pt = 0, pl = 0, dh = 1, dw = 1, groups = 1>,
     end_pads = array<i64: 0, 0>, lanes = 8 : i64} -> tensor<?x9x4x32xf32>
  return %z : tensor<?x9x4x32xf32>
}

// Nine rows have no four equal windows.
// CHECK-LABEL: func.func @keeps_adaptive_pool_of_unequal_windows(
// CHECK: kern.contract
// CHECK-NOT: pool =
// CHECK: kern.pool adaptive
func.func @keeps_adaptive_pool_of_unequal_windows(%x: tensor<?x9x8x32xf32>, %w: tensor<1x2x6x6x32x16xf32>) -> tensor<?x4x4x32xf32> {
  %e = kern.empty : tensor<?x9x8x32xf32>
  %y = kern.contract forward lhs(%x : tensor<?x9x8x32xf32>) weights(%w : tensor<1x2x6x6x32x16xf32>)
    outs(%e : tensor<?x9x8x32xf32>) {geometry = #conv, schedule = #winograd} -> tensor<?x9x8x32xf32>
    lhs_prologue {} rhs_prologue {} epilogue {}
  %ze = kern.empty : tensor<?x4x4x32xf32>
  %z = kern.pool adaptive ins(%y : tensor<?x9x8x32xf32>) outs(%ze : tensor<?x4x4x32xf32>)
    {geometry = #kern.geometry<ih = 9, iw = 8, ic = 32, oh = 4, ow = 4, oc = 32, kh = 1, kw = 1, sh = 1, sw = 1, pt = 0, pl = 0, dh = 1, dw = 1, groups = 1>,
     end_pads = array<i64: 0, 0>, lanes = 8 : i64} -> tensor<?x4x4x32xf32>
  return %z : tensor<?x4x4x32xf32>
}

// A pixel of two windows may lie in another tile.
// CHECK-LABEL: func.func @keeps_overlapping_windows(
// CHECK: kern.contract
// CHECK-NOT: pool =
// CHECK: kern.pool max
func.func @keeps_overlapping_windows(%x: tensor<?x9x8x32xf32>, %w: tensor<1x2x6x6x32x16xf32>) -> tensor<?x4x3x32xf32> {
  %e = kern.empty : tensor<?x9x8x32xf32>
  %y = kern.contract forward lhs(%x : tensor<?x9x8x32xf32>) weights(%w : tensor<1x2x6x6x32x16xf32>)
    outs(%e : tensor<?x9x8x32xf32>) {geometry = #conv, schedule = #winograd} -> tensor<?x9x8x32xf32>
    lhs_prologue {} rhs_prologue {} epilogue {}
  %ze = kern.empty : tensor<?x4x3x32xf32>
  %z = kern.pool max ins(%y : tensor<?x9x8x32xf32>) outs(%ze : tensor<?x4x3x32xf32>)
    {geometry = #kern.geometry<ih = 9, iw = 8, ic = 32, oh = 4, ow = 3, oc = 32, kh = 3, kw = 3, sh = 2, sw = 2, pt = 0, pl = 0, dh = 1, dw = 1, groups = 1>,
     end_pads = array<i64: 0, 0>, lanes = 8 : i64} -> tensor<?x4x3x32xf32>
  return %z : tensor<?x4x3x32xf32>
}

// A tile of 4 x 4 pixels holds no whole windows of three.
// CHECK-LABEL: func.func @keeps_windows_across_tiles(
// CHECK: kern.contract
// CHECK-NOT: pool =
// CHECK: kern.pool max
func.func @keeps_windows_across_tiles(%x: tensor<?x9x8x32xf32>, %w: tensor<1x2x6x6x32x16xf32>) -> tensor<?x3x2x32xf32> {
  %e = kern.empty : tensor<?x9x8x32xf32>
  %y = kern.contract forward lhs(%x : tensor<?x9x8x32xf32>) weights(%w : tensor<1x2x6x6x32x16xf32>)
    outs(%e : tensor<?x9x8x32xf32>) {geometry = #conv, schedule = #winograd} -> tensor<?x9x8x32xf32>
    lhs_prologue {} rhs_prologue {} epilogue {}
  %ze = kern.empty : tensor<?x3x2x32xf32>
  %z = kern.pool max ins(%y : tensor<?x9x8x32xf32>) outs(%ze : tensor<?x3x2x32xf32>)
    {geometry = #kern.geometry<ih = 9, iw = 8, ic = 32, oh = 3, ow = 2, oc = 32, kh = 3, kw = 3, sh = 3, sw = 3, pt = 0, pl = 0, dh = 1, dw = 1, groups = 1>,
     end_pads = array<i64: 0, 0>, lanes = 8 : i64} -> tensor<?x3x2x32xf32>
  return %z : tensor<?x3x2x32xf32>
}

// Padding shifts the windows off the tiles.
// CHECK-LABEL: func.func @keeps_padded_pool(
// CHECK: kern.contract
// CHECK-NOT: pool =
// CHECK: kern.pool max
func.func @keeps_padded_pool(%x: tensor<?x9x8x32xf32>, %w: tensor<1x2x6x6x32x16xf32>) -> tensor<?x5x4x32xf32> {
  %e = kern.empty : tensor<?x9x8x32xf32>
  %y = kern.contract forward lhs(%x : tensor<?x9x8x32xf32>) weights(%w : tensor<1x2x6x6x32x16xf32>)
    outs(%e : tensor<?x9x8x32xf32>) {geometry = #conv, schedule = #winograd} -> tensor<?x9x8x32xf32>
    lhs_prologue {} rhs_prologue {} epilogue {}
  %ze = kern.empty : tensor<?x5x4x32xf32>
  %z = kern.pool max ins(%y : tensor<?x9x8x32xf32>) outs(%ze : tensor<?x5x4x32xf32>)
    {geometry = #kern.geometry<ih = 9, iw = 8, ic = 32, oh = 5, ow = 4, oc = 32, kh = 2, kw = 2, sh = 2, sw = 2, pt = 1, pl = 0, dh = 1, dw = 1, groups = 1>,
     end_pads = array<i64: 0, 0>, lanes = 8 : i64} -> tensor<?x5x4x32xf32>
  return %z : tensor<?x5x4x32xf32>
}

// The last window has one row only.
// CHECK-LABEL: func.func @keeps_pool_rounded_up(
// CHECK: kern.contract
// CHECK-NOT: pool =
// CHECK: kern.pool max
func.func @keeps_pool_rounded_up(%x: tensor<?x9x8x32xf32>, %w: tensor<1x2x6x6x32x16xf32>) -> tensor<?x5x4x32xf32> {
  %e = kern.empty : tensor<?x9x8x32xf32>
  %y = kern.contract forward lhs(%x : tensor<?x9x8x32xf32>) weights(%w : tensor<1x2x6x6x32x16xf32>)
    outs(%e : tensor<?x9x8x32xf32>) {geometry = #conv, schedule = #winograd} -> tensor<?x9x8x32xf32>
    lhs_prologue {} rhs_prologue {} epilogue {}
  %ze = kern.empty : tensor<?x5x4x32xf32>
  %z = kern.pool max ins(%y : tensor<?x9x8x32xf32>) outs(%ze : tensor<?x5x4x32xf32>)
    {geometry = #kern.geometry<ih = 9, iw = 8, ic = 32, oh = 5, ow = 4, oc = 32, kh = 2, kw = 2, sh = 2, sw = 2, pt = 0, pl = 0, dh = 1, dw = 1, groups = 1>,
     end_pads = array<i64: 0, 0>, lanes = 8 : i64} -> tensor<?x5x4x32xf32>
  return %z : tensor<?x5x4x32xf32>
}

// The direct algorithm's tiles are runs of pixels of one row.
// CHECK-LABEL: func.func @keeps_pool_of_direct_convolution(
// CHECK: kern.contract
// CHECK-NOT: pool =
// CHECK: kern.pool max
func.func @keeps_pool_of_direct_convolution(%x: tensor<?x9x8x32xf32>, %w: tensor<1x2x6x6x32x16xf32>) -> tensor<?x4x4x32xf32> {
  %e = kern.empty : tensor<?x9x8x32xf32>
  %y = kern.contract forward lhs(%x : tensor<?x9x8x32xf32>) weights(%w : tensor<1x2x6x6x32x16xf32>)
    outs(%e : tensor<?x9x8x32xf32>) {geometry = #conv, schedule = #direct} -> tensor<?x9x8x32xf32>
    lhs_prologue {} rhs_prologue {} epilogue {}
  %ze = kern.empty : tensor<?x4x4x32xf32>
  %z = kern.pool max ins(%y : tensor<?x9x8x32xf32>) outs(%ze : tensor<?x4x4x32xf32>)
    {geometry = #kern.geometry<ih = 9, iw = 8, ic = 32, oh = 4, ow = 4, oc = 32, kh = 2, kw = 2, sh = 2, sw = 2, pt = 0, pl = 0, dh = 1, dw = 1, groups = 1>,
     end_pads = array<i64: 0, 0>, lanes = 8 : i64} -> tensor<?x4x4x32xf32>
  return %z : tensor<?x4x4x32xf32>
}

// The other reader needs every pixel.
// CHECK-LABEL: func.func @keeps_pool_when_convolution_has_two_readers(
// CHECK: kern.contract
// CHECK-NOT: pool =
// CHECK: kern.pool max
func.func @keeps_pool_when_convolution_has_two_readers(%x: tensor<?x9x8x32xf32>, %w: tensor<1x2x6x6x32x16xf32>) -> (tensor<?x4x4x32xf32>, tensor<?x9x8x32xf32>) {
  %e = kern.empty : tensor<?x9x8x32xf32>
  %y = kern.contract forward lhs(%x : tensor<?x9x8x32xf32>) weights(%w : tensor<1x2x6x6x32x16xf32>)
    outs(%e : tensor<?x9x8x32xf32>) {geometry = #conv, schedule = #winograd} -> tensor<?x9x8x32xf32>
    lhs_prologue {} rhs_prologue {} epilogue {}
  %ze = kern.empty : tensor<?x4x4x32xf32>
  %z = kern.pool max ins(%y : tensor<?x9x8x32xf32>) outs(%ze : tensor<?x4x4x32xf32>)
    {geometry = #kern.geometry<ih = 9, iw = 8, ic = 32, oh = 4, ow = 4, oc = 32, kh = 2, kw = 2, sh = 2, sw = 2, pt = 0, pl = 0, dh = 1, dw = 1, groups = 1>,
     end_pads = array<i64: 0, 0>, lanes = 8 : i64} -> tensor<?x4x4x32xf32>
  return %z, %y : tensor<?x4x4x32xf32>, tensor<?x9x8x32xf32>
}

// In training the sums are of what the pool drops, too.
// CHECK-LABEL: func.func @keeps_pool_when_convolution_sums_by_channel(
// CHECK: kern.contract
// CHECK-NOT: pool =
// CHECK: kern.pool max
func.func @keeps_pool_when_convolution_sums_by_channel(%x: tensor<?x9x8x32xf32>, %w: tensor<1x2x6x6x32x16xf32>) -> (tensor<?x4x4x32xf32>, tensor<?x1x1x32xf32>) {
  %e = kern.empty : tensor<?x9x8x32xf32>
  %p = kern.empty : tensor<?x1x1x32xf32>
  %y, %s = kern.contract forward lhs(%x : tensor<?x9x8x32xf32>) weights(%w : tensor<1x2x6x6x32x16xf32>)
    outs(%e, %p : tensor<?x9x8x32xf32>, tensor<?x1x1x32xf32>) {geometry = #conv, schedule = #winograd} -> tensor<?x9x8x32xf32>, tensor<?x1x1x32xf32>
    lhs_prologue {} rhs_prologue {} epilogue {
  ^bb0(%v: f32):
    kern.yield %v, %v : f32, f32
  }
  %ze = kern.empty : tensor<?x4x4x32xf32>
  %z = kern.pool max ins(%y : tensor<?x9x8x32xf32>) outs(%ze : tensor<?x4x4x32xf32>)
    {geometry = #kern.geometry<ih = 9, iw = 8, ic = 32, oh = 4, ow = 4, oc = 32, kh = 2, kw = 2, sh = 2, sw = 2, pt = 0, pl = 0, dh = 1, dw = 1, groups = 1>,
     end_pads = array<i64: 0, 0>, lanes = 8 : i64} -> tensor<?x4x4x32xf32>
  return %z, %s : tensor<?x4x4x32xf32>, tensor<?x1x1x32xf32>
}

#windows = #kern.geometry<ih = 9, iw = 8, ic = 32, oh = 5, ow = 4, oc = 32, kh = 3, kw = 3, sh = 2, sw = 2, pt = 1, pl = 1, dh = 1, dw = 1, groups = 1>
#dense = #kern.geometry<ih = 9, iw = 8, ic = 32, oh = 9, ow = 8, oc = 32, kh = 3, kw = 3, sh = 1, sw = 1, pt = 1, pl = 1, dh = 1, dw = 1, groups = 1>

// Batch norm and ReLU before a max pool, as in training: the pool, its gradient and ReLU's mask compute them from %y.
// CHECK-LABEL: func.func @on_load(
// CHECK-SAME: %[[Y:[^:]*]]: tensor<?x9x8x32xf32>, %[[S:[^:]*]]: tensor<32xf32>, %[[DZ:[^:]*]]: tensor<?x5x4x32xf32>
// CHECK-NOT: maximumf
// CHECK: kern.pool max ins(%[[Y]], %[[S]] :
// CHECK: prologue {
// CHECK: arith.mulf
// CHECK: arith.maximumf
// CHECK: kern.pool max_grad ins(%[[DZ]], %[[Y]], %[[S]] :
// CHECK: prologue {
// CHECK: arith.maximumf
// CHECK: kern.pointwise ins(%{{.*}}, %[[Y]], %[[S]] :
// CHECK: ^bb0(%[[D:.*]]: f32, %[[A:.*]]: f32, %[[B:.*]]: f32):
// CHECK: %[[P:.*]] = arith.mulf %[[A]], %[[B]]
// CHECK: %[[X:.*]] = arith.maximumf %[[P]]
// CHECK: %[[M:.*]] = arith.mulf %[[X]], %[[D]]
// CHECK: arith.addf %[[M]], %[[A]]
func.func @on_load(%y: tensor<?x9x8x32xf32>, %s: tensor<32xf32>, %dz: tensor<?x5x4x32xf32>) -> (tensor<?x5x4x32xf32>, tensor<?x9x8x32xf32>) {
  %xe = kern.empty : tensor<?x9x8x32xf32>
  %x = kern.pointwise ins(%y, %s : tensor<?x9x8x32xf32>, tensor<32xf32>) outs(%xe : tensor<?x9x8x32xf32>) {lanes = 8 : i64, space = array<i64: 9, 8, 32>, stores = 1 : i64} -> tensor<?x9x8x32xf32> body {
  ^bb0(%a: f32, %b: f32):
    %zero = arith.constant 0.0 : f32
    %p = arith.mulf %a, %b : f32
    %r = arith.maximumf %p, %zero : f32
    kern.yield %r : f32
  }
  %ze = kern.empty : tensor<?x5x4x32xf32>
  %z = kern.pool max ins(%x : tensor<?x9x8x32xf32>) outs(%ze : tensor<?x5x4x32xf32>) {geometry = #windows, end_pads = array<i64: 1, 1>, lanes = 8 : i64} -> tensor<?x5x4x32xf32>
  %de = kern.empty : tensor<?x9x8x32xf32>
  %d = kern.pool max_grad ins(%dz, %x : tensor<?x5x4x32xf32>, tensor<?x9x8x32xf32>) outs(%de : tensor<?x9x8x32xf32>) {geometry = #windows, end_pads = array<i64: 1, 1>, lanes = 8 : i64} -> tensor<?x9x8x32xf32>
  %me = kern.empty : tensor<?x9x8x32xf32>
  %m = kern.pointwise ins(%x, %d, %y : tensor<?x9x8x32xf32>, tensor<?x9x8x32xf32>, tensor<?x9x8x32xf32>) outs(%me : tensor<?x9x8x32xf32>) {lanes = 8 : i64, space = array<i64: 9, 8, 32>, stores = 1 : i64} -> tensor<?x9x8x32xf32> body {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %p = arith.mulf %a, %b : f32
    %q = arith.addf %p, %c : f32
    kern.yield %q : f32
  }
  return %z, %m : tensor<?x5x4x32xf32>, tensor<?x9x8x32xf32>
}

// Nine windows of stride 1 would compute each element nine times.
// CHECK-LABEL: func.func @keeps_launch_before_dense_windows(
// CHECK: kern.pointwise
// CHECK: kern.pool max
// CHECK-NOT: prologue
// CHECK: return
func.func @keeps_launch_before_dense_windows(%y: tensor<?x9x8x32xf32>) -> tensor<?x9x8x32xf32> {
  %xe = kern.empty : tensor<?x9x8x32xf32>
  %x = kern.pointwise ins(%y : tensor<?x9x8x32xf32>) outs(%xe : tensor<?x9x8x32xf32>) {lanes = 8 : i64, space = array<i64: 9, 8, 32>, stores = 1 : i64} -> tensor<?x9x8x32xf32> body {
  ^bb0(%a: f32):
    %p = arith.mulf %a, %a : f32
    kern.yield %p : f32
  }
  %ze = kern.empty : tensor<?x9x8x32xf32>
  %z = kern.pool max ins(%x : tensor<?x9x8x32xf32>) outs(%ze : tensor<?x9x8x32xf32>) {geometry = #dense, end_pads = array<i64: 1, 1>, lanes = 8 : i64} -> tensor<?x9x8x32xf32>
  return %z : tensor<?x9x8x32xf32>
}

// An exponential is dearer than a pass over memory.
// CHECK-LABEL: func.func @keeps_launch_of_dear_formula(
// CHECK: kern.pointwise
// CHECK: kern.pool max
// CHECK-NOT: prologue
// CHECK: return
func.func @keeps_launch_of_dear_formula(%y: tensor<?x9x8x32xf32>) -> tensor<?x5x4x32xf32> {
  %xe = kern.empty : tensor<?x9x8x32xf32>
  %x = kern.pointwise ins(%y : tensor<?x9x8x32xf32>) outs(%xe : tensor<?x9x8x32xf32>) {lanes = 8 : i64, space = array<i64: 9, 8, 32>, stores = 1 : i64} -> tensor<?x9x8x32xf32> body {
  ^bb0(%a: f32):
    %p = math.exp %a : f32
    kern.yield %p : f32
  }
  %ze = kern.empty : tensor<?x5x4x32xf32>
  %z = kern.pool max ins(%x : tensor<?x9x8x32xf32>) outs(%ze : tensor<?x5x4x32xf32>) {geometry = #windows, end_pads = array<i64: 1, 1>, lanes = 8 : i64} -> tensor<?x5x4x32xf32>
  return %z : tensor<?x5x4x32xf32>
}

// Somebody else wants the value: it is stored anyway.
// CHECK-LABEL: func.func @keeps_launch_when_value_is_returned(
// CHECK: kern.pointwise
// CHECK: kern.pool max
// CHECK-NOT: prologue
// CHECK: return
func.func @keeps_launch_when_value_is_returned(%y: tensor<?x9x8x32xf32>) -> (tensor<?x5x4x32xf32>, tensor<?x9x8x32xf32>) {
  %xe = kern.empty : tensor<?x9x8x32xf32>
  %x = kern.pointwise ins(%y : tensor<?x9x8x32xf32>) outs(%xe : tensor<?x9x8x32xf32>) {lanes = 8 : i64, space = array<i64: 9, 8, 32>, stores = 1 : i64} -> tensor<?x9x8x32xf32> body {
  ^bb0(%a: f32):
    %p = arith.mulf %a, %a : f32
    kern.yield %p : f32
  }
  %ze = kern.empty : tensor<?x5x4x32xf32>
  %z = kern.pool max ins(%x : tensor<?x9x8x32xf32>) outs(%ze : tensor<?x5x4x32xf32>) {geometry = #windows, end_pads = array<i64: 1, 1>, lanes = 8 : i64} -> tensor<?x5x4x32xf32>
  return %z, %x : tensor<?x5x4x32xf32>, tensor<?x9x8x32xf32>
}
