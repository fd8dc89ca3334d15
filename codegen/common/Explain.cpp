//===- Explain.cpp - what became of each layer ----------------------------===//
#include "codegen/common/Explain.h"

#include "dialect/kern/KernDialect.h"
#include "dialect/net/NetDialect.h"
#include "dialect/schedule/cpu/Schedule.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace netc;

namespace {
/// A line of a model file.
struct Place {
  StringRef file;
  unsigned line = 0;
};

struct Row {
  Place place;
  StringAttr title;               ///< the layer that the launch is called after
  StringAttr result;              ///< the one whose value it stores
  LayerNames own, loaded, stored; ///< layers of the launch; computed on load; computed on store
  LayerNames recomputed;          ///< those of `loaded` that the forward pass computed already
  bool rearranges = false;        ///< packs, unpacks or transposes only
  bool kept = false;              ///< a later launch of the backward pass reads what it stores
  std::string does, how;
  int64_t flops = 0, read = 0, written = 0;
  std::string scale; ///< of an activation stored as integers: their type and its name
};

/// Where the model file has each layer.
using Places = DenseMap<StringAttr, Place>;

/// Where the step computes one layer, and what the backward pass has of it.
struct Fate {
  llvm::SmallVector<std::string, 2> forward;
  std::string backward;
};
} // namespace

static Places placesOf(ModuleOp module) {
  Places places;
  if (auto layers = module->getAttrOfType<ArrayAttr>("net.layers"))
    for (auto layer : layers.getAsRange<DictionaryAttr>()) {
      auto file = layer.getAs<StringAttr>("file");
      auto line = layer.getAs<IntegerAttr>("line");
      if (file && line)
        places[layer.getAs<StringAttr>("name")] = {file.getValue(),
                                                   static_cast<unsigned>(line.getInt())};
    }
  return places;
}

/// "a, b and c" without what is in `known`.
static std::string listed(const LayerNames &names, const LayerNames &known) {
  std::string text;
  for (StringAttr name : names)
    if (!known.contains(name))
      text += (text.empty() ? "" : ", ") + name.str();
  return text;
}

static int64_t bytesAnImage(Value value) {
  auto type = cast<ShapedType>(value.getType());
  if (type.getRank() == 0 || !type.isDynamicDim(0))
    return 0;
  return kern::storageBytes(type);
}

/// "tf32 tensor cores, 64x64 tile, 128 threads".
static std::string describeTile(kern::GpuScheduleAttr gpu) {
  StringRef unit = gpu.getAlgorithm() == kern::GpuAlgorithm::MmaBf16   ? "bf16 tensor cores"
                   : gpu.getAlgorithm() == kern::GpuAlgorithm::MmaTf32 ? "tf32 tensor cores"
                                                                       : "f32 multiply-adds";
  return llvm::formatv("{0}, {1}x{2} tile, {3} threads", unit, gpu.getRows(), gpu.getColumns(),
                       gpu.getThreads());
}

static std::string describeGpu(kern::ContractOp op, kern::GpuScheduleAttr gpu) {
  if (gpu.getAlgorithm() == kern::GpuAlgorithm::Direct)
    return "direct, a thread an output";
  std::string text = "implicit GEMM, " + describeTile(gpu);
  if (op.getKind() == kern::ContractKind::FilterGrad)
    text += llvm::formatv(", {0} chunks", op.getSchedule().getChunks());
  return text;
}

static std::string describePool(kern::PoolingAttr pool) {
  StringRef kind = pool.getKind() == kern::PoolKind::Max ? "max" : "average";
  return llvm::formatv("; on store: {0} pool {1}x{2}", kind, pool.getKh(), pool.getKw());
}

/// "bf16", "i8": what MLIR calls it.
static std::string storageName(Type type) {
  std::string name;
  llvm::raw_string_ostream(name) << type;
  return name;
}

