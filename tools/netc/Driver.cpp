//===- Driver.cpp - from options to a result ------------------------------===//
#include "codegen/common/Explain.h"
#include "codegen/common/TemporaryFile.h"
#include "codegen/package/Compile.h"
#include "codegen/package/Linker.h"
#include "codegen/package/ModelTable.h"
#include "frontend/elaborate/Frontend.h"
#include "frontend/elaborate/Program.h"
#include "frontend/emit/Dot.h"
#include "frontend/emit/EmitNet.h"
#include "frontend/syntax/Format.h"
#include "passes/Pipeline.h"
#include "runtime/system/ControlGroup.h"
#include "tools/netc/CacheFolder.h"
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

namespace {
/// What code is generated for: the CPU alone, or a GPU and the CPU beside it.
struct Targets {
  CpuTarget cpu;
  std::optional<cuda::GpuTarget> gpu;
  std::vector<CpuTarget> levels; ///< of an executable, best first; `cpu` is one of them
};
} // namespace

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
  pipeline.precision = target.gpu && target.gpu->tensorCores ? "tf32" : "f32";
  buildPipeline(pm, stage, pipeline);
  return succeeded(pm.run(module)) && !(dump && dump->status());
}

/// Plans a module for `tuneNetwork`.
static PlanModule passesOf(const Options &options, const Targets &target) {
  return [&](ModuleOp module) {
    return success(runPasses(module, Stage::Kern, options, target, nullptr));
  };
}

/// An archive of the runtime; they lie beside netc in a build and in an installation.
static std::string archivePath(llvm::StringRef name) {
  static int anchor;
  std::string self = llvm::sys::fs::getMainExecutable("netc", &anchor);
  llvm::SmallString<256> path(llvm::sys::path::parent_path(llvm::sys::path::parent_path(self)));
  llvm::sys::path::append(path, "lib", "netc", name);
  return std::string(path);
}

static LogicalResult compile(ModuleOp module, const Targets &target, CodeKind kind, StageDump &dump,
                             llvm::raw_pwrite_stream &out) {
  WatchCode watch = dump.watchCode(/*several=*/false);
  LogicalResult compiled =
      target.gpu ? compileModelForGpu(module, *target.gpu, target.cpu, kind, watch, out)
                 : compileModel(module, target.cpu, kind, watch, out);
  return success(succeeded(compiled) && !dump.status());
}

