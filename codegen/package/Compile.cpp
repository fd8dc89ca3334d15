//===- Compile.cpp - planned kern functions to code -----------------------===//
#include "codegen/package/Compile.h"
#include "codegen/cpu/KernelSet.h"
#include "codegen/cpu/KernelSource.h"
#include "codegen/cpu/LowerKernels.h"
#include "codegen/package/ModelTable.h"
#include "codegen/package/ObjectFile.h"

#include "llvm/IR/Constants.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

using namespace mlir;
using namespace netc;

namespace {
class CpuKernels : public LaunchKernels {
public:
  explicit CpuKernels(cpu::KernelSet &set) : set(set) {}
  FailureOr<unsigned> kernelOf(kern::KernelOpInterface launch) override { return set.get(launch); }
  kern::Grid gridOf(kern::KernelOpInterface launch, unsigned) override { return launch.getGrid(); }
  size_t size() override { return set.kernels().size(); }
  StringRef name(size_t kernel) override { return set.kernels()[kernel].name; }
  uint64_t scratchBytes(size_t kernel) override { return set.kernels()[kernel].scratchBytes; }

private:
  cpu::KernelSet &set;
};

/// Kernels that are compiled by themselves: known by their sources.
class LinkedKernels : public LaunchKernels {
public:
  FailureOr<unsigned> kernelOf(kern::KernelOpInterface launch) override {
    auto [index, isNew] = signatures.insert(launch);
    if (isNew) {
      sources.push_back(cpu::kernelSource(launch));
      names.push_back("k" + std::to_string(index) + "_" + launch->getName().stripDialect().str());
    }
    return index;
  }
  kern::Grid gridOf(kern::KernelOpInterface launch, unsigned) override { return launch.getGrid(); }
  size_t size() override { return names.size(); }
  StringRef name(size_t kernel) override { return names[kernel]; }
  StringRef symbol(size_t kernel) override { return symbols[kernel]; }
  uint64_t scratchBytes(size_t kernel) override {
    return objects->codeOf(symbols[kernel]).scratchBytes;
  }

  /// Compiles them and declares their symbols in `code`.
  std::string compile(KernelObjects &into, const CpuTarget &target, llvm::Module &code) {
    objects = &into;
    std::string error;
    std::optional<std::vector<std::string>> made = into.add(sources, target, error);
    if (!made)
      return error;
    symbols = std::move(*made);
    auto *type = llvm::FunctionType::get(llvm::Type::getVoidTy(code.getContext()), false);
    for (const std::string &symbol : symbols)
      llvm::cast<llvm::Function>(code.getOrInsertFunction(symbol, type).getCallee())
          ->setVisibility(llvm::GlobalValue::HiddenVisibility);
    return {};
  }

private:
  KernelSignatures signatures;
  std::vector<std::string> sources, names, symbols;
  KernelObjects *objects = nullptr;
};

class GpuKernels : public LaunchKernels {
public:
  explicit GpuKernels(cuda::GpuKernelSet &set) : set(set) {}
  FailureOr<unsigned> kernelOf(kern::KernelOpInterface launch) override { return set.get(launch); }
  kern::Grid gridOf(kern::KernelOpInterface, unsigned kernel) override {
    return set.kernels()[kernel].grid;
  }
  size_t size() override { return set.kernels().size(); }
  StringRef name(size_t kernel) override { return set.kernels()[kernel].name; }
  uint64_t scratchBytes(size_t) override { return 0; }

private:
  cuda::GpuKernelSet &set;
};
} // namespace

static ModelSymbols symbolsOf(ModuleOp module, unsigned level = 0) {
  return ModelSymbols(module->getAttrOfType<StringAttr>("net.model").getValue(), level);
}

LogicalResult netc::compileModel(ModuleOp module, const CpuTarget &target, CodeKind kind,
                                 const WatchCode &watch, llvm::raw_pwrite_stream &out) {
  cpu::KernelSet kernels(*module.getContext(), target);
  CpuKernels view(kernels);
  ModelTable table(module, view, modelJson(module, target));
  if (failed(table.collect()))
    return failure();
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = cpu::lowerKernels(kernels.module(), context);
  if (!code)
    return failure();
  table.emit(*code, symbolsOf(module));
  return writeCode(module, *code, target, kind, out, watch);
}

