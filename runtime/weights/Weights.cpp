//===- Weights.cpp - parameters in and out of files -----------------------===//
#include "runtime/weights/Weights.h"

#include "runtime/base/Error.h"
#include "runtime/base/ForeignJson.h"
#include "runtime/weights/PublishedNames.h"
#include "runtime/weights/TimmNames.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

namespace netc::runtime {

using Json = nlohmann::ordered_json;

std::map<std::string, std::string> WeightsMetadata::encode() const {
  std::map<std::string, std::string> meta{{"format", "pt"}, {"netc.model", model}};
  if (!data.empty())
    meta["netc.data"] = data;
  if (!classes.empty())
    meta["netc.classes"] = Json(classes).dump();
  if (!mean.empty()) {
    meta["netc.mean"] = Json(mean).dump();
    meta["netc.std"] = Json(std).dump();
  }
  if (!pixelMean.empty())
    meta["netc.pixel_mean"] = Json(pixelMean).dump();
  if (!order.empty())
    meta["netc.order"] = order;
  if (!pcaValues.empty()) {
    meta["netc.pca_values"] = Json(pcaValues).dump();
    meta["netc.pca_vectors"] = Json(pcaVectors).dump();
  }
  return meta;
}

/// Pixels are divided by `std`; nothing may make them infinite.
static void checkNumbers(const WeightsMetadata &meta, const std::string &file) {
  for (const auto &[name, list] : {std::pair("mean", &meta.mean),
                                   {"std", &meta.std},
                                   {"pixel_mean", &meta.pixelMean},
                                   {"pca_values", &meta.pcaValues},
                                   {"pca_vectors", &meta.pcaVectors}})
    for (float value : *list)
      if (!std::isfinite(value))
        fail("{}: metadata netc.{} holds {}, expected finite numbers", file, name, value);
  for (float value : meta.std)
    if (!(value > 0))
      fail("{}: metadata netc.std holds {}, expected more than 0", file, value);
  size_t n = meta.pcaValues.size();
  if (meta.pcaVectors.size() != n * n)
    fail("{}: metadata has {} colour components of {} numbers, expected {}", file, n,
         meta.pcaVectors.size(), n * n);
}

WeightsMetadata WeightsMetadata::decode(const Safetensors &file) {
  WeightsMetadata result;
  const auto &meta = file.metadata();
  auto text = [&](const char *key) {
    auto found = meta.find(key);
    return found == meta.end() ? std::string() : found->second;
  };
  auto list = [&]<typename T>(const char *key, std::vector<T> &into) {
    if (std::string value = text(key); !value.empty())
      into = parseForeignJson(value).get<std::vector<T>>();
  };
  try {
    result.model = text("netc.model");
    result.data = text("netc.data");
    result.order = text("netc.order");
    list("netc.classes", result.classes);
    list("netc.mean", result.mean);
    list("netc.std", result.std);
    list("netc.pixel_mean", result.pixelMean);
    list("netc.pca_values", result.pcaValues);
    list("netc.pca_vectors", result.pcaVectors);
  } catch (const nlohmann::json::exception &error) {
    fail("{}: bad metadata: {}", file.path(), error.what());
  }
  if (!result.order.empty() && result.order != "rgb" && result.order != "bgr")
    fail("{}: metadata has the order of channels '{}', expected rgb or bgr", file.path(),
         result.order);
  if (result.mean.size() != result.std.size())
    fail("{}: metadata has {} means and {} standard deviations", file.path(), result.mean.size(),
         result.std.size());
  checkNumbers(result, file.path());
  return result;
}

std::string weightsPath(const std::string &path) {
  if (std::filesystem::is_directory(path))
    return path + (path.ends_with('/') ? "" : "/") + "model.safetensors";
  return path;
}

namespace {
struct Mismatch {
  std::vector<std::string> missing, unexpected, reshaped;
  std::vector<std::string> uncalibrated; ///< scales of activations that are missing
  bool any() const { return !missing.empty() || !unexpected.empty() || !reshaped.empty(); }
};
} // namespace

/// What files of PyTorch hold beside weights: counters, and constants that a model has in itself.
static bool isNoWeight(const std::string &name) {
  return name.ends_with("num_batches_tracked") || name.ends_with("relative_position_index");
}
static bool isScale(const std::string &name) { return name.ends_with(kScaleEnding); }

/// The tensor of a parameter: under its name or, if the file has none such, timm's or that of the
/// file that torchvision publishes, all behind `prefix`. timm's VGG has 1x1 and 7x7 convolutions
/// [O, I, H, W] where torchvision has linear layers [O, I H W]: the same numbers in the same order.
static std::optional<Tensor> findTensor(const Safetensors &file, const std::string &prefix,
                                        const ParameterInfo &parameter) {
  if (const Tensor *tensor = file.find(prefix + parameter.name))
    return *tensor;
  const Tensor *tensor = nullptr;
  for (const std::string &other : {timmName(parameter.name), publishedName(parameter.name)})
    if (!tensor && !other.empty())
      tensor = file.find(prefix + other);
  if (!tensor)
    return std::nullopt;
  Tensor result = *tensor;
  if (result.shape.size() == 4 && parameter.shape.size() == 2 && !result.shape.empty() &&
      result.shape[0] == parameter.shape[0] && result.elements() == parameter.elements())
    result.shape = parameter.shape;
  return result;
}

static size_t countFound(const Safetensors &file, const std::string &prefix,
                         const ModelInfo &info) {
  return size_t(
      std::count_if(info.parameters.begin(), info.parameters.end(), [&](const ParameterInfo &p) {
        return findTensor(file, prefix, p).has_value();
      }));
}

/// What every name of the file begins with, up to its last dot; empty where they differ.
static std::string commonPrefix(const Safetensors &file) {
  if (file.tensors().empty())
    return {};
  std::string_view common = file.tensors().front().name;
  for (const Tensor &tensor : file.tensors()) {
    auto [end, other] =
        std::mismatch(common.begin(), common.end(), tensor.name.begin(), tensor.name.end());
    common = common.substr(0, size_t(end - common.begin()));
  }
  size_t dot = common.rfind('.');
  return dot == std::string_view::npos ? std::string() : std::string(common.substr(0, dot + 1));
}

/// Wrappers put a name of their own before all of a model's: "module." (DataParallel), "_orig_mod."
/// (torch.compile), "model.". Where the model's names are found behind such a prefix only, and
/// every tensor has it, it is left out.
static std::string findPrefix(const Safetensors &file, const ModelInfo &info) {
  std::string whole = commonPrefix(file), best;
  size_t most = whole.empty() ? 0 : countFound(file, "", info);
  if (most > 0)
    return {};
  for (size_t dot = whole.find('.'); dot != std::string::npos; dot = whole.find('.', dot + 1))
    if (size_t found = countFound(file, whole.substr(0, dot + 1), info); found > most)
      most = found, best = whole.substr(0, dot + 1);
  if (!best.empty())
    note(fmt::format("{}: every name begins with '{}', which is left out", file.path(), best));
  return best;
}

static Mismatch compare(const Safetensors &file, const std::string &prefix, const ModelInfo &info,
                        bool training) {
  Mismatch result;
  std::set<std::string> known(info.leftOut.begin(), info.leftOut.end());
  for (const ParameterInfo &parameter : info.parameters) {
    known.insert(parameter.name);
    std::optional<Tensor> tensor = findTensor(file, prefix, parameter);
    if (tensor)
      known.insert(tensor->name);
    if (parameter.aux && !training)
      continue;
    if (!tensor)
      (parameter.isScale() ? result.uncalibrated : result.missing).push_back(parameter.name);
    else if (tensor->shape != parameter.shape)
      result.reshaped.push_back(fmt::format("{} (file {}, model {})", parameter.name,
                                            describeShape(tensor->shape),
                                            describeShape(parameter.shape)));
  }
  for (const Tensor &tensor : file.tensors())
    if (!known.count(tensor.name) && !isNoWeight(tensor.name) && !isScale(tensor.name))
      result.unexpected.push_back(tensor.name);
  return result;
}

/// "3 missing: a, b, c": at most five names of each kind.
static std::string describe(const Mismatch &mismatch) {
  static constexpr size_t shown = 5;
  std::string text;
  auto append = [&](const std::vector<std::string> &names, const char *what) {
    if (names.empty())
      return;
    std::vector<std::string> first(names.begin(), names.begin() + std::min(names.size(), shown));
    text += fmt::format("{}{} {}: {}", text.empty() ? "" : "; ", names.size(), what,
                        fmt::join(first, ", "));
    if (names.size() > shown)
      text += fmt::format(" and {} more", names.size() - shown);
  };
  append(mismatch.missing, "missing");
  append(mismatch.unexpected, "unexpected");
  append(mismatch.reshaped, "differently shaped");
  return text;
}

namespace {
/// Some bytes of a tensor on their way to a parameter.
struct Piece {
  const char *from;
  char *to;
  uint64_t bytes;
};

/// Fills parameters from a file's tensors. f32 is copied by all threads: each touches its part of
/// fresh memory.
class ParameterCopies {
public:
  void add(const Tensor &tensor, const std::string &file, float *to) {
    if (tensor.dtype != "F32")
      return convertToF32(tensor, file, to);
    constexpr uint64_t most = 1 << 20;
    for (uint64_t at = 0; at < tensor.bytes; at += most)
      pieces.push_back(
          {tensor.data + at, reinterpret_cast<char *>(to) + at, std::min(most, tensor.bytes - at)});
  }
  void run(ThreadPool &pool) { pool.run(int64_t(pieces.size()), copy, pieces.data()); }

private:
  static void copy(void *context, unsigned, int64_t begin, int64_t end) {
    const Piece *pieces = static_cast<const Piece *>(context);
    for (int64_t i = begin; i < end; ++i)
      std::memcpy(pieces[i].to, pieces[i].from, pieces[i].bytes);
  }

