//===- KernelEmitter.h - vocabulary of the CPU kernels ----------*- C++ -*-===//
//
// Kernels use bare pointers. MLIR's bare-pointer convention for memrefs requires static
// shapes, and the batch is dynamic; with descriptors, LLVM hoists one base pointer per
// access and spills them. Indices are i64 in elements; arithmetic has nsw.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_CODEGEN_CPU_KERNELEMITTER_H
#define NETC_CODEGEN_CPU_KERNELEMITTER_H

#include "codegen/common/Access.h"
#include "codegen/common/Random.h"
#include "codegen/common/Storage.h"
#include "dialect/kern/KernDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace netc::cpu {

using mlir::Type;
using mlir::Value;
using mlir::ValueRange;
using Values = llvm::SmallVector<mlir::Value>;

/// The most steps that an emitter unrolls. More of them become a loop, so that code size and
/// compile time are bounded for every model. Common windows and strides (AlexNet's 11x11) need
/// fewer.
constexpr int64_t kMostUnrolled = 128;

/// Marks functions that kernels share, in MLIR and LLVM IR.
constexpr llvm::StringLiteral kPartAttr = "netc.part";

/// What kernels use of a target.
struct Instructions {
  int64_t lanes;     ///< f32 lanes of a vector
  bool bf16 = false; ///< AVX512_BF16: products of bf16, and rounding to it
  bool vnni = false; ///< AVX512_VNNI, AVX-VNNI: products of i8
  bool amx = false;  ///< AMX: tiles of both
};

/// The grid item loop's view of a launch.
struct Launch {
  /// One per operand of the kern op, then the hyper block if it is read.
  llvm::SmallVector<TypedPointer> buffers;
  TypedPointer scratch; ///< f32
  Value images, begin, end;
};

/// Builds one kernel from operations of arith, vector, scf and llvm.
class KernelEmitter {
public:
  KernelEmitter(mlir::OpBuilder builder, mlir::Location loc, mlir::ModuleOp module,
                std::string name, Instructions target)
      : b(builder), loc(loc), module(module), name(std::move(name)), target(target),
        lanes(target.lanes) {}

  // Integers (i64).
  Value c(int64_t value);
  Value add(Value x, Value y);
  Value add(Value x, int64_t y) { return y == 0 ? x : add(x, c(y)); }
  Value sub(Value x, Value y);
  Value mul(Value x, Value y);
  Value mul(Value x, int64_t y) { return y == 1 ? x : mul(x, c(y)); }
  Value div(Value x, int64_t y);
  Value rem(Value x, int64_t y);
  Value ceilDiv(Value x, int64_t y);
  Value min(Value x, Value y);
  Value max(Value x, Value y);
  Value less(Value x, Value y);
  Value both(Value x, Value y);
  Value select(Value p, Value x, Value y); ///< integers, or vectors lane by lane

  // Floats: f32 scalars or vectors.
  Type f32() { return b.getF32Type(); }
  mlir::VectorType vec(int64_t n = 0) {
    return mlir::VectorType::get({n ? n : lanes}, b.getF32Type());
  }
  Value number(double value);
  Value zeros(int64_t n = 0);
  Value integerZeros(); ///< of i32
  Value splat(Value scalar, int64_t n = 0);
  Value splat(double value) { return splat(number(value)); }
  Value fadd(Value x, Value y);
  Value fsub(Value x, Value y);
  Value fmul(Value x, Value y);
  Value fdiv(Value x, Value y);
  Value fma(Value x, Value y, Value z);
  /// Elements that a lane multiplies at once, 4 bytes of them: two bf16 or i16, four bytes. Those
  /// of all lanes at `pointer`, or the first lane's in every lane.
  Value loadSteps(TypedPointer pointer);
  Value splatSteps(TypedPointer pointer);
  /// sum + the products of each lane's elements. bf16, with Instructions::bf16: denormals count as
  /// zero, each product is added with one rounding to nearest even (AVX512_BF16's VDPBF16PS).
  /// Integers: sums are i32, and exact; i16 by PMADDWD, weights of i8 times unsigned bytes, with
  /// Instructions::vnni, by VPDPBUSD.
  Value addProducts(Value sum, Value weights, Value pixels);
  /// Stores a vector without filling the caches; `pointer` is a multiple of its bytes. Call
  /// fenceStreams before other threads read.
  void streamVector(Value vector, TypedPointer pointer);
  void fenceStreams();
  /// Lane by lane whether `x` is NaN.
  Value isNan(Value x);
  /// The larger of what a max pool has and a further value.
  Value poolMax(Value best, Value x);
  /// `lanes` vectors as the rows of a square matrix to its columns.
  Values transpose(Values rows);
  /// Lanes of `vector` at and beyond `count`, a run-time number, become zero.
  Value keepLanes(Value vector, Value count);

