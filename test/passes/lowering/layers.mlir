// RUN: net-opt %s --net-materialize-layouts --net-elide-layouts --net-fuse-kernels --net-lower-to-kern --kern-hoist-prepare --kern-bufferize | FileCheck %s

// A launch names the layers that it computes, in order, and those that it computes on load: the first convolution's value
// is an output, so its ReLU is never stored, and each reader computes it again.
// CHECK-LABEL: func.func @prepare
// CHECK: kern.pack {{.*}}net.layer = "conv1"
// CHECK-LABEL: func.func @infer
// CHECK: kern.contract forward {{.*}}net.layer = "conv1"
// CHECK: kern.contract forward {{.*}}net.layer = ["conv2", "relu2"], net.loaded = "relu1"
// CHECK: kern.pointwise {{.*}}net.layer = "add1", net.loaded = "relu1"
net.parameter @v : tensor<8x8x1x1xf32> {trainable, init = ["constant", 0.0, 0.0], layer = 0 : i64}
func.func @infer(%x: tensor<?x8x8x8xf32>) -> (tensor<?x8x8x8xf32>, tensor<?x8x8x8xf32>, tensor<?x8x8x8xf32>) attributes {net.role = #net.role<infer>} {
  %v = net.get_parameter @v {net.layer = "conv1"} : tensor<8x8x1x1xf32>
  %a = net.conv2d %x, %v {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64, net.layer = "conv1"} : (tensor<?x8x8x8xf32>, tensor<8x8x1x1xf32>) -> tensor<?x8x8x8xf32>
  %r = net.activation relu %a {net.layer = "relu1"} : tensor<?x8x8x8xf32>
  %b = net.conv2d %r, %v {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, groups = 1 : i64, net.layer = "conv2"} : (tensor<?x8x8x8xf32>, tensor<8x8x1x1xf32>) -> tensor<?x8x8x8xf32>
  %y = net.activation relu %b {net.layer = "relu2"} : tensor<?x8x8x8xf32>
  %z = net.add %r, %x {net.layer = "add1"} : (tensor<?x8x8x8xf32>, tensor<?x8x8x8xf32>) -> tensor<?x8x8x8xf32>
  return %a, %y, %z : tensor<?x8x8x8xf32>, tensor<?x8x8x8xf32>, tensor<?x8x8x8xf32>
}
