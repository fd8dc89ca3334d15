//===- Bench.cpp - how fast the model runs here ---------------------------===//
#include "runtime/commands/Bench.h"

#include "runtime/base/Error.h"
#include "runtime/base/Philox.h"
#include "runtime/commands/Commands.h"
#include "runtime/commands/Preprocessing.h"
#include "runtime/data/Loader.h"
#include "runtime/data/Scaling.h"
#include "runtime/data/Tensors.h"
#include "runtime/exec/Executor.h"
#include "runtime/recipe/Recipe.h"
#include "runtime/system/CpuFeatures.h"
#include "runtime/system/EventCounter.h"
#include "runtime/train/Initialize.h"
#include "runtime/weights/Weights.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <numeric>
#include <optional>

namespace netc::runtime {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

static constexpr int warmUps = 2;
static constexpr int leastIterations = 10;
static constexpr int countedIterations = 3;
static constexpr double leastSeconds = 2, mostSeconds = 60;

namespace {
/// What one layer's commands of one kernel cost, summed over a run.
struct Row {
  std::string layer, kind, kernel;
  double milliseconds = 0; // mean of the timed iterations
  double flops = 0;        // whole batch
  int64_t commands = 0;
  double operandBytes = 0; // whole batch, each operand once
  double countedBytes = 0; // read from memory, mean of the counted iterations
};

/// What was measured of each command, a list a program.
using PerCommand = std::vector<std::vector<double>>;
} // namespace

static void fillBatch(const Executor &executor, int64_t n) {
  const ModelInfo &info = executor.info();
  Philox draw(1, Stream::Bench);
  for (const TensorInfo &tensor : info.inputs) {
    float *input = executor.at<float>(tensor, n);
    for (int64_t i = 0; i < n * tensor.elements(); ++i)
      input[i] = float(draw.uniform(-1, 1));
  }
  for (const LossInfo &loss : info.losses) {
    const TensorInfo &target = info.targets[loss.target];
    int64_t *labels = executor.at<int64_t>(target, n);
    float *values = executor.at<float>(target, n);
    for (int64_t i = 0; i < n * (info.softLabels ? 1 : target.elements()); ++i)
      if (info.softLabels)
        values[i * info.classes + draw.below(uint32_t(info.classes))] = 1;
      else if (target.space == NETC_SPACE_LABELS)
        labels[i] = draw.below(uint32_t(classesOf(info, loss)));
      else
        values[i] = float(draw.uniform(-1, 1));
  }
}

/// Learning rate 0 keeps the weights, and so the speed, as they are.
static void fillHyper(NetcHyper &hyper, const Recipe &recipe) {
  hyper.lr = 0;
  hyper.momentum = float(recipe.momentum);
  hyper.weight_decay = float(recipe.weightDecay);
  hyper.dropout = 1;
}

static std::vector<Program> programsOf(bool train) {
  return train ? std::vector{Program::Step, Program::Update} : std::vector{Program::Infer};
}

static double flopsOf(const Executor &executor, bool train, int64_t n) {
  double flops = 0;
  for (Program program : programsOf(train)) {
    const NetcProgram &table = executor.table(program);
    for (uint64_t i = 0; i < table.command_count; ++i)
      flops += double(table.commands[i].flops_per_image) * double(n);
  }
  return flops;
}

/// Bytes of all operands of a command.
static double operandBytes(const NetcModel &model, const NetcCommand &command, int64_t n) {
  double bytes = 0;
  for (uint32_t i = 0; i < command.buffer_count; ++i) {
    const NetcBuffer &buffer = model.buffers[command.first_buffer + i];
    bytes += double(buffer.bytes_fixed) + double(n) * double(buffer.bytes_per_image);
  }
  return bytes;
}

/// Bytes that each command reads from memory: the mean of a few runs of their own, as counting
/// takes time.
static PerCommand countReads(Executor &executor, const std::vector<Program> &programs, int64_t n,
                             const MemoryReadCounter &counter) {
  PerCommand bytes;
  for (Program program : programs)
    bytes.emplace_back(executor.table(program).command_count);
  for (int i = 0; i < countedIterations; ++i)
    for (size_t p = 0; p < programs.size(); ++p) {
      double before = counter.bytes();
      Watch watch;
      watch.after = [&](uint64_t command) {
        double now = counter.bytes();
        bytes[p][command] +=
            std::max(0.0, now - before) / countedIterations; // scaled readings may step back
        before = now;
        return true;
      };
      executor.run(programs[p], n, &watch);
    }
  return bytes;
}

/// `counted` is empty where nothing is counted.
static std::vector<Row> collectRows(const Executor &executor, const std::vector<Program> &programs,
                                    const PerCommand &seconds, int iterations,
                                    const PerCommand &counted, int64_t n) {
  const ModelInfo &info = executor.info();
  std::vector<Row> rows;
  std::map<std::pair<uint32_t, uint32_t>, size_t> index;
  for (size_t p = 0; p < programs.size(); ++p) {
    const NetcProgram &table = executor.table(programs[p]);
    for (uint64_t i = 0; i < table.command_count; ++i) {
      const NetcCommand &command = table.commands[i];
      auto [found, fresh] = index.emplace(std::pair(command.layer, command.kernel), rows.size());
      if (fresh) {
        Row row;
        bool named = command.layer < info.layers.size();
        row.layer = named ? info.layers[command.layer].name : "-";
        row.kind = named ? info.layers[command.layer].kind : "-";
        row.kernel = executor.model().kernels[command.kernel].name;
        rows.push_back(row);
      }
      Row &row = rows[found->second];
      row.milliseconds += seconds[p][i] * 1e3 / iterations;
      row.flops += double(command.flops_per_image) * double(n);
      ++row.commands;
      row.operandBytes += operandBytes(executor.model(), command, n);
      if (!counted.empty())
        row.countedBytes += counted[p][i];
    }
  }
  return rows;
}

static double rate(double flops, double milliseconds) {
  return milliseconds > 0 ? flops / milliseconds / 1e6 : 0; // GFLOP/s
}

static Json describeRows(const std::vector<Row> &rows, bool isCounted) {
  Json layers = Json::array();
  for (const Row &row : rows) {
    layers.push_back({{"name", row.layer},
                      {"kind", row.kind},
                      {"kernel", row.kernel},
                      {"commands", row.commands},
                      {"ms", row.milliseconds},
                      {"gflops_per_s", rate(row.flops, row.milliseconds)},
                      {"operand_bytes", row.operandBytes}});
    if (isCounted)
      layers.back()["memory_read_bytes"] = row.countedBytes;
  }
  return layers;
}

static void printRows(const std::vector<Row> &rows, bool isCounted) {
  size_t layerWidth = 5, kernelWidth = 6;
  double total = 0;
  for (const Row &row : rows) {
    layerWidth = std::max(layerWidth, row.layer.size());
    kernelWidth = std::max(kernelWidth, row.kernel.size());
    total += row.milliseconds;
  }
  fmt::print("{:<{}}  {:<{}}  {:>9}  {:>6}  {:>9}  {:>8}{}\n", "layer", layerWidth, "kernel",
             kernelWidth, "ms", "%", "GFLOP/s", "MiB", isCounted ? "  read MiB" : "");
  for (const Row &row : rows)
    fmt::print("{:<{}}  {:<{}}  {:>9.3f}  {:>6.1f}  {:>9.1f}  {:>8.2f}{}\n", row.layer, layerWidth,
               row.kernel, kernelWidth, row.milliseconds,
               total > 0 ? row.milliseconds / total * 100 : 0, rate(row.flops, row.milliseconds),
               row.operandBytes / 0x1p20,
               isCounted ? fmt::format("  {:>8.2f}", row.countedBytes / 0x1p20) : "");
  fmt::print("\n");
}

/// Decodes and augments an epoch of training images, with nothing else to do.
static int benchInput(const ModelInfo &info, const Recipe &recipe, const BenchOptions &options) {
  auto data = openDataset(options.data, Split::Train, dataShape(info));
  if (data->isTensors())
    failUsage("--data {}: tensors are only copied; there is no input pipeline to time",
              options.data);
  std::vector<int64_t> samples(static_cast<size_t>(data->size()));
  std::iota(samples.begin(), samples.end(), 0);
  Pipeline pipeline = Pipeline::forTraining(
      recipe, info, scalingForTraining(recipe, info, *data, samples, options.threads),
      {data->imageHeight(), data->imageWidth()});
  LoaderOptions loading;
  loading.batch = options.batch.value_or(recipe.batch);
  loading.workers = options.threads;
  loading.training = true;
  Loader loader(*data, pipeline, info, loading);
  std::vector<Visit> order;
  for (int64_t i : shuffledOrder(data->size(), 0, 0))
    order.push_back({i, 0});
  auto start = Clock::now();
  loader.begin(std::move(order), 0);
  while (loader.next()) {
  }
  double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  double speed = double(data->size()) / seconds;
  if (options.json)
    fmt::print("{}\n", Json{{"data", options.data},
                            {"images", data->size()},
                            {"corrupt", loader.corruptImages()},
                            {"threads", options.threads},
                            {"seconds", seconds},
                            {"images_per_s", speed}}
                           .dump(2));
  else
    fmt::print("{}: {} images decoded and augmented in {:.2f} s by {} threads: {:.1f} images/s\n",
               options.data, data->size(), seconds, options.threads, speed);
  return 0;
}

namespace {
/// What a number of runs took.
struct Measured {
  std::vector<double> times; ///< seconds, a run each, ascending
  PerCommand seconds;        ///< sums over `timedRuns`
  int timedRuns = 0;
  double median() const {
    size_t half = times.size() / 2;
    return times.size() % 2 ? times[half] : (times[half - 1] + times[half]) / 2;
  }
};
} // namespace

/// Room, weights and a batch of noise.
static void prepare(Executor &executor, const Recipe &recipe, const BenchOptions &options,
                    int64_t n) {
  if (options.cache)
    executor.device().fillCache(*options.cache);
  executor.reserve(n, options.train);
  if (options.weights.empty())
    initializeParameters(executor, 0);
  else
    loadWeights(Safetensors::read(weightsPath(options.weights)), executor, options.train);
  fillBatch(executor, n);
  fillHyper(executor.hyper(), recipe);
  if (!options.train)
    executor.run(Program::Prepare, 1);
}

/// Runs until it is known well enough how long that takes. `perCommand`: how long each command
/// takes, too, in runs of their own where being watched costs time.
static Measured measure(Executor &executor, const std::vector<Program> &programs, int64_t n,
                        int iterations, bool perCommand) {
  Measured result;
  result.seconds.resize(programs.size());
  auto once = [&](bool timed) {
    auto start = Clock::now();
    for (size_t p = 0; p < programs.size(); ++p) {
      Watch watch{&result.seconds[p], nullptr};
      executor.run(programs[p], n, timed ? &watch : nullptr);
    }
    executor.device().wait();
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  for (int i = 0; i < warmUps; ++i)
    once(false);
  bool apart = executor.device().watchingCosts();
  double spent = 0;
  auto isEnough = [&] {
    int done = int(result.times.size());
    if (iterations)
      return done >= iterations;
    return spent >= leastSeconds && (done >= leastIterations || spent >= mostSeconds);
  };
  while (!isEnough()) {
    result.times.push_back(once(perCommand && !apart));
    spent += result.times.back();
  }
  result.timedRuns = int(result.times.size());
  if (perCommand && apart) {
    result.timedRuns = std::min(result.timedRuns, leastIterations);
    for (int i = 0; i < result.timedRuns; ++i)
      once(true);
  }
  std::sort(result.times.begin(), result.times.end());
  return result;
}

MeasuredStep measureStep(const NetcModel &model, const ModelInfo &info, const Recipe &recipe,
                         int64_t batch, unsigned threads) {
  requireCpuFeatures(info.name, info.features);
  ThreadPool pool(threads);
  Executor executor(model, info, pool);
  BenchOptions options;
  options.train = true;
  prepare(executor, recipe, options, batch);
  Measured measured = measure(executor, programsOf(true), batch, 0, true);
  MeasuredStep result{executor.device().describe(), std::move(measured.seconds[0]), 0};
  for (double &seconds : result.step)
    seconds /= measured.timedRuns;
  for (double seconds : measured.seconds[1])
    result.update += seconds / measured.timedRuns;
  return result;
}

static void printJson(const Executor &executor, const BenchOptions &options, int64_t n,
                      const Measured &measured, double flops, Json layers) {
  double median = measured.median();
  Json json = {{"batch", n},
               {"threads", executor.threads().size()},
               {"train", options.train},
               {"ms_median", median * 1e3},
               {"ms_min", measured.times.front() * 1e3},
               {"images_per_s", double(n) / median},
               {"gflops_per_s", flops / median / 1e9},
               {"peak_rss_bytes", peakResidentBytes()}};
  json["model"] = executor.info().name;
  json["device"] = executor.device().describe();
  json["iterations"] = measured.times.size();
  json["layers"] = std::move(layers);
  fmt::print("{}\n", json.dump(2));
}

static void printSummary(const Executor &executor, const BenchOptions &options, int64_t n,
                         const Measured &measured, double flops) {
  double median = measured.median();
  fmt::print("{} {}: batch {}, {}: {:.3f} ms (least {:.3f}), {:.1f} images/s, "
             "{:.1f} GFLOP/s, peak memory {}\n",
             executor.info().name, options.train ? "training" : "inference", n,
             executor.device().describe(), median * 1e3, measured.times.front() * 1e3,
             double(n) / median, flops / median / 1e9, shortBytes(peakResidentBytes()));
}

/// Steps, or inferences, of one batch over and over.
static int benchNetwork(const NetcModel &model, const ModelInfo &info, const Recipe &recipe,
                        const BenchOptions &options) {
  if (options.train && !model.step.command_count)
    fail("{} was compiled with --mode infer: it holds no training step", info.name);
  requireCpuFeatures(info.name, info.features);
  int64_t n = options.batch.value_or(recipe.batch);
  bool perCommand = options.perLayer || options.json;
  std::optional<MemoryReadCounter> reads; // before the threads that it counts
  if (perCommand)
    reads.emplace();
  ThreadPool pool(options.threads);
  Executor executor(model, info, pool);
  if (!executor.device().usesMachineMemory())
    reads.reset();
  prepare(executor, recipe, options, n);
  std::vector<Program> programs = programsOf(options.train);
  Measured measured = measure(executor, programs, n, options.iterations, perCommand);
  std::vector<Row> rows;
  bool isCounted = reads && reads->isCounted();
  if (perCommand)
    rows = collectRows(executor, programs, measured.seconds, measured.timedRuns,
                       isCounted ? countReads(executor, programs, n, *reads) : PerCommand(), n);
  double flops = flopsOf(executor, options.train, n);
  if (flops == 0) // tables without counts: a backward pass costs twice the forward one
    flops = double(info.flopsPerImage) * double(n) * (options.train ? 3 : 1);

  if (options.json) {
    printJson(executor, options, n, measured, flops, describeRows(rows, isCounted));
    return 0;
  }
  if (options.perLayer)
    printRows(rows, isCounted);
  if (options.perLayer && reads && !isCounted)
    fmt::print("what comes from memory is not counted here: perf_event_open: {}\n",
               reads->whyNot());
  printSummary(executor, options, n, measured, flops);
  return 0;
}

int runBench(const NetcModel &model, const BenchOptions &options) {
  ModelInfo info = readModel(model);
  Recipe recipe = recipeWith(info, options.set, {"augment", "eval", "normalize"});
  if (!options.data.empty())
    return benchInput(info, recipe, options);
  return benchNetwork(model, info, recipe, options);
}

} // namespace netc::runtime
