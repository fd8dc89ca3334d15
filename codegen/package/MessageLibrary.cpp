//===- MessageLibrary.cpp - what --comm links -----------------------------===//
#include "codegen/package/MessageLibrary.h"

#include "codegen/common/TemporaryFile.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Allocator.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/StringSaver.h"

#include <cstdlib>
#include <optional>

using namespace llvm;

static constexpr const char *packages =
    "Debian: apt-get install libopenmpi-dev openmpi-bin, or libmpich-dev mpich";

/// What `pkg-config OPTION PACKAGE` prints, as words; nothing where it fails.
static std::optional<std::vector<std::string>> ask(StringRef pkgConfig, StringRef option,
                                                   StringRef package) {
  SmallString<128> file;
  if (sys::fs::createTemporaryFile("netc-pkg", "txt", file))
    return std::nullopt;
  std::optional<StringRef> redirects[] = {StringRef(""), file.str(), StringRef("")};
  int code = sys::ExecuteAndWait(pkgConfig, {pkgConfig, option, package}, std::nullopt, redirects);
  auto text = MemoryBuffer::getFile(file);
  std::vector<std::string> words;
  if (code == 0 && text) {
    BumpPtrAllocator memory;
    StringSaver saver(memory);
    SmallVector<const char *> parsed;
    cl::TokenizeGNUCommandLine((*text)->getBuffer(), saver, parsed);
    words.assign(parsed.begin(), parsed.end());
  }
  sys::fs::remove(file);
  return code == 0 ? std::optional(words) : std::nullopt;
}

std::vector<std::string> netc::findMpi(StringRef folder, std::string &error) {
  std::string source = (folder + "/runtime/comm/mpi/Mpi.c").str();
  if (!sys::fs::exists(source)) {
    error = "--comm mpi: a part of the runtime is missing: expected " + source;
    return {};
  }
  ErrorOr<std::string> pkgConfig = sys::findProgramByName("pkg-config");
  if (!pkgConfig) {
    error = std::string("--comm mpi: pkg-config, which finds MPI, is not in PATH (") + packages +
            ", and pkg-config)";
    return {};
  }
  SmallVector<StringRef> names{"mpi-c", "ompi-c", "ompi", "mpich"};
  const char *chosen = std::getenv("NETC_MPI");
  if (chosen && *chosen)
    names = {chosen};
  for (StringRef name : names) {
    auto compiling = ask(*pkgConfig, "--cflags", name), linking = ask(*pkgConfig, "--libs", name);
    if (!compiling || !linking)
      continue;
    std::vector<std::string> arguments{"-x", "c", "-O2", ("-I" + folder).str()};
    append_range(arguments, *compiling);
    arguments.insert(arguments.end(), {source, "-x", "none"});
    for (const std::string &word : *linking) {
      arguments.push_back(word);
      if (StringRef(word).starts_with("-L") && word.size() > 2)
        arguments.push_back("-Wl,-rpath," + word.substr(2));
    }
    return arguments;
  }
  error = "--comm mpi: pkg-config knows no MPI; looked for " + join(names, ", ") + ". " + packages +
          "; or name its package in NETC_MPI";
  return {};
}

std::vector<std::string> netc::linkNccl(StringRef folder, bool isSimulated) {
  std::string unused;
  std::vector<std::string> arguments = findMpi(folder, unused);
  arguments.insert(arguments.end(), {"-Wl,-u,netc_links_nccl"});
  if (isSimulated)
    for (StringRef symbol :
         {"cuLaunchHostFunc", "cuMemHostAlloc", "cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2"})
      arguments.insert(arguments.end(), {("-Wl,-u," + symbol).str(),
                                         ("-Wl,--export-dynamic-symbol=" + symbol).str()});
  return arguments;
}
