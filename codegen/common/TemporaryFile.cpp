//===- TemporaryFile.cpp - where temporary files lie ----------------------===//
#include "codegen/common/TemporaryFile.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"

#include <cstdlib>

std::string netc::temporaryFileError(std::error_code error) {
  llvm::SmallString<128> folder;
  llvm::sys::path::system_temp_directory(/*erasedOnReboot=*/true, folder);
  std::string text =
      "cannot create a temporary file in " + std::string(folder) + ": " + error.message();
  for (const char *name : {"TMPDIR", "TMP", "TEMP", "TEMPDIR"}) // as LLVM looks for it
    if (std::getenv(name))
      return text + " (" + name + " names the folder)";
  return text;
}

std::string netc::partialName(llvm::StringRef path) {
  return (path + "." + llvm::Twine(llvm::sys::Process::getProcessId()) + ".partial").str();
}
