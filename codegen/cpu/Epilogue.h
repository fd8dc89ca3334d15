//===- Epilogue.h - what a contraction does with its products ---*- C++ -*-===//
#ifndef NETC_CODEGEN_CPU_EPILOGUE_H
#define NETC_CODEGEN_CPU_EPILOGUE_H

#include "codegen/cpu/KernelEmitter.h"

namespace netc::cpu {

/// Bias, skip-add, activation, dropout and channel sums on accumulators, of kern.contract forward
/// and input_grad. A micro-kernel gets `argumentsAt` of its first pixel and passes them to `emit`.
class Epilogue {
public:
  Epilogue(kern::ContractOp op, const Launch &launch);

  /// Points the item's sums at partial row `row` and clears those of channel block `block`.
  void beginItem(KernelEmitter &k, Value row, Value block);

  /// Destination, other operands, sums and random source at a pixel (of all images) and a channel.
  /// `destination`: the pixel of a pooled result.
  Values argumentsAt(KernelEmitter &k, Value pixel, Value channel, Value destination = {});
  llvm::SmallVector<Type> argumentTypes(KernelEmitter &k);

  /// Prefetches what `emit` will read at these pixels, `count` channels each.
  void prefetch(KernelEmitter &t, ValueRange arguments, int64_t count,
                llvm::ArrayRef<int64_t> offsets);

  /// Stores `valid` lanes of values[i] at channel `vector` of the pixel that lies offsets[i]
  /// elements from the arguments' one.
  void emit(KernelEmitter &t, ValueRange arguments, int64_t vector, int64_t valid,
            llvm::ArrayRef<Value> values, llvm::ArrayRef<int64_t> offsets);

  /// The same, but each run of values as long as the pool's window goes to one pixel,
  /// `destinations` elements from the arguments' one.
  void emitPooled(KernelEmitter &t, ValueRange arguments, int64_t vector, int64_t valid,
                  llvm::ArrayRef<Value> values, llvm::ArrayRef<int64_t> offsets,
                  llvm::ArrayRef<int64_t> destinations);

private:
  /// What a micro-kernel was given for extra operand `i`, and for the result.
  TypedPointer extraAt(ValueRange arguments, size_t i) const {
    return {arguments[1 + i], extra[i].element};
  }
  TypedPointer outputAt(ValueRange arguments) const { return {arguments[0], output.element}; }
  Values apply(KernelEmitter &t, ValueRange arguments, int64_t vector, int64_t valid,
               llvm::ArrayRef<Value> values, llvm::ArrayRef<int64_t> offsets, Values &sums);
  TypedPointer sumPointer(KernelEmitter &t, ValueRange arguments, int64_t sum, int64_t vector);
  void addMoments(KernelEmitter &t, Value x, Values &sums);
  void storeSums(KernelEmitter &t, ValueRange arguments, int64_t vector, int64_t valid,
                 llvm::ArrayRef<Value> sums);

  kern::ContractOp op;
  TypedPointer output, partials; ///< null where there are none
  Value hyper;                   ///< null where nothing is random
  TypedPointer partialRow;
  llvm::SmallVector<TypedPointer> extra;
  llvm::SmallVector<Access> access; ///< of each extra operand
  int64_t pixels, channels;
  int64_t terms = 0, rows = 0; ///< summed by channel; vectors of channels in a row of partials
  bool random;
};

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_EPILOGUE_H
