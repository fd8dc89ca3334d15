//===- ScalarPipeline.cpp - LLVM's passes over kernels --------------------===//
#include "codegen/common/ScalarPipeline.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/Error.h"
#include "llvm/Target/TargetMachine.h"

using namespace netc;

/// These passes give the micro-kernels that O2 gives. Without reassociate each access keeps a base
/// pointer of its own; without indvars or gvn loops have more instructions.
static constexpr llvm::StringLiteral kCpuPasses =
    "function(early-cse),ipsccp,deadargelim,"
    "function(early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,reassociate,"
    "loop-simplify,lcssa,loop-mssa(loop-rotate,licm),loop(indvars),gvn,"
    "instcombine<no-verify-fixpoint>,loop-mssa(licm),simplifycfg)";

static llvm::PipelineTuningOptions withoutVectorizers() {
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  tuning.LoopUnrolling = false;
  return tuning;
}

/// A pipeline, and the analyses of its passes for the current module.
struct ScalarPipeline::Passes {
  Passes(llvm::TargetMachine &machine, Kind kind) : builder(&machine, withoutVectorizers()) {
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(sccs);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, sccs, modules);
    if (kind == Kind::Cpu)
      llvm::cantFail(builder.parsePassPipeline(pipeline, kCpuPasses));
    else
      pipeline = builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2);
  }
  void run(llvm::Module &code) {
    pipeline.run(code, modules);
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
  llvm::ModulePassManager pipeline;
};

ScalarPipeline::ScalarPipeline(llvm::TargetMachine &machine, Kind kind)
    : passes(std::make_unique<Passes>(machine, kind)) {}
ScalarPipeline::~ScalarPipeline() = default;

void ScalarPipeline::run(llvm::Module &code) { passes->run(code); }
