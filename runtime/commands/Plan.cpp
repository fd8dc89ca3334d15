//===- Plan.cpp - how training would go in many processes -----------------===//
#include "runtime/base/Error.h"
#include "runtime/base/Progress.h"
#include "runtime/commands/Bench.h"
#include "runtime/commands/Commands.h"
#include "runtime/exec/Model.h"
#include "runtime/plan/StepPlan.h"
#include "runtime/recipe/Recipe.h"
#include "runtime/system/Memory.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <map>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

namespace {
/// The device that a process has, and what is known of it.
struct Subject {
  std::string words;
  StepTimes times;
  Wires wires;
};

/// One line of the answer.
struct Line {
  PlannedRun run;
  PlannedStep step;
  double efficiency = 1; ///< images/s by those of one process times the processes
};
} // namespace

/// Bytes per second that this process adds to others, of arrays larger than a cache.
static double measureAdding() {
  constexpr size_t count = size_t(8) << 20;
  std::vector<float> into(count, 1), from(count, 2);
  auto start = std::chrono::steady_clock::now();
  for (int repeat = 0; repeat < 2; ++repeat)
    for (size_t i = 0; i < count; ++i)
      into[i] += from[i];
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return 2 * double(count * sizeof(float)) / std::max(seconds, 1e-9);
}

static Subject describeThis(const NetcModel &model, const ModelInfo &info, const Recipe &recipe,
                            const PlanOptions &options, int64_t batch) {
  Subject subject;
  MeasuredStep measured = measureStep(model, info, recipe, batch, options.threads);
  subject.words = measured.device + ", measured";
  subject.times = {std::move(measured.step), measured.update};
  subject.wires.addRate = measureAdding();
  subject.wires.insideRate = subject.wires.addRate; // by copies in memory
  return subject;
}

static Subject describeStated(const NetcModel &model, const ModelInfo &info,
                              const PlanOptions &options, int64_t batch) {
  const StatedDevice *device = findDevice(options.device);
  if (!device)
    failUsage("--device {}: expected this, or one of {}", options.device, deviceNames());
  Subject subject;
  subject.words = fmt::format("{}, {}, estimated", device->words, info.precision);
  subject.times = estimateStep(model, *device, info.precision, batch);
  subject.wires.perNode = device->perNode;
  subject.wires.insideRate = device->inside;
  subject.wires.addRate = device->memory / 4; // two reads, a write, and what is not reached
  return subject;
}

/// Times and connections, with what the command line states instead of what is known.
static Subject describe(const NetcModel &model, const ModelInfo &info, const Recipe &recipe,
                        const PlanOptions &options, int64_t batch) {
  Subject subject = options.device == "this" ? describeThis(model, info, recipe, options, batch)
                                             : describeStated(model, info, options, batch);
  if (options.rate > 0) {
    subject.times.scaleTo(double(batch) / options.rate);
    subject.words += fmt::format(", scaled to {:g} images/s", options.rate);
  }
  Wires &wires = subject.wires;
  wires.rate = options.network;
  wires.latency = options.latency * 1e-6;
  wires.insideLatency = std::min(wires.latency, 2e-6);
  if (options.perNode)
    wires.perNode = options.perNode;
  if (options.inside > 0)
    wires.insideRate = options.inside;
  return subject;
}

static std::vector<Topology> topologies(const PlanOptions &options) {
  std::vector<Topology> chosen;
  for (Topology topology : allTopologies)
    if (options.topology.empty() || options.topology == nameOf(topology))
      chosen.push_back(topology);
  return chosen;
}

static void checkProcesses(const PlanOptions &options, const Wires &wires) {
  for (uint32_t processes : options.processes)
    if (processes > wires.perNode && processes % wires.perNode)
      failUsage("--processes {}: {} share a node, so a multiple of that was expected; --per-node "
                "sets another number",
                processes, wires.perNode);
}

static std::vector<Line> planLines(const Subject &subject,
                                   const std::vector<GradientBucket> &buckets,
                                   const PlanOptions &options) {
  double alone = subject.times.computing() + subject.times.update;
  std::vector<Line> lines;
  for (uint32_t processes : options.processes)
    for (Topology topology : topologies(options)) {
      Line line;
      line.run = {processes,          topology,
                  subject.wires,      options.reduce == "bf16" ? 2.0 : 4.0,
                  !options.noOverlap, options.jitter};
      line.run.wires.perNode = std::min(subject.wires.perNode, processes);
      line.step = planStep(subject.times, buckets, line.run);
      line.efficiency = alone / line.step.step;
      lines.push_back(line);
      if (processes == 1)
        break; // nothing travels
    }
  return lines;
}

