// RUN: net-opt %s --split-input-file --verify-diagnostics

// expected-note @below {{filter defined here}}
func.func @channels(%x: tensor<?x3x8x8xf32>, %w: tensor<8x4x3x3xf32>) {
  // expected-error @below {{input has 3 channels but filter expects 4}}
  %z = net.conv2d %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x3x8x8xf32>, tensor<8x4x3x3xf32>) -> tensor<?x8x8x8xf32>
  return
}

// -----

func.func @groups(%x: tensor<?x4x8x8xf32>, %w: tensor<9x4x3x3xf32>) {
  // expected-error @below {{has 4 input and 9 output channels, which 2 groups do not divide}}
  %z = net.conv2d %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 2 : i64} : (tensor<?x4x8x8xf32>, tensor<9x4x3x3xf32>) -> tensor<?x9x8x8xf32>
  return
}

// -----

func.func @kernel_too_large(%x: tensor<?x4x2x2xf32>, %w: tensor<8x4x5x5xf32>) {
  // expected-error @below {{kernel of 5 does not fit input of 2 with padding 2}}
  // expected-error @below {{failed to infer returned types}}
  %z = net.conv2d %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, groups = 1 : i64} : (tensor<?x4x2x2xf32>, tensor<8x4x5x5xf32>) -> tensor<?x8x1x1xf32>
  return
}

// -----

func.func @add_of_other_channels(%x: tensor<?x4x8x8xf32>, %y: tensor<?x5xf32>) {
  // expected-error @below {{expected equal shapes, or a value per channel on the right, found 'tensor<?x4x8x8xf32>' and 'tensor<?x5xf32>'}}
  %z = net.add %x, %y : (tensor<?x4x8x8xf32>, tensor<?x5xf32>) -> tensor<?x4x8x8xf32>
  return
}

// -----

func.func @add_of_a_row(%x: tensor<?x4x8x8xf32>, %y: tensor<?x4x1x8xf32>) {
  // expected-error @below {{expected equal shapes, or a value per channel on the right}}
  %z = net.add %x, %y : (tensor<?x4x8x8xf32>, tensor<?x4x1x8xf32>) -> tensor<?x4x8x8xf32>
  return
}

// -----

func.func @add_of_a_parameter_of_other_channels(%x: tensor<?x4x8x8xf32>, %y: tensor<8xf32>) {
  // expected-error @below {{expected equal shapes, or a value per channel on the right}}
  %z = net.add %x, %y : (tensor<?x4x8x8xf32>, tensor<8xf32>) -> tensor<?x4x8x8xf32>
  return
}

// -----

func.func @gate(%x: tensor<?x4x8x8xf32>, %y: tensor<?x5x1x1xf32>) {
  // expected-error @below {{expected equal shapes, or a value per channel on the right, found 'tensor<?x4x8x8xf32>' and 'tensor<?x5x1x1xf32>'}}
  %z = net.mul %x, %y : (tensor<?x4x8x8xf32>, tensor<?x5x1x1xf32>) -> tensor<?x4x8x8xf32>
  return
}

// -----

func.func @concat(%x: tensor<?x4x8x8xf32>, %y: tensor<?x4x7x8xf32>) {
  // expected-error @below {{expected inputs of equal sizes beside axis 1}}
  %z = net.concat %x, %y : (tensor<?x4x8x8xf32>, tensor<?x4x7x8xf32>) -> tensor<?x8x8x8xf32>
  return
}

// -----

func.func @pool(%x: tensor<?x4x8x8xf32>) {
  // expected-error @below {{result has 5 rows but the window gives 4}}
  %z = net.max_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>} : (tensor<?x4x8x8xf32>) -> tensor<?x4x5x4xf32>
  return
}

// -----

func.func @unknown_parameter() {
  // expected-error @below {{names @w, which is no parameter of this module}}
  %w = net.get_parameter @w : tensor<4xf32>
  return
}

// -----

func.func @target_of_another_shape(%x: tensor<?x4x2xf32>, %t: tensor<?x4x3xf32>) {
  // expected-error @below {{expected a target of the prediction's type 'tensor<?x4x2xf32>', found 'tensor<?x4x3xf32>'}}
  %l = net.regression_loss mse %x, %t : (tensor<?x4x2xf32>, tensor<?x4x3xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @losses_of_another_shape(%x: tensor<?x4x2xf32>, %t: tensor<?x4x2xf32>) {
  // expected-error @below {{expected losses 'tensor<?x4xf32>', found 'tensor<?xf32>'}}
  %l = net.regression_loss l1 %x, %t : (tensor<?x4x2xf32>, tensor<?x4x2xf32>) -> tensor<?xf32>
  return
}

// -----

func.func @labels_of_a_map(%x: tensor<?x4x8x8xf32>, %l: tensor<?xi64>) {
  // expected-error @below {{expected labels 'tensor<?x8x8xi64>', found 'tensor<?xi64>'}}
  %c = net.softmax_cross_entropy %x, %l : (tensor<?x4x8x8xf32>, tensor<?xi64>) -> tensor<?x64xf32>
  return
}

// -----

func.func @slice_of_two_axes(%x: tensor<?x6x8xf32>) {
  // expected-error @below {{changes axis 1 of 'tensor<?x6x8xf32>' to 'tensor<?x5x4xf32>' but slices axis 2}}
  %s = net.slice %x {axis = 2 : i64, begin = 0 : i64} : (tensor<?x6x8xf32>) -> tensor<?x5x4xf32>
  return
}

// -----

func.func @permute_twice_the_same(%x: tensor<?x6x6xf32>) {
  // expected-error @below {{does not map 'tensor<?x6x6xf32>' to 'tensor<?x6x6xf32>'}}
  %s = net.permute %x {order = array<i64: 0, 1, 1>} : (tensor<?x6x6xf32>) -> tensor<?x6x6xf32>
  return
}

// -----

func.func @matmul_of_other_depth(%x: tensor<?x6x8xf32>) {
  // expected-error @below {{multiplies 6x8 by 6x8 but results in 'tensor<?x6x6xf32>'}}
  %s = net.matmul %x, %x : (tensor<?x6x8xf32>, tensor<?x6x8xf32>) -> tensor<?x6x6xf32>
  return
}

// -----

func.func @repeat_of_other_size(%x: tensor<6xf32>) {
  // expected-error @below {{expected a vector of as many elements for each image, found 'tensor<?x7xf32>'}}
  %s = net.repeat %x : (tensor<6xf32>) -> tensor<?x7xf32>
  return
}

// -----

func.func @shuffle_of_odd_groups(%x: tensor<?x5x2x2xf32>) {
  // expected-error @below {{has 5 channels, which 2 groups do not divide}}
  %s = net.shuffle_channels %x {groups = 2 : i64} : tensor<?x5x2x2xf32>
  return
}
