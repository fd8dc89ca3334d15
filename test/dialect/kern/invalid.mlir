// RUN: net-opt %s --split-input-file --verify-diagnostics

func.func @no_weights(%x: memref<?x8x8x4xf32>, %y: memref<?x8x8x4xf32>) {
  // expected-error @below {{expected packed weights}}
  kern.contract forward lhs(%x : memref<?x8x8x4xf32>) outs(%y : memref<?x8x8x4xf32>) {geometry = #kern.geometry<ih = 8, iw = 8, ic = 4, oh = 8, ow = 8, oc = 4, kh = 1, kw = 1, sh = 1, sw = 1, pt = 0, pl = 0, dh = 1, dw = 1, groups = 1>, schedule = #kern.schedule<lanes = 8, tile_pixels = 6, tile_vectors = 1, strip_rows = 6, channel_block = 4, chunks = 1, flat = true>} lhs_prologue {} rhs_prologue {} epilogue {}
  return
}

// -----

func.func @epilogue_arguments(%x: memref<?x8x8x4xf32>, %w: memref<1x1x1x1x4x8xf32>, %y: memref<?x8x8x4xf32>) {
  // expected-error @below {{epilogue takes 2 values but there are 1}}
  kern.contract forward lhs(%x : memref<?x8x8x4xf32>) weights(%w : memref<1x1x1x1x4x8xf32>) outs(%y : memref<?x8x8x4xf32>) {geometry = #kern.geometry<ih = 8, iw = 8, ic = 4, oh = 8, ow = 8, oc = 4, kh = 1, kw = 1, sh = 1, sw = 1, pt = 0, pl = 0, dh = 1, dw = 1, groups = 1>, schedule = #kern.schedule<lanes = 8, tile_pixels = 6, tile_vectors = 1, strip_rows = 6, channel_block = 4, chunks = 1, flat = true>} lhs_prologue {} rhs_prologue {} epilogue {
  ^bb0(%p: f32, %e: f32):
    kern.yield %p : f32
  }
  return
}

// -----

func.func @pool_shape(%x: memref<?x8x8x16xf32>, %w: memref<1x1x6x6x16x16xf32>, %y: memref<?x4x4x16xf32>) {
  // expected-error @below {{stores images of [4, 4, 16] but pools to [4, 2, 16]}}
  kern.contract forward lhs(%x : memref<?x8x8x16xf32>) weights(%w : memref<1x1x6x6x16x16xf32>) outs(%y : memref<?x4x4x16xf32>) {geometry = #kern.geometry<ih = 8, iw = 8, ic = 16, oh = 8, ow = 8, oc = 16, kh = 3, kw = 3, sh = 1, sw = 1, pt = 1, pl = 1, dh = 1, dw = 1, groups = 1>, schedule = #kern.schedule<lanes = 8, tile_pixels = 6, tile_vectors = 2, strip_rows = 6, channel_block = 16, chunks = 1, flat = false, winograd = 4>, pool = #kern.pooling<kind = max, kh = 2, kw = 4>} lhs_prologue {} rhs_prologue {} epilogue {}
  return
}

// -----

func.func @pool_across_tiles(%x: memref<?x8x8x16xf32>, %w: memref<1x1x6x6x16x16xf32>, %y: memref<?x2x2x16xf32>) {
  // expected-error @below {{pools on store but its tiles do not hold whole windows}}
  kern.contract forward lhs(%x : memref<?x8x8x16xf32>) weights(%w : memref<1x1x6x6x16x16xf32>) outs(%y : memref<?x2x2x16xf32>) {geometry = #kern.geometry<ih = 8, iw = 8, ic = 16, oh = 8, ow = 8, oc = 16, kh = 3, kw = 3, sh = 1, sw = 1, pt = 1, pl = 1, dh = 1, dw = 1, groups = 1>, schedule = #kern.schedule<lanes = 8, tile_pixels = 6, tile_vectors = 2, strip_rows = 6, channel_block = 16, chunks = 1, flat = false, winograd = 2>, pool = #kern.pooling<kind = max, kh = 4, kw = 4>} lhs_prologue {} rhs_prologue {} epilogue {}
  return
}

// -----

func.func @pool_kind(%x: memref<?x8x8x16xf32>, %w: memref<1x1x6x6x16x16xf32>, %y: memref<?x4x4x16xf32>) {
  // expected-error @below {{expected a max or an average pool but it is adaptive}}
  kern.contract forward lhs(%x : memref<?x8x8x16xf32>) weights(%w : memref<1x1x6x6x16x16xf32>) outs(%y : memref<?x4x4x16xf32>) {geometry = #kern.geometry<ih = 8, iw = 8, ic = 16, oh = 8, ow = 8, oc = 16, kh = 3, kw = 3, sh = 1, sw = 1, pt = 1, pl = 1, dh = 1, dw = 1, groups = 1>, schedule = #kern.schedule<lanes = 8, tile_pixels = 6, tile_vectors = 2, strip_rows = 6, channel_block = 16, chunks = 1, flat = false, winograd = 4>, pool = #kern.pooling<kind = adaptive, kh = 2, kw = 2>} lhs_prologue {} rhs_prologue {} epilogue {}
  return
}

// -----

func.func @pool_prologue_arguments(%x: memref<?x8x8x4xf32>, %y: memref<?x4x4x4xf32>) {
  // expected-error @below {{prologue takes 2 values but there are 1}}
  kern.pool max ins(%x : memref<?x8x8x4xf32>) outs(%y : memref<?x4x4x4xf32>) {geometry = #kern.geometry<ih = 8, iw = 8, ic = 4, oh = 4, ow = 4, oc = 4, kh = 2, kw = 2, sh = 2, sw = 2, pt = 0, pl = 0, dh = 1, dw = 1, groups = 1>, end_pads = array<i64: 0, 0>, lanes = 8 : i64} prologue {
  ^bb0(%a: f32, %b: f32):
    kern.yield %a : f32
  }
  return
}
