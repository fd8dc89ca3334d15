//===- Main.cpp - the command line of a compiled model --------------------===//
#include "runtime/commands/Main.h"

#include "runtime/base/Error.h"
#include "runtime/base/Output.h"
#include "runtime/base/Utf8.h"
#include "runtime/commands/Commands.h"
#include "runtime/commands/Processes.h"
#include "runtime/exec/Levels.h"
#include "runtime/exec/Model.h"
#include "runtime/system/ControlGroup.h"
#include "runtime/system/Memory.h"
#include "runtime/system/ThreadPool.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace netc::runtime {

namespace {
/// Every command's options, filled by the parser.
struct Options {
  InfoOptions info;
  TrainOptions train;
  EvalOptions eval;
  PredictOptions predict;
  BenchOptions bench;
  PlanOptions plan;
  ContactSheetOptions augment;
  GradCheckOptions gradcheck;
  RunOptions run;
  CalibrateOptions calibrate;
  CompareOptions compare;
};
} // namespace

static constexpr const char *dataHelp =
    "KIND:PATH: fashion-mnist, mnist, cifar10, cifar100 (with no PATH the usual system location), "
    "imagefolder:DIR, csv:FILE, segmentation:DIR, tensors:FILE, synthetic:N";

static void addThreads(CLI::App *command, unsigned &threads) {
  threads = availableCores();
  command->add_option("--threads", threads, "Threads that compute; the results don't depend on it")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
}

/// A finite number from 0 on.
static std::string checkAmount(const std::string &text) {
  char *end = nullptr;
  double value = std::strtod(text.c_str(), &end);
  bool good = end != text.c_str() && *end == 0 && value >= 0 && std::isfinite(value);
  return good ? "" : text + " is no number from 0 on";
}

/// A finite number from 0 to 1; CLI::Range takes NaN for one.
static std::string checkFraction(const std::string &text) {
  return checkAmount(text).empty() && std::strtod(text.c_str(), nullptr) <= 1
             ? ""
             : text + " is no number from 0 to 1";
}

/// Replaces an amount of memory by its bytes.
static std::string amountToBytes(std::string &text) {
  std::optional<uint64_t> bytes = parseBytes(text);
  if (!bytes)
    return text +
           " is no amount of memory, expected bytes, or a number with a unit: 500MB, 4GiB, 1.5GiB";
  text = std::to_string(*bytes);
  return "";
}

static void addCache(CLI::App *command, std::optional<uint64_t> &bytes) {
  command
      ->add_option("--cache", bytes,
                   "Cache that the images computed together may fill, as 8MiB; 0: whole batches "
                   "(default: most of the last "
                   "cache; the results don't depend on it)")
      ->transform(CLI::Validator(
          [](std::string &text) { return text == "0" ? std::string() : amountToBytes(text); }, ""))
      ->type_name("SIZE");
}

/// What a seed of 64 bits holds; negative ones count from the end, as PyTorch's. CLI11 takes larger
/// ones for the largest.
static std::string checkSeed(const std::string &text) {
  bool negative = text.starts_with('-');
  const char *begin = text.data() + negative, *end = text.data() + text.size();
  uint64_t size = 0;
  auto [after, error] = std::from_chars(begin, end, size);
  bool good = error == std::errc() && after == end && (!negative || size <= uint64_t(1) << 63);
  return good ? "" : text + " is no integer of 64 bits";
}

/// What looks at images takes other preprocessing than the compiled one.
static void addSet(CLI::App *command, std::vector<std::string> &set, const char *help) {
  command->add_option("--set", set, help)->type_name("NAME=VALUE");
}

static constexpr const char *preprocessingHelp =
    "Other preprocessing than compiled: eval.resize.size=232, normalize.mean=[0.5, 0.5, 0.5], "
    "normalize.order=bgr";

static void addInfo(CLI::App &app, InfoOptions &options) {
  CLI::App *command = app.add_subcommand("info", "Layers, parameters, FLOPs, memory plan, target");
  command->add_flag("--json", options.json, "As one JSON object");
}

