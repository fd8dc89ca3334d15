//===- Options.cpp - netc's command line ----------------------------------===//
#include "tools/netc/Options.h"

#include <CLI/CLI.hpp>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>

using namespace netc;

static int finish(CLI::App &app, const CLI::ParseError &error) {
  if (error.get_exit_code() == 0) {
    app.exit(error);
    std::cout.flush();
    if (std::cout && std::fflush(stdout) == 0)
      return kDone;
    std::cerr << "netc: error: cannot write to standard output: " << std::strerror(errno) << "\n";
    return kFailed;
  }
  std::cerr << "netc: " << error.what() << "\nnetc: see netc --help\n";
  return kUsage;
}

/// NAME=VALUE of each --set.
static bool splitSettings(const std::vector<std::string> &sets,
                          std::vector<std::pair<std::string, std::string>> &result) {
  for (const std::string &set : sets) {
    size_t equals = set.find('=');
    if (equals == std::string::npos || equals == 0) {
      std::cerr << "netc: --set " << set << ": expected NAME=VALUE\n";
      return false;
    }
    result.emplace_back(set.substr(0, equals), set.substr(equals + 1));
  }
  return true;
}

int netc::parseOptions(int argc, char **argv, Options &options) {
  CLI::App app{"netc: compiles a .net file to one executable that trains, evaluates and predicts",
               "netc"};
  std::vector<std::string> sets;
  app.add_option("FILE", options.file,
                 "the model file (.net, or one that is imported: .onnx, .prototxt, .cfg); or: netc "
                 "fmt FILE..., netc import FILE, netc "
                 "export FILE")
      ->required()
      ->type_name("");
  app.add_option("-o", options.output, "where the result goes (default: the model's name)")
      ->type_name("OUT");
  app.add_option("--model", options.model, "which model, where the file has several")
      ->type_name("NAME");
  app.add_option("--set", sets, "a model parameter or the input size, VALUE an expression")
      ->type_name("NAME=VALUE")
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("--target", options.target, "cpu, cuda or sim")
      ->check(CLI::IsMember({"cpu", "cuda", "sim"}));
  app.add_option("--cpu", options.cpu,
                 "native, x86-64-v2, x86-64-v3 or x86-64-v4, the last maybe with +bf16, +vnni, "
                 "+amx, x86-64-v3 with +vnni; "
                 "several, separated by commas, make an executable that chooses at start")
      ->type_name("LEVEL");
  app.add_option("--chip", options.chip,
                 "for --target cuda: sm_75,sm_80,sm_86,sm_89,sm_90,sm_90a,sm_100,sm_120; machine "
                 "code for each where ptxas is found")
      ->type_name("CHIP");
  app.add_option(
         "--precision", options.precision,
         "f32; bf16: activations in half the bytes; tf32 for --target cuda; int8 for --target cpu "
         "and --mode infer: needs calibrated weights")
      ->check(CLI::IsMember({"f32", "tf32", "bf16", "int8"}));
  app.add_option(
         "--keep-f32", options.keepF32,
         "with --precision int8: layers that stay f32, as 'fc' or 'layer4.*'; may be repeated")
      ->type_name("PATTERN")
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("--comm", options.comm,
                 "none; mpi: the executable trains in several processes under mpirun or srun; "
                 "nccl: on several GPUs, under torchrun too")
      ->check(CLI::IsMember({"none", "mpi", "nccl"}));
  app.add_option("--mode", options.mode, "both, or infer: leave the training step out")
      ->check(CLI::IsMember({"both", "infer"}));
  app.add_option("--emit", options.emit,
                 "stop at: ast net train fused kern llvm asm ptx obj lib exe dot json")
      ->check(CLI::IsMember({"ast", "net", "train", "fused", "kern", "llvm", "asm", "ptx", "obj",
                             "lib", "exe", "dot", "json"}));
  app.add_option("--library", options.library,
                 "for --emit lib: the folder for header, libraries and CMake package")
      ->type_name("DIR");
  app.add_flag("--explain", options.explain,
               "for each layer: what was fused, algorithm, layout, FLOPs, bytes");
  app.add_flag("--tune", options.tune,
               "time candidate kernels on this machine, once, and take the fastest");
  app.add_flag("!--no-kernel-cache", options.kernelCache,
               "compile every kernel anew, and keep none");
  app.add_option("-j,--threads", options.threads,
                 "threads that compile kernels (default: the cores that netc may use)")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  app.add_flag("--print-ir-after-all", options.printIr,
               "print the module to stderr after each pass");
  app.add_option(
         "--dump-stages", options.dumpFolder,
         "write the module after each pass, and the kernels' code, to numbered files in DIR")
      ->type_name("DIR")
      ->check([](const std::string &folder) {
        return folder.empty() ? "expected a folder" : std::string();
      });
  app.add_flag("--timing", options.timing, "print how long each pass took");
  app.set_version_flag("--version", "netc " NETC_VERSION " (LLVM/MLIR 22)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return finish(app, error);
  }
  if (!options.chip.empty() && options.target == "cpu") {
    std::cerr << "netc: --chip " << options.chip
              << ": only --target cuda and sim have chips, this is " << options.target << "\n";
    return kUsage;
  }
  if (options.emit == "lib" && (options.library.empty() || !options.output.empty())) {
    std::cerr << "netc: --emit lib writes several files: name their folder with --library DIR"
              << (options.output.empty() ? "\n" : " in place of -o\n");
    return kUsage;
  }
  if (options.emit != "lib" && !options.library.empty()) {
    std::cerr << "netc: --library " << options.library << ": is for --emit lib\n";
    return kUsage;
  }
  if ((options.printIr || !options.dumpFolder.empty()) &&
      (options.emit == "ast" || options.emit == "dot")) {
    std::cerr << "netc: " << (options.printIr ? "--print-ir-after-all" : "--dump-stages")
              << ": no pass runs with --emit " << options.emit << "\n";
    return kUsage;
  }
  return splitSettings(sets, options.set) ? -1 : kUsage;
}

