//===- Driver.cpp - from options to a result ------------------------------===//
#include "codegen/common/Explain.h"
#include "codegen/package/Compile.h"
#include "codegen/package/Linker.h"
#include "codegen/package/MessageLibrary.h"
#include "codegen/package/ModelTable.h"
#include "frontend/elaborate/Frontend.h"
#include "frontend/elaborate/Program.h"
#include "frontend/emit/Dot.h"
#include "frontend/emit/EmitNet.h"
#include "frontend/syntax/Format.h"
#include "passes/Pipeline.h"
#include "tools/netc/LibraryOutput.h"
#include "tools/netc/Objects.h"
#include "tools/netc/Options.h"
#include "tools/netc/Output.h"
#include "tools/netc/StageDump.h"
#include "tools/netc/TunedSchedules.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/BuryPointer.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>

using namespace mlir;
using namespace netc;

/// Seconds on a clock that only goes forward.
static double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Writes `text` to the output that was named, or to stdout.
static int writeText(const Options &options, llvm::StringRef text) {
  if (options.output.empty() || options.output == "-")
    return writeStdout(text);
  return writeFile(options.output, text);
}

static std::string printed(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream out(text);
  module.print(out);
  return text + "\n";
}

/// file:line:column of the innermost place that a location names.
static void printPlace(Location location) {
  if (auto call = dyn_cast<CallSiteLoc>(location))
    return printPlace(call.getCallee());
  if (auto fused = dyn_cast<FusedLoc>(location); fused && !fused.getLocations().empty())
    return printPlace(fused.getLocations().front());
  if (auto place = dyn_cast<FileLineColLoc>(location))
    llvm::errs() << place.getFilename().getValue() << ":" << place.getLine() << ":"
                 << place.getColumn() << ": ";
  else
    llvm::errs() << "netc: ";
}

/// A diagnostic of the compiler's later stages, in the form of the front end's.
static void report(Diagnostic &diagnostic) {
  printPlace(diagnostic.getLocation());
  llvm::errs() << (diagnostic.getSeverity() == DiagnosticSeverity::Error ? "error: " : "warning: ")
               << diagnostic << "\n";
  for (Diagnostic &note : diagnostic.getNotes()) {
    printPlace(note.getLocation());
    llvm::errs() << "note: " << note << "\n";
  }
}

/// `dump` null: a trial, which nobody looks at.
static bool runPasses(ModuleOp module, Stage stage, const Options &options, const Targets &target,
                      StageDump *dump) {
  PassManager pm(module.getContext());
  if (dump && options.printIr)
    pm.enableIRPrinting([](Pass *, Operation *) { return false; },
                        [](Pass *, Operation *) { return true; },
                        /*printModuleScope=*/true, /*printAfterOnlyOnChange=*/false);
  if (dump)
    dump->watch(pm);
  // Each stage ends in a verifier of its own, which also runs the verifiers of ops; running those
  // after every pass would cost as much as the passes.
  pm.enableVerifier(false);
  if (options.timing)
    pm.enableTiming();
  PipelineOptions pipeline;
  pipeline.training = options.mode == "both";
  if (auto optimizer = module->getAttrOfType<StringAttr>("net.optimizer"))
    pipeline.optimizer = optimizer.str();
  pipeline.nesterov = module->hasAttr("net.nesterov");
  pipeline.average = module->hasAttr("net.average");
  pipeline.lanes = target.cpu.lanes;
  pipeline.registers = target.cpu.registers;
  pipeline.gpu = target.gpu.has_value();
  pipeline.precision = options.precision;
  pipeline.int8Products = target.cpu.hasVnni();
  pipeline.keepF32 = options.keepF32;
  pipeline.bf16Products = target.cpu.hasBf16() && !target.gpu;
  pipeline.matrixTiles = target.cpu.hasAmx() && !target.gpu;
  buildPipeline(pm, stage, pipeline);
  return succeeded(pm.run(module)) && !(dump && dump->status());
}

/// Plans a module for `tuneNetwork`.
static PlanModule passesOf(const Options &options, const Targets &target) {
  return [&](ModuleOp module) {
    return success(runPasses(module, Stage::Kern, options, target, nullptr));
  };
}