  std::vector<Piece> pieces;
};
} // namespace

/// Some of the file's names would fit behind a prefix that not all of them have.
static std::string prefixHint(const Safetensors &file, const ModelInfo &info) {
  for (const ParameterInfo &parameter : info.parameters)
    for (const Tensor &tensor : file.tensors())
      if (tensor.name.size() > parameter.name.size() && tensor.name.ends_with(parameter.name) &&
          tensor.name[tensor.name.size() - parameter.name.size() - 1] == '.' &&
          tensor.shape == parameter.shape)
        return fmt::format("; {} fits {}: other tools put a prefix before names, which is left out "
                           "where all tensors have it",
                           tensor.name, parameter.name);
  return "";
}

/// Fails because scales are missing.
[[noreturn]] static void failUncalibrated(const Safetensors &file, const ModelInfo &info,
                                          const Mismatch &mismatch) {
  auto scales = std::count_if(info.parameters.begin(), info.parameters.end(),
                              [](const ParameterInfo &p) { return p.isScale(); });
  fail("{}: {} of the {} scales of activations that {} needs in int8 are missing, as {}: make a "
       "file with them by 'calibrate --data DATA --weights {} --out FILE'",
       file.path(), mismatch.uncalibrated.size(), scales, info.name, mismatch.uncalibrated.front(),
       file.path());
}

void loadWeights(const Safetensors &file, const Executor &executor, bool training,
                 bool calibrating) {
  const ModelInfo &info = executor.info();
  std::string prefix = findPrefix(file, info);
  if (Mismatch mismatch = compare(file, prefix, info, training); mismatch.any())
    fail("{}: not the weights of {}: {}{}", file.path(), info.name, describe(mismatch),
         mismatch.missing.empty() ? "" : prefixHint(file, info));
  else if (!mismatch.uncalibrated.empty() && !calibrating)
    failUncalibrated(file, info, mismatch);
  ParameterCopies copies;
  for (const ParameterInfo &parameter : info.parameters) {
    std::optional<Tensor> tensor = findTensor(file, prefix, parameter);
    // An auxiliary head's tensor that an inference run may do without.
    if (tensor && tensor->shape == parameter.shape)
      copies.add(*tensor, file.path(), executor.parameter(parameter));
  }
  copies.run(executor.threads());
}

void loadWeightsThatFit(const Safetensors &file, const Executor &executor) {
  const ModelInfo &info = executor.info();
  std::string prefix = findPrefix(file, info);
  size_t loaded = 0;
  ParameterCopies copies;
  for (const ParameterInfo &parameter : info.parameters) {
    std::optional<Tensor> tensor = findTensor(file, prefix, parameter);
    if (!tensor || tensor->shape != parameter.shape)
      continue;
    copies.add(*tensor, file.path(), executor.parameter(parameter));
    ++loaded;
  }
  copies.run(executor.threads());
  Mismatch mismatch = compare(file, prefix, info, true);
  if (loaded == 0)
    fail("{}: no tensor fits {}: {}{}", file.path(), info.name, describe(mismatch),
         prefixHint(file, info));
  if (mismatch.any())
    note(fmt::format("{}: {} of {} tensors loaded, the others start anew: {}", file.path(), loaded,
                     info.parameters.size(), describe(mismatch)));
}

WrittenFile saveWeights(const std::string &path, const Executor &executor,
                        const WeightsMetadata &metadata) {
  std::vector<Tensor> tensors;
  for (const ParameterInfo &parameter : executor.info().parameters)
    tensors.push_back(f32Tensor(parameter.name, parameter.shape, executor.parameter(parameter)));
  return writeSafetensors(path, tensors, metadata.encode());
}

} // namespace netc::runtime