int netc::parseFormatOptions(int argc, char **argv, FormatOptions &options) {
  CLI::App app{"netc fmt: canonical formatting", "netc fmt"};
  app.add_option("FILE", options.files, "model files, rewritten in place")
      ->required()
      ->type_name("");
  app.add_flag("-n", options.checkOnly, "only check: exit 1 if a file would change");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return finish(app, error);
  }
  return -1;
}

int netc::parseImportOptions(int argc, char **argv, ImportOptions &options) {
  CLI::App app{"netc import: a model of another format as NAME.net and NAME.safetensors",
               "netc import"};
  app.add_option("FILE", options.file, "a model of ONNX, Caffe (.prototxt) or Darknet (.cfg)")
      ->required()
      ->type_name("");
  app.add_option("--weights", options.weights,
                 "of Caffe and Darknet: the .caffemodel or .weights file (default: the one of the "
                 "model's name)")
      ->type_name("FILE");
  app.add_option("-o", options.output, "NAME, without an ending (default: the file's)")
      ->type_name("NAME");
  app.add_flag("--no-batch", options.noBatch,
               "the first size of the inputs is no batch: all sizes are those of one value");
  app.add_option("--precision", options.precision,
                 "f32 (default): values that pass 8 bits are rounded as the file says; int8: their "
                 "scales are kept for an executable of --precision int8")
      ->type_name("P")
      ->check(CLI::IsMember({"f32", "int8"}));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return finish(app, error);
  }
  return -1;
}

int netc::parseExportOptions(int argc, char **argv, ExportOptions &options) {
  CLI::App app{"netc export: a model with its weights as an ONNX file", "netc export"};
  std::vector<std::string> sets;
  app.add_option("FILE", options.file, "the model file")->required()->type_name("");
  app.add_option("--weights", options.weights, "safetensors")->required()->type_name("W");
  app.add_option("-o", options.output, "MODEL.onnx")->required()->type_name("OUT");
  app.add_option("--model", options.model, "which model, where the file has several")
      ->type_name("NAME");
  app.add_option("--set", sets, "a model parameter or the input size, VALUE an expression")
      ->type_name("NAME=VALUE")
      ->take_all()
      ->allow_extra_args(false);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return finish(app, error);
  }
  return splitSettings(sets, options.set) ? -1 : kUsage;
}