/// "fc.*=0.1"
static std::pair<std::string, double> parseOwnRate(const std::string &text) {
  size_t at = text.rfind('=');
  char *end = nullptr;
  double rate = at == std::string::npos ? -1 : std::strtod(text.c_str() + at + 1, &end);
  if (at == std::string::npos || at == 0 || end == text.c_str() + at + 1 || *end != 0 ||
      !(rate >= 0) || !std::isfinite(rate))
    throw UsageError(fmt::format("--lr-for {}: expected PATTERN=LR, as in 'fc.*=0.1'", text));
  return {text.substr(0, at), rate};
}

/// What replaces numbers of the recipe.
static void addRecipe(CLI::App *command, RecipeOverrides &overrides) {
  command->add_option("--epochs", overrides.epochs, "Instead of the recipe's")
      ->check(CLI::Range(int64_t(0), int64_t(1) << 40));
  command->add_option("--batch", overrides.batch, "Instead of the recipe's")
      ->check(CLI::Range(int64_t(1), int64_t(1) << 40));
  command
      ->add_option("--lr", overrides.lr,
                   "Learning rate instead of the recipe's; schedules scale it")
      ->check(checkAmount);
  command->add_option("--momentum", overrides.momentum, "Instead of the recipe's; of Adam beta1")
      ->check(checkFraction);
  command->add_option("--weight-decay", overrides.weightDecay, "Instead of the recipe's")
      ->check(checkAmount);
  command->add_option("--label-smoothing", overrides.labelSmoothing, "Instead of the recipe's")
      ->check(checkFraction);
  command
      ->add_option("--clip-norm", overrides.clipNorm,
                   "Bound on the norm of all gradients together; 0: none")
      ->check(checkAmount);
  command
      ->add_option("--accumulate", overrides.accumulate, "Batches whose gradients make one update")
      ->check(CLI::Range(int64_t(1), int64_t(1) << 20));
  command
      ->add_option("--shards", overrides.shards,
                   "Equal runs of images that each batch is cut into; each has its own batch "
                   "statistics")
      ->check(CLI::Range(int64_t(1), int64_t(1) << 20));
  command
      ->add_option("--set", overrides.set,
                   "Any other value of the recipe: optimizer.beta2=0.95, schedule.step.factor=0.2")
      ->type_name("NAME=VALUE");
  command
      ->add_option("--freeze", overrides.freeze,
                   "Parameters that stay as they are: 'layer1.*'; may be repeated")
      ->type_name("PATTERN");
  command
      ->add_option("--freeze-bn", overrides.freezeBatchNorm,
                   "Batch norms that normalise with their running statistics and leave them: "
                   "'layer1.*', '*'; may be repeated")
      ->type_name("PATTERN");
  command
      ->add_option_function<std::vector<std::string>>(
          "--lr-for",
          [&overrides](const std::vector<std::string> &items) {
            for (const std::string &item : items)
              overrides.ownRates.push_back(parseOwnRate(item));
          },
          "A learning rate of their own: 'fc.*=0.1'; may be repeated; schedules scale it too")
      ->type_name("PATTERN=LR");
  command->add_option("--seed", overrides.seed, "Of initialisation, order, augmentation, dropout")
      ->check(checkSeed)
      ->capture_default_str();
}

/// Where a run's files lie and how it goes on from them.
static void addRunFiles(CLI::App *command, TrainOptions &options) {
  command->add_option("--out", options.out, "Folder for weights, checkpoint, metrics")
      ->capture_default_str();
  CLI::Option *resume = command->add_flag("--resume", options.resume,
                                          "Go on from the checkpoint in --out, bit for bit");
  command
      ->add_option("--from-step", options.fromStep,
                   "With --resume: from an earlier checkpoint that is kept")
      ->needs(resume)
      ->check(CLI::Range(int64_t(0), int64_t(1) << 40));
  command
      ->add_option("--keep", options.keep,
                   "Checkpoints of epochs' ends that stay; the best weights stay anyway")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
}