static std::string describeContract(kern::ContractOp op) {
  if (kern::GpuScheduleAttr gpu = op.getGpuAttr())
    return describeGpu(op, gpu);
  kern::ScheduleAttr s = op.getSchedule();
  std::string tile =
      llvm::formatv("{0}x{1} tile", s.getTilePixels(), s.getTileVectors() * s.getLanes());
  if (kern::isLanewise(op.getGeometry(), s.getLanes()))
    return "direct, lane by lane, " + tile;
  if (int64_t m = s.getWinograd(); m && op.getKind() == kern::ContractKind::FilterGrad)
    return llvm::formatv("Winograd F({0}x{0}, 3x3), {1}, {2} tiles at a time, {3} chunks", m, tile,
                         s.getStripRows(), s.getChunks());
  if (op.getKind() == kern::ContractKind::FilterGrad)
    return llvm::formatv("outer products, {0}, {1} chunks", tile, s.getChunks());
  if (int64_t m = s.getWinograd())
    return llvm::formatv("Winograd F({0}x{0}, 3x3), {1}, {2} tiles at a time", m, tile,
                         s.getStripRows());
  if (Type weights = op.getWeights() ? kern::shapedType(op.getWeights()).getElementType() : Type();
      weights && !weights.isF32())
    tile = "products of " + storageName(weights) + ", " + tile;
  if (s.getFlat())
    return "matrix product, " + tile;
  return llvm::formatv("direct, {0}, strips of {1} rows", tile, s.getStripRows());
}

/// An attention by tiles of scores.
static std::string inBlocks(kern::GpuScheduleAttr gpu) {
  std::string tile = gpu ? ", " + describeTile(gpu) : "";
  return "in blocks, scores not stored" + tile;
}

/// What the launch is to its layer, and how it computes.
static std::pair<std::string, std::string> describe(Operation *op) {
  using Pair = std::pair<std::string, std::string>;
  return llvm::TypeSwitch<Operation *, Pair>(op)
      .Case([](kern::ContractOp c) {
        return Pair(stringifyContractKind(c.getKind()).str(), describeContract(c));
      })
      .Case([](kern::PoolOp p) {
        return Pair("pool " + stringifyPoolKind(p.getKind()).str(), "by rows, channels last");
      })
      .Case([](kern::RowOp r) { return Pair(stringifyRowKind(r.getKind()).str(), "by pixels"); })
      .Case([](kern::PointwiseOp p) {
        return Pair(p.getStores() ? "pointwise" : "channel sums", "by vectors of channels");
      })
      .Case([](kern::ReduceOp) { return Pair("per channel", "in f64, fixed order"); })
      .Case([](kern::MatmulOp m) {
        return Pair("matmul", m.getGpuAttr() ? describeTile(m.getGpuAttr()) : "by blocks of rows");
      })
      .Case([](kern::AttentionOp a) { return Pair("attention", inBlocks(a.getGpuAttr())); })
      .Case([](kern::AttentionGradOp a) {
        return Pair(a.getOfKeys() ? "attention's keys and values" : "attention's queries",
                    inBlocks(a.getGpuAttr()));
      })
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
  int64_t lanes = op.getSchedule().getLanes();
  kern::TargetFacts facts = kern::cpuFacts(lanes, target::levelOfLanes(lanes).registers);
  facts.batch =
      kern::likelyBatch(net::roleOf(op->getParentOfType<func::FuncOp>()) == net::Role::Infer);
  return op.getSchedule() != kern::scheduleContraction(op.getKind(), op.getGeometry(), facts);
}

