// RUN: net-opt %s --split-input-file --verify-diagnostics

module attributes {net.model = "a", net.losses = [#net.loss<mse, 0, 1.0>], net.layers = [{name = "conv1"}], net.state_slots = 2 : i64} {
}

// -----

// expected-error @below {{unknown attribute 'net.modle'}}
module attributes {net.modle = "a"} {
}

// -----

// expected-error @below {{attribute 'net.state_slots' is "two", expected an i64}}
module attributes {net.state_slots = "two"} {
}

// -----

// expected-error @below {{attribute 'net.layers' is [{kind = "conv"}], expected an array of layers with names}}
module attributes {net.layers = [{kind = "conv"}]} {
}

// -----

// expected-error @below {{attribute 'net.soft_targets' belongs to a function}}
module attributes {net.soft_targets} {
}

// -----

// expected-error @below {{expected 'kern.choices' of a module, an array of kern.choice}}
module attributes {kern.choices = [1]} {
}

// -----

// expected-error @below {{attribute 'net.role' is "step", expected a #net.role}}
func.func private @step() attributes {net.role = "step"}

// -----

// expected-note @below {{the first one is here}}
func.func private @step() attributes {net.role = #net.role<step>}
func.func private @lean() attributes {net.role = #net.role<step>, net.lean_step = 0 : i64}
// expected-error @below {{a second function has the role step}}
func.func private @again() attributes {net.role = #net.role<step>}

// -----

// expected-error @below {{a function with 'net.lean_step' has the role infer, expected step}}
func.func private @lean() attributes {net.role = #net.role<infer>, net.lean_step = 0 : i64}

// -----

func.func @layers(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %a = net.activation relu %x {net.layer = "a"} : tensor<?x4xf32>
  %b = net.activation relu %a {net.layer = ["b", "c"]} : tensor<?x4xf32>
  // expected-error @below {{attribute 'net.layer' is 3 : i64, expected a layer's name or an array of names}}
  %c = net.activation relu %b {net.layer = 3} : tensor<?x4xf32>
  return %c : tensor<?x4xf32>
}