static Json lineJson(const Line &line, int64_t batch) {
  const PlannedStep &step = line.step;
  bool isAlone = line.run.processes == 1;
  return {{"processes", line.run.processes},
          {"topology", isAlone ? "none" : nameOf(line.run.topology)},
          {"step_ms", step.step * 1e3},
          {"computing_ms", step.computing * 1e3},
          {"communicating_ms", step.communicating * 1e3},
          {"not_overlapped_ms", step.exposed * 1e3},
          {"overlap", step.overlap()},
          {"bytes_sent_per_process", step.bytesSent},
          {"images_per_s", double(batch) * line.run.processes / step.step},
          {"efficiency", line.efficiency}};
}

static void printJson(const ModelInfo &info, const Subject &subject, int64_t batch,
                      const std::vector<GradientBucket> &buckets, const PlanOptions &options,
                      const std::vector<Line> &lines) {
  Json json = {{"model", info.name},
               {"device", subject.words},
               {"batch", batch},
               {"computing_ms", subject.times.computing() * 1e3},
               {"update_ms", subject.times.update * 1e3},
               {"images_per_s", double(batch) / (subject.times.computing() + subject.times.update)},
               {"network_bytes_per_s", options.network},
               {"latency_us", options.latency},
               {"per_node", subject.wires.perNode}};
  for (const GradientBucket &bucket : buckets)
    json["buckets"].push_back(
        {{"bytes", uint64_t(bucket.count) * sizeof(float)}, {"after_command", bucket.command}});
  for (const Line &line : lines)
    json["plans"].push_back(lineJson(line, batch));
  fmt::print("{}\n", json.dump(2));
}

static void printTable(const ModelInfo &info, const Subject &subject, int64_t batch,
                       const std::vector<GradientBucket> &buckets, const PlanOptions &options,
                       const std::vector<Line> &lines) {
  int64_t gradients = 0;
  for (const GradientBucket &bucket : buckets)
    gradients += bucket.count;
  double alone = subject.times.computing() + subject.times.update;
  fmt::print("{} on {}\n", info.name, subject.words);
  fmt::print("one process: batch {}, forward and backward {:.2f} ms, update {:.2f} ms, {:.1f} "
             "images/s\n",
             batch, subject.times.computing() * 1e3, subject.times.update * 1e3,
             double(batch) / alone);
  fmt::print("gradients: {} in {}, {}\n", shortBytes(uint64_t(gradients) * sizeof(float)),
             counted(int64_t(buckets.size()), "bucket"),
             options.noOverlap ? "sent after the backward pass" : "sent while it goes on");
  fmt::print("network: {:g} Gbit/s and {:g} us per node, processes per node: {}\n\n",
             options.network * 8e-9, options.latency, subject.wires.perNode);
  fmt::print("{:>9}  {:<8}  {:>10}  {:>10}  {:>10}  {:>7}  {:>11}  {:>11}  {:>10}\n", "processes",
             "sum by", "step ms", "network ms", "exposed ms", "overlap", "sent each", "images/s",
             "efficiency");
  for (const Line &line : lines)
    fmt::print("{:>9}  {:<8}  {:>10.2f}  {:>10.2f}  {:>10.2f}  {:>6.1f}%  {:>11}  {:>11.1f}  "
               "{:>9.1f}%\n",
               line.run.processes, line.run.processes == 1 ? "-" : nameOf(line.run.topology),
               line.step.step * 1e3, line.step.communicating * 1e3, line.step.exposed * 1e3,
               line.step.overlap() * 100, shortBytes(uint64_t(line.step.bytesSent)),
               double(batch) * line.run.processes / line.step.step, line.efficiency * 100);
}

int runPlan(const NetcModel &model, const PlanOptions &options) {
  ModelInfo info = readModel(model);
  if (!model.step.command_count)
    fail("{} was compiled with --mode infer: it holds no training step", info.name);
  Recipe recipe = parseRecipe(info, {});
  int64_t batch = options.batch.value_or(std::max<int64_t>(1, recipe.batch / recipe.shards));
  Subject subject = describe(model, info, recipe, options, batch);
  checkProcesses(options, subject.wires);
  std::vector<GradientBucket> buckets = gradientBuckets(model, model.step, info, options.bucket);
  std::vector<Line> lines = planLines(subject, buckets, options);
  (options.json ? printJson : printTable)(info, subject, batch, buckets, options, lines);
  return 0;
}

} // namespace netc::runtime
