// RUN: not net-opt %s --net-build-inference 2>&1 | FileCheck %s

// CHECK: error: expected a function with the role forward
func.func @other() { return }
