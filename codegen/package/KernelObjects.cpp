//===- KernelObjects.cpp - kernels to object files, on all cores ----------===//
#include "codegen/package/KernelObjects.h"
#include "codegen/cpu/KernelParts.h"
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

/// One kernel to compile.
struct KernelObjects::Job {
  std::string symbol;
  const std::string *source;
  KernelCode code;
  std::string error;
};

/// A function that kernels share.
struct KernelObjects::Part {
  KernelCode code;
  std::string text; ///< empty: the code came from the cache
};

/// What a thread compiles with.
class KernelObjects::Compiler {
public:
  Compiler(KernelObjects &owner, const CpuTarget &target)
      : owner(owner), target(target), context(MLIRContext::Threading::DISABLED), writer(target) {
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
  LogicalResult addPart(const cpu::KernelPart &part);
  /// Writes `code` to `object`.
  LogicalResult write(llvm::Module &code, StringRef symbol, std::string &object);

  KernelObjects &owner;
  const CpuTarget &target;
  MLIRContext context;
  CodeWriter writer;
  std::string said;
};

/// A name for code: a hash of all that it depends on.
static std::string symbolOf(StringRef kind, StringRef source, const CpuTarget &target) {
  llvm::BLAKE3 hash;
  for (const std::string &part :
       {codeVersion(), target.name, target.featureString(), source.str()}) {
    hash.update(part);
    hash.update(StringRef("\0", 1));
  }
  return ("netc_" + kind + "_" + llvm::toHex(hash.final<16>(), /*LowerCase=*/true)).str();
}

static std::optional<KernelCode> findPart(const KernelCache &cache, StringRef symbol,
                                          const CpuTarget &target) {
  return cache.find(symbol,
                    [&](StringRef text) { return symbolOf("part", text, target) == symbol; });
}

LogicalResult KernelObjects::Compiler::write(llvm::Module &code, StringRef symbol,
                                             std::string &object) {
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream out(bytes);
  said = writer.write(code, CodeKind::Object, out, owner.watcher, symbol);
  object = bytes.str().str();
  return success(said.empty());
}

LogicalResult KernelObjects::Compiler::tryTo(Job &job) {
  cpu::ParsedLaunch launch = cpu::parseKernelSource(*job.source, context);
  if (!launch.op)
    return failure();
  OwningOpRef<ModuleOp> emitted = ModuleOp::create(UnknownLoc::get(&context));
  job.code.scratchBytes = cpu::emitKernel(*emitted, launch.op, job.symbol, target).scratchBytes;
  llvm::LLVMContext llvmContext;
  std::unique_ptr<llvm::Module> code = cpu::lowerKernels(*emitted, llvmContext);
  if (!code)
    return failure();
  emitted = nullptr;
  std::vector<cpu::KernelPart> parts =
      cpu::takeParts(*code, [&](StringRef text) { return symbolOf("part", text, target); });
  code->getFunction(job.symbol)->setVisibility(llvm::GlobalValue::HiddenVisibility);
  if (failed(write(*code, job.symbol, job.code.object)))
    return failure();
  for (const cpu::KernelPart &part : parts) {
    job.code.parts.push_back(part.symbol);
    if (failed(addPart(part)))
      return failure();
  }
  return success();
}

/// Compiles a part unless another thread does or did, or the cache has it.
LogicalResult KernelObjects::Compiler::addPart(const cpu::KernelPart &part) {
  Part *own;
  {
    std::lock_guard lock(owner.mutex);
    auto [entry, isNew] = owner.parts.try_emplace(part.symbol);
    if (!isNew)
      return success();
    own = &entry->second; // a map moves no entry
  }
  if (!owner.watcher) {
    if (auto known = findPart(owner.cache, part.symbol, target)) {
      own->code = std::move(*known);
      return success();
    }
  }
  own->text = part.text;
  llvm::LLVMContext llvmContext;
  std::unique_ptr<llvm::Module> code = cpu::parsePart(part.text, part.symbol, llvmContext);
  return code ? write(*code, part.symbol, own->code.object) : failure();
}

/// Runs the jobs on `threads` threads, those with most to read first: they take longest.
KernelTimes KernelObjects::compileAll(std::vector<Job> &jobs, const CpuTarget &target) {
  std::vector<size_t> order(jobs.size());
  std::iota(order.begin(), order.end(), 0);
  llvm::sort(order, [&](size_t a, size_t b) {
    return std::pair(jobs[b].source->size(), a) < std::pair(jobs[a].source->size(), b);
  });
  std::atomic<size_t> next = 0;
  std::mutex timing;
  KernelTimes all;
  auto work = [&] {
    double start = threadSeconds();
    Compiler compiler(*this, target);
    for (size_t i; (i = next++) < order.size();)
      compiler.compile(jobs[order[i]]);
    std::lock_guard lock(timing);
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

/// Whether all parts of a kernel are known or in the cache.
bool KernelObjects::findParts(const KernelCode &kernel, const CpuTarget &target) {
  return llvm::all_of(kernel.parts, [&](const std::string &symbol) {
    if (parts.count(symbol))
      return true;
    std::optional<KernelCode> known = findPart(cache, symbol, target);
    if (known)
      parts[symbol].code = std::move(*known);
    return known.has_value();
  });
}

/// Keeps new kernels and parts in the cache. A part follows the last of its kernels: what is
/// trimmed first, the oldest, are then whole kernels.
void KernelObjects::keepAll(ArrayRef<Job> jobs) {
  std::map<StringRef, size_t> lastUser;
  for (auto [index, job] : llvm::enumerate(jobs))
    for (const std::string &part : job.code.parts)
      lastUser[part] = index;
  for (auto [index, job] : llvm::enumerate(jobs)) {
    cache.keep(job.symbol, *job.source, job.code);
    for (const std::string &symbol : job.code.parts)
      if (Part &part = parts[symbol]; !part.text.empty() && lastUser[symbol] == index)
        cache.keep(symbol, std::exchange(part.text, {}), part.code);
  }
  cache.trim();
}

std::optional<std::vector<std::string>>
KernelObjects::add(ArrayRef<std::string> sources, const CpuTarget &target, std::string &error) {
  std::vector<std::string> symbols;
  std::vector<Job> jobs;
  for (const std::string &source : sources) {
    std::string symbol = symbolOf("kernel", source, target);
    symbols.push_back(symbol);
    auto [entry, isNew] = kernels.insert({symbol, KernelCode()});
    if (!isNew)
      continue;
    std::optional<KernelCode> known;
    if (!watcher)
      known = cache.find(symbol, [&](StringRef kept) { return kept == source; });
    if (known && findParts(*known, target)) {
      entry->second = std::move(*known);
      ++hits;
    } else {
      jobs.push_back({symbol, &source, {}, {}});
    }
  }
  KernelTimes times = compileAll(jobs, target);
  spent.emitting += times.emitting;
  spent.optimising += times.optimising;
  spent.generating += times.generating;
  for (const Job &job : jobs)
    if (!job.error.empty()) {
      error = job.error;
      return std::nullopt;
    }
  keepAll(jobs);
  for (Job &job : jobs)
    kernels[job.symbol] = std::move(job.code);
  return symbols;
}

KernelObjects::KernelObjects(KernelCache &cache, unsigned threads)
    : cache(cache), threads(threads) {}
KernelObjects::~KernelObjects() = default;

std::string KernelObjects::writeArchive(StringRef path) const {
  std::vector<llvm::NewArchiveMember> members;
  auto add = [&](const std::string &symbol, const KernelCode &code) {
    llvm::NewArchiveMember &member = members.emplace_back();
    member.Buf = llvm::MemoryBuffer::getMemBuffer(code.object, symbol, false);
    member.MemberName = member.Buf->getBufferIdentifier();
  };
  for (const auto &[symbol, code] : kernels)
    add(symbol, code);
  for (const auto &[symbol, part] : parts)
    add(symbol, part.code);
  llvm::Error error =
      llvm::writeArchive(path, members, llvm::SymtabWritingMode::NormalSymtab,
                         llvm::object::Archive::K_GNU, /*Deterministic=*/true, /*Thin=*/false);
  return error ? llvm::toString(std::move(error)) : std::string();
}