static int emitCode(ModuleOp module, const Options &options, const Targets &target, CodeKind kind,
                    StageDump &dump) {
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream out(bytes);
  if (failed(compileCode(module, target, kind, dump, out)))
    return kFailed;
  if (kind != CodeKind::Object)
    return writeText(options, bytes);
  Options named = options;
  if (named.output.empty())
    named.output = module->getAttrOfType<StringAttr>("net.model").str() + ".o";
  return writeText(named, bytes);
}

/// Says before compiling what linking would say after it.
static int checkOutput(const std::string &output) {
  llvm::StringRef folder = llvm::sys::path::parent_path(output);
  if (!folder.empty() && !llvm::sys::fs::is_directory(folder))
    return fail("cannot write " + output + ": there is no folder " + folder);
  if (llvm::sys::fs::is_directory(output))
    return fail("cannot write " + output + ": it is a folder; name the executable with -o");
  if (std::error_code error =
          llvm::sys::fs::access(folder.empty() ? "." : folder, llvm::sys::fs::AccessMode::Write))
    return fail("cannot write " + output + ": " + error.message());
  return kDone;
}

static int linkObjects(const Objects &objects, const std::string &output, const Options &options) {
  std::string error;
  bool special = isSpecial(output); // linking in its place would replace it
  std::string linkedTo = special ? objects.files().front() + ".exe" : output;
  std::vector<std::string> archives = runtimeArchives(options.target), transport;
  if (options.comm == "mpi" && (transport = findMpi(archivePath(""), error)).empty())
    return fail(error);
  if (options.comm == "nccl")
    transport = linkNccl(archivePath(""), options.target == "sim");
  if (!linkExecutable(objects.files(), archives, transport, linkedTo, error))
    return fail(error);
  if (!special)
    return kDone;
  auto executable = llvm::MemoryBuffer::getFile(linkedTo);
  llvm::sys::fs::remove(linkedTo);
  if (!executable)
    return fail("cannot read " + linkedTo + ": " + executable.getError().message());
  return writeFile(output, (*executable)->getBuffer());
}

/// Does not destroy a module that is used until the process ends: for deep networks this would take
/// a tenth of the time.
static void leaveInMemory(OwningOpRef<ModuleOp> module) {
  llvm::BuryPointer(module.release().getAsOpaquePointer());
}

/// The tables of `--explain`, with what code for sm_90a does otherwise.
static int writeExplanation(ModuleOp module, const Targets &target) {
  return writeStdout(explain(module, [&](Operation *launch) {
    return target.gpu ? cuda::explainHopper(*target.gpu, launch) : std::string();
  }));
}

/// The model once for each level of the CPU (tiles and layouts differ, so all after the net stage
/// is made anew) and the list of these models. `planned` receives the last of them.
static int compileLevels(ModuleOp network, const Options &options, const Targets &target,
                         StageDump &dump, Objects &objects, OwningOpRef<ModuleOp> &planned) {
  llvm::StringRef model = network->getAttrOfType<StringAttr>("net.model").getValue();
  std::vector<std::string> tables;
  for (auto [index, level] : llvm::enumerate(target.levels)) {
    planned = nullptr;
    OwningOpRef<ModuleOp> module = network.clone();
    Targets one = target;
    one.cpu = level;
    if (target.levels.size() > 1) {
      dump.setLevel(level.name);
      if (options.printIr)
        llvm::errs() << "// -----// Passes for " << level.name << " //----- //\n";
    }
    if (options.tune && failed(tuneNetwork(*module, level, passesOf(options, one))))
      return kFailed;
    if (!runPasses(*module, Stage::Kern, options, one, &dump))
      return kFailed;
    if (options.explain && index == 0)
      if (int code = writeExplanation(*module, one))
        return code;
    auto number = static_cast<unsigned>(index);
    tables.push_back(ModelSymbols(model, number).table);
    if (int code = objects.addModel(*module, one, number))
      return code;
    planned = std::move(module);
  }
  if (int code = objects.addKernels())
    return code;
  return objects.add([&](llvm::raw_pwrite_stream &out) {
    return writeEntryTable(network, target.cpu, tables, out);
  });
}

static int emitExecutable(ModuleOp network, const Options &options, const Targets &target,
                          StageDump &dump) {
  std::string output = options.output.empty()
                           ? network->getAttrOfType<StringAttr>("net.model").str()
                           : options.output;
  if (int code = checkOutput(output))
    return code;
  Objects objects(options, dump);
  OwningOpRef<ModuleOp> planned;
  if (int code = compileLevels(network, options, target, dump, objects, planned))
    return code;
  double start = now();
  int code = linkObjects(objects, output, options);
  if (options.timing) {
    objects.printTimes();
    llvm::errs() << llvm::formatv("netc: linking   {0,7:F3} s\n", now() - start);
  }
  leaveInMemory(std::move(planned));
  return code;
}

