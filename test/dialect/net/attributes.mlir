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
