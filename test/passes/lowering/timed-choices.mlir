// RUN: net-opt %s --net-fuse-kernels --net-lower-to-kern | FileCheck %s

// A timed choice comes before the rule's: two pixels by two vectors, which shapes the packed weights too. That for
// training (batch 8) does not concern inference, and one for other lanes nobody.
// CHECK-LABEL: func.func @infer()
// CHECK: kern.pack {{.*}} outs(%{{.*}} : tensor<1x2x1x1x6x16xf32>)
// CHECK: kern.contract forward {{.*}}tile_pixels = 2, tile_vectors = 2
#linear = #kern.geometry<ih = 1, iw = 1, ic = 6, oh = 1, ow = 1, oc = 24, kh = 1, kw = 1, sh = 1, sw = 1, pt = 0, pl = 0, dh = 1, dw = 1, groups = 1>
module attributes {kern.choices = [
  #kern.choice<kind = forward, batch = 8, geometry = #linear,
    schedule = <lanes = 8, tile_pixels = 3, tile_vectors = 1, strip_rows = 96, channel_block = 24, chunks = 1, flat = true>>,
  #kern.choice<kind = forward, batch = 1, geometry = #linear,
    schedule = <lanes = 8, tile_pixels = 2, tile_vectors = 2, strip_rows = 96, channel_block = 32, chunks = 1, flat = true>>,
  #kern.choice<kind = input_grad, batch = 1, geometry = #linear,
    schedule = <lanes = 16, tile_pixels = 5, tile_vectors = 1, strip_rows = 96, channel_block = 24, chunks = 1, flat = true>>]} {
  net.parameter @b : tensor<24xf32> {init = ["constant", 0.0, 0.0], layer = 0 : i64}
  net.parameter @w : tensor<24x6xf32> {init = ["constant", 0.0, 0.0], layer = 0 : i64}
  func.func @infer(%x: tensor<?x6xf32>) -> tensor<?x24xf32> attributes {net.role = #net.role<infer>} {
    %b = net.get_parameter @b : tensor<24xf32>
    %w = net.get_parameter @w : tensor<24x6xf32>
    %y = net.linear %x, %w bias %b : (tensor<?x6xf32>, tensor<24x6xf32>, tensor<24xf32>) -> tensor<?x24xf32>
    return %y : tensor<?x24xf32>
  }
}
