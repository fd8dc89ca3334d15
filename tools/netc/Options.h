//===- Options.h - netc's command line --------------------------*- C++ -*-===//
#ifndef NETC_TOOLS_NETC_OPTIONS_H
#define NETC_TOOLS_NETC_OPTIONS_H

#include <string>
#include <utility>
#include <vector>

namespace netc {

/// What `netc FILE.net …` was asked to do.
struct Options {
  std::string file;
  std::string output;
  std::string model;
  std::vector<std::pair<std::string, std::string>> set;
  std::string target = "cpu";
  std::string cpu = "native";
  std::string chip; ///< of CUDA, separated by commas
  std::string precision = "f32";
  std::vector<std::string> keepF32; ///< of int8: patterns of layers that stay f32
  std::string comm = "none";        ///< what processes that train one model talk through
  std::string mode = "both";
  std::string emit = "exe";
  bool explain = false;
  bool timing = false;
  bool tune = false;
  bool printIr = false;   ///< after each pass, to stderr
  std::string library;    ///< of --emit lib: the folder that it goes to
  std::string dumpFolder; ///< of --dump-stages; empty: none
  bool kernelCache = true;
  unsigned threads = 0; ///< that compile kernels; 0: as many as there are cores for this process
};

/// What `netc fmt …` was asked to do.
struct FormatOptions {
  std::vector<std::string> files;
  bool checkOnly = false;
};

/// What `netc import …` was asked to do.
struct ImportOptions {
  std::string file;
  std::string weights; ///< empty: beside the file, if any
  std::string output;  ///< without an ending; empty: the file's own name
  bool noBatch = false;
  std::string precision = "f32"; ///< int8: scales of the file are kept, else it is computed as is
};

/// What `netc export …` was asked to do.
struct ExportOptions {
  std::string file, model, weights, output;
  std::vector<std::pair<std::string, std::string>> set;
};

/// Exit codes, as docs/reference/netc.md lists them.
enum ExitCode { kDone = 0, kFailed = 1, kUsage = 2 };

/// Parses the command line; returns an exit code if there is nothing left to do, else -1.
int parseOptions(int argc, char **argv, Options &options);
int parseFormatOptions(int argc, char **argv, FormatOptions &options);
int parseImportOptions(int argc, char **argv, ImportOptions &options);
int parseExportOptions(int argc, char **argv, ExportOptions &options);

int runCompiler(const Options &options);
int runFormatter(const FormatOptions &options);
int runImporter(const ImportOptions &options);
int runExporter(const ExportOptions &options);

} // namespace netc

#endif // NETC_TOOLS_NETC_OPTIONS_H
