//===- Main.cpp - netc ----------------------------------------------------===//
#include "tools/netc/Import.h"
#include "tools/netc/Options.h"

#include "llvm/Support/InitLLVM.h"

#include <cstring>
#include <malloc.h>

/// Deep networks are hundreds of MiB of small objects. The C library would return memory to the
/// system between passes and fetch it again page by page.
static void keepFreedMemory() {
#ifdef __GLIBC__
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 16 << 20);
  mallopt(M_MMAP_THRESHOLD, 1 << 28);
#endif
}

int main(int argc, char **argv) {
  keepFreedMemory();
  llvm::InitLLVM init(argc, argv);
  if (argc > 1 && std::strcmp(argv[1], "fmt") == 0) {
    netc::FormatOptions options;
    int code = netc::parseFormatOptions(argc - 1, argv + 1, options);
    return code >= 0 ? code : netc::runFormatter(options);
  }
  if (argc > 1 && std::strcmp(argv[1], "import") == 0) {
    netc::ImportOptions options;
    int code = netc::parseImportOptions(argc - 1, argv + 1, options);
    return code >= 0 ? code : netc::runImporter(options);
  }
  if (argc > 1 && std::strcmp(argv[1], "export") == 0) {
    netc::ExportOptions options;
    int code = netc::parseExportOptions(argc - 1, argv + 1, options);
    return code >= 0 ? code : netc::runExporter(options);
  }
  netc::Options options;
  int code = netc::parseOptions(argc, argv, options);
  if (code < 0)
    code = netc::importFirst(options);
  return code >= 0 ? code : netc::runCompiler(options);
}
