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