static int emitCode(ModuleOp module, const Options &options, const Targets &target, CodeKind kind,
                    StageDump &dump) {
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream out(bytes);
  if (failed(compile(module, target, kind, dump, out)))
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

static unsigned compilerThreads(const Options &options) {
  return options.threads ? options.threads
                         : std::min(runtime::availableCores(), KernelObjects::kMostThreads);
}

namespace {
/// Temporary object files, gone with it.
class Objects {
public:
  Objects(const Options &options, StageDump &dump)
      : dump(dump),
        cache(options.kernelCache ? kernelFolder() : std::string(), kernelFolderBytes()),
        kernels(cache, compilerThreads(options)) {}
  ~Objects() {
    for (const std::string &path : paths)
      llvm::sys::fs::remove(path);
  }
  /// One more file, with what `write` writes.
  int add(llvm::function_ref<LogicalResult(llvm::raw_pwrite_stream &)> write);
  /// Compiles `module` to one more file, its kernels to those that `addKernels` writes. `level`:
  /// see ModelSymbols.
  int addModel(ModuleOp module, const Targets &target, unsigned level);
  /// Writes the kernels of all modules to a last file.
  int addKernels();
  /// Where the time went, after `seconds`.
  void printTimes(double seconds) const;
  const std::vector<std::string> &files() const { return paths; }

private:
  /// A new file; null: none could be made, which was said.
  std::unique_ptr<llvm::raw_fd_ostream> create(llvm::StringRef suffix);

  StageDump &dump;
  std::vector<std::string> paths;
  KernelCache cache;
  KernelObjects kernels;
};
} // namespace

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
  return add([&](llvm::raw_pwrite_stream &out) {
    if (target.gpu)
      return compile(module, target, CodeKind::Object, dump, out);
    kernels.watch(dump.watchCode(/*several=*/true));
    LogicalResult compiled = compileForLinking(module, target.cpu, kernels, out, level);
    return success(succeeded(compiled) && !dump.status());
  });
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

void Objects::printTimes(double seconds) const {
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

static int linkObjects(const Objects &objects, const std::string &output, const Options &options) {
  std::string error;
  bool special = isSpecial(output); // linking in its place would replace it
  std::string linkedTo = special ? objects.files().front() + ".exe" : output;
  std::vector<std::string> archives{archivePath("libnetc_runtime.a")};
  if (options.target == "sim")
    archives.insert(archives.begin(), archivePath("libnetc_sim.a"));
  if (!linkExecutable(objects.files(), archives, linkedTo, error))
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

/// The model once for each level of the CPU: tiles and layouts differ, so all after the net stage
/// is made anew.
static int emitExecutable(ModuleOp network, const Options &options, const Targets &target,
                          StageDump &dump) {
  std::string output = options.output.empty()
                           ? network->getAttrOfType<StringAttr>("net.model").str()
                           : options.output;
  if (int code = checkOutput(output))
    return code;
  llvm::StringRef model = network->getAttrOfType<StringAttr>("net.model").getValue();
  std::vector<std::string> tables;
  Objects objects(options, dump);
  double inCode = 0;
  for (auto [index, level] : llvm::enumerate(target.levels)) {
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
      if (int code = writeStdout(explain(*module)))
        return code;
    auto number = static_cast<unsigned>(index);
    tables.push_back(ModelSymbols(model, number).table);
    double start = now();
    if (int code = objects.addModel(*module, one, number))
      return code;
    inCode += now() - start;
    if (index + 1 == target.levels.size())
      leaveInMemory(std::move(module));
  }
  if (int code = objects.addKernels())
    return code;
  if (int code = objects.add([&](llvm::raw_pwrite_stream &out) {
        return writeEntryTable(network, target.cpu, tables, out);
      }))
    return code;
  double start = now();
  int code = linkObjects(objects, output, options);
  if (options.timing) {
    objects.printTimes(inCode);
    llvm::errs() << llvm::formatv("netc: linking   {0,7:F3} s\n", now() - start);
  }
  return code;
}

static int compileNetwork(const frontend::Network &network, const Options &options,
                          const Targets &target) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.printOpOnDiagnostic(false); // users have no use for the whole module behind an error
  context.getDiagEngine().registerHandler([](Diagnostic &diagnostic) { report(diagnostic); });
  OwningOpRef<ModuleOp> module = frontend::emitNet(context, network);
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
  if (options.emit == "exe") {
    int code = emitExecutable(*module, options, target, dump);
    leaveInMemory(std::move(module));
    return code;
  }
  if (options.tune && failed(tuneNetwork(*module, target.cpu, passesOf(options, target))))
    return kFailed;
  if (!runPasses(*module, stage, options, target, &dump))
    return kFailed;
  if (options.explain && stage == Stage::Kern)
    if (int code = writeStdout(explain(*module)))
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

int netc::runCompiler(const Options &options) {
  bool forGpu = options.target != "cpu";
  if (options.precision == "bf16")
    return fail("--precision bf16 is not available yet; expected f32" +
                llvm::Twine(forGpu ? " or tf32" : ""));
  if (options.precision == "tf32" && !forGpu)
    return fail("--precision tf32 is for --target cuda and sim; expected f32");
  if (options.emit == "lib")
    return fail("--emit lib is not available yet");
  if (options.emit == "ptx" && !forGpu)
    return fail("--emit ptx is for --target cuda and sim");
  if (options.tune && forGpu)
    return fail("--tune times kernels for the CPU; it does nothing with --target " +
                options.target);
  std::vector<CpuTarget> levels;
  std::string unknown;
  if (!parseCpuTargets(options.cpu, levels, unknown)) {
    llvm::errs() << "netc: " << unknown << "\n";
    return kUsage;
  }
  if (levels.size() > 1 && (options.emit != "exe" || forGpu))
    return fail("--cpu " + options.cpu +
                ": several levels make an executable for the CPU; name one with " +
                llvm::Twine(forGpu ? "--target " + options.target : "--emit " + options.emit));
  Targets targets{levels.front(), std::nullopt, levels};
  if (forGpu) {
    std::string error;
    cuda::GpuTarget gpu;
    if (!cuda::parseChips(options.chip, options.precision == "tf32", options.target == "sim", gpu,
                          error))
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
