//===- Storage.h - elements as memory holds them ----------------*- C++ -*-===//
//
// Kernels compute in f32; memory holds elements of a storage type. This is the one place that
// converts between the two, and the one that knows how far elements lie apart: a pointer carries
// the type of what it points to, which LLVM's pointers don't, and the emitters of CPU and CUDA
// derive every offset, alignment and width from it.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_CODEGEN_COMMON_STORAGE_H
#define NETC_CODEGEN_COMMON_STORAGE_H

#include "dialect/kern/KernDialect.h"

#include "mlir/IR/Builders.h"

#include <cstdint>

namespace netc {

/// An address of elements of one storage type. It becomes a bare address by itself, as an argument
/// of a function; the way back states the type.
struct TypedPointer {
  mlir::Value address;
  mlir::Type element;

  operator mlir::Value() const { return address; }
  explicit operator bool() const { return static_cast<bool>(address); }
  /// Bytes of an element.
  int64_t bytes() const { return kern::elementBytes(element); }
  /// Elements of a cache line of 64 bytes.
  int64_t perLine() const { return 64 / bytes(); }
};

/// What memory is read and written as for elements of a storage type: the type itself, or a
/// signless integer as wide.
mlir::Type memoryType(mlir::Type element);

/// f32 values, a scalar or a vector, of elements that were read as memoryType(element). bf16 is
/// widened exactly. Bytes are integers: ui8 and i8 as they are, si8 plus 128, so that kernels
/// multiply activations of both kinds as unsigned. i32, sums of products, is not converted.
mlir::Value fromStorage(mlir::OpBuilder &b, mlir::Location loc, mlir::Value stored,
                        mlir::Type element);

/// The reverse. bf16 is rounded to nearest, ties to even; denormals are kept; a NaN stays one.
/// Integers are rounded likewise and saturate, at 255 and 0 or at 127 and -127; a NaN becomes the
/// least.
mlir::Value toStorage(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value,
                      mlir::Type element);

/// The byte that zero is stored as in every byte of an element.
int8_t zeroByte(mlir::Type element);

/// One element as f32 (f64, i64 where the pointer's type is), and back.
mlir::Value loadElement(mlir::OpBuilder &b, mlir::Location loc, TypedPointer pointer);
void storeElement(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value, TypedPointer pointer);

} // namespace netc

#endif // NETC_CODEGEN_COMMON_STORAGE_H
