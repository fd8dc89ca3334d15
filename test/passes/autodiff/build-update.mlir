// RUN: net-opt %s --net-build-update | FileCheck %s
// RUN: net-opt %s --net-build-update=nesterov=true | FileCheck %s --check-prefix=NESTEROV

net.parameter @w : tensor<4x6xf32> {trainable, decay, init = ["constant", 0.0, 0.0], layer = 0 : i64}
net.parameter @mean : tensor<4xf32> {init = ["constant", 0.0, 0.0], layer = 0 : i64}
func.func @step() { return }

// Running statistics are no parameters to optimise.
// CHECK-LABEL: func.func @update
// CHECK-NEXT: net.sgd_update @w {decay}
// CHECK-NEXT: return
// NESTEROV: net.sgd_update @w {decay, nesterov}
