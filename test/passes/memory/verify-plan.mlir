// RUN: net-opt %s --kern-verify-plan --split-input-file --verify-diagnostics

func.func @infer() {
  // expected-note @below {{bytes 0 to 256 are this one's}}
  %a = kern.buffer arena_image 0 : memref<?x64xf32>
  // expected-error @below {{stage plan: bytes 128 to 384 overlap a buffer that lives at the same time}}
  %b = kern.buffer arena_image 128 : memref<?x64xf32>
  kern.copy ins(%a : memref<?x64xf32>) outs(%b : memref<?x64xf32>) {size = 64 : i64, per_image}
  return
}

// -----

func.func @infer() {
  // expected-error @below {{stage plan: a buffer has no place}}
  %a = kern.alloc : memref<?x64xf32>
  return
}