static int emitLibrary(ModuleOp network, const Options &options, const Targets &target,
                       StageDump &dump) {
  if (int code = openLibraryFolder(options.library))
    return code;
  Objects objects(options, dump);
  OwningOpRef<ModuleOp> planned;
  if (int code = compileLevels(network, options, target, dump, objects, planned))
    return code;
  std::string levels;
  for (const CpuTarget &level : target.levels)
    levels += (levels.empty() ? "" : ", ") + level.name;
  double start = now();
  int code = writeLibrary(*planned, objects, runtimeArchives(options.target),
                          target.gpu ? options.target : levels, options.library);
  if (options.timing) {
    objects.printTimes();
    llvm::errs() << llvm::formatv("netc: linking   {0,7:F3} s\n", now() - start);
  }
  leaveInMemory(std::move(planned));
  return code;
}

/// Whether passes gain by threads: below some thousand operations a lock at each attribute costs
/// more than the second core brings.
static bool isDeep(ModuleOp module) {
  int64_t count = 0;
  module.walk([&](Operation *) { ++count; });
  return count > 2000;
}

static int compileNetwork(const frontend::Network &network, const Options &options,
                          const Targets &target) {
  llvm::DefaultThreadPool pool(llvm::hardware_concurrency(compilerThreads(options)));
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.printOpOnDiagnostic(false); // users have no use for the whole module behind an error
  context.getDiagEngine().registerHandler([](Diagnostic &diagnostic) { report(diagnostic); });
  OwningOpRef<ModuleOp> module = frontend::emitNet(context, network);
  // MLIR prints whole modules on one thread alone.
  if (pool.getMaxConcurrency() > 1 && !options.printIr && isDeep(*module))
    context.setThreadPool(pool);
  if (failed(verify(*module)))
    return fail("the front end built a network that does not verify; this is a bug in netc");
  Stage stage = llvm::StringSwitch<Stage>(options.emit)
                    .Case("net", Stage::Net)
                    .Case("train", Stage::Train)
                    .Case("fused", Stage::Fused)
                    .Default(Stage::Kern);
  StageDump dump(options.dumpFolder);
  if (int code = dump.open())
    return code;
  if (int code = dump.addModule("parsed", *module))
    return code;
  if (options.mode == "both" && stage == Stage::Kern && options.emit != "kern")
    recordGraph(*module);
  if (options.emit == "exe" || options.emit == "lib") {
    int code = options.emit == "exe" ? emitExecutable(*module, options, target, dump)
                                     : emitLibrary(*module, options, target, dump);
    leaveInMemory(std::move(module));
    return code;
  }
  if (options.tune && failed(tuneNetwork(*module, target.cpu, passesOf(options, target))))
    return kFailed;
  if (!runPasses(*module, stage, options, target, &dump))
    return kFailed;
  if (options.explain && stage == Stage::Kern)
    if (int code = writeExplanation(*module, target))
      return code;
  if (options.emit == "json")
    return writeText(options,
                     modelJson(*module, target.cpu, target.gpu ? &*target.gpu : nullptr) + "\n");
  if (options.emit == "llvm")
    return emitCode(*module, options, target, CodeKind::LlvmIr, dump);
  if (options.emit == "asm")
    return emitCode(*module, options, target, CodeKind::Assembly, dump);
  if (options.emit == "ptx")
    return emitCode(*module, options, target, CodeKind::Ptx, dump);
  if (options.emit == "obj")
    return emitCode(*module, options, target, CodeKind::Object, dump);
  return writeText(options, printed(*module));
}

/// Refuses a precision that the target does not have, naming those that it has.
static int checkPrecision(const Options &options) {
  bool forGpu = options.target != "cpu";
  std::string expected = forGpu ? "expected f32, tf32 or bf16" : "expected f32, bf16 or int8";
  if (options.precision == "tf32" && !forGpu)
    return fail("--precision tf32 is for --target cuda and sim; " + expected);
  if (options.precision == "int8" && forGpu)
    return fail("--precision int8 is for --target cpu; " + expected);
  if (options.precision == "int8" && options.mode == "both")
    return fail("--precision int8 cannot train, which --mode both compiles; add --mode infer");
  if (options.precision == "int8" && options.tune)
    return fail("--tune times kernels of f32 and bf16; it does nothing with --precision int8");
  if (options.precision != "int8" && !options.keepF32.empty())
    return fail("--keep-f32 is for --precision int8; this is " + options.precision);
  return kDone;
}

