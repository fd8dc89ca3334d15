//===- Explain.cpp - what became of each layer ----------------------------===//
#include "codegen/Explain.h"

#include "dialect/kern/KernDialect.h"
#include "dialect/kern/Schedule.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/FormatVariadic.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace netc;

namespace {
using Names = llvm::SetVector<StringRef>;

struct Row {
  unsigned line = 0;
  std::string layers, does, how, result;
  int64_t flops = 0, read = 0, written = 0;
};
} // namespace

/// Layer names in a location, outermost first, and the line of the first.
static void collectNames(Location loc, Names &names, unsigned *line = nullptr) {
  loc->walk([&](Location inner) {
    if (auto name = dyn_cast<NameLoc>(inner))
      names.insert(name.getName().getValue());
    if (auto file = dyn_cast<FileLineColLoc>(inner); file && line && *line == 0)
      *line = file.getLine();
    return WalkResult::advance();
  });
}

static Names namesIn(Region &region) {
  Names names;
  region.walk([&](Operation *op) { collectNames(op->getLoc(), names); });
  return names;
}

/// "a, b and c" without what is in `known`.
static std::string listed(const Names &names, const Names &known) {
  std::string text;
  for (StringRef name : names)
    if (!known.contains(name))
      text += (text.empty() ? "" : ", ") + name.str();
  return text;
}

static int64_t bytesAnImage(Value value) {
  auto type = cast<ShapedType>(value.getType());
  if (type.getRank() == 0 || !type.isDynamicDim(0))
    return 0;
  int64_t bytes = type.getElementTypeBitWidth() / 8;
  for (int64_t dim : type.getShape().drop_front())
    bytes *= dim;
  return bytes;
}

static std::string describeGpu(kern::ContractOp op, kern::GpuScheduleAttr gpu) {
  if (gpu.getAlgorithm() == kern::GpuAlgorithm::Direct)
    return "direct, a thread an output";
  StringRef unit = gpu.getAlgorithm() == kern::GpuAlgorithm::Mma ? "tf32 tensor cores" : "f32 multiply-adds";
  std::string text = llvm::formatv("implicit GEMM, {0}, {1}x{2} tile, {3} threads", unit, gpu.getRows(), gpu.getColumns(),
                                   gpu.getThreads());
  if (op.getKind() == kern::ContractKind::FilterGrad)
    text += llvm::formatv(", {0} chunks", op.getSchedule().getChunks());
  return text;
}

static std::string describeContract(kern::ContractOp op) {
  if (kern::GpuScheduleAttr gpu = op.getGpuAttr())
    return describeGpu(op, gpu);
  kern::ScheduleAttr s = op.getSchedule();
  std::string tile = llvm::formatv("{0}x{1} tile", s.getTilePixels(), s.getTileVectors() * s.getLanes());
  if (kern::isLanewise(op.getGeometry(), s.getLanes()))
    return "direct, lane by lane, " + tile;
  if (int64_t m = s.getWinograd(); m && op.getKind() == kern::ContractKind::FilterGrad)
    return llvm::formatv("Winograd F({0}x{0}, 3x3), {1}, {2} tiles at a time, {3} chunks", m, tile, s.getStripRows(), s.getChunks());
  if (op.getKind() == kern::ContractKind::FilterGrad)
    return llvm::formatv("outer products, {0}, {1} chunks", tile, s.getChunks());
  if (int64_t m = s.getWinograd())
    return llvm::formatv("Winograd F({0}x{0}, 3x3), {1}, {2} tiles at a time", m, tile, s.getStripRows());
  if (s.getFlat())
    return "matrix product, " + tile;
  return llvm::formatv("direct, {0}, strips of {1} rows", tile, s.getStripRows());
}

/// What the launch is to its layer, and how it computes.
static std::pair<std::string, std::string> describe(Operation *op) {
  using Pair = std::pair<std::string, std::string>;
  return llvm::TypeSwitch<Operation *, Pair>(op)
      .Case([](kern::ContractOp c) { return Pair(stringifyContractKind(c.getKind()).str(), describeContract(c)); })
      .Case([](kern::PoolOp p) { return Pair("pool " + stringifyPoolKind(p.getKind()).str(), "by rows, channels last"); })
      .Case([](kern::RowOp r) { return Pair(stringifyRowKind(r.getKind()).str(), "by pixels"); })
      .Case([](kern::PointwiseOp p) {
        return Pair(p.getStores() ? "pointwise" : "channel sums", "by vectors of channels");
      })
      .Case([](kern::ReduceOp) { return Pair("per channel", "in f64, fixed order"); })
      .Default([](Operation *other) { return Pair(other->getName().stripDialect().str(), ""); });
}

/// The space behind a view, and the defining op.
static kern::BufferOp bufferOf(Value value) {
  while (auto reshape = value.getDefiningOp<kern::ReshapeOp>())
    value = reshape.getSource();
  return value.getDefiningOp<kern::BufferOp>();
}

