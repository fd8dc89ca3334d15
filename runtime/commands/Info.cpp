//===- Info.cpp - layers, parameters, FLOPs, memory plan ------------------===//
#include "runtime/base/Error.h"
#include "runtime/base/Progress.h"
#include "runtime/commands/Commands.h"
#include "runtime/commands/Preprocessing.h"
#include "runtime/exec/Executor.h"
#include "runtime/quantize/Observe.h"
#include "runtime/recipe/Recipe.h"
#include "runtime/system/Memory.h"
#include "runtime/train/ShardSums.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

static Json arenaJson(const NetcProgram &program) {
  Json json = {{"arena_bytes_per_image", program.arena_bytes_per_image},
               {"arena_bytes_fixed", program.arena_bytes_fixed},
               {"commands", program.command_count}};
  for (uint64_t i = 0; i < program.section_count; ++i) {
    const NetcSection &section = program.sections[i];
    json["sections"].push_back({{"commands", section.command_count},
                                {"batch_bytes_per_image", section.batch_bytes_per_image},
                                {"group_bytes_per_image", section.group_bytes_per_image},
                                {"live_bytes_per_image", section.live_bytes_per_image},
                                {"weight_bytes", section.weight_bytes}});
  }
  return json;
}

static const char *typeName(NetcType type) {
  static constexpr const char *names[] = {"f32", "f64", "i64", "i32", "bf16",
                                          "i8",  "u8",  "i8",  "i16"};
  return names[type];
}

static Json tensorsJson(const std::vector<TensorInfo> &tensors) {
  Json list = Json::array();
  for (const TensorInfo &tensor : tensors)
    list.push_back(
        {{"name", tensor.name}, {"shape", tensor.shape}, {"type", typeName(tensor.type)}});
  return list;
}

/// "input 3x32x32, 10 classes", or all tensors by name where that does not say it.
static std::string describeEnds(const ModelInfo &info) {
  if (info.takesImages() && info.outputs.size() == 1 && info.outputs[0].shape.size() == 1)
    return fmt::format("input {}x{}x{}, {} classes", info.channels, info.height, info.width,
                       info.classes);
  return fmt::format("takes {}; gives {}", describeTensors(info.inputs),
                     describeTensors(info.outputs));
}

/// The last columns of a layer in int8: what its products are of, and what its result is stored as.
static std::string describePrecision(const ModelInfo &info, const LayerInfo &layer) {
  if (info.stored.empty())
    return "";
  const ParameterInfo *scale = scaleOf(info, layer.name);
  const char *stored = !scale ? "" : scale->levels == 255 ? "u8, scaled" : "i8, scaled";
  return fmt::format("  {:<8}  {}", layer.products, stored);
}

/// The program whose arena decides what a batch needs.
static const NetcProgram &largestProgram(const NetcModel &model) {
  return model.step.command_count ? model.step : model.infer;
}

/// What one process that trains with the recipe's shards takes for their sums.
static uint64_t shardBytes(const NetcModel &model, const ModelInfo &info) {
  int64_t shards = parseRecipe(info, {}).shards;
  return model.step.command_count ? ShardSums::bytes(model, {shards, 0, shards}) : 0;
}

static Json describe(const NetcModel &model, const ModelInfo &info) {
  Json json;
  json["model"] = info.name;
  json["parameters"] = info.trainableElements();
  json["flops_per_image"] = info.flopsPerImage;
  json["target"] = info.target;
  json["arena_bytes_per_image"] = largestProgram(model).arena_bytes_per_image;
  json["arena_bytes_fixed"] = largestProgram(model).arena_bytes_fixed;
  json["layers"] = Json::array();
  for (const LayerInfo &layer : info.layers) {
    json["layers"].push_back({{"name", layer.name},
                              {"kind", layer.kind},
                              {"output", layer.output},
                              {"parameters", layer.parameters},
                              {"flops", layer.flops}});
    if (!layer.products.empty())
      json["layers"].back()["products"] = layer.products;
    if (const ParameterInfo *scale = scaleOf(info, layer.name))
      json["layers"].back()["scale"] = scale->name;
  }
  json["preprocessing"] = preprocessingJson(info);
  json["input"] = {info.channels, info.height, info.width};
  json["inputs"] = tensorsJson(info.inputs);
  json["outputs"] = tensorsJson(info.outputs);
  json["classes"] = info.classes;
  json["mode"] = model.step.command_count ? "both" : "infer";
  json["cpu"] = info.cpu;
  json["precision"] = info.precision;
  json["features"] = info.features;
  json["netc"] = info.compiler;
  json["file"] = info.file;
  Json memory;
  memory["infer"] = arenaJson(model.infer);
  if (model.step.command_count)
    memory["step"] = arenaJson(model.step);
  memory["parameter_bytes"] = model.parameter_bytes;
  memory["gradient_bytes"] = model.step.command_count ? model.parameter_bytes : 0;
  memory["shard_sum_bytes"] = shardBytes(model, info);
  memory["state_bytes"] = model.state_bytes;
  memory["prepared_bytes"] = model.prepared_bytes;
  json["memory"] = std::move(memory);
  return json;
}

static std::string describeOutput(const std::vector<int64_t> &shape) {
  return fmt::format("{}", fmt::join(shape, "x"));
}

static void printTable(const NetcModel &model, const ModelInfo &info) {
  size_t width = 5;
  for (const LayerInfo &layer : info.layers)
    width = std::max(width, layer.name.size());
  fmt::print("{} from {}: {}, target {}{}{}, {}\n\n", info.name, info.file, describeEnds(info),
             info.target, info.cpu.empty() ? "" : " ", info.cpu, info.precision);
  fmt::print("{:<{}}  {:<12}  {:<14}  {:>12}  {:>12}{}\n", "layer", width, "kind", "output",
             "parameters", "MFLOP", info.stored.empty() ? "" : "  products  stored as");
  for (const LayerInfo &layer : info.layers)
    fmt::print("{:<{}}  {:<12}  {:<14}  {:>12}  {:>12.3f}{}\n", layer.name, width, layer.kind,
               describeOutput(layer.output), layer.parameters, double(layer.flops) / 1e6,
               describePrecision(info, layer));
  fmt::print("\nparameters       {}\n", info.trainableElements());
  fmt::print("preprocessing    {}\n", describePreprocessing(info));
  fmt::print("forward          {:.3f} MFLOP an image\n", double(info.flopsPerImage) / 1e6);
  auto printArena = [](const char *what, const NetcProgram &program) {
    fmt::print(
        "{:<16} {} an image + {}, {} commands{}\n", what, shortBytes(program.arena_bytes_per_image),
        shortBytes(program.arena_bytes_fixed), program.command_count,
        program.section_count > 1 ? fmt::format(" in {} sections", program.section_count) : "");
  };
  printArena("inference arena", model.infer);
  if (model.step.command_count)
    printArena("training arena", model.step);
  fmt::print("weights          {}, packed {}, optimizer state {}\n",
             shortBytes(model.parameter_bytes), shortBytes(model.prepared_bytes),
             shortBytes(model.state_bytes));
  if (uint64_t bytes = shardBytes(model, info))
    fmt::print("shards           {} of a batch, sums of their gradients {}\n",
               parseRecipe(info, {}).shards, shortBytes(bytes));
}

int runInfo(const NetcModel &model, const InfoOptions &options) {
  ModelInfo info = readModel(model);
  if (options.json)
    fmt::print("{}\n", describe(model, info).dump(2));
  else
    printTable(model, info);
  return 0;
}

} // namespace netc::runtime
