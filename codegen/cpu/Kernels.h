//===- Kernels.h - one emitter a kern op ------------------------*- C++ -*-===//
#ifndef NETC_CODEGEN_CPU_KERNELS_H
#define NETC_CODEGEN_CPU_KERNELS_H

#include "codegen/cpu/KernelEmitter.h"

namespace netc::cpu {

// Each emits the loop over grid items [launch.begin, launch.end).
void emitForward(KernelEmitter &k, kern::ContractOp op, const Launch &launch);
void emitWinograd(KernelEmitter &k, kern::ContractOp op, const Launch &launch);
void emitFilterGrad(KernelEmitter &k, kern::ContractOp op, const Launch &launch);
void emitWinogradFilterGrad(KernelEmitter &k, kern::ContractOp op, const Launch &launch);
void emitPointwise(KernelEmitter &k, kern::PointwiseOp op, const Launch &launch);
void emitReduce(KernelEmitter &k, kern::ReduceOp op, const Launch &launch);
void emitPack(KernelEmitter &k, kern::PackOp op, const Launch &launch);
/// Packs integers that are multiplied several at once.
void emitPackIntegers(KernelEmitter &k, kern::PackOp op, const Launch &launch);
void emitQuantizeFilter(KernelEmitter &k, kern::QuantizeFilterOp op, const Launch &launch);
void emitUnpack(KernelEmitter &k, kern::UnpackOp op, const Launch &launch);
void emitPool(KernelEmitter &k, kern::PoolOp op, const Launch &launch);
void emitPermute(KernelEmitter &k, kern::PermuteOp op, const Launch &launch);
void emitMatmul(KernelEmitter &k, kern::MatmulOp op, const Launch &launch);
void emitAttention(KernelEmitter &k, kern::AttentionOp op, const Launch &launch);
void emitAttentionGrad(KernelEmitter &k, kern::AttentionGradOp op, const Launch &launch);
/// Whether it is a row that goes by vectors: a norm, a mean of groups, an attention's softmax.
bool emitRowNorm(KernelEmitter &k, kern::RowOp op, const Launch &launch);
void emitRow(KernelEmitter &k, kern::RowOp op, const Launch &launch);
void emitMove(KernelEmitter &k, kern::MoveOp op, const Launch &launch);
void emitTranspose(KernelEmitter &k, kern::TransposeOp op, const Launch &launch);
void emitCopy(KernelEmitter &k, kern::CopyOp op, const Launch &launch);
void emitMeanLoss(KernelEmitter &k, kern::MeanLossOp op, const Launch &launch);
void emitLabelShare(KernelEmitter &k, kern::LabelShareOp op, const Launch &launch);
void emitUpdate(KernelEmitter &k, kern::UpdateOp op, const Launch &launch);
void emitSumSquares(KernelEmitter &k, kern::SumSquaresOp op, const Launch &launch);
void emitNorm(KernelEmitter &k, kern::NormOp op, const Launch &launch);

} // namespace netc::cpu

#endif // NETC_CODEGEN_CPU_KERNELS_H
