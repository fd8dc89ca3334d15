//===- Contract.cpp - convolution and linear layers as kernels ------------===//
#include "dialect/kern/ContractShape.h"

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
    return {s.getChunks() * ceilDiv(g.getOc(), s.getChannelBlock()) *
                (g.getIc() / filterGradDepthBlock(g, s)),
            0, 1};
  bool forward = getKind() == ContractKind::Forward;
  int64_t channels = forward ? g.getOc() : g.getIc(), rows = forward ? g.getOh() : g.getIh();
  int64_t columns = forward ? g.getOw() : g.getIw();
  int64_t blocks = ceilDiv(channels, s.getChannelBlock());
  if (s.getFlat())
    return {blocks, rows * columns, s.getStripRows()};
  if (int64_t m = s.getWinograd()) {
    if (PoolingAttr pool = getPoolAttr()) // what no window covers is not computed
      rows -= rows % pool.getKh(), columns -= columns % pool.getKw();
    return {blocks, winogradTiles(g, rows, columns, m).ofImage(), s.getStripRows()};
  }
  return {blocks, ceilDiv(rows, s.getStripRows()), 1};
}

CoverageAttr ContractOp::getCoverage() {
  GeometryAttr g = getGeometry();
  ScheduleAttr s = getSchedule();
  bool forward = getKind() == ContractKind::Forward;
  int64_t height = forward ? g.getOh() : g.getIh(), width = forward ? g.getOw() : g.getIw();
  if (getGpuAttr() || s.getFlat())
    return CoverageAttr::get(getContext(), 1, height * width, 1, 1);
  // Residues of a dilated convolution, whole tiles high, are like images below each other.
  if (int64_t m = s.getWinograd()) {
    int64_t d = g.getDh();
    return CoverageAttr::get(getContext(), height * d, width / d, m, m);
  }
  return CoverageAttr::get(getContext(), height, width, s.getStripRows(), width);
}

int64_t ContractOp::getTerms() {
  if (getOuts().size() < 2)
    return 0;
  return getMoments() ? 1 : shapedType(getOuts()[1]).getDimSize(2);
}

int64_t ContractOp::getFlopsPerImage() {
  GeometryAttr g = getGeometry();
  return 2 * g.getOh() * g.getOw() * g.getOc() * g.getKh() * g.getKw() *
         (g.getIc() / g.getGroups());
}

static LogicalResult verifyPool(ContractOp op, PoolingAttr pool) {
  if (pool.getKind() != PoolKind::Max && pool.getKind() != PoolKind::Average)
    return op.emitOpError() << "expected a max or an average pool but it is "
                            << stringifyPoolKind(pool.getKind());
  if (op.getKind() != ContractKind::Forward || op.getGpuAttr() ||
      !poolsOnStore(op.getGeometry(), op.getSchedule(), pool))
    return op.emitOpError() << "pools on store but its tiles do not hold whole windows";
  if (op.getOuts().size() != 1)
    return op.emitOpError() << "pools on store but also sums by channel";
  GeometryAttr g = op.getGeometry();
  ArrayRef<int64_t> have = shapedType(op.getOuts()[0]).getShape();
  SmallVector<int64_t> want{g.getOh() / pool.getKh(), g.getOw() / pool.getKw(), g.getOc()};
  if (have.drop_front() != ArrayRef(want))
    return op.emitOpError() << "stores images of [" << have.drop_front() << "] but pools to ["
                            << want << "]";
  return success();
}

static LogicalResult verifyMoments(ContractOp op) {
  if (op.getKind() != ContractKind::Forward || op.getOuts().size() != 2)
    return op.emitOpError() << "expected moments of a forward contraction with partial sums";
  if (int64_t have = shapedType(op.getOuts()[1]).getDimSize(2); have != 3)
    return op.emitOpError() << "expected 3 partial sums of moments but there are " << have;
  return success();
}

LogicalResult ContractOp::verify() {
  if (getOuts().empty() || getLhs().empty())
    return emitOpError() << "expected an operand and a destination";
  if (getKind() == ContractKind::FilterGrad ? getRhs().empty() : !getWeights())
    return emitOpError() << "expected "
                         << (getKind() == ContractKind::FilterGrad ? "a right operand"
                                                                   : "packed weights");
  auto checkRegion = [&](Region &region, size_t arguments, StringRef name) -> LogicalResult {
    Block *block = blockOf(region);
    if (block && block->getNumArguments() != arguments)
      return emitOpError() << name << " takes " << block->getNumArguments()
                           << " values but there are " << arguments;
    return success();
  };
  if (failed(checkRegion(getLhsPrologue(), getLhs().size(), "lhs_prologue")) ||
      failed(checkRegion(getRhsPrologue(), getRhs().size(), "rhs_prologue")) ||
      failed(checkRegion(getEpilogue(), getExtra().size() + 1, "epilogue")))
    return failure();
  if (getMoments() && failed(verifyMoments(*this)))
    return failure();
  PoolingAttr pool = getPoolAttr();
  return pool ? verifyPool(*this, pool) : success();
}