LogicalResult netc::compileForLinking(ModuleOp module, const CpuTarget &target,
                                      KernelObjects &kernels, llvm::raw_pwrite_stream &out,
                                      unsigned level) {
  LinkedKernels view;
  ModelTable table(module, view, modelJson(module, target));
  if (failed(table.collect()))
    return failure();
  llvm::LLVMContext context;
  llvm::Module code("netc", context);
  if (std::string error = view.compile(kernels, target, code); !error.empty())
    return module.emitError(error);
  table.emit(code, symbolsOf(module, level));
  return writeCode(module, code, target, CodeKind::Object, out);
}

/// The oldest PTX that serves each chip: chips with the same features share one. That of sm_90a
/// comes last, and beside it one that all other chips load.
static std::vector<cuda::GpuLevel> ptxLevels(const cuda::GpuTarget &gpu) {
  std::vector<cuda::GpuLevel> levels;
  for (unsigned chip : gpu.chips) {
    unsigned level = cuda::featuresOf(chip).asyncCopy ? 80 : 75;
    if (levels.empty() || levels.back().number != level)
      levels.push_back({level, false});
  }
  if (gpu.hopper) {
    if (levels.empty())
      levels.push_back({80, false});
    levels.push_back({90, true});
  }
  return levels;
}

/// The chips of `--chip` that run code of a level.
static std::vector<cuda::GpuLevel> chipsOf(const cuda::GpuTarget &gpu,
                                           const cuda::GpuLevel &level) {
  if (level.exact)
    return {level};
  std::vector<cuda::GpuLevel> chips;
  for (unsigned chip : gpu.chips)
    if (cuda::featuresOf(chip).asyncCopy == cuda::featuresOf(level).asyncCopy)
      chips.push_back({chip, false});
  return chips;
}

LogicalResult netc::compileModelForGpu(ModuleOp module, const cuda::GpuTarget &gpu,
                                       const CpuTarget &host, CodeKind kind, const WatchCode &watch,
                                       llvm::raw_pwrite_stream &out) {
  GpuCode images;
  images.simulated = gpu.simulated;
  std::optional<std::string> ptxas = gpu.assembled ? cuda::findPtxas() : std::nullopt;
  std::vector<cuda::GpuLevel> levels = ptxLevels(gpu);
  // The text of what was named: of sm_90a alone not that of others beside it.
  if (kind == CodeKind::Ptx && gpu.hopper && gpu.chips.empty())
    levels.erase(levels.begin());
  llvm::LLVMContext context;
  llvm::Module code("netc", context);
  for (auto [index, level] : llvm::enumerate(levels)) {
    cuda::GpuKernelSet kernels(*module.getContext(), cuda::featuresOf(level));
    GpuKernels view(kernels);
    ModelTable table(module, view, modelJson(module, host, &gpu));
    if (failed(table.collect()))
      return failure();
    FailureOr<std::string> ptx = cuda::emitPtx(module, kernels, level);
    if (failed(ptx))
      return failure();
    if (watch)
      watch(level.name(), "ptx", *ptx);
    if (kind == CodeKind::Ptx) {
      out << *ptx;
      return success();
    }
    images.images.push_back({level.number, false, *ptx, kernels.kernels()});
    for (const cuda::GpuLevel &chip : ptxas ? chipsOf(gpu, level) : std::vector<cuda::GpuLevel>()) {
      FailureOr<std::string> assembled = cuda::assemble(module, *ptxas, *ptx, chip.name());
      if (failed(assembled))
        return failure();
      images.images.push_back({chip.number, true, *assembled, kernels.kernels()});
    }
    if (index + 1 == levels.size())
      table.emit(code, symbolsOf(module), &images);
  }
  return writeCode(module, code, host, kind, out);
}

LogicalResult netc::writeEntryTable(ModuleOp source, const CpuTarget &target,
                                    ArrayRef<std::string> tables, llvm::raw_pwrite_stream &out) {
  llvm::LLVMContext context;
  llvm::Module code("netc", context);
  auto *pointer = llvm::PointerType::get(context, 0);
  SmallVector<llvm::Constant *> models;
  for (const std::string &table : tables)
    models.push_back(code.getOrInsertGlobal(table, pointer));
  models.push_back(llvm::ConstantPointerNull::get(pointer));
  auto *type = llvm::ArrayType::get(pointer, models.size());
  new llvm::GlobalVariable(code, type, /*isConstant=*/true, llvm::GlobalValue::ExternalLinkage,
                           llvm::ConstantArray::get(type, models), "netc_models");
  return writeCode(source, code, target, CodeKind::Object, out);
}
