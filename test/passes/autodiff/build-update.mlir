// RUN: net-opt %s --net-build-update | FileCheck %s
// RUN: net-opt %s --net-build-update=nesterov=true | FileCheck %s --check-prefix=NESTEROV
// RUN: net-opt %s --net-build-update=optimizer=adamw | FileCheck %s --check-prefix=ADAMW
// RUN: net-opt %s --net-build-update="optimizer=adam average=true" | FileCheck %s --check-prefix=AVERAGE
// RUN: net-opt %s --net-build-update=optimizer=lars | FileCheck %s --check-prefix=LARS
// RUN: net-opt %s --net-build-update=optimizer=lamb | FileCheck %s --check-prefix=LAMB
// RUN: net-opt %s --net-build-update=optimizer=rmsprop | FileCheck %s --check-prefix=RMSPROP
// RUN: not net-opt %s --net-build-update=optimizer=adagrad 2>&1 | FileCheck %s --check-prefix=UNKNOWN

net.parameter @w : tensor<4x6xf32> {trainable, decay, init = ["constant", 0.0, 0.0], layer = 0 : i64}
net.parameter @mean : tensor<4xf32> {init = ["constant", 0.0, 0.0], layer = 0 : i64}
func.func @step() attributes {net.role = #net.role<step>} { return }

// Running statistics are no parameters to optimise.
// CHECK-LABEL: func.func @update
// CHECK-NEXT: net.sgd_update @w
// CHECK-NEXT: return
// CHECK-LABEL: func.func @norm
// CHECK-NEXT: net.gradient_norm
// CHECK-LABEL: func.func @accumulate
// CHECK-NEXT: net.accumulate_gradients
// NESTEROV: net.sgd_update @w {nesterov}
// ADAMW: module attributes {net.state_slots = 2 : i64}
// ADAMW: net.adam_update @w {decoupled}

// The average has a slot behind the optimizer's, and running statistics are averaged too.
// AVERAGE: module attributes {net.state_slots = 3 : i64}
// AVERAGE: net.adam_update @w {averaged}
// AVERAGE-NEXT: net.average @mean {slot = 2 : i64}
// LARS: net.lars_update @w
// LAMB: module attributes {net.state_slots = 2 : i64}
// LAMB: net.lamb_direction @w
// LAMB-NEXT: net.lamb_update @w
// RMSPROP: module attributes {net.state_slots = 2 : i64}
// RMSPROP: net.rmsprop_update @w
// UNKNOWN: no optimizer 'adagrad', expected sgd, adam, adamw, lars, lamb or rmsprop
