//===- Objects.cpp - the object files of an executable or library ---------===//
#include "tools/netc/Objects.h"

#include "codegen/common/TemporaryFile.h"
#include "runtime/system/ControlGroup.h"
#include "tools/netc/CacheFolder.h"
#include "tools/netc/Output.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>

using namespace mlir;
using namespace netc;

std::string netc::archivePath(llvm::StringRef name) {
  static int anchor;
  std::string self = llvm::sys::fs::getMainExecutable("netc", &anchor);
  llvm::SmallString<256> path(llvm::sys::path::parent_path(llvm::sys::path::parent_path(self)));
  llvm::sys::path::append(path, "lib", "netc", name);
  return std::string(path);
}

std::vector<std::string> netc::runtimeArchives(const std::string &target) {
  std::vector<std::string> archives{archivePath("libnetc_runtime.a")};
  if (target == "sim")
    archives.insert(archives.begin(), archivePath("libnetc_sim.a"));
  return archives;
}

LogicalResult netc::compileCode(ModuleOp module, const Targets &target, CodeKind kind,
                                StageDump &dump, llvm::raw_pwrite_stream &out) {
  WatchCode watch = dump.watchCode(/*several=*/false);
  LogicalResult compiled =
      target.gpu ? compileModelForGpu(module, *target.gpu, target.cpu, kind, watch, out)
                 : compileModel(module, target.cpu, kind, watch, out);
  return success(succeeded(compiled) && !dump.status());
}

unsigned netc::compilerThreads(const Options &options) {
  return options.threads ? options.threads
                         : std::min(runtime::availableCores(), KernelObjects::kMostThreads);
}

Objects::Objects(const Options &options, StageDump &dump)
    : dump(dump), cache(options.kernelCache ? kernelFolder() : std::string(), kernelFolderBytes()),
      kernels(cache, compilerThreads(options)) {}

Objects::~Objects() {
  for (const std::string &path : paths)
    llvm::sys::fs::remove(path);
}

std::unique_ptr<llvm::raw_fd_ostream> Objects::create(llvm::StringRef suffix) {
  llvm::SmallString<128> path;
  int descriptor;
  if (std::error_code error =
          llvm::sys::fs::createTemporaryFile("netc", suffix, descriptor, path)) {
    fail(temporaryFileError(error));
    return nullptr;
  }
  paths.push_back(std::string(path));
  return std::make_unique<llvm::raw_fd_ostream>(descriptor, /*shouldClose=*/true);
}

int Objects::add(llvm::function_ref<LogicalResult(llvm::raw_pwrite_stream &)> write) {
  std::unique_ptr<llvm::raw_fd_ostream> out = create("o");
  if (!out)
    return kFailed;
  bool compiled = succeeded(write(*out));
  out->close();
  std::error_code unwritten = out->error();
  out->clear_error();
  if (compiled && unwritten)
    return fail("cannot write " + paths.back() + ": " + unwritten.message());
  return compiled ? kDone : kFailed;
}

int Objects::addModel(ModuleOp module, const Targets &target, unsigned level) {
  auto start = std::chrono::steady_clock::now();
  int code = add([&](llvm::raw_pwrite_stream &out) {
    if (target.gpu)
      return compileCode(module, target, CodeKind::Object, dump, out);
    kernels.watch(dump.watchCode(/*several=*/true));
    LogicalResult compiled = compileForLinking(module, target.cpu, kernels, out, level);
    return success(succeeded(compiled) && !dump.status());
  });
  seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return code;
}

int Objects::addKernels() {
  if (!cache.problem().empty())
    llvm::errs() << "netc: warning: cannot keep compiled kernels in " << kernelFolder() << ": "
                 << cache.problem() << "\n";
  if (!kernels.size())
    return kDone;
  std::unique_ptr<llvm::raw_fd_ostream> out = create("a");
  if (!out)
    return kFailed;
  out->close();
  std::string error = kernels.writeArchive(paths.back());
  return error.empty() ? kDone : fail("cannot write " + paths.back() + ": " + error);
}

void Objects::printTimes() const {
  const KernelTimes &t = kernels.times();
  llvm::errs()
      << llvm::formatv(
             "netc: code      {0,7:F3} s for {1} kernels, {2} cached; they share {3} parts\n",
             seconds, kernels.size(), kernels.found(), kernels.partCount())
      << llvm::formatv(
             "netc:   of all threads {0:F3} s emitting, {1:F3} s LLVM's passes, {2:F3} s LLVM's "
             "code generator\n",
             t.emitting, t.optimising, t.generating);
}