static void addTrain(CLI::App &app, TrainOptions &options, const std::string &model) {
  CLI::App *command = app.add_subcommand("train", "Train; checkpoints after every epoch");
  RecipeOverrides &overrides = options.overrides;
  options.out = model + "-run";
  command->add_option("--data", options.data, dataHelp)->required();
  command->add_option("--val", options.val, "Validation images (default: the data's test split)");
  addRecipe(command, overrides);
  addThreads(command, options.threads);
  command
      ->add_option("--memory", options.memory,
                   "Bytes that training may take, as 4GiB: computes again what does not fit")
      ->transform(CLI::Validator(amountToBytes, ""))
      ->type_name("SIZE");
  command
      ->add_option("--workers", options.workers,
                   "Threads that decode and augment (default: by data)")
      ->check(CLI::Range(1, 1024));
  addRunFiles(command, options);
  command
      ->add_option("--limit", overrides.limit,
                   "Train on N images, evenly spaced; validation sees all of its own")
      ->check(CLI::Range(int64_t(1), int64_t(1) << 40));
  command
      ->add_option("--val-limit", overrides.validationLimit, "Validate on N images, evenly spaced")
      ->check(CLI::Range(int64_t(1), int64_t(1) << 40));
  command->add_option("--weights", options.weights, "Start from what fits of these weights");
  command->add_flag("--shard-state", options.shardState,
                    "Of several processes each keeps a part of the optimizer's state: less memory, "
                    "one more exchange per step; the results don't depend on it");
  command
      ->add_option("--reduce", options.reduce,
                   "What gradients of several shards are added and sent in: bf16 sends half of the "
                   "bytes (GPUs alone; default: f32)")
      ->check(CLI::IsMember({"f32", "bf16"}));
  command
      ->add_option("--log", options.logs,
                   "Write metrics.csv, or an event file for TensorBoard, beside metrics.jsonl; may "
                   "be repeated")
      ->check(CLI::IsMember({"csv", "tensorboard"}));
}

static void addEval(CLI::App &app, EvalOptions &options) {
  CLI::App *command = app.add_subcommand("eval", "Top-1 and top-5 accuracy");
  command->add_option("--data", options.data, dataHelp)->required();
  command
      ->add_option("--weights", options.weights,
                   "safetensors, or the folder of a training run; of several the "
                   "probabilities are averaged")
      ->required();
  command
      ->add_option("--crops", options.crops,
                   "10: corners and centre, mirrored too; averaged (default: the recipe's)")
      ->check(CLI::IsMember({1, 10}));
  command->add_option("--batch", options.batch, "Images at once")
      ->check(CLI::Range(int64_t(1), int64_t(1) << 40));
  addThreads(command, options.threads);
  addCache(command, options.cache);
  command->add_option("--workers", options.workers, "Threads that decode (default: by data)")
      ->check(CLI::Range(1, 1024));
  command->add_flag("--per-class", options.perClass, "A table of accuracy by class");
  command->add_flag("--worst-first", options.worstFirst,
                    "The table by accuracy, the worst class first");
  addSet(command, options.set, preprocessingHelp);
  command->add_option("--labels", options.labels,
                      "Names of the classes, which the data's folders may be some of: 'imagenet' "
                      "or a file with a class a line");
  command->add_option("--confusion", options.confusion,
                      "Write the confusion matrix as CSV: a label a row, a guess a column");
  command->add_flag("--json", options.json, "As one JSON object");
}

static void addPredict(CLI::App &app, PredictOptions &options) {
  CLI::App *command = app.add_subcommand("predict", "Classes of images (JPEG, PNG)");
  command->add_option("--weights", options.weights, "safetensors, or the folder of a training run")
      ->required();
  command->add_option("IMAGE", options.images, "Image files, or folders of them")->required();
  command
      ->add_option("--top", options.top,
                   "Classes to show (default: 5, in a table of several images 1)")
      ->check(CLI::Range(1, 1 << 30));
  command->add_option("--labels", options.labels,
                      "Names of the classes: 'imagenet' (built in) or a file with a class a line");
  command->add_option("--out", options.out,
                      "Folder for the masks and overlays of a model that gives maps (default: the "
                      "current one)");
  command->add_flag(
      "--tile", options.tile,
      "Of maps: windows of the input's size over the whole image, blended, instead of "
      "one resized image");
  addSet(command, options.set, preprocessingHelp);
  addThreads(command, options.threads);
  command->add_flag("--json", options.json, "A JSON object a line");
}

