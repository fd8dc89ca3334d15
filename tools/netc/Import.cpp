//===- Import.cpp - netc import -------------------------------------------===//
#include "tools/netc/Import.h"

#include "frontend/elaborate/Frontend.h"
#include "frontend/import/caffe/Import.h"
#include "frontend/import/darknet/Network.h"
#include "frontend/import/onnx/Import.h"
#include "frontend/layers/LayerTable.h"
#include "tools/netc/ImportedScales.h"
#include "tools/netc/Output.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace netc;

/// A model file that somebody wrote is not replaced by an imported one.
static int checkReplaceable(const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer || (*buffer)->getBuffer().contains("\n# Imported from "))
    return kDone;
  return fail("cannot write " + path + ": it exists and was not imported; name another with -o");
}

namespace {
/// What a file holds. Without weights its parameters are 0 and are not written.
struct Source {
  std::optional<frontend::onnx::Graph> graph;
  bool hasWeights = true;
  std::string weights; ///< the file that they would be in
};
} // namespace

static bool isImportable(llvm::StringRef file) {
  return file.ends_with(".onnx") || file.ends_with(".prototxt") || file.ends_with(".cfg");
}

/// The weights beside a description: `given`, or the file's name with `ending`, if that exists.
static std::string weightsOf(const std::string &file, const std::string &given,
                             llvm::StringRef ending, Source &source) {
  llvm::SmallString<256> path(given.empty() ? file : given);
  if (given.empty())
    llvm::sys::path::replace_extension(path, ending);
  source.weights = std::string(path);
  source.hasWeights = !given.empty() || llvm::sys::fs::exists(path);
  return source.weights;
}

/// A network that `readText` reads from `file`, with the weights that `readWeights` reads beside
/// it.
template <auto readText, auto readWeights>
static Source readWithWeights(const std::string &file, const std::string &given,
                              llvm::StringRef ending, std::vector<std::string> &errors) {
  Source source;
  auto net = readText(file, errors);
  std::string path = weightsOf(file, given, ending, source), error;
  if (!net)
    return source;
  decltype(readWeights(path, error)) weights;
  if (source.hasWeights && !(weights = readWeights(path, error)))
    errors.push_back(error);
  else
    source.graph = convert(*net, weights ? &*weights : nullptr, errors);
  return source;
}

/// Words of the language that are called: a variable or model of that name would hide them.
static bool isWord(const std::string &name) {
  return frontend::findLayerKind(name) || frontend::findFunction(name) ||
         frontend::isChoiceWord(name);
}

/// Writes BASE.net and BASE.safetensors.
static int importModel(const std::string &file, const std::string &weights, const std::string &base,
                       const frontend::onnx::ImportSettings &settings) {
  llvm::StringRef name(file);
  if (!isImportable(name))
    return fail("cannot import " + file + ": expected an ONNX model (FILE.onnx), a network of " +
                (name.ends_with(".caffemodel") || name.ends_with(".weights")
                     ? "Caffe (.prototxt) or Darknet (.cfg); its weights are named by --weights"
                     : "Caffe (FILE.prototxt) or of Darknet (FILE.cfg)"));
  std::vector<std::string> errors;
  Source source;
  if (name.ends_with(".onnx")) {
    std::string error;
    if (!weights.empty())
      return fail("--weights " + weights + ": an ONNX model has its weights in itself");
    source.graph = frontend::onnx::readGraph(file, error);
    if (!source.graph)
      return fail(error);
  } else {
    source = name.ends_with(".cfg")
                 ? readWithWeights<frontend::darknet::readSections, frontend::darknet::readWeights>(
                       file, weights, ".weights", errors)
                 : readWithWeights<frontend::caffe::readNet, frontend::caffe::readWeights>(
                       file, weights, ".caffemodel", errors);
  }
  std::optional<frontend::Imported> imported;
  if (source.graph)
    imported = frontend::onnx::importGraph(
        std::move(*source.graph), frontend::onnx::identifier(llvm::sys::path::filename(base).str()),
        llvm::sys::path::filename(file).str(), settings, isWord, errors);
  if (!imported) {
    for (const std::string &each : errors)
      fail(file + ": " + each);
    return kFailed;
  }
  std::string model = base + ".net";
  if (int code = checkReplaceable(model))
    return code;
  if (int code = writeFile(model, imported->text))
    return code;
  std::string diagnostics;
  std::optional<frontend::Network> network = frontend::elaborateFile(model, {}, diagnostics);
  if (network)
    llvm::append_range(imported->tensors, scaleTensors(*imported, *network));
  if (!source.hasWeights)
    llvm::errs() << "netc: note: " << model << " is written without weights: there is no "
                 << source.weights << "; name another file with netc import --weights\n";
  else if (int code = writeFile(base + ".safetensors", safetensorsBytes(imported->tensors)))
    return code;
  if (network)
    return kDone;
  llvm::errs() << diagnostics;
  return fail(model + " was imported, but it is no model that netc takes; the import needs a "
                      "change by hand there");
}

/// The file's name without folder and ending.
static std::string stem(const std::string &file) { return llvm::sys::path::stem(file).str(); }

int netc::runImporter(const ImportOptions &options) {
  std::string base = options.output.empty() ? stem(options.file) : options.output;
  if (llvm::StringRef(base).ends_with(".net"))
    base.resize(base.size() - 4);
  using frontend::onnx::Batch;
  return importModel(options.file, options.weights, base,
                     {.batch = options.noBatch ? Batch::None : Batch::First,
                      .keepsScales = options.precision == "int8"});
}

int netc::importFirst(Options &options) {
  if (!isImportable(options.file))
    return -1;
  std::string base = options.output.empty() ? stem(options.file) : options.output;
  if (options.emit == "lib") {
    if (std::error_code error = llvm::sys::fs::create_directories(options.library))
      return fail("cannot create the folder " + options.library + ": " + error.message());
    llvm::SmallString<256> path(options.library);
    llvm::sys::path::append(path, stem(options.file));
    base = std::string(path);
  }
  if (int code = importModel(options.file, /*weights=*/"", base,
                             {.keepsScales = options.precision == "int8"}))
    return code;
  options.file = base + ".net";
  return -1;
}
