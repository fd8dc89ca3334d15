//===- GpuEmitter.h - vocabulary of the CUDA kernels ------------*- C++ -*-===//
//
// What one thread does, over arith, math, scf, llvm and nvvm. Indices are i32:
// 64-bit division is dear on a GPU; the runtime refuses batches whose pixels do not
// fit. Offsets of elements are i64. Tensors lie in global memory (address space 1).
//
//===----------------------------------------------------------------------===//
#ifndef NETC_CODEGEN_CUDA_GPUEMITTER_H
#define NETC_CODEGEN_CUDA_GPUEMITTER_H

#include "codegen/common/Access.h"
#include "codegen/common/Random.h"
#include "codegen/common/Storage.h"
#include "dialect/kern/KernDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"

namespace netc::cuda {

using mlir::Type;
using mlir::Value;
using mlir::ValueRange;
using Values = llvm::SmallVector<mlir::Value>;

/// What kernels may use of the chips that their PTX is for.
struct GpuFeatures {
  bool asyncCopy = true;   ///< cp.async: sm_80 and newer
  bool tensorCores = true; ///< mma.sync on tf32 and bf16, cvt to bf16: sm_80 and newer
  bool warpgroups = false; ///< wgmma and TMA: sm_90a alone
};

/// A tensor map that a kernel has as parameter: a matrix [rows, columns] of bf16 in one of its
/// operands, and the box of it that a copy moves, whose rows of 128 bytes are swizzled.
struct GpuTensorMap {
  int64_t buffer = 0;                 ///< which operand
  int64_t columns = 0;                ///< side by side in memory
  int64_t rowsPerImage = 0, rows = 0; ///< of the batch: n * rowsPerImage + rows
  int64_t boxColumns = 0, boxRows = 0;
};

/// One kernel's parameters: one pointer per operand of the kern op, then the hyper block if it is
/// read.
struct Launch {
  llvm::SmallVector<TypedPointer> buffers;
  Value images;                  ///< i32
  llvm::SmallVector<Value> maps; ///< tensor maps, where the kernel has any
};

class GpuEmitter {
public:
  GpuEmitter(mlir::OpBuilder builder, mlir::Location loc, std::string name, GpuFeatures features)
      : b(builder), loc(loc), name(std::move(name)), features(features) {}

  // Integers (i32, or i64 where both are).
  Value c(int64_t value);
  Value wideConstant(int64_t value);
  Value add(Value x, Value y);
  Value add(Value x, int64_t y) { return y == 0 ? x : add(x, like(x, y)); }
  Value sub(Value x, Value y);
  Value mul(Value x, Value y);
  Value mul(Value x, int64_t y) { return y == 1 ? x : mul(x, like(x, y)); }
  Value div(Value x, int64_t y); ///< x >= 0
  Value rem(Value x, int64_t y); ///< x >= 0
  Value ceilDiv(Value x, int64_t y) { return div(add(x, y - 1), y); }
  Value min(Value x, Value y);
  Value max(Value x, Value y);
  Value less(Value x, Value y);
  Value less(Value x, int64_t y) { return less(x, like(x, y)); }
  Value equal(Value x, int64_t y);
  Value equal(Value x, Value y);
  /// 0 <= x < y in one comparison.
  Value inside(Value x, int64_t y);
  Value both(Value x, Value y);
  Value yes();
  Value select(Value p, Value x, Value y);
  Value wide(Value x); ///< i32 >= 0 to i64

  // Floats.
  Type f32() { return b.getF32Type(); }
  Type f64() { return b.getF64Type(); }
  Type i32() { return b.getI32Type(); }
  Type i64() { return b.getI64Type(); }
  Value number(double value);
  Value number64(double value);
  Value fadd(Value x, Value y);
  Value fsub(Value x, Value y);
  Value fmul(Value x, Value y);
  Value fdiv(Value x, Value y);
  Value fma(Value x, Value y, Value z);
  Value toF32(Value integer);
  Value toF64(Value integer);
  Value extend(Value x);   ///< f32 to f64
  Value truncate(Value x); ///< f64 to f32

  // Memory; offsets in elements of the pointer's type, i32 or i64. Values are f32 (f64, i64 where
  // the pointer's type is), converted on their way.
  TypedPointer at(TypedPointer pointer, Value offset);
  TypedPointer at(TypedPointer pointer, int64_t offset) {
    return offset == 0 ? pointer : at(pointer, c(offset));
  }
  /// pixel * channels + channel, i64.
  Value element(Value pixel, int64_t channels, Value channel);
  Value load(TypedPointer pointer);
  void store(Value scalar, TypedPointer pointer);
  /// `width` (1, 2, 4 or, of bf16, 8) neighbours in one access, which is aligned to its size.
  Values loadChunk(TypedPointer pointer, int64_t width);
  void storeChunk(ValueRange scalars, TypedPointer pointer);
  /// As loadChunk where `p`, zeros elsewhere; reads `base` [offset 0] there, so never outside.
  Values loadGuarded(Value p, TypedPointer base, Value offset, int64_t width);

