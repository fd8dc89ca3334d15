//===- Output.cpp - what netc says and writes -----------------------------===//
#include "tools/netc/Output.h"
#include "codegen/common/TemporaryFile.h"
#include "tools/netc/Options.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

using namespace netc;

int netc::fail(const llvm::Twine &message) {
  llvm::errs() << "netc: error: " << message << "\n";
  return kFailed;
}

bool netc::isSpecial(llvm::StringRef path) {
  llvm::sys::fs::file_status status;
  return !llvm::sys::fs::status(path, status) && llvm::sys::fs::is_other(status);
}

int netc::writeStdout(llvm::StringRef text) {
  llvm::outs() << text;
  llvm::outs().flush();
  if (!llvm::outs().has_error())
    return kDone;
  std::error_code full = llvm::outs().error();
  llvm::outs().clear_error(); // or its destructor aborts
  return fail("cannot write to standard output: " + full.message());
}

int netc::writeFile(const std::string &path, llvm::StringRef text) {
  bool special = isSpecial(path);
  if (!special && llvm::sys::fs::is_directory(path))
    return fail("cannot write " + path + ": it is a folder");
  std::string written = special ? path : partialName(path);
  std::error_code error;
  {
    llvm::raw_fd_ostream out(written, error);
    if (error)
      return fail("cannot write " + path + ": " + error.message());
    out << text;
    out.close();
    error = out.error();
    out.clear_error();
  }
  if (!error && !special)
    error = llvm::sys::fs::rename(written, path);
  if (!error)
    return kDone;
  if (!special)
    llvm::sys::fs::remove(written);
  return fail("cannot write " + path + ": " + error.message());
}
