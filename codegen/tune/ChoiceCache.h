//===- ChoiceCache.h - schedules that were timed before ---------*- C++ -*-===//
#ifndef NETC_CODEGEN_TUNE_CHOICECACHE_H
#define NETC_CODEGEN_TUNE_CHOICECACHE_H

#include "dialect/kern/KernDialect.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"

#include <string>

namespace netc::tune {

/// Choices by kind, batch and geometry, read from a JSON file and written back in whole. Entries
/// that do not parse, or are of another version, are timed again; a file that cannot be read or
/// written causes a warning.
class ChoiceCache {
public:
  ChoiceCache(mlir::MLIRContext *context, std::string file);

  /// The key of a choice: everything but its schedule.
  static mlir::Attribute keyOf(kern::ContractKind kind, int64_t batch, kern::GeometryAttr geometry);

  /// Null where nothing is known.
  kern::ScheduleAttr lookup(mlir::Attribute key) const {
    kern::ChoiceAttr choice = entries.lookup(key);
    return choice ? choice.getSchedule() : kern::ScheduleAttr();
  }
  void forget(mlir::Attribute key) { entries.erase(key); }
  void add(kern::ContractKind kind, int64_t batch, kern::GeometryAttr geometry,
           kern::ScheduleAttr schedule);

  /// All of them, for a module's `kern.choices`.
  mlir::ArrayAttr choices() const;
  /// Merges what another netc process has written in the meantime. The first failure is a warning,
  /// and no further attempt is made.
  void save();

private:
  using Entries = llvm::MapVector<mlir::Attribute, kern::ChoiceAttr>;

  /// What the file holds; `problem` says why that is nothing.
  Entries read(std::string &problem) const;
  void warn(const llvm::Twine &what) const;

  mlir::MLIRContext *context;
  std::string file;
  Entries entries;
  llvm::DenseSet<mlir::Attribute>
      readAtFirst; ///< keys; one that is no entry any more was forgotten
  bool isWritable = true;
};

} // namespace netc::tune

#endif // NETC_CODEGEN_TUNE_CHOICECACHE_H
