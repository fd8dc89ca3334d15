//===- TunedSchedules.cpp - netc --tune -----------------------------------===//
#include "tools/netc/TunedSchedules.h"
#include "codegen/tune/Tune.h"
#include "tools/netc/CacheFolder.h"

#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace netc;

/// A file for each kind of machine, level and precision; empty where there is no place for it.
static std::string cacheFile(const CpuTarget &level, llvm::StringRef precision) {
  llvm::SmallString<256> path(cacheFolder());
  if (path.empty())
    return {};
  llvm::sys::path::append(path, "schedules-" + llvm::sys::getHostCPUName() + "-" + level.name +
                                    (precision == "f32" ? "" : "-" + precision) + ".json");
  return std::string(path);
}

LogicalResult netc::tuneNetwork(ModuleOp network, const CpuTarget &level, const PlanModule &plan) {
  if (!hostRuns(level)) {
    llvm::errs() << "netc: note: --tune: this machine does not run " << level.name
                 << "; its schedules are not timed\n";
    return success();
  }
  OwningOpRef<ModuleOp> planned = network.clone();
  if (failed(plan(*planned)))
    return failure();
  TuneOptions options;
  options.cacheFile =
      cacheFile(level, (*planned)->getAttrOfType<StringAttr>("net.precision").getValue());
  bool watched = llvm::sys::Process::StandardErrIsDisplayed();
  options.progress = [&](size_t done, size_t all) {
    if (watched && all)
      llvm::errs() << "\rtiming kernels for " << level.name << ": " << done << "/" << all
                   << (done == all ? "\n" : "");
  };
  FailureOr<ArrayAttr> choices = tuneSchedules(*planned, level, options);
  if (failed(choices))
    return failure();
  network->setAttr("kern.choices", *choices);
  return success();
}
