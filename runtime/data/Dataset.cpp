//===- Dataset.cpp - from KIND:PATH to labelled images --------------------===//
#include "runtime/data/Dataset.h"

#include "runtime/base/Error.h"
#include "runtime/data/Tensors.h"
#include "runtime/image/ImageFiles.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>

namespace netc::runtime {

static constexpr const char *kinds =
    "fashion-mnist, mnist, cifar10, cifar100, imagefolder, csv, segmentation, synthetic, tensors";

/// Where distributions and PyTorch's downloader leave the data.
static std::vector<std::string> usualPlaces(const std::string &kind) {
  std::vector<std::string> places = {"/usr/share/datasets/" + kind};
  std::string torch = kind == "mnist"           ? "MNIST/raw"
                      : kind == "fashion-mnist" ? "FashionMNIST/raw"
                      : kind == "cifar10"       ? "cifar-10-batches-bin"
                                                : "cifar-100-binary";
  std::vector<std::string> roots = {"data"};
  if (const char *home = std::getenv("HOME"))
    roots.push_back(std::string(home) + "/data");
  for (const std::string &root : roots) {
    places.push_back(root + "/" + kind);
    places.push_back(root + "/" + torch);
  }
  return places;
}

static std::string resolveFolder(const std::string &kind, const std::string &path) {
  if (!path.empty())
    return path;
  std::vector<std::string> places = usualPlaces(kind);
  for (const std::string &place : places)
    if (std::filesystem::is_directory(place))
      return place;
  fail("no {} data in the usual places ({}): name its folder as {}:DIR", kind,
       fmt::join(places, ", "), kind);
}

/// CIFAR archives unpack to a folder of their own: accept the folder above it.
static std::string cifarFolder(const std::string &kind, const std::string &folder) {
  std::string inner = folder + (kind == "cifar10" ? "/cifar-10-batches-bin" : "/cifar-100-binary");
  return std::filesystem::is_directory(inner) ? inner : folder;
}

static int64_t syntheticCount(const std::string &text, const char *option) {
  int64_t count = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < 1)
    failUsage("{} synthetic:{}: expected the number of images, as synthetic:1000", option, text);
  return count;
}

DataShape dataShape(const ModelInfo &info) {
  return {info.channels, info.height, info.width, info.classes, &info};
}

/// What data of a kind say of an image; null: nothing that the model's loss compares with.
static const char *whatItHas(const std::string &kind, const ModelInfo &model) {
  const LossInfo *map = model.mapLoss();
  bool oneTarget = std::all_of(model.losses.begin(), model.losses.end(), [&](const LossInfo &loss) {
    return loss.target == model.losses[0].target;
  });
  bool isVector = model.outputs[model.losses[0].output].shape.size() == 1;
  if (kind == "segmentation")
    return map && oneTarget ? nullptr : "a class for each pixel of an image";
  if (kind == "csv")
    return oneTarget && isVector ? nullptr : "a label or some values for each image";
  return model.classifies() ? nullptr : "a label for each image";
}

/// Labelled images serve a model whose loss compares with such labels, and no other.
static void requireImages(const std::string &kind, const DataShape &shape) {
  const ModelInfo *model = shape.model;
  if (!model)
    return;
  if (!model->takesImages() && !(kind == "csv" && model->takesImagesAndNumbers()))
    fail("{} data are images{}; {} takes {}: give it {}tensors:FILE.safetensors", kind,
         kind == "csv" ? " and numbers" : "", model->name, describeTensors(model->inputs),
         model->takesImagesAndNumbers() ? "csv:FILE or " : "");
  const char *has = whatItHas(kind, *model);
  if (!has)
    return;
  std::string wanted;
  for (const LossInfo &loss : model->losses)
    wanted = describeTensors({targetInFile(*model, loss)});
  fail("{} data have {}; the loss of {} compares with {} each: give it {}tensors:FILE.safetensors",
       kind, has, model->name, wanted,
       model->mapLoss() && kind != "segmentation" ? "segmentation:DIR or " : "");
}

