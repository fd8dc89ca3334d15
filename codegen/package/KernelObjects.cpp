//===- KernelObjects.cpp - kernels to object files, on all cores ----------===//
#include "codegen/package/KernelObjects.h"
#include "codegen/cpu/KernelSet.h"
#include "codegen/cpu/KernelSource.h"
#include "codegen/cpu/LowerKernels.h"
#include "codegen/package/CodeVersion.h"
#include "codegen/package/ObjectFile.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Object/ArchiveWriter.h"
#include "llvm/Support/BLAKE3.h"
#include "llvm/Support/Threading.h"

#include <atomic>
#include <mutex>
#include <numeric>
#include <thread>

using namespace mlir;
using namespace netc;

namespace {
/// One kernel to compile.
struct Job {
  std::string symbol;
  const std::string *source;
  KernelCode code;
  std::string error;
};

/// What a thread compiles with.
class KernelCompiler {
public:
  KernelCompiler(const CpuTarget &target, const WatchCode &watch)
      : target(target), watch(watch), context(MLIRContext::Threading::DISABLED), writer(target) {
    context.getDiagEngine().registerHandler(
        [this](Diagnostic &diagnostic) { said += (said.empty() ? "" : "; ") + diagnostic.str(); });
  }

  void compile(Job &job) {
    said.clear();
    if (failed(tryTo(job)))
      job.error = said.empty() ? "a kernel could not be compiled; this is a bug in netc" : said;
  }

  /// Adds what it took; `seconds` in all.
  void addTimes(KernelTimes &to, double seconds) const {
    to.emitting += seconds - writer.optimising - writer.generating;
    to.optimising += writer.optimising;
    to.generating += writer.generating;
  }

private:
  LogicalResult tryTo(Job &job);

  const CpuTarget &target;
  const WatchCode &watch;
  MLIRContext context;
  CodeWriter writer;
  std::string said;
};
} // namespace

LogicalResult KernelCompiler::tryTo(Job &job) {
  cpu::ParsedLaunch launch = cpu::parseKernelSource(*job.source, context);
  if (!launch.op)
    return failure();
  OwningOpRef<ModuleOp> emitted = ModuleOp::create(UnknownLoc::get(&context));
  job.code.scratchBytes =
      cpu::emitKernel(*emitted, launch.op, job.symbol, target.lanes).scratchBytes;
  llvm::LLVMContext llvmContext;
  std::unique_ptr<llvm::Module> code = cpu::lowerKernels(*emitted, llvmContext);
  if (!code)
    return failure();
  emitted = nullptr;
  code->getFunction(job.symbol)->setVisibility(llvm::GlobalValue::HiddenVisibility);
  llvm::SmallString<0> object;
  llvm::raw_svector_ostream out(object);
  said = writer.write(*code, CodeKind::Object, out, watch, job.symbol);
  job.code.object = object.str().str();
  return success(said.empty());
}

/// Of all that a kernel's code depends on.
static std::string symbolOf(StringRef source, const CpuTarget &target) {
  llvm::BLAKE3 hash;
  for (const std::string &part :
       {codeVersion(), target.name, target.featureString(), source.str()}) {
    hash.update(part);
    hash.update(StringRef("\0", 1));
  }
  return "netc_kernel_" + llvm::toHex(hash.final<16>(), /*LowerCase=*/true);
}

/// Runs the jobs on `threads` threads, those with most to read first: they take longest.
static KernelTimes compileAll(std::vector<Job> &jobs, const CpuTarget &target, unsigned threads,
                              const WatchCode &watch) {
  std::vector<size_t> order(jobs.size());
  std::iota(order.begin(), order.end(), 0);
  llvm::sort(order, [&](size_t a, size_t b) {
    return std::pair(jobs[b].source->size(), a) < std::pair(jobs[a].source->size(), b);
  });
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  KernelTimes all;
  auto work = [&] {
    double start = threadSeconds();
    KernelCompiler compiler(target, watch);
    for (size_t i; (i = next++) < order.size();)
      compiler.compile(jobs[order[i]]);
    std::lock_guard lock(mutex);
    compiler.addTimes(all, threadSeconds() - start);
  };
  std::vector<std::thread> helpers;
  size_t wanted = std::min<size_t>(threads, jobs.size());
  for (size_t i = 1; i < wanted; ++i) {
    try {
      helpers.emplace_back(work);
    } catch (const std::system_error &) {
      break; // fewer do it too
    }
  }
  if (wanted)
    work();
  for (std::thread &helper : helpers)
    helper.join();
  return all;
}

std::optional<std::vector<std::string>>
KernelObjects::add(ArrayRef<std::string> sources, const CpuTarget &target, std::string &error) {
  std::vector<std::string> symbols;
  std::vector<Job> jobs;
  for (const std::string &source : sources) {
    std::string symbol = symbolOf(source, target);
    symbols.push_back(symbol);
    auto [entry, isNew] = kernels.insert({symbol, KernelCode()});
    if (!isNew)
      continue;
    if (auto known = watcher ? std::nullopt : cache.find(symbol, source)) {
      entry->second = std::move(*known);
      ++hits;
    } else {
      jobs.push_back({symbol, &source, {}, {}});
    }
  }
  KernelTimes times = compileAll(jobs, target, threads, watcher);
  spent.emitting += times.emitting;
  spent.optimising += times.optimising;
  spent.generating += times.generating;
  for (Job &job : jobs) {
    if (!job.error.empty()) {
      error = job.error;
      return std::nullopt;
    }
    cache.keep(job.symbol, *job.source, job.code);
    kernels[job.symbol] = std::move(job.code);
  }
  cache.trim();
  return symbols;
}

std::string KernelObjects::writeArchive(StringRef path) const {
  std::vector<llvm::NewArchiveMember> members;
  for (const auto &[symbol, code] : kernels) {
    llvm::NewArchiveMember &member = members.emplace_back();
    member.Buf = llvm::MemoryBuffer::getMemBuffer(code.object, symbol, false);
    member.MemberName = member.Buf->getBufferIdentifier();
  }
  llvm::Error error =
      llvm::writeArchive(path, members, llvm::SymtabWritingMode::NormalSymtab,
                         llvm::object::Archive::K_GNU, /*Deterministic=*/true, /*Thin=*/false);
  return error ? llvm::toString(std::move(error)) : std::string();
}
