//===- GpuContractEmitter.h - state of a contraction's kernel ---*- C++ -*-===//
//
// GpuContract.cpp: where a block's rows and columns lie, and where its operands come from;
// GpuContractEpilogue.cpp: what becomes of the products.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_CODEGEN_CUDA_GPUCONTRACTEMITTER_H
#define NETC_CODEGEN_CUDA_GPUCONTRACTEMITTER_H

#include "codegen/cuda/GpuKernels.h"
#include "codegen/cuda/GpuStaging.h"

namespace netc::cuda {

/// A row of the product: an output pixel and where its window begins in the source.
struct ContractRow {
  Value valid, image, pixel;
  Value h, w;   ///< of tap 0, may be outside; null where the source pixel is the output pixel
  Value source; ///< pixel of tap 0, may be outside
};

/// A place in the depth.
struct ContractDepth {
  Value valid, tapH, tapW, channel; ///< channel of the group
  Value channelValid;               ///< null: always
  Value weightRow;                  ///< of the group's packed weights
};

class ContractEmitter {
public:
  ContractEmitter(GpuEmitter &k, kern::ContractOp op, const Launch &launch);
  void emit();

private:
  void placeBlock();
  ContractRow rowAt(Value row);
  /// `offset` behind the stage that begins at `begin`.
  ContractDepth depthAt(Value begin, Value offset);
  Value sourceAt(Value image, Value h, Value w);
  /// Whether source pixel of `row` at `depth` exists, and its index.
  std::pair<Value, Value> source(const ContractRow &row, const ContractDepth &depth);
  void emitWarpgroups();
  Values emitDirect(llvm::SmallVectorImpl<Fragment> &fragments);
  StagedOperand stagePixels(GpuTile &product);
  StagedOperand stageWeights(GpuTile &product);
  void emitEpilogue(llvm::ArrayRef<Fragment> fragments, int64_t columnsOfThread, int64_t rowGroups,
                    Value rowGroup);
  /// Neighbours of a fragment that are stored together.
  struct Part {
    const Fragment *fragment;
    int64_t first, width;
  };
  /// What a thread has added of its rows.
  struct Sums {
    llvm::SmallVector<Values> values; ///< [term][column]
    Values columns;                   ///< of fragments, by their columnIndex
    Value rowCount;                   ///< of rows that exist
    bool isFirst = true;              ///< the fragment at hand is the first of its columns
  };
  Value columnOf(const Part &part);
  Values storeParts(llvm::ArrayRef<Part> parts, const ContractRow &row, Value p);
  void addParts(llvm::ArrayRef<Part> parts, ValueRange values, const ContractRow &row, Sums &sums);
  void storeSums(llvm::ArrayRef<Values> sums, llvm::ArrayRef<Value> columns, int64_t rowGroups,
                 Value rowGroup);
  void storeMoments(llvm::ArrayRef<Values> moments, llvm::ArrayRef<Value> columns, Value rowCount,
                    int64_t rowGroups, Value rowGroup);
  void storePartial(Value total, int64_t term, Value column);

  GpuEmitter &k;
  kern::ContractOp op;
  const Launch &launch;
  kern::GeometryAttr g;
  kern::GpuScheduleAttr s;
  bool forward, residues, pointwise, direct;
  int64_t inH, inW, inC, outH, outW, outC, groupIn, groupOut, tile, taps;
  FormulaInputs lhs, extra;
  TypedPointer weights, output, partials;
  Value hyper;
  int64_t terms = 0, partialRows = 0; ///< summed by channel; vectors in a row of partials
  // Of this block.
  Value rowTile, firstColumn, group, totalRows, depthEnd;
  Value image, residueH, residueW, firstTapH, firstTapW, tapsW; // with residues
  Value firstRow;
};

} // namespace netc::cuda

#endif // NETC_CODEGEN_CUDA_GPUCONTRACTEMITTER_H
