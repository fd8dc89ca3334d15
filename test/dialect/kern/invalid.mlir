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
