//===- Commands.h - what a compiled model can be asked ----------*- C++ -*-===//
#ifndef NETC_RUNTIME_COMMANDS_COMMANDS_H
#define NETC_RUNTIME_COMMANDS_COMMANDS_H

#include "runtime/train/Trainer.h"

#include <optional>
#include <string>
#include <vector>

namespace netc::runtime {

struct InfoOptions {
  bool json = false;
};
struct EvalOptions {
  std::string data, labels;         ///< labels: what the data's folders are classes by
  std::vector<std::string> weights; ///< of several the probabilities are averaged
  std::vector<std::string> set;     ///< of eval.… and normalize.…, see RecipeOverride.h
  int crops = 0;                    ///< 0: as the recipe's eval says
  std::optional<int64_t> batch;
  unsigned threads = 1, workers = 0;
  bool json = false;
  std::optional<uint64_t> cache; ///< see Device::fillCache
  bool perClass = false, worstFirst = false;
  std::string confusion; ///< CSV file to write; empty: none
};
struct PredictOptions {
  std::string weights, labels;
  std::vector<std::string> set; ///< as eval's
  std::vector<std::string> images;
  std::optional<int> top; ///< classes an image; default 5, in a table 1
  unsigned threads = 1;
  bool json = false;
  std::string out;   ///< of maps: the folder that masks and overlays go to; empty: the current one
  bool tile = false; ///< of maps: windows of the input's size instead of one resized image
};
struct BenchOptions {
  std::string weights; ///< empty: drawn
  std::optional<int64_t> batch;
  unsigned threads = 1;
  std::optional<uint64_t> cache; ///< see Device::fillCache
  int iterations = 0;            ///< 0: enough for two seconds, at least ten
  bool train = false, perLayer = false, json = false;
  std::string data;             ///< not empty: the input pipeline alone, no network
  std::vector<std::string> set; ///< as eval's, and of augment.…
};
struct GradCheckOptions {
  std::string data, weights; ///< empty: noise; drawn
  std::string only = "*";    ///< pattern of parameters
  int64_t batch = 8;
  uint64_t seed = 0;
  /// Relative; elements are harder to tell. Nothing: as the model's precision lets expect.
  std::optional<double> tolerance, elementTolerance;
  unsigned threads = 1;
  bool json = false;
};
struct ContactSheetOptions {
  std::string data, out;
  int rows = 8, columns = 8;
  uint64_t seed = 0;
  unsigned threads = 1;
  std::vector<std::string> set; ///< as bench's
};
struct CalibrateOptions {
  std::string data, weights, out;
  std::string method = "mse"; ///< RangeMethod, in lower case
  int64_t images = 512;
  std::optional<int64_t> batch;
  std::vector<std::string> set; ///< as eval's
  unsigned threads = 1;
};
struct CompareOptions {
  std::string data, weights;
  int64_t images = 512;
  std::optional<int64_t> batch;
  std::vector<std::string> set; ///< as eval's
  unsigned threads = 1;
  bool json = false;
};
struct RunOptions {
  std::string weights, in, out;
  bool train = false;
  unsigned threads = 1;
  std::optional<uint64_t> cache; ///< see Device::fillCache
};
struct PlanOptions {
  std::vector<uint32_t> processes;
  double network = 0;           ///< bytes per second of a node, one direction
  double latency = 5;           ///< microseconds of a message between nodes
  std::string device = "this";  ///< or a name of StatedDevice
  std::string topology;         ///< empty: all
  std::optional<int64_t> batch; ///< of one process
  uint32_t perNode = 0;         ///< 0: as is usual for the device
  double inside = 0;            ///< bytes per second within a node; 0: as the device states
  double rate = 0;              ///< images/s of one process; 0: measured or estimated
  uint64_t bucket = 25 << 20;   ///< bytes of gradients that travel together
  std::string reduce = "f32";   ///< what gradients travel as
  double jitter = 0;            ///< see PlannedRun
  bool noOverlap = false, json = false;
  unsigned threads = 1;
};

/// Each returns the exit code; errors are thrown.
int runInfo(const NetcModel &model, const InfoOptions &options);
/// Each process takes a part of the images; rank 0 prints.
int runEval(const NetcModel &model, const EvalOptions &options, Communicator &communicator);
int runPredict(const NetcModel &model, const PredictOptions &options);
int runGradCheck(const NetcModel &model, const GradCheckOptions &options);
int runContactSheet(const NetcModel &model, const ContactSheetOptions &options);
int runBench(const NetcModel &model, const BenchOptions &options);
int runPlan(const NetcModel &model, const PlanOptions &options);
int runCalibrate(const NetcModel &model, const CalibrateOptions &options);
int runCompare(const NetcModel &model, const CompareOptions &options);
int runOnce(const NetcModel &model, const RunOptions &options);

} // namespace netc::runtime

#endif // NETC_RUNTIME_COMMANDS_COMMANDS_H
