//===- AttentionBlocks.h - blocks of an attention's scores ------*- C++ -*-===//
#ifndef NETC_CODEGEN_CPU_ATTENTIONBLOCKS_H
#define NETC_CODEGEN_CPU_ATTENTIONBLOCKS_H

#include "codegen/cpu/KernelEmitter.h"

namespace netc::cpu {

/// Elements row * rowPitch + column * columnPitch from a pointer.
struct AttentionMatrix {
  TypedPointer pointer;
  int64_t rowPitch, columnPitch;
};

/// A block of rows against a block of the other side.
class AttentionBlocks {
public:
  explicit AttentionBlocks(KernelEmitter &k)
      : k(k), step((k.lanes >= 16 ? 4 : 2) * k.lanes), columns(step), valid(step) {}

  /// Calls body(first) for each block of the other side, with `columns` and `valid` set.
  void overBlocks(int64_t count, llvm::function_ref<void(Value)> body);
  void turn(TypedPointer from, TypedPointer to, int64_t width);
  /// out [rows, columns] = left [rows, depth] right [depth, columns], or added to what is there.
  void product(AttentionMatrix left, AttentionMatrix right, AttentionMatrix out, Value rows,
               int64_t columns, Value depth, bool add);
  /// Calls body(column, valid lanes) and adds up what it yields.
  Value sumOver(int64_t columns, llvm::function_ref<Value(Value, int64_t)> term);
  Value exp(Value x);
  /// Starts `rows` rows of a block of scores with those of a bias, whose rows lie `pitch` apart;
  /// minus infinity in columns that there are not.
  void startWith(TypedPointer bias, int64_t pitch, TypedPointer scores, Value rows);
  /// The same with the transpose of a bias; zero in columns that there are not.
  void startWithTurned(TypedPointer bias, int64_t pitch, TypedPointer scores, Value rows);
  /// Where to add up what a buffer gets: itself, or `scratch` where it holds less than f32.
  TypedPointer sumsOf(TypedPointer buffer, TypedPointer scratch) {
    return buffer.element.isF32() ? buffer : scratch;
  }
  /// Stores rows of sums where they belong, if they are not there already.
  void storeSums(TypedPointer sums, TypedPointer buffer, Value rows, int64_t width);
  /// A row of a block of scores: the offset of each of its vectors from the row's first element.
  void overStep(llvm::function_ref<void(int64_t)> body) {
    for (int64_t i = 0; i < columns; i += k.lanes)
      body(i);
  }
  /// Lanes from `offset` on as far as the block's columns are valid; zero beyond.
  Value keep(Value vector, int64_t offset) {
    return offset + k.lanes <= valid ? vector : k.keepLanes(vector, k.c(valid - offset));
  }

  KernelEmitter &k;
  const int64_t step; ///< columns of a whole block of scores, and elements between its rows
  int64_t columns;    ///< of the block at hand, whole vectors
  int64_t valid;      ///< those of them that there are

private:
  void tile(AttentionMatrix left, AttentionMatrix right, AttentionMatrix out, Value first,
            Value rows, Value column, llvm::ArrayRef<int64_t> valid, Value depth, int64_t tileRows,
            bool add);
};

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_ATTENTIONBLOCKS_H
