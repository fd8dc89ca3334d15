//===- ObjectFile.cpp - LLVM IR to text or object -------------------------===//
#include "codegen/package/ObjectFile.h"


#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace netc;

static std::unique_ptr<llvm::TargetMachine> makeMachine(const CpuTarget &target,
                                                        std::string &error) {
  [[maybe_unused]] static bool once = [] {
    return llvm::InitializeNativeTarget() || llvm::InitializeNativeTargetAsmPrinter();
  }();
  llvm::Triple triple(llvm::sys::getDefaultTargetTriple());
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!backend)
    return nullptr;
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Fast;
  options.FunctionSections = true;
  return std::unique_ptr<llvm::TargetMachine>(backend->createTargetMachine(
      triple, "x86-64", target.featureString(), options, llvm::Reloc::PIC_, std::nullopt,
      llvm::CodeGenOptLevel::Default));
}

/// Kernels are vectorised and unrolled by hand: only the scalar clean-up is wanted. These passes
/// give the micro-kernels that O2 gives, in less than half of its time. Without reassociate each
/// access keeps a base pointer of its own; without indvars or gvn loops have more instructions.
static constexpr llvm::StringLiteral kPasses =
    "function(early-cse),ipsccp,deadargelim,"
    "function(early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,reassociate,"
    "loop-simplify,lcssa,loop-mssa(loop-rotate,licm),loop(indvars),gvn,"
    "instcombine<no-verify-fixpoint>,loop-mssa(licm),simplifycfg)";

/// A pipeline and what its passes know of the module at hand.
struct CodeWriter::Optimiser {
  explicit Optimiser(llvm::TargetMachine &machine) : builder(&machine) {
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(sccs);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, sccs, modules);
    llvm::cantFail(builder.parsePassPipeline(passes, kPasses));
  }
  void run(llvm::Module &code) {
    passes.run(code, modules);
    loops.clear();
    functions.clear();
    sccs.clear();
    modules.clear();
  }

  llvm::PassBuilder builder;
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  llvm::ModulePassManager passes;
};

CodeWriter::CodeWriter(const CpuTarget &target)
    : target(target), machine(makeMachine(target, error)) {
  if (machine)
    optimiser = std::make_unique<Optimiser>(*machine);
}
CodeWriter::~CodeWriter() = default;

std::string CodeWriter::write(llvm::Module &code, CodeKind kind, llvm::raw_pwrite_stream &out) {
  if (!machine)
    return "this LLVM cannot generate code for this machine: " + error;
  code.setTargetTriple(machine->getTargetTriple());
  code.setDataLayout(machine->createDataLayout());
  std::string width = std::to_string(target.lanes * 32);
  for (llvm::Function &function : code) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-features", target.featureString());
    function.addFnAttr("prefer-vector-width", width);
  }
  optimiser->run(code);
  if (kind == CodeKind::LlvmIr) {
    code.print(out, nullptr);
    return {};
  }
  llvm::legacy::PassManager passes;
  auto type = kind == CodeKind::Assembly ? llvm::CodeGenFileType::AssemblyFile
                                         : llvm::CodeGenFileType::ObjectFile;
  if (machine->addPassesToEmitFile(passes, out, nullptr, type, /*DisableVerify=*/true))
    return "this LLVM cannot write such a file";
  passes.run(code);
  return {};
}

LogicalResult netc::writeCode(ModuleOp source, llvm::Module &code, const CpuTarget &target,
                              CodeKind kind, llvm::raw_pwrite_stream &out) {
  std::string problem = CodeWriter(target).write(code, kind, out);
  return problem.empty() ? success() : source.emitError(problem);
}
