//===- StageDump.cpp - netc --dump-stages ---------------------------------===//
#include "tools/netc/StageDump.h"
#include "tools/netc/Options.h"
#include "tools/netc/Output.h"

#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace netc;

namespace {
/// Every pass works on the whole module, so each has one result.
class PassDump : public PassInstrumentation {
public:
  explicit PassDump(StageDump &dump) : dump(dump) {}
  void runAfterPass(Pass *pass, Operation *op) override { add(pass, op, ""); }
  void runAfterPassFailed(Pass *pass, Operation *op) override { add(pass, op, "-failed"); }

private:
  void add(Pass *pass, Operation *op, StringRef outcome) {
    if (auto module = dyn_cast<ModuleOp>(op))
      dump.addModule((pass->getArgument() + outcome).str(), module);
  }

  StageDump &dump;
};
} // namespace

int StageDump::open() {
  if (folder.empty())
    return kDone;
  if (llvm::sys::fs::exists(folder) && !llvm::sys::fs::is_directory(folder))
    return failed = fail("--dump-stages " + folder + ": it is not a folder");
  if (std::error_code error = llvm::sys::fs::create_directories(folder))
    return failed = fail("--dump-stages " + folder +
                         ": the folder cannot be created: " + error.message());
  if (std::error_code error = llvm::sys::fs::access(folder, llvm::sys::fs::AccessMode::Write))
    return failed = fail("--dump-stages " + folder + ": cannot write into it: " + error.message());
  return kDone;
}

std::string StageDump::nextPath(StringRef stage) {
  llvm::SmallString<256> path(folder);
  llvm::sys::path::append(path, llvm::formatv("{0,0+2}-{1}{2}", count++, stage, suffix).str());
  return std::string(path);
}

int StageDump::add(const std::string &path, StringRef text) {
  return failed ? failed : failed = writeFile(path, text);
}

int StageDump::addModule(StringRef stage, ModuleOp module) {
  if (folder.empty() || failed)
    return failed;
  std::string text;
  llvm::raw_string_ostream out(text);
  module.print(out);
  out << "\n";
  return add(nextPath(stage) + ".mlir", text);
}

void StageDump::watch(PassManager &pm) {
  if (!folder.empty())
    pm.addInstrumentation(std::make_unique<PassDump>(*this));
}

WatchCode StageDump::watchCode(bool several) {
  if (folder.empty() || failed)
    return {};
  std::string path = nextPath("kernels");
  if (!several)
    return [this, path](StringRef name, StringRef extension, StringRef text) {
      std::string own = name.empty() ? std::string() : "-" + name.str();
      add(path + own + "." + extension.str(), text);
    };
  if (std::error_code error = llvm::sys::fs::create_directories(path)) {
    failed = fail("cannot create " + path + ": " + error.message());
    return {};
  }
  return [this, path](StringRef name, StringRef extension, StringRef text) {
    std::lock_guard lock(mutex);
    add(path + "/" + name.str() + "." + extension.str(), text);
  };
}
