//===- Program.h - which program of a model, and how its runs are watched -===//
#ifndef NETC_RUNTIME_DEVICE_PROGRAM_H
#define NETC_RUNTIME_DEVICE_PROGRAM_H

#include "runtime/abi/Abi.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace netc::runtime {

enum class Program { Prepare, Infer, Step, Update, Norm, Accumulate, Observe };
inline constexpr Program allPrograms[] = {Program::Prepare, Program::Infer, Program::Step,
                                          Program::Update,  Program::Norm,  Program::Accumulate,
                                          Program::Observe};

/// How the commands of a run are observed.
struct Watch {
  /// Each command's wall time is added to its entry; null: not measured.
  std::vector<double> *seconds = nullptr;
  /// Called with a command's index when the command is done, once for each group of images; false
  /// stops the run. May be empty.
  std::function<bool(uint64_t command)> after;
};

/// Items [begin, end) of a command's grid.
struct ItemRange {
  int64_t begin = 0, end = 0;
};

/// Items of a command's grid for a batch of n.
inline int64_t gridItems(const NetcCommand &command, int64_t n) {
  if (command.rows_per_image == 0)
    return command.items_outer;
  int64_t rows = n * command.rows_per_image;
  return command.items_outer * ((rows + command.rows_per_item - 1) / command.rows_per_item);
}

/// Whether a space holds what each image has: offsets in it are multiplied by the batch.
inline bool isPerImage(uint32_t space) {
  return space == NETC_SPACE_ARENA_IMAGE || space == NETC_SPACE_INPUT ||
         space == NETC_SPACE_LABELS || space == NETC_SPACE_OUTPUT || space == NETC_SPACE_TARGETS;
}

} // namespace netc::runtime

#endif // NETC_RUNTIME_DEVICE_PROGRAM_H