/// Refuses what processes cannot talk through, before anything is compiled.
static int checkCommunication(const Options &options) {
  std::string missing;
  if (options.comm == "nccl" && options.target == "cpu")
    return fail("--comm nccl joins GPUs; expected --target cuda beside it, or --comm mpi for CPUs");
  if (options.comm != "none" && options.emit != "exe")
    return fail("--comm " + options.comm + " is for executables; it does nothing with --emit " +
                options.emit);
  if (options.comm == "mpi" && findMpi(archivePath(""), missing).empty())
    return fail(missing);
  return kDone;
}

int netc::runCompiler(const Options &options) {
  bool forGpu = options.target != "cpu";
  if (int code = checkPrecision(options))
    return code;
  if (int code = checkCommunication(options))
    return code;
  if (options.emit == "ptx" && !forGpu)
    return fail("--emit ptx is for --target cuda and sim");
  if (options.tune && forGpu)
    return fail("--tune times kernels for the CPU; it does nothing with --target " +
                options.target);
  std::vector<CpuTarget> levels;
  std::string unknown;
  if (!parseCpuTargets(options.cpu, options.precision, levels, unknown)) {
    llvm::errs() << "netc: " << unknown << "\n";
    return kUsage;
  }
  bool links = options.emit == "exe" || options.emit == "lib";
  if (levels.size() > 1 && (!links || forGpu))
    return fail("--cpu " + options.cpu +
                ": several levels make an executable or a library for the CPU; name one with " +
                llvm::Twine(forGpu ? "--target " + options.target : "--emit " + options.emit));
  Targets targets{levels.front(), std::nullopt, levels};
  if (forGpu) {
    std::string error;
    cuda::GpuTarget gpu;
    if (!cuda::parseChips(options.chip, options.precision, options.target == "sim", gpu, error))
      return fail(error);
    targets.gpu = gpu;
  }
  if (!options.output.empty() && llvm::sys::fs::equivalent(options.output, options.file))
    return fail("cannot write " + options.output + ": it is the model file itself");
  std::string diagnostics;
  if (options.emit == "ast") {
    std::optional<std::string> tree = frontend::dumpAst(options.file, diagnostics);
    llvm::errs() << diagnostics;
    return tree ? writeText(options, *tree) : kFailed;
  }
  frontend::ElaborateOptions elaborate{options.model, options.set};
  std::optional<frontend::Network> network =
      frontend::elaborateFile(options.file, elaborate, diagnostics);
  llvm::errs() << diagnostics;
  if (!network)
    return kFailed;
  if (options.emit == "dot")
    return writeText(options, frontend::networkDot(*network));
  return compileNetwork(*network, options, targets);
}

/// Rewrites one file in the canonical form, keeping its permissions and, where its name is a link,
/// the link.
static int formatFile(const std::string &file, bool checkOnly) {
  frontend::FileText read = frontend::readSource(file);
  if (!read.error.empty())
    return fail("can't read '" + file + "': " + read.error);
  std::string diagnostics;
  std::optional<std::string> formatted = frontend::formatSource(file, read.text, diagnostics);
  llvm::errs() << diagnostics;
  if (!formatted)
    return kFailed;
  if (*formatted == read.text)
    return kDone;
  if (checkOnly) {
    llvm::errs() << file << ": would be reformatted\n";
    return kFailed;
  }
  llvm::SmallString<256> target;
  if (std::error_code error = llvm::sys::fs::real_path(file, target))
    return fail("cannot write " + file + ": " + error.message());
  if (std::error_code error = llvm::sys::fs::access(target, llvm::sys::fs::AccessMode::Write))
    return fail("cannot write " + file + ": " + error.message());
  llvm::ErrorOr<llvm::sys::fs::perms> permissions = llvm::sys::fs::getPermissions(target);
  if (int code = writeFile(std::string(target), *formatted))
    return code;
  if (permissions)
    llvm::sys::fs::setPermissions(target, *permissions);
  return kDone;
}

int netc::runFormatter(const FormatOptions &options) {
  int code = kDone;
  for (const std::string &file : options.files)
    if (int failed = formatFile(file, options.checkOnly))
      code = failed;
  return code;
}