  // Threads.
  Value thread();
  Value block();
  void barrier();
  /// A place for `count` elements, f32 unless said otherwise, in this kernel's shared memory;
  /// 16-byte aligned.
  TypedPointer shared(int64_t count, Type element = {});
  /// Frees all places again: what follows shares memory with what was there.
  void reuseShared();
  /// What has been placed so far stays when places are freed.
  void keepShared() { sharedKept = sharedBytes; }
  /// Shared memory begins at a multiple of so many bytes.
  void alignShared(int64_t bytes) { sharedAlign = bytes; }
  /// The 32-bit address of a place.
  Value sharedAddress(TypedPointer place);
  /// PTX as it stands, which may have any effect; operands $0… after the results, which are f32.
  Values assembly(llvm::StringRef text, const std::string &constraints, ValueRange operands,
                  size_t results = 0);

  // Control.
  void loop(Value low, Value high, Value step, llvm::function_ref<void(Value)> body);
  void loop(Value low, Value high, int64_t step, llvm::function_ref<void(Value)> body) {
    loop(low, high, c(step), body);
  }
  Values reduce(Value low, Value high, Value step, ValueRange init,
                llvm::function_ref<Values(Value, ValueRange)> body);
  Values reduce(Value low, Value high, int64_t step, ValueRange init,
                llvm::function_ref<Values(Value, ValueRange)> body) {
    return reduce(low, high, c(step), init, body);
  }
  void when(Value condition, llvm::function_ref<void()> body);
  /// The `count` f32 values of `body` where `p`, zeros elsewhere, where nothing of it is done.
  Values where(Value p, int64_t count, llvm::function_ref<Values()> body);

  /// Combines one value per thread over the block in a fixed tree; every thread gets the result.
  /// `threads` is a power of two. Has barriers: all threads must come here.
  Value blockReduce(Value own, int64_t threads, llvm::function_ref<Value(Value, Value)> combine);

  /// The same over `lanes` neighbours of a warp, a power of two, without shared memory.
  Value acrossLanes(Value own, int64_t lanes, llvm::function_ref<Value(Value, Value)> combine);

  /// Called once the kernel is built.
  void finish(mlir::ModuleOp module);

  mlir::OpBuilder b;
  mlir::Location loc;
  std::string name;
  GpuFeatures features;
  // Told to the runtime.
  int64_t threads = 256;          ///< a block
  int64_t blocksPerProcessor = 0; ///< that registers must leave room for; 0: ptxas chooses
  int64_t dynamicBytes = 0;       ///< of shared memory, where it is more than a kernel may state
  int64_t barrierThreads = 0;     ///< that barrier() waits for from now on; 0: all
  llvm::SmallVector<GpuTensorMap> maps; ///< of Launch::maps, in order
  kern::Grid grid;

private:
  /// Two f32 as one word of bf16, rounded to nearest even.
  Value packPair(Value low, Value high);
  Values loadPairs(TypedPointer pointer, int64_t width);
  void storePairs(ValueRange scalars, TypedPointer pointer);
  Value like(Value x, int64_t y);
  int64_t sharedBytes = 0, sharedPeak = 0, sharedKept = 0, sharedAlign = 16;
  llvm::SmallVector<mlir::LLVM::AddressOfOp> sharedUses;
};

/// Clones a kern region on scalars; returns what it yields.
Values emitFormula(GpuEmitter &k, mlir::Block &formula, ValueRange arguments,
                   RandomSource random = {});

/// The operands of a formula at `width` channels of one pixel, one list a lane.
struct FormulaInputs {
  llvm::SmallVector<TypedPointer> pointers;
  llvm::SmallVector<Access> accesses;
};

/// Loads each input for channels [channel, channel + width) of `pixel` (of `image`) where `p`
/// (null: always), zeros elsewhere. Result: [input][lane].
llvm::SmallVector<Values> loadInputs(GpuEmitter &k, const FormulaInputs &inputs, Value p,
                                     Value pixel, Value image, int64_t channels, Value channel,
                                     int64_t width);

/// Loads each input for channels [channel, channel + width) of `pixel` (of `image`) where `p`, and
/// evaluates `formula` a lane (null: the first input). Result: [lane][yield].
llvm::SmallVector<Values> emitFormulaAt(GpuEmitter &k, mlir::Block *formula,
                                        const FormulaInputs &inputs, Value p, Value pixel,
                                        Value image, int64_t channels, Value channel, int64_t width,
                                        Value hyper);

} // namespace netc::cuda

#endif // NETC_CODEGEN_CUDA_GPUEMITTER_H
