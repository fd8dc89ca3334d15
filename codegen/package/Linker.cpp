//===- Linker.cpp - objects and runtime to what a system runs -------------===//
#include "codegen/package/Linker.h"

#include "codegen/common/TemporaryFile.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

#include <cstdlib>
#include <vector>

using namespace llvm;
using namespace netc;

/// A C++ driver, which finds the C library and its start files. Empty: `error` says why
/// there is none.
static std::string findDriver(std::string &error) {
  if (const char *chosen = std::getenv("NETC_LINKER")) {
    if (ErrorOr<std::string> path = sys::findProgramByName(chosen))
      return *path;
    error = std::string("no linker: NETC_LINKER names ") + chosen + ", which is not in PATH";
    return {};
  }
  error = "no linker: netc links executables with a C++ compiler driver; looked for clang++-22, "
          "clang++, g++ and c++ in "
          "PATH; install one (Debian: apt-get install clang-22 or g++) or name one in NETC_LINKER";
  for (StringRef name : {"clang++-22", "clang++", "g++", "c++"})
    if (ErrorOr<std::string> path = sys::findProgramByName(name))
      return *path;
  return {};
}

/// Whether `driver` finds LLVM's linker, which takes a third of GNU ld's time: beside itself, as
/// clang's lies, or in PATH. A driver that the user named is called as it is.
static bool findsLld(StringRef driver) {
  if (std::getenv("NETC_LINKER"))
    return false;
  SmallString<256> real;
  if (sys::path::filename(driver).starts_with("clang") && !sys::fs::real_path(driver, real)) {
    sys::path::remove_filename(real);
    sys::path::append(real, "ld.lld");
    if (sys::fs::can_execute(real))
      return true;
  }
  return static_cast<bool>(sys::findProgramByName("ld.lld"));
}

static std::string readAll(StringRef path) {
  auto buffer = MemoryBuffer::getFile(path);
  return buffer ? (*buffer)->getBuffer().str() : std::string();
}

static bool requireArchives(ArrayRef<std::string> archives, std::string &error) {
  for (const std::string &archive : archives) {
    if (sys::fs::exists(archive))
      continue;
    error = "the runtime library is missing: expected " + archive +
            " beside netc; build or install it with netc";
    return false;
  }
  return true;
}

/// Runs the driver with `arguments`, which leave out the output.
static bool runDriver(ArrayRef<std::string> arguments, StringRef output, std::string &error) {
  std::string driver = findDriver(error);
  if (driver.empty())
    return false;
  std::string partial = partialName(output);
  SmallString<128> log;
  if (std::error_code failure = sys::fs::createTemporaryFile("netc-link", "log", log)) {
    error = temporaryFileError(failure);
    return false;
  }
  SmallVector<StringRef> command{driver};
  llvm::append_range(command, arguments);
  llvm::append_range(command, ArrayRef<StringRef>{"-o", partial});
  if (findsLld(driver))
    command.push_back("-fuse-ld=lld");
  std::optional<StringRef> redirects[] = {StringRef(""), log.str(), log.str()};
  std::string launch;
  int code = sys::ExecuteAndWait(driver, command, std::nullopt, redirects, 0, 0, &launch);
  std::string said = readAll(log);
  sys::fs::remove(log);
  if (code != 0) {
    sys::fs::remove(partial);
    error = "the linker " + driver + " failed" + (launch.empty() ? "" : ": " + launch) +
            (said.empty() ? "" : "\n" + said);
    return false;
  }
  if (std::error_code failure = sys::fs::rename(partial, output)) {
    sys::fs::remove(partial);
    error = "cannot write " + output.str() + ": " + failure.message();
    return false;
  }
  return true;
}

static void append(std::vector<std::string> &arguments, ArrayRef<std::string> more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
}

bool netc::linkExecutable(ArrayRef<std::string> objects, ArrayRef<std::string> archives,
                          ArrayRef<std::string> others, StringRef output, std::string &error) {
  if (!requireArchives(archives, error))
    return false;
  std::vector<std::string> arguments = others.vec(); // a library follows what needs it in them
  append(arguments, objects);
  append(arguments, archives);
  append(arguments, {"-static-libstdc++", "-static-libgcc", "-Wl,--gc-sections", "-s", "-lm",
                     "-lpthread", "-ldl"});
  return runDriver(arguments, output, error);
}

bool netc::linkRelocatable(ArrayRef<std::string> objects, ArrayRef<std::string> archives,
                           ArrayRef<std::string> wanted, StringRef output, std::string &error) {
  if (!requireArchives(archives, error))
    return false;
  // Groups would be merged by name with those of other libraries, whatever is local in them.
  std::vector<std::string> arguments{"-r", "-nostdlib", "-Wl,--force-group-allocation"};
  for (const std::string &symbol : wanted)
    append(arguments, {"-Wl,-u," + symbol});
  append(arguments, objects);
  append(arguments, archives);
  return runDriver(arguments, output, error);
}

bool netc::linkShared(const std::string &object, StringRef soname, StringRef output,
                      std::string &error) {
  return runDriver({"-shared", "-Wl,-soname," + soname.str(), object, "-static-libstdc++",
                    "-static-libgcc", "-Wl,--exclude-libs,ALL", "-Wl,--gc-sections", "-Wl,-z,defs",
                    "-s", "-lm", "-lpthread", "-ldl"},
                   output, error);
}