/// More classes than the model's are fine as long as no image is of one beyond.
static void requireLabels(const Dataset &data, const std::string &spec, int64_t classes) {
  if (data.classCount() <= classes)
    return;
  for (int64_t i = 0; i < data.size(); ++i) {
    if (data.label(i) < classes)
      continue;
    if (data.kind() == "imagefolder")
      fail("{} has {} folders of classes, but the model has {} classes: {} would be of class {}",
           spec, data.classCount(), classes, data.describe(i), data.label(i));
    fail("{} has label {}, but the model has {} classes", data.describe(i), data.label(i), classes);
  }
}

static std::unique_ptr<Dataset> open(const std::string &spec, Split split, const DataShape &shape,
                                     const std::vector<std::string> &classNames,
                                     const char *option) {
  size_t colon = spec.find(':');
  std::string kind = spec.substr(0, colon);
  std::string path = colon == std::string::npos ? "" : spec.substr(colon + 1);
  std::unique_ptr<Dataset> data;
  if (kind == "tensors" && path.empty())
    failUsage("{} tensors: expected the file, as tensors:FILE.safetensors", option);
  if (kind == "tensors" && shape.model)
    return split == Split::Train ? openTensors(path, *shape.model) : nullptr;
  requireImages(kind, shape);
  if (kind == "fashion-mnist" || kind == "mnist")
    data = openIdx(kind, resolveFolder(kind, path), split);
  else if (kind == "cifar10" || kind == "cifar100")
    data = openCifar(kind, cifarFolder(kind, resolveFolder(kind, path)), split);
  else if (kind == "synthetic")
    data = makeSynthetic(syntheticCount(path, option), split, shape);
  else if (kind == "imagefolder" && !path.empty())
    data = openImageFolder(path, split);
  else if (kind == "csv" && !path.empty() && shape.model)
    data = split == Split::Train ? openCsv(path, *shape.model, classNames) : nullptr;
  else if (kind == "csv")
    failUsage("{} csv: expected the file, as csv:FILE", option);
  else if (kind == "segmentation" && !path.empty())
    data = openSegmentation(path, split);
  else if (kind == "segmentation")
    failUsage("{} segmentation: expected the folder, as segmentation:DIR", option);
  else if (kind == "imagefolder")
    failUsage("{} imagefolder: expected the folder, as imagefolder:DIR", option);
  else
    failUsage("{} {}: unknown kind '{}', expected KIND:PATH with one of {}", option, spec, kind,
              kinds);
  if (data && kind != "synthetic")
    requireImageChannels(shape.channels, data->describe(0));
  if (data)
    requireLabels(*data, spec, shape.classes);
  return data;
}

std::unique_ptr<Dataset> openDataset(const std::string &spec, Split split, const DataShape &shape,
                                     const char *option) {
  return open(spec, split, shape, {}, option);
}

std::unique_ptr<Dataset> openEvaluation(const std::string &spec, bool required,
                                        const DataShape &shape,
                                        const std::vector<std::string> &classNames,
                                        const char *option) {
  auto data = open(spec, Split::Test, shape, classNames, option);
  if (!data && required)
    data = open(spec, Split::Train, shape, classNames, option);
  if (!data || data->kind() != "imagefolder" || classNames.empty())
    return data;
  // Labels are positions among the sorted folders: other folders, other meaning.
  const std::vector<std::string> &names = data->classNames();
  for (size_t i = 0; i < std::max(names.size(), classNames.size()); ++i)
    if (i >= names.size() || i >= classNames.size() || names[i] != classNames[i])
      fail("{}: {} classes, the weights have {}: class {} is {}, in training it was {}", spec,
           names.size(), classNames.size(), i,
           i < names.size() ? "'" + names[i] + "'" : std::string("missing"),
           i < classNames.size() ? "'" + classNames[i] + "'" : std::string("not there"));
  return data;
}

} // namespace netc::runtime
