//===- Import.cpp - netc import -------------------------------------------===//
#include "tools/netc/Import.h"

#include "frontend/elaborate/Frontend.h"
#include "frontend/import/onnx/Import.h"
#include "tools/netc/Output.h"

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

/// Writes BASE.net and BASE.safetensors.
static int importModel(const std::string &file, const std::string &base) {
  if (!llvm::StringRef(file).ends_with(".onnx"))
    return fail("cannot import " + file + ": expected the name of an ONNX model, FILE.onnx");
  std::string error;
  std::optional<frontend::onnx::Graph> graph = frontend::onnx::readGraph(file, error);
  if (!graph)
    return fail(error);
  std::vector<std::string> errors;
  std::optional<frontend::Imported> imported = frontend::onnx::importGraph(
      std::move(*graph), frontend::onnx::identifier(llvm::sys::path::filename(base).str()),
      llvm::sys::path::filename(file).str(), errors);
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
  if (int code = writeFile(base + ".safetensors", safetensorsBytes(imported->tensors)))
    return code;
  std::string diagnostics;
  if (frontend::elaborateFile(model, {}, diagnostics))
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
  return importModel(options.file, base);
}

int netc::importFirst(Options &options) {
  if (!llvm::StringRef(options.file).ends_with(".onnx"))
    return -1;
  std::string base = options.output.empty() ? stem(options.file) : options.output;
  if (options.emit == "lib") {
    if (std::error_code error = llvm::sys::fs::create_directories(options.library))
      return fail("cannot create the folder " + options.library + ": " + error.message());
    llvm::SmallString<256> path(options.library);
    llvm::sys::path::append(path, stem(options.file));
    base = std::string(path);
  }
  if (int code = importModel(options.file, base))
    return code;
  options.file = base + ".net";
  return -1;
}
