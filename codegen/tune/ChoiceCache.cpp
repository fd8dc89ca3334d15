//===- ChoiceCache.cpp - schedules that were timed before -----------------===//
#include "codegen/tune/ChoiceCache.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>

using namespace mlir;
using namespace netc;
using namespace netc::tune;

/// Counts up whenever kernels or candidates change, so that old timings are not believed.
static constexpr int64_t kVersion = 1;

Attribute ChoiceCache::keyOf(kern::ContractKind kind, int64_t batch, kern::GeometryAttr geometry) {
  Builder b(geometry.getContext());
  return b.getArrayAttr(
      {b.getI64IntegerAttr(static_cast<int64_t>(kind)), b.getI64IntegerAttr(batch), geometry});
}

void ChoiceCache::warn(const llvm::Twine &what) const {
  emitWarning(UnknownLoc::get(context)) << file << ": " << what;
}

/// What is written here nests five deep. A file that goes far beyond would overrun the stack of a
/// parser.
static bool nestsTooDeep(StringRef text) {
  constexpr int kMost = 16;
  int depth = 0;
  for (char c : text) {
    if (StringRef("[{(<").contains(c) && ++depth > kMost)
      return true;
    if (StringRef("]})>").contains(c))
      depth = std::max(depth - 1, 0);
  }
  return false;
}

ChoiceCache::ChoiceCache(MLIRContext *context, std::string file)
    : context(context), file(std::move(file)) {
  if (this->file.empty() || !llvm::sys::fs::exists(this->file))
    return;
  std::string problem;
  entries = read(problem);
  for (const auto &[key, choice] : entries)
    readAtFirst.insert(key);
  if (!problem.empty())
    warn(problem);
}

ChoiceCache::Entries ChoiceCache::read(std::string &problem) const {
  Entries result;
  auto buffer = llvm::MemoryBuffer::getFile(file, /*IsText=*/true);
  if (!buffer) {
    problem = "cannot read the timed schedules: " + buffer.getError().message();
    return result;
  }
  StringRef text = (*buffer)->getBuffer();
  llvm::Expected<llvm::json::Value> parsed = llvm::json::parse(nestsTooDeep(text) ? "" : text);
  llvm::json::Object *root = parsed ? parsed->getAsObject() : nullptr;
  llvm::json::Array *list = root ? root->getArray("choices") : nullptr;
  if (!parsed)
    llvm::consumeError(parsed.takeError());
  if (!list) {
    problem = "holds no timed schedules; they are timed anew";
    return result;
  }
  if (root->getInteger("version") != kVersion)
    return result;
  ScopedDiagnosticHandler quiet(context, [](Diagnostic &) { return success(); });
  for (const llvm::json::Value &item : *list)
    if (auto string = item.getAsString())
      if (auto choice = dyn_cast_or_null<kern::ChoiceAttr>(parseAttribute(*string, context)))
        result[keyOf(choice.getKind(), choice.getBatch(), choice.getGeometry())] = choice;
  return result;
}

void ChoiceCache::add(kern::ContractKind kind, int64_t batch, kern::GeometryAttr geometry,
                      kern::ScheduleAttr schedule) {
  entries[keyOf(kind, batch, geometry)] =
      kern::ChoiceAttr::get(context, kind, batch, geometry, schedule);
}

ArrayAttr ChoiceCache::choices() const {
  SmallVector<Attribute> all;
  for (const auto &[key, choice] : entries)
    all.push_back(choice);
  return ArrayAttr::get(context, all);
}

void ChoiceCache::save() {
  if (file.empty() || !isWritable)
    return;
  // Another netc may have written since.
  Entries all = entries;
  std::string ignored;
  for (const auto &[key, choice] : read(ignored))
    if (!readAtFirst.contains(key))
      all.insert({key, choice});
  llvm::json::Array list;
  for (const auto &[key, choice] : all) {
    std::string text;
    llvm::raw_string_ostream out(text);
    Attribute(choice).print(out);
    list.push_back(text);
  }
  llvm::json::Value root = llvm::json::Object{{"version", kVersion}, {"choices", std::move(list)}};
  auto giveUp = [&](const std::string &why) {
    warn("cannot keep the timed schedules: " + why);
    isWritable = false;
  };
  if (std::error_code error = llvm::sys::fs::create_directories(llvm::sys::path::parent_path(file)))
    return giveUp(error.message());
  // Beside its place, then renamed: another netc may be reading.
  llvm::Error written = llvm::writeToOutput(file, [&](llvm::raw_ostream &out) {
    out << llvm::formatv("{0:2}\n", root);
    return llvm::Error::success();
  });
  if (written)
    giveUp(llvm::toString(std::move(written)));
}
