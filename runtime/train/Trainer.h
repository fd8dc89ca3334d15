//===- Trainer.h - the training loop ----------------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_TRAIN_TRAINER_H
#define NETC_RUNTIME_TRAIN_TRAINER_H

#include "runtime/abi/Abi.h"
#include "runtime/recipe/Recipe.h"

#include <optional>
#include <string>

namespace netc::runtime {

class Communicator;

struct TrainOptions {
  std::string data, val; ///< KIND:PATH; val empty: the kind's own test split
  RecipeOverrides overrides;
  unsigned threads = 1, workers = 0; ///< workers 0: chosen by the kind of data
  std::string out;
  std::string weights;           ///< to start from; empty: initialised
  uint64_t memory = 0;           ///< bytes that the whole process may take; 0: what the machine has
  std::vector<std::string> logs; ///< "csv", "tensorboard": what is written beside metrics.jsonl
  bool shardState = false;       ///< each process keeps a part of the optimizer's state
  std::string reduce = "f32";    ///< or "bf16": what gradients are added and sent in
  bool resume = false;
  std::optional<int64_t> fromStep; ///< resume there rather than at the latest checkpoint
  unsigned keep = 2;               ///< checkpoints of epochs' ends that stay; at least 1
};

/// Trains and leaves in `out`: model.safetensors, best.safetensors, checkpoint/,
/// recipe.json, metrics.jsonl, report.html. Returns the exit code: 1 where the user interrupted it
/// (the position is saved then); everything else that fails throws.
int train(const NetcModel &model, const TrainOptions &options);

/// The same as one of the processes of `communicator`, each of which calls it with the same model
/// and options. Rank 0 alone prints and writes.
int train(const NetcModel &model, const TrainOptions &options, Communicator &communicator);

} // namespace netc::runtime

#endif // NETC_RUNTIME_TRAIN_TRAINER_H