static void addAugment(CLI::App &app, ContactSheetOptions &options) {
  CLI::App *command =
      app.add_subcommand("augment", "A contact sheet: images and what augmentation makes of them");
  command->add_option("--data", options.data, dataHelp)->required();
  command->add_option("--out", options.out, "PNG to write")->required();
  command->add_option("--rows", options.rows, "Images, spread over the training set")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->add_option("--columns", options.columns, "The image itself, then epochs of training")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->add_option("--seed", options.seed, "As train's")
      ->check(checkSeed)
      ->capture_default_str();
  addSet(command, options.set, "Another value of augment.…, eval.… or normalize.…");
  addThreads(command, options.threads);
}

static void addGradCheck(CLI::App &app, GradCheckOptions &options) {
  CLI::App *command = app.add_subcommand(
      "gradcheck", "Generated gradients against finite differences in double precision");
  command->add_option("--data", options.data, std::string("Images (default: noise). ") + dataHelp);
  command->add_option("--weights", options.weights,
                      "Where to look (default: drawn, batch norm's biases from -4 and 4)");
  command->add_option("--only", options.only, "Pattern of parameters, as 'layer1.*'")
      ->capture_default_str();
  command->add_option("--batch", options.batch, "Images")
      ->check(CLI::Range(int64_t(1), int64_t(1) << 20))
      ->capture_default_str();
  command->add_option("--seed", options.seed, "Of weights, noise, directions")
      ->check(checkSeed)
      ->capture_default_str();
  command
      ->add_option("--tolerance", options.tolerance,
                   "Relative error along directions and of the loss (default: 1e-3; in "
                   "bf16 0.2 and 1e-2)")
      ->check(checkAmount);
  command
      ->add_option("--element-tolerance", options.elementTolerance,
                   "Relative error at single elements (default: 1e-2; in bf16 0.5)")
      ->check(checkAmount);
  addThreads(command, options.threads);
  command->add_flag("--json", options.json, "As one JSON object");
}

static void addBench(CLI::App &app, BenchOptions &options) {
  CLI::App *command = app.add_subcommand("bench", "Speed on this machine");
  command->add_flag("--train", options.train, "The training step with its update");
  command->add_option("--weights", options.weights,
                      "safetensors file or checkpoint folder (default: drawn)");
  command->add_option(
      "--data", options.data,
      "Not the network: how fast its input is decoded and augmented (one epoch, all threads)");
  command->add_option("--batch", options.batch, "Images at once (default: the recipe's)")
      ->check(CLI::Range(int64_t(1), int64_t(1) << 40));
  addThreads(command, options.threads);
  addCache(command, options.cache);
  command
      ->add_option("--iterations", options.iterations, "Timed runs (default: two seconds' worth)")
      ->check(CLI::Range(1, 1 << 30));
  command->add_flag("--per-layer", options.perLayer, "Time by layer and kernel");
  addSet(command, options.set, "Another value of augment.…, eval.… or normalize.…, with --data");
  command->add_flag("--json", options.json, "As one JSON object");
}

