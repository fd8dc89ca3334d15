// RUN: net-opt %s --kern-verify-plan --split-input-file --verify-diagnostics

func.func @infer() attributes {net.role = #net.role<infer>} {
  // expected-note @below {{bytes 0 to 256 are this one's}}
  %a = kern.buffer arena_image 0 : memref<?x64xf32>
  // expected-error @below {{stage plan: bytes 128 to 384 overlap a buffer that lives at the same time}}
  %b = kern.buffer arena_image 128 : memref<?x64xf32>
  kern.copy ins(%a : memref<?x64xf32>) outs(%b : memref<?x64xf32>) {size = 64 : i64, per_image}
  return
}

// -----

func.func @infer() attributes {net.role = #net.role<infer>} {
  // expected-error @below {{stage plan: a buffer has no place}}
  %a = kern.alloc : memref<?x64xf32>
  return
}

// -----

// expected-error @below {{stage plan: sections have 2 launches, the function 1}}
func.func @infer() attributes {net.role = #net.role<infer>, sections = [#kern.section<launches = 2, batch_bytes = 0, group_bytes = 256, live_bytes = 256, weight_bytes = 0>]} {
  %x = kern.buffer input 0 : memref<?x64xf32>
  %a = kern.buffer arena_group 0 : memref<?x64xf32>
  kern.copy ins(%x : memref<?x64xf32>) outs(%a : memref<?x64xf32>) {size = 64 : i64, per_image}
  return
}

// -----

// The next group would write over it.
func.func @infer() attributes {net.role = #net.role<infer>, sections = [#kern.section<launches = 1, batch_bytes = 0, group_bytes = 256, live_bytes = 256, weight_bytes = 0>,
                                           #kern.section<launches = 1, batch_bytes = 0, group_bytes = 256, live_bytes = 256, weight_bytes = 0>]} {
  %x = kern.buffer input 0 : memref<?x64xf32>
  // expected-error @below {{stage plan: a buffer of a group's outlives its section}}
  %a = kern.buffer arena_group 0 : memref<?x64xf32>
  kern.copy ins(%x : memref<?x64xf32>) outs(%a : memref<?x64xf32>) {size = 64 : i64, per_image}
  kern.copy ins(%a : memref<?x64xf32>) outs(%x : memref<?x64xf32>) {size = 64 : i64, per_image}
  return
}

// -----

// Other images of it are written while the section's other launches run: it may not share its place with another that the
// section hands on, though no launch touches both.
func.func @infer() attributes {net.role = #net.role<infer>, sections = [#kern.section<launches = 2, batch_bytes = 256, group_bytes = 0, live_bytes = 256, weight_bytes = 0>,
                                           #kern.section<launches = 2, batch_bytes = 256, group_bytes = 0, live_bytes = 256, weight_bytes = 0>]} {
  %x = kern.buffer input 0 : memref<?x64xf32>
  // expected-note @below {{bytes 0 to 256 are this one's}}
  %a = kern.buffer arena_image 0 : memref<?x64xf32>
  // expected-error @below {{stage plan: bytes 0 to 256 overlap a buffer that lives at the same time}}
  %b = kern.buffer arena_image 0 : memref<?x64xf32>
  kern.copy ins(%x : memref<?x64xf32>) outs(%x : memref<?x64xf32>) {size = 64 : i64, per_image}
  kern.copy ins(%x : memref<?x64xf32>) outs(%a : memref<?x64xf32>) {size = 64 : i64, per_image}
  kern.copy ins(%a : memref<?x64xf32>) outs(%x : memref<?x64xf32>) {size = 64 : i64, per_image}
  kern.copy ins(%x : memref<?x64xf32>) outs(%b : memref<?x64xf32>) {size = 64 : i64, per_image}
  return
}

// -----

func.func @infer() attributes {net.role = #net.role<infer>, sections = [#kern.section<launches = 2, batch_bytes = 0, group_bytes = 128, live_bytes = 256, weight_bytes = 0>]} {
  %x = kern.buffer input 0 : memref<?x64xf32>
  // expected-error @below {{stage plan: a buffer ends behind its section's group_bytes}}
  %a = kern.buffer arena_group 0 : memref<?x64xf32>
  kern.copy ins(%x : memref<?x64xf32>) outs(%a : memref<?x64xf32>) {size = 64 : i64, per_image}
  kern.copy ins(%a : memref<?x64xf32>) outs(%x : memref<?x64xf32>) {size = 64 : i64, per_image}
  return
}