/// Whether another schedule than the rule's was found faster on the machine that compiled.
static bool isTuned(kern::ContractOp op) {
  auto module = op->getParentOfType<ModuleOp>();
  if (!module->hasAttr("kern.choices") || op.getGpuAttr())
    return false;
  kern::TargetFacts facts = kern::cpuFacts(op.getSchedule().getLanes(), op.getSchedule().getLanes() >= 16 ? 32 : 16);
  facts.batch = kern::likelyBatch(op->getParentOfType<func::FuncOp>().getName());
  return op.getSchedule() != kern::scheduleContraction(op.getKind(), op.getGeometry(), facts);
}

static Row rowOf(kern::KernelOpInterface launch) {
  Row row;
  Names own;
  collectNames(launch->getLoc(), own, &row.line);
  auto dps = cast<DestinationStyleOpInterface>(launch.getOperation());
  for (OpOperand &operand : launch->getOpOperands())
    (dps.isDpsInit(&operand) ? row.written : row.read) += bytesAnImage(operand.get());
  row.flops = launch.getFlopsPerImage();
  std::tie(row.does, row.how) = describe(launch);
  row.layers = listed(own, {});
  if (auto contract = dyn_cast<kern::ContractOp>(launch.getOperation())) {
    if (isTuned(contract))
      row.how += ", tuned";
    Names prologue = namesIn(contract.getLhsPrologue());
    prologue.insert_range(namesIn(contract.getRhsPrologue()));
    if (std::string loaded = listed(prologue, own); !loaded.empty())
      row.how += "; on load: " + loaded;
    std::string more = listed(namesIn(contract.getEpilogue()), own);
    if (!more.empty())
      row.how += "; on store: " + more;
    if (contract.getOuts().size() > 1)
      row.how += "; sums by channel";
  }
  return row;
}

/// Launches before the loss are forward; what they store and a later launch reads is kept.
static void markKept(func::FuncOp function, std::vector<Row> &rows) {
  DenseMap<Operation *, size_t> writer;
  size_t index = 0, loss = 0;
  std::vector<bool> kept;
  for (auto launch : function.getBody().front().getOps<kern::KernelOpInterface>()) {
    auto dps = cast<DestinationStyleOpInterface>(launch.getOperation());
    for (OpOperand &operand : launch->getOpOperands()) {
      kern::BufferOp buffer = bufferOf(operand.get());
      if (!buffer || buffer.getSpace() != kern::Space::ArenaImage)
        continue;
      if (dps.isDpsInit(&operand))
        writer[buffer] = index;
      else if (auto it = writer.find(buffer); loss && it != writer.end() && it->second < loss)
        rows[it->second].result = "kept for backward";
    }
    if (isa<kern::MeanLossOp>(launch.getOperation()))
      loss = index;
    ++index;
  }
}

static std::string padded(std::string text, size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

static std::string table(func::FuncOp function) {
  std::vector<Row> rows;
  for (auto launch : function.getBody().front().getOps<kern::KernelOpInterface>())
    rows.push_back(rowOf(launch));
  if (function.getName() == "step")
    markKept(function, rows);
  size_t width = 8;
  for (const Row &row : rows)
    width = std::max(width, std::min<size_t>(row.layers.size(), 48));
  std::string text;
  llvm::raw_string_ostream out(text);
  auto attr = [&](StringRef name) { return function->getAttrOfType<IntegerAttr>(name).getInt(); };
  out << llvm::formatv("\n{0}: {1} launches, arena {2:f1} KiB an image + {3:f1} KiB\n", function.getName(), rows.size(),
                       attr("arena_bytes_per_image") / 1024.0, attr("arena_bytes_fixed") / 1024.0);
  out << "  line  " << padded("layers", width) << "  " << padded("computes", 18)
      << "     MFLOP  KiB read  KiB written  how\n";
  int64_t flops = 0, read = 0, written = 0;
  for (const Row &row : rows) {
    out << llvm::formatv("{0,6}  {1}  {2}{3,10:f3}{4,10:f1}{5,13:f1}  {6}{7}\n", row.line,
                         padded(row.layers, width), padded(row.does, 18), row.flops / 1e6,
                         row.read / 1024.0, row.written / 1024.0, row.how,
                         row.result.empty() ? "" : "; " + row.result);
    flops += row.flops, read += row.read, written += row.written;
  }
  out << llvm::formatv("{0,6}  {1}  {2}{3,10:f3}{4,10:f1}{5,13:f1}\n", "", padded("in all, an image", width),
                       padded("", 18), flops / 1e6, read / 1024.0, written / 1024.0);
  return text;
}

std::string netc::explain(ModuleOp module) {
  std::string text = "Images lie channels last ([N, H, W, C]); KiB are of activations, an image. Layers named \"on load\" are\n"
                     "computed while the operand is read and never stored; those listed together share one kernel.\n";
  if (auto choices = module->getAttrOfType<ArrayAttr>("kern.choices"))
    text += llvm::formatv("Schedules of {0} contractions were timed on this machine (--tune); \"tuned\": not the rule's choice.\n",
                          choices.size());
  for (StringRef name : {"prepare", "infer", "step"})
    if (auto function = module.lookupSymbol<func::FuncOp>(name))
      text += table(function);
  return text;
}