static Row rowOf(kern::KernelOpInterface launch, const Places &places) {
  Row row;
  row.own = layersOf(launch);
  row.loaded = layersOf(launch, kLoaded);
  row.stored = layersOf(launch, kStored);
  if (!row.own.empty()) {
    row.title = row.own.front();
    row.result = row.own.back();
    row.place = places.lookup(row.title);
  }
  auto dps = cast<DestinationStyleOpInterface>(launch.getOperation());
  for (OpOperand &operand : launch->getOpOperands())
    (dps.isDpsInit(&operand) ? row.written : row.read) += bytesAnImage(operand.get());
  if (auto name = launch->getAttrOfType<StringAttr>(kObserved); name && !name.empty())
    if (Type type = kern::shapedType(dps.getDpsInits()[0]).getElementType(); type.isInteger())
      row.scale = storageName(type) + ", " + name.str() + net::kActivationScale.str();
  row.flops = launch.getFlopsPerImage();
  row.rearranges = isa<kern::PackOp, kern::UnpackOp, kern::TransposeOp>(launch.getOperation());
  std::tie(row.does, row.how) = describe(launch);
  if (auto contract = dyn_cast<kern::ContractOp>(launch.getOperation())) {
    if (isTuned(contract))
      row.how += ", tuned";
    // The left operand of a weight gradient is the layer's input.
    if (contract.getKind() == kern::ContractKind::FilterGrad)
      row.recomputed = row.loaded;
    row.loaded.insert_range(layersOf(launch, kLoadedRight));
    if (kern::PoolingAttr pool = contract.getPoolAttr())
      row.how += describePool(pool);
    if (contract.getOuts().size() > 1)
      row.how += "; sums by channel";
    return row;
  }
  if (auto pool = dyn_cast<kern::PoolOp>(launch.getOperation())) {
    if (pool.getKind() == kern::PoolKind::MaxGrad)
      row.recomputed = row.loaded;
    return row;
  }
  // What a sweep computes on the way to its result stands before it.
  LayerNames all = std::exchange(row.loaded, {});
  all.insert_range(row.own);
  row.own = std::move(all);
  return row;
}

/// Launches up to the loss, `loss` of them, are forward; what they store and a later one reads is
/// kept.
static void markKept(func::FuncOp function, std::vector<Row> &rows, size_t loss) {
  DenseMap<Operation *, size_t> writer;
  size_t index = 0;
  for (auto launch : function.getBody().front().getOps<kern::KernelOpInterface>()) {
    auto dps = cast<DestinationStyleOpInterface>(launch.getOperation());
    for (OpOperand &operand : launch->getOpOperands()) {
      kern::BufferOp buffer = bufferOf(operand.get());
      if (!buffer || buffer.getSpace() != kern::Space::ArenaImage)
        continue;
      if (dps.isDpsInit(&operand))
        writer[buffer] = index;
      else if (auto it = writer.find(buffer);
               index >= loss && it != writer.end() && it->second < loss)
        rows[it->second].kept = true;
    }
    ++index;
  }
}

/// How many launches the forward pass of the step has: those before the loss.
static size_t countForward(func::FuncOp function) {
  size_t index = 0;
  for (auto launch : function.getBody().front().getOps<kern::KernelOpInterface>()) {
    if (isa<kern::MeanLossOp>(launch.getOperation()))
      return index;
    ++index;
  }
  return index;
}