/// "100Gbit", "12.5GB/s": replaced by bytes per second.
static std::string rateToBytes(std::string &text) {
  char *end = nullptr;
  double value = std::strtod(text.c_str(), &end);
  std::string unit = end;
  if (unit.ends_with("/s"))
    unit.resize(unit.size() - 2);
  double scale = 0;
  for (auto [prefix, factor] : {std::pair{"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}})
    if (unit == std::string(prefix) + "bit" || unit == std::string(prefix) + "bps")
      scale = factor / 8;
    else if (unit == std::string(prefix) + "B")
      scale = factor;
  if (!(value > 0) || !std::isfinite(value) || scale == 0)
    return text + " is no rate, expected a number with a unit: 100Gbit, 12.5GB";
  text = fmt::format("{}", value * scale);
  return "";
}

static void addPlan(CLI::App &app, PlanOptions &options) {
  CLI::App *command =
      app.add_subcommand("plan", "How training would go in many processes: a simulation");
  CLI::Validator rate([](std::string &text) { return rateToBytes(text); }, "");
  command->add_option("--processes", options.processes, "How many; several numbers: a line each")
      ->required()
      ->check(CLI::Range(1, 1024));
  command->add_option("--network", options.network, "Rate of a node's connection, as 100Gbit")
      ->required()
      ->transform(rate)
      ->type_name("RATE");
  command
      ->add_option("--device", options.device,
                   "What a process has: this (measured), or p100, v100, a100, h100 (estimated)")
      ->capture_default_str();
  command
      ->add_option("--topology", options.topology,
                   "How gradients are added: exchange (as netc does), ring, tree, levels (default: "
                   "each of them)")
      ->check(CLI::IsMember({"exchange", "ring", "tree", "levels"}));
  command
      ->add_option("--batch", options.batch,
                   "Images of each process (default: the recipe's, by its shards)")
      ->check(CLI::Range(int64_t(1), int64_t(1) << 20));
  command
      ->add_option("--per-node", options.perNode,
                   "Processes that share a node (default: as many as the device's usual machine)")
      ->check(CLI::Range(1, 1024));
  command
      ->add_option("--inside", options.inside,
                   "Rate from one process to others of its node, as 300GB (default: the device's)")
      ->transform(rate)
      ->type_name("RATE");
  command->add_option("--latency", options.latency, "Microseconds of a message between nodes")
      ->check(checkAmount)
      ->capture_default_str();
  command
      ->add_option("--rate", options.rate,
                   "Images/s of one process, where they are known better than by estimate")
      ->check(checkAmount);
  command->add_option("--bucket", options.bucket, "Bytes of gradients that travel together")
      ->transform(CLI::Validator(amountToBytes, ""))
      ->type_name("SIZE")
      ->default_str("25MiB");
  command->add_option("--reduce", options.reduce, "What gradients travel as")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  command
      ->add_option("--jitter", options.jitter,
                   "Standard deviation of the processes' times, as a share of them")
      ->check(checkFraction)
      ->capture_default_str();
  command->add_flag("--no-overlap", options.noOverlap,
                    "Gradients travel after the backward pass instead of during it");
  addThreads(command, options.threads);
  command->add_flag("--json", options.json, "As one JSON object");
}

static void addRun(CLI::App &app, RunOptions &options) {
  CLI::App *command = app.add_subcommand("run", "One batch, tensors in, tensors out");
  command->add_option("--weights", options.weights, "safetensors, or the folder of a training run")
      ->required();
  command->add_option("--in", options.in, "safetensors with input [N, C, H, W] (and labels [N])")
      ->required();
  command->add_option("--out", options.out, "safetensors to write")->required();
  command->add_flag("--train", options.train,
                    "One forward and backward step without update: loss, gradients, running_*");
  addThreads(command, options.threads);
  addCache(command, options.cache);
}

static void addImages(CLI::App *command, int64_t &images, std::optional<int64_t> &batch) {
  command->add_option("--images", images, "Images to look at, evenly spaced over the data")
      ->check(CLI::Range(int64_t(1), int64_t(1) << 40))
      ->capture_default_str();
  command->add_option("--batch", batch, "Images at once (default: 16)")
      ->check(CLI::Range(int64_t(1), int64_t(1) << 20));
}

static void addCalibrate(CLI::App &app, CalibrateOptions &options) {
  CLI::App *command = app.add_subcommand(
      "calibrate", "Of int8: observe activations and write weights with their scales");
  command->add_option("--data", options.data, dataHelp)->required();
  command->add_option("--weights", options.weights, "safetensors, or the folder of a training run")
      ->required();
  command->add_option("--out", options.out, "safetensors to write: the weights and the scales")
      ->required();
  addImages(command, options.images, options.batch);
  command
      ->add_option("--method", options.method,
                   "What an activation's range is: the largest magnitude, what 99.99% of all stay "
                   "below, or the one of least squared error")
      ->check(CLI::IsMember({"minmax", "percentile", "mse"}))
      ->capture_default_str();
  addSet(command, options.set, preprocessingHelp);
  addThreads(command, options.threads);
}

static void addCompare(CLI::App &app, CompareOptions &options) {
  CLI::App *command = app.add_subcommand(
      "compare", "Of int8: each layer's signal-to-noise ratio against f32, agreement of top-1");
  command->add_option("--data", options.data, dataHelp)->required();
  command->add_option("--weights", options.weights, "safetensors that calibrate wrote")->required();
  addImages(command, options.images, options.batch);
  addSet(command, options.set, preprocessingHelp);
  addThreads(command, options.threads);
  command->add_flag("--json", options.json, "As one JSON object");
}

/// What is not done together is done by rank 0.
static int dispatch(const NetcModel &model, const CLI::App &app, const Options &options,
                    Communicator &communicator) {
  std::string name = app.get_subcommands().front()->get_name();
  if (name == "train") {
    Processes::requireTransport();
    return train(model, options.train, communicator);
  }
  if (name == "eval")
    return runEval(model, options.eval, communicator);
  if (!communicator.isRoot())
    return 0;
  if (name == "info")
    return runInfo(model, options.info);
  if (name == "predict")
    return runPredict(model, options.predict);
  if (name == "augment")
    return runContactSheet(model, options.augment);
  if (name == "gradcheck")
    return runGradCheck(model, options.gradcheck);
  if (name == "calibrate")
    return runCalibrate(model, options.calibrate);
  if (name == "compare")
    return runCompare(model, options.compare);
  if (name == "bench")
    return runBench(model, options.bench);
  if (name == "plan")
    return runPlan(model, options.plan);
  return runOnce(model, options.run);
}

static std::string programName(int argc, char **argv) {
  std::string path = argc > 0 ? argv[0] : "model";
  return path.substr(path.rfind('/') + 1);
}

static int parseAndRun(const NetcModel &model, int argc, char **argv, Communicator &communicator) {
  Options options;
  CLI::App app("An image classifier compiled by netc: trains, evaluates and predicts",
               programName(argc, argv));
  app.require_subcommand(1);
  addInfo(app, options.info);
  addTrain(app, options.train, readModel(model).name);
  addEval(app, options.eval);
  addPredict(app, options.predict);
  addAugment(app, options.augment);
  addGradCheck(app, options.gradcheck);
  addBench(app, options.bench);
  addPlan(app, options.plan);
  addRun(app, options.run);
  addCalibrate(app, options.calibrate);
  addCompare(app, options.compare);
  if (argc <= 1) {
    writeStderr(app.help());
    return 2;
  }
  std::vector<std::string> known;
  for (const CLI::App *command : app.get_subcommands({}))
    known.push_back(command->get_name());
  if (std::string word = argv[1];
      !word.starts_with('-') && std::find(known.begin(), known.end(), word) == known.end())
    throw UsageError(
        fmt::format("unknown command '{}', expected {}", word, fmt::join(known, ", ")));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0) // help asked for
      return communicator.isRoot() ? app.exit(error) : 0;
    auto chosen = app.get_subcommands();
    throw UsageError(fmt::format("{} (see {}{}{} --help)", error.what(), app.get_name(),
                                 chosen.empty() ? "" : " ",
                                 chosen.empty() ? "" : chosen.front()->get_name()));
  }
  return dispatch(model, app, options, communicator);
}

/// Runs the command line; of several processes all end with the first that fails.
static int runMain(const NetcModel *const *models, int argc, char **argv) {
  std::optional<Processes> processes;
  auto report = [&](const char *message, int code) {
    std::fflush(stdout);
    if (processes)
      processes->waitForLower();
    tell("error: {}{}\n", processes ? processes->name() : "", printableLines(message));
    if (processes)
      processes->endAll(code);
    return code;
  };
  try {
    processes.emplace(argc, argv);
    Silence others(!processes->communicator().isRoot());
    int code = parseAndRun(chooseModel(models), argc, argv, processes->communicator());
    if (std::fflush(stdout) != 0)
      return report("cannot write to standard output", 1);
    processes->finish();
    return code;
  } catch (const UsageError &error) {
    return report(error.what(), 2);
  } catch (const std::bad_alloc &) {
    return report("out of memory", 1);
  } catch (const std::exception &error) {
    return report(error.what(), 1);
  } catch (...) {
    return report("internal error: an exception of unknown type", 1);
  }
}

} // namespace netc::runtime

int netc_runtime_main(const NetcModel *const *models, int argc, char **argv) {
  netc::runtime::reserveStandardFiles();
  return netc::runtime::runMain(models, argc, argv);
}
