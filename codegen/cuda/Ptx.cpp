//===- Ptx.cpp - CUDA kernels to PTX and machine code ---------------------===//
#include "codegen/cuda/Ptx.h"

#include "codegen/common/ScalarPipeline.h"
#include "codegen/common/TemporaryFile.h"
#include "dialect/target/Target.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/LLVMIR/Transforms/Passes.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Target/TargetMachine.h"

#include <cstdlib>

using namespace mlir;
using namespace netc;
using namespace netc::cuda;

extern "C" {
void LLVMInitializeNVPTXTargetInfo();
void LLVMInitializeNVPTXTarget();
void LLVMInitializeNVPTXTargetMC();
void LLVMInitializeNVPTXAsmPrinter();
}

GpuFeatures netc::cuda::featuresOf(unsigned chip) {
  target::GpuChip facts = target::gpuChipFrom(chip);
  return {facts.asyncCopy, facts.tensorCores, /*warpgroups=*/false};
}

GpuFeatures netc::cuda::featuresOf(const GpuLevel &level) {
  GpuFeatures features = featuresOf(level.number);
  features.warpgroups = level.exact;
  return features;
}

/// The same polynomials as on the CPU: no libdevice.
static void expandMath(ModuleOp kernels) {
  RewritePatternSet patterns(kernels.getContext());
  populateMathPolynomialApproximationPatterns(patterns, MathPolynomialApproximationOptions());
  FrozenRewritePatternSet frozen(std::move(patterns));
  for (auto function : kernels.getOps<LLVM::LLVMFuncOp>()) {
    auto needs = [](Operation *op) {
      return isa<math::ExpOp, math::LogOp, math::TanhOp, math::ErfOp, math::ExpM1Op, math::SinOp,
                 math::CosOp, math::AtanOp>(op)
                 ? WalkResult::interrupt()
                 : WalkResult::advance();
    };
    if (function.walk(needs).wasInterrupted())
      (void)applyPatternsGreedily(function, frozen);
  }
}

static LogicalResult lowerToLlvm(ModuleOp kernels) {
  expandMath(kernels);
  PassManager pm(kernels.getContext());
  pm.enableVerifier(false);
  pm.addPass(createCSEPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  // Places in the model file become .loc lines: for the simulator's reports, and for
  // NVIDIA's tools where the driver compiles the PTX.
  LLVM::DIScopeForLLVMFuncOpPassOptions lines;
  lines.emissionKind = LLVM::DIEmissionKind::DebugDirectivesOnly;
  pm.addPass(LLVM::createDIScopeForLLVMFuncOpPass(lines));
  return pm.run(kernels);
}

static std::unique_ptr<llvm::TargetMachine> makeMachine(const GpuLevel &level, std::string &error) {
  LLVMInitializeNVPTXTargetInfo();
  LLVMInitializeNVPTXTarget();
  LLVMInitializeNVPTXTargetMC();
  LLVMInitializeNVPTXAsmPrinter();
  llvm::Triple triple("nvptx64-nvidia-cuda");
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!backend)
    return nullptr;
  llvm::TargetOptions options;
  // What is written as one operation stays one: the bits are the same on every chip and in the
  // simulator.
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  return std::unique_ptr<llvm::TargetMachine>(backend->createTargetMachine(
      triple, level.name(),
      level.exact          ? "+ptx80"
      : level.number >= 80 ? "+ptx70"
                           : "+ptx63",
      options, std::nullopt, std::nullopt, llvm::CodeGenOptLevel::Default));
}

FailureOr<std::string> netc::cuda::emitPtx(ModuleOp source, GpuKernelSet &kernels,
                                           const GpuLevel &level) {
  if (failed(lowerToLlvm(kernels.module())))
    return failure();
  MLIRContext &mlirContext = *source.getContext();
  registerBuiltinDialectTranslation(mlirContext);
  registerLLVMDialectTranslation(mlirContext);
  registerNVVMDialectTranslation(mlirContext);
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(kernels.module(), context, "netc");
  if (!code)
    return source.emitError("kernels do not translate to LLVM IR"), failure();
  std::string error;
  std::unique_ptr<llvm::TargetMachine> machine = makeMachine(level, error);
  if (!machine)
    return source.emitError() << "this LLVM cannot generate PTX: " << error, failure();
  code->setTargetTriple(machine->getTargetTriple());
  code->setDataLayout(machine->createDataLayout());
  ScalarPipeline(*machine, ScalarPipeline::Kind::Gpu).run(*code);
  llvm::SmallString<0> text;
  llvm::raw_svector_ostream out(text);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, out, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return source.emitError("this LLVM cannot write PTX"), failure();
  passes.run(*code);
  return std::string(text);
}

std::optional<std::string> netc::cuda::findPtxas() {
  if (const char *chosen = std::getenv("NETC_PTXAS"))
    return llvm::sys::fs::can_execute(chosen) ? std::optional<std::string>(chosen) : std::nullopt;
  if (auto path = llvm::sys::findProgramByName("ptxas"))
    return *path;
  std::string usual = "/usr/local/cuda/bin/ptxas";
  return llvm::sys::fs::can_execute(usual) ? std::optional(usual) : std::nullopt;
}

namespace {
/// A file that goes with the object.
struct TemporaryFile {
  llvm::SmallString<128> path;
  std::error_code open(llvm::StringRef suffix) {
    return llvm::sys::fs::createTemporaryFile("netc", suffix, path);
  }
  std::string contents() const {
    auto buffer = llvm::MemoryBuffer::getFile(path);
    return buffer ? (*buffer)->getBuffer().str() : std::string();
  }
  ~TemporaryFile() {
    if (!path.empty())
      llvm::sys::fs::remove(path);
  }
};
} // namespace

FailureOr<std::string> netc::cuda::assemble(ModuleOp source, StringRef ptxas, StringRef ptx,
                                            StringRef chip) {
  TemporaryFile input, output, log;
  std::error_code error;
  if ((error = input.open("ptx")) || (error = output.open("cubin")) || (error = log.open("log")))
    return source.emitError() << temporaryFileError(error), failure();
  {
    llvm::raw_fd_ostream out(input.path, error);
    out << ptx;
    out.close();
    if (error || out.has_error()) {
      out.clear_error();
      return source.emitError() << "cannot write " << input.path << " for ptxas", failure();
    }
  }
  std::string arch = ("-arch=" + chip).str();
  // Without .loc's tables, which hold the PTX once more: they double machine code's size.
  StringRef arguments[] = {ptxas, arch,        "-O3",     "--suppress-debug-info",
                           "-o",  output.path, input.path};
  std::optional<StringRef> redirects[] = {StringRef(""), log.path.str(), log.path.str()};
  if (llvm::sys::ExecuteAndWait(ptxas, arguments, std::nullopt, redirects) != 0)
    return source.emitError() << "ptxas failed for " << chip << ": " << log.contents(), failure();
  return output.contents();
}