static std::string padded(std::string text, size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

/// The algorithm and what rides along.
static std::string howText(const Row &row) {
  std::string text = row.how;
  auto add = [&](const llvm::Twine &more) { text += (text.empty() ? "" : "; ") + more.str(); };
  if (std::string names = listed(row.loaded, row.own); !names.empty())
    add("on load: " + names);
  if (std::string names = listed(row.stored, row.own); !names.empty())
    add("on store: " + names);
  if (!row.scale.empty())
    add("stored as " + row.scale);
  if (row.kept)
    add("kept for backward");
  return text;
}

namespace {
/// What the tables share: lines are told without their file where there is only one.
class Tables {
public:
  Tables(ModuleOp module, const std::function<std::string(Operation *)> &more)
      : module(module), more(more), places(placesOf(module)) {}
  std::string run();

private:
  std::string launches(func::FuncOp function, const std::vector<Row> &rows);
  std::string layers(const std::vector<Row> &rows, size_t loss);
  std::string lineText(Place place) const {
    if (place.line == 0)
      return "";
    return (severalFiles ? llvm::sys::path::filename(place.file).str() + ":" : "") +
           std::to_string(place.line);
  }
  size_t lineWidth() const;

  ModuleOp module;
  const std::function<std::string(Operation *)> &more;
  const Places places;
  bool severalFiles = false;
};
} // namespace

size_t Tables::lineWidth() const {
  size_t width = 6;
  for (const auto &[name, place] : places)
    width = std::max(width, lineText(place).size());
  return width;
}

static std::string rightAligned(const std::string &text, size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

/// How often memory is passed over, in units of what the convolutions yield in the forward pass,
/// before any pool.
static std::string passes(func::FuncOp function, int64_t bytes) {
  int64_t outputs = 0;
  function.walk([&](kern::ContractOp op) {
    kern::GeometryAttr g = op.getGeometry();
    if (op.getKind() == kern::ContractKind::Forward &&
        kern::shapedType(op.getOuts()[0]).getRank() == 4)
      outputs += kern::elementBytes(kern::shapedType(op.getOuts()[0]).getElementType()) *
                 g.getOh() * g.getOw() * g.getOc();
  });
  return outputs ? llvm::formatv("{0:f2} passes over the convolutions' outputs",
                                 static_cast<double>(bytes) / outputs)
                       .str()
                 : "";
}

/// By the index of its first launch, what is said of a section of several.
static llvm::DenseMap<size_t, std::string> sectionTexts(func::FuncOp function) {
  llvm::DenseMap<size_t, std::string> texts;
  auto sections = function->getAttrOfType<ArrayAttr>("sections");
  if (!sections)
    return texts;
  size_t first = 0;
  for (kern::SectionAttr section : sections.getAsRange<kern::SectionAttr>()) {
    texts[first] = llvm::formatv("- {0} launches that a group of images passes together: {1:f1} "
                                 "KiB an image, {2:f1} KiB of weights\n",
                                 section.getLaunches(), section.getLiveBytes() / 1024.0,
                                 section.getWeightBytes() / 1024.0);
    first += static_cast<size_t>(section.getLaunches());
  }
  return texts;
}

std::string Tables::launches(func::FuncOp function, const std::vector<Row> &rows) {
  size_t width = 8;
  for (const Row &row : rows)
    width = std::max(width, std::min<size_t>(listed(row.own, {}).size(), 48));
  std::string text;
  llvm::raw_string_ostream out(text);
  auto attr = [&](StringRef name) { return function->getAttrOfType<IntegerAttr>(name).getInt(); };
  out << llvm::formatv("\n{0}: {1} launches, arena {2:f1} KiB an image + {3:f1} KiB\n",
                       function.getName(), rows.size(), attr("arena_bytes_per_image") / 1024.0,
                       attr("arena_bytes_fixed") / 1024.0);
  out << rightAligned("line", lineWidth()) << "  " << padded("layers", width) << "  "
      << padded("computes", 18) << "     MFLOP  KiB read  KiB written  how\n";
  int64_t flops = 0, read = 0, written = 0;
  auto print = [&](const std::string &line, const std::string &layers, const std::string &does,
                   int64_t f, int64_t r, int64_t w, const std::string &how) {
    std::string row = llvm::formatv("{0}  {1}  {2}{3,10:f3}{4,10:f1}{5,13:f1}  {6}",
                                    rightAligned(line, lineWidth()), padded(layers, width),
                                    padded(does, 18), f / 1e6, r / 1024.0, w / 1024.0, how);
    out << StringRef(row).rtrim() << "\n";
  };
  llvm::DenseMap<size_t, std::string> above = sectionTexts(function);
  for (auto [index, row] : llvm::enumerate(rows)) {
    out << above.lookup(index);
    print(lineText(row.place), listed(row.own, {}), row.does, row.flops, row.read, row.written,
          howText(row));
    flops += row.flops, read += row.read, written += row.written;
  }
  print("", "in all, an image", "", flops, read, written, passes(function, read + written));
  return text;
}

static void addOnce(llvm::SmallVectorImpl<std::string> &texts, std::string text) {
  if (!llvm::is_contained(texts, text))
    texts.push_back(std::move(text));
}

/// Each layer: in which launch the forward pass computes it, and whether its value is there again
/// in the backward pass because it was saved or because it is computed anew.
std::string Tables::layers(const std::vector<Row> &rows, size_t loss) {
  llvm::MapVector<StringAttr, Fate> fates;
  for (auto [index, row] : llvm::enumerate(rows)) {
    if (row.own.empty() || row.rearranges)
      continue;
    if (index >= loss) {
      for (StringAttr name : row.recomputed)
        if (auto it = fates.find(name); it != fates.end() && it->second.backward.empty())
          it->second.backward =
              llvm::formatv("recomputed on load of {0} {1}", row.title.getValue(), row.does);
      continue;
    }
    for (StringAttr name : row.loaded)
      if (!row.own.contains(name))
        addOnce(fates[name].forward, ("on load of " + row.title.getValue()).str());
    for (StringAttr name : row.own)
      addOnce(fates[name].forward,
              name == row.title ? row.does : ("with " + row.title.getValue()).str());
    for (StringAttr name : row.stored)
      if (!row.own.contains(name))
        addOnce(fates[name].forward, ("on store of " + row.title.getValue()).str());
    if (row.kept && fates[row.result].backward.empty())
      fates[row.result].backward = llvm::formatv("saved, {0:f1} KiB", row.written / 1024.0);
  }
  size_t width = 6, forward = 12;
  auto joined = [](const Fate &fate) { return llvm::join(fate.forward, "; "); };
  for (const auto &[name, fate] : fates) {
    width = std::max(width, std::min<size_t>(name.size(), 48));
    forward = std::max(forward, std::min<size_t>(joined(fate).size(), 60));
  }
  std::string text = "\nlayers in step:\n" + rightAligned("line", lineWidth()) + "  " +
                     padded("layer", width) + "  " + padded("forward pass", forward) +
                     "  for the backward pass\n";
  for (const auto &[name, fate] : fates)
    text += rightAligned(lineText(places.lookup(name)), lineWidth()) + "  " +
            padded(name.str(), width) + "  " + padded(joined(fate), forward) + "  " +
            (fate.backward.empty() ? "not needed" : fate.backward) + "\n";
  return text;
}

std::string Tables::run() {
  struct Program {
    func::FuncOp function;
    std::vector<Row> rows;
    size_t forward = 0; ///< launches before the loss
  };
  std::vector<Program> programs;
  for (net::Role role : {net::Role::Prepare, net::Role::Infer, net::Role::Step})
    if (auto function = net::functionOf(module, role)) {
      Program &program = programs.emplace_back(Program{function, {}, 0});
      for (auto launch : function.getBody().front().getOps<kern::KernelOpInterface>()) {
        Row &row = program.rows.emplace_back(rowOf(launch, places));
        row.how += more(launch);
      }
      if (role != net::Role::Step)
        continue;
      program.forward = countForward(function);
      markKept(function, program.rows, program.forward);
    }
  llvm::SetVector<StringRef> files;
  for (const auto &[name, place] : places)
    files.insert(place.file);
  severalFiles = files.size() > 1;
  std::string text = "Activations lie channels last ([N, H, W, C]), filters packed by tiles; KiB "
                     "are of activations, an image.\n"
                     "Layers named \"on load\" are computed while the operand is read, \"on "
                     "store\" before the result is\n"
                     "written, and never stored themselves; those listed together, or \"with\" "
                     "another, share its launch.\n"
                     "Inference passes as many images together as fit most of the last cache, "
                     "launch by launch of a section.\n";
  auto precision = module->getAttrOfType<StringAttr>("net.precision");
  if (precision && precision.getValue() == "bf16")
    text += "Activations and their gradients are stored as bf16, inputs, outputs and parameters as "
            "f32; sums are f32.\n";
  if (precision && precision.getValue() == "int8")
    text += "Activations are stored as bytes, ui8 or si8, times the scale that is named; sums of "
            "their products are i32.\n";
  if (files.size() == 1)
    text += "Lines are of " + files.front().str() + ".\n";
  if (auto choices = module->getAttrOfType<ArrayAttr>("kern.choices"))
    text += llvm::formatv("Schedules of {0} contractions were timed on this machine (--tune); "
                          "\"tuned\": not the rule's choice.\n",
                          choices.size());
  for (const Program &program : programs) {
    text += launches(program.function, program.rows);
    if (program.forward)
      text += layers(program.rows, program.forward);
  }
  return text;
}

std::string netc::explain(ModuleOp module, const std::function<std::string(Operation *)> &more) {
  std::function<std::string(Operation *)> nothing = [](Operation *) { return std::string(); };
  return Tables(module, more ? more : nothing).run();
}
