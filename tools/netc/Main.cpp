//===- Main.cpp - netc ----------------------------------------------------===//
#include "tools/netc/Options.h"

#include "llvm/Support/InitLLVM.h"

#include <cstring>

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  if (argc > 1 && std::strcmp(argv[1], "fmt") == 0) {
    netc::FormatOptions options;
    int code = netc::parseFormatOptions(argc - 1, argv + 1, options);
    return code >= 0 ? code : netc::runFormatter(options);
  }
  netc::Options options;
  int code = netc::parseOptions(argc, argv, options);
  return code >= 0 ? code : netc::runCompiler(options);
}
