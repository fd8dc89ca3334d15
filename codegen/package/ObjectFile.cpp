//===- ObjectFile.cpp - LLVM IR to text or object -------------------------===//
#include "codegen/package/ObjectFile.h"

#include "codegen/common/ScalarPipeline.h"

#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"

#include <ctime>

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

double netc::threadSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

CodeWriter::CodeWriter(const CpuTarget &target)
    : target(target), machine(makeMachine(target, error)) {
  if (machine)
    pipeline = std::make_unique<ScalarPipeline>(*machine, ScalarPipeline::Kind::Cpu);
}
CodeWriter::~CodeWriter() = default;

std::string CodeWriter::write(llvm::Module &code, CodeKind kind, llvm::raw_pwrite_stream &out,
                              const WatchCode &watch, StringRef name) {
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
  double start = threadSeconds();
  pipeline->run(code);
  optimising += threadSeconds() - start;
  if (watch) {
    std::string text;
    llvm::raw_string_ostream printed(text);
    code.print(printed, nullptr);
    watch(name, "ll", text);
  }
  if (kind == CodeKind::LlvmIr) {
    code.print(out, nullptr);
    return {};
  }
  llvm::legacy::PassManager passes;
  auto type = kind == CodeKind::Assembly ? llvm::CodeGenFileType::AssemblyFile
                                         : llvm::CodeGenFileType::ObjectFile;
  if (machine->addPassesToEmitFile(passes, out, nullptr, type, /*DisableVerify=*/true))
    return "this LLVM cannot write such a file";
  start = threadSeconds();
  passes.run(code);
  generating += threadSeconds() - start;
  return {};
}

LogicalResult netc::writeCode(ModuleOp source, llvm::Module &code, const CpuTarget &target,
                              CodeKind kind, llvm::raw_pwrite_stream &out, const WatchCode &watch) {
  std::string problem = CodeWriter(target).write(code, kind, out, watch);
  return problem.empty() ? success() : source.emitError(problem);
}
