// RUN: net-opt %s --net-materialize-layouts --net-elide-layouts | FileCheck %s
// RUN: net-opt %s --net-materialize-layouts --net-elide-layouts --net-elide-layouts | FileCheck %s

// One conversion at the border, none between the ops.
// CHECK-LABEL: func.func @infer
// CHECK-COUNT-1: -> tensor<?x4x8x8xf32, #net.channels_last>
// CHECK: net.activation relu
// CHECK-NEXT: net.activation tanh
// CHECK-NEXT: net.to_layout
// CHECK-NEXT: return
func.func @infer(%x: tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32> attributes {net.role = #net.role<infer>} {
  %y = net.activation relu %x : tensor<?x4x8x8xf32>
  %z = net.activation tanh %y : tensor<?x4x8x8xf32>
  return %z : tensor<?x4x8x8xf32>
}
