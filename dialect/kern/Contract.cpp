//===- Contract.cpp - convolution and linear layers as kernels ------------===//
#include "dialect/kern/GpuSchedule.h"
#include "dialect/kern/Schedule.h"

using namespace mlir;
using namespace netc::kern;

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Flat contractions see the images as one list of rows, the others a strip of rows an item.
Grid ContractOp::getGrid() {
  GeometryAttr g = getGeometry();
  ScheduleAttr s = getSchedule();
  if (GpuScheduleAttr gpu = getGpuAttr())
    return gpuGrid(getKind(), g, s, gpu);
  if (getKind() == ContractKind::FilterGrad)
    return {s.getChunks() * ceilDiv(g.getOc(), s.getChannelBlock()) * (g.getIc() / filterGradDepthBlock(g, s)), 0, 1};
  bool forward = getKind() == ContractKind::Forward;
  int64_t channels = forward ? g.getOc() : g.getIc(), rows = forward ? g.getOh() : g.getIh();
  int64_t columns = forward ? g.getOw() : g.getIw();
  int64_t blocks = ceilDiv(channels, s.getChannelBlock());
  if (s.getFlat())
    return {blocks, rows * columns, s.getStripRows()};
  if (int64_t m = s.getWinograd())
    return {blocks, ceilDiv(rows, m) * ceilDiv(columns, m), s.getStripRows()};
  return {blocks, ceilDiv(rows, s.getStripRows()), 1};
}

int64_t ContractOp::getFlopsPerImage() {
  GeometryAttr g = getGeometry();
  return 2 * g.getOh() * g.getOw() * g.getOc() * g.getKh() * g.getKw() * (g.getIc() / g.getGroups());
}

LogicalResult ContractOp::verify() {
  if (getOuts().empty() || getLhs().empty())
    return emitOpError() << "expected an operand and a destination";
  if (getKind() == ContractKind::FilterGrad ? getRhs().empty() : !getWeights())
    return emitOpError() << "expected "
                         << (getKind() == ContractKind::FilterGrad ? "a right operand" : "packed weights");
  auto checkRegion = [&](Region &region, size_t arguments, StringRef name) -> LogicalResult {
    Block *block = blockOf(region);
    if (block && block->getNumArguments() != arguments)
      return emitOpError() << name << " takes " << block->getNumArguments() << " values but there are " << arguments;
    return success();
  };
  if (failed(checkRegion(getLhsPrologue(), getLhs().size(), "lhs_prologue")) ||
      failed(checkRegion(getRhsPrologue(), getRhs().size(), "rhs_prologue")) ||
      failed(checkRegion(getEpilogue(), getExtra().size() + 1, "epilogue")))
    return failure();
  return success();
}