  // Memory: offsets in elements of the pointer's type. Values are f32, converted on their way.
  TypedPointer at(TypedPointer pointer, Value offset);
  TypedPointer at(TypedPointer pointer, int64_t offset) {
    return offset == 0 ? pointer : at(pointer, c(offset));
  }
  /// An address of f32, as in scratch and in the hyper block.
  TypedPointer floats(Value address) { return {address, f32()}; }
  /// pixel * channels + channel.
  Value element(Value pixel, int64_t channels, Value channel);
  Value wide(Value index) { return index; } ///< as GpuEmitter's, whose indices are narrower
  Value load(TypedPointer pointer);
  void store(Value scalar, TypedPointer pointer);
  /// `valid` lanes of a vector (static; below `lanes` the rest reads as zero, is not written).
  Value loadVector(TypedPointer pointer, int64_t valid = 0);
  void storeVector(Value vector, TypedPointer pointer, int64_t valid = 0);
  /// Two vectors as bf16, lane by lane beside each other.
  void storePairs(Value first, Value second, TypedPointer pointer, int64_t valid = 0);
  /// Zeroes `count` elements.
  void fillZero(TypedPointer pointer, Value count);
  void fillZero(TypedPointer pointer, int64_t count);
  /// Makes `count` elements NaN.
  void fillNan(TypedPointer pointer, Value count);
  /// Copies `count` elements between places of one type.
  void copy(TypedPointer to, TypedPointer from, Value count);
  Value loadPointer(Value table, int64_t index);
  /// Prefetches the line at `pointer` to L2; any address is allowed.
  void prefetch(Value pointer);
  /// The same, to L1.
  void prefetchNear(Value pointer);

  // Control.
  void loop(Value low, Value high, int64_t step, llvm::function_ref<void(Value)> body);
  void loop(int64_t low, int64_t high, int64_t step, llvm::function_ref<void(Value)> body) {
    loop(c(low), c(high), step, body);
  }
  Values reduce(Value low, Value high, int64_t step, ValueRange init,
                llvm::function_ref<Values(Value, ValueRange)> body);
  void when(Value condition, llvm::function_ref<void()> body);
  void choose(Value condition, llvm::function_ref<void()> yes, llvm::function_ref<void()> no);
  /// Of equal numbers and types.
  Values chooseValues(Value condition, llvm::function_ref<Values()> yes,
                      llvm::function_ref<Values()> no);

  /// Calls body(offset, valid lanes) over `channels`, whole vectors in a loop, then the tail.
  void overChannels(int64_t channels, llvm::function_ref<void(Value, int64_t)> body);

  /// A private function `name_suffix` that is never inlined, made once for each suffix.
  /// `noalias`: for each argument, whether no other argument points to the same memory.
  mlir::func::FuncOp helper(llvm::StringRef suffix, mlir::TypeRange arguments,
                            llvm::ArrayRef<bool> noalias,
                            llvm::function_ref<void(KernelEmitter &, ValueRange)> body);
  /// A helper that other kernels share: sizes and strides are arguments of it, and it is compiled
  /// once for all kernels that have a function of the same content (KernelParts.h). For functions
  /// whose time is no concern: a specialized loop is faster.
  mlir::func::FuncOp part(llvm::StringRef suffix, mlir::TypeRange arguments,
                          llvm::function_ref<void(KernelEmitter &, ValueRange)> body);
  void call(mlir::func::FuncOp function, ValueRange arguments);

  /// Makes room for `floats` f32 and `slack` bytes in each thread's scratch.
  void reserveScratch(int64_t floats, int64_t slack = 0) {
    int64_t bytes = kern::elementBytes(f32()) * floats + slack;
    scratchBytes = std::max(scratchBytes, static_cast<uint64_t>(bytes));
  }

  Type pointerType() { return mlir::LLVM::LLVMPointerType::get(b.getContext()); }
  Type i64() { return b.getI64Type(); }

  mlir::OpBuilder b;
  mlir::Location loc;
  mlir::ModuleOp module;
  std::string name;
  Instructions target;
  int64_t lanes;
  uint64_t scratchBytes = 0; ///< per thread; the runtime allocates it
};

/// Clones a kern region on vectors of `lanes`; returns what it yields.
Values emitFormula(KernelEmitter &k, mlir::Block &formula, ValueRange arguments,
                   RandomSource random = {});

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_KERNELEMITTER_H
