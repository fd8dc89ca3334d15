//===- GpuKernels.h - one emitter a kern op ---------------------*- C++ -*-===//
#ifndef NETC_CODEGEN_CUDA_GPUKERNELS_H
#define NETC_CODEGEN_CUDA_GPUKERNELS_H

#include "codegen/cuda/GpuEmitter.h"

namespace netc::cuda {

// Each emits what one thread does, and sets the emitter's threads and grid.
void emitContract(GpuEmitter &k, kern::ContractOp op, const Launch &launch);
void emitFilterGrad(GpuEmitter &k, kern::ContractOp op, const Launch &launch);
void emitPointwise(GpuEmitter &k, kern::PointwiseOp op, const Launch &launch);
void emitReduce(GpuEmitter &k, kern::ReduceOp op, const Launch &launch);
void emitPack(GpuEmitter &k, kern::PackOp op, const Launch &launch);
void emitUnpack(GpuEmitter &k, kern::UnpackOp op, const Launch &launch);
void emitPool(GpuEmitter &k, kern::PoolOp op, const Launch &launch);
void emitPermute(GpuEmitter &k, kern::PermuteOp op, const Launch &launch);
void emitMatmul(GpuEmitter &k, kern::MatmulOp op, const Launch &launch);
void emitAttention(GpuEmitter &k, kern::AttentionOp op, const Launch &launch);
void emitAttentionGrad(GpuEmitter &k, kern::AttentionGradOp op, const Launch &launch);
void emitRow(GpuEmitter &k, kern::RowOp op, const Launch &launch);
void emitMove(GpuEmitter &k, kern::MoveOp op, const Launch &launch);
void emitTranspose(GpuEmitter &k, kern::TransposeOp op, const Launch &launch);
void emitCopy(GpuEmitter &k, kern::CopyOp op, const Launch &launch);
void emitMeanLoss(GpuEmitter &k, kern::MeanLossOp op, const Launch &launch);
void emitLabelShare(GpuEmitter &k, kern::LabelShareOp op, const Launch &launch);
void emitUpdate(GpuEmitter &k, kern::UpdateOp op, const Launch &launch);
void emitSumSquares(GpuEmitter &k, kern::SumSquaresOp op, const Launch &launch);
void emitNorm(GpuEmitter &k, kern::NormOp op, const Launch &launch);

/// One thread an item: calls body(item) for items below `perImage` times the batch (or below
/// `fixed` where perImage is 0) and sets the grid.
void forEachItem(GpuEmitter &k, const Launch &launch, int64_t perImage, int64_t fixed,
                 llvm::function_ref<void(Value)> body);

/// Widest access that `channels` allows: 4 floats or one.
inline int64_t chunkWidth(int64_t channels, int64_t most = 4) {
  return channels % most == 0 ? most : channels % 4 == 0 ? 4 : 1;
}

} // namespace netc::cuda

#endif // NETC_CODEGEN_CUDA_GPUKERNELS_H
