//===- Segmentation.cpp - images with a class for each pixel --------------===//
#include "runtime/base/Error.h"
#include "runtime/base/Philox.h"
#include "runtime/base/Progress.h"
#include "runtime/data/Dataset.h"
#include "runtime/image/ImageFiles.h"
#include "runtime/system/AtomicFile.h"

#include <filesystem>
#include <map>
#include <sstream>

namespace netc::runtime {

namespace fs = std::filesystem;

/// Paths below `folder` without their endings: what an image and its mask have in common.
static std::map<std::string, std::string> byStem(const FoundFiles &found,
                                                 const std::string &folder) {
  std::map<std::string, std::string> stems;
  for (const std::string &path : found.images) {
    fs::path relative = fs::path(path).lexically_relative(folder);
    auto [first, fresh] = stems.insert({relative.replace_extension().string(), path});
    if (!fresh)
      fail("{} and {} have one name but for the ending: which of them?", first->second, path);
  }
  return stems;
}

namespace {
class Segmentation : public Dataset {
public:
  Segmentation(std::string folder, const std::string &top) : root(std::move(folder)) {
    kindName = "segmentation";
    std::string imageFolder = root + "/images", maskFolder = root + "/masks";
    for (const std::string &part : {imageFolder, maskFolder})
      if (!fs::is_directory(part))
        fail("{} does not exist: segmentation data are images/ and masks/ of the same names, in "
             "train/ and val/",
             part);
    FoundFiles images = findImageFiles(imageFolder, root), masks = findImageFiles(maskFolder, root);
    std::map<std::string, std::string> own = byStem(images, imageFolder),
                                       others = byStem(masks, maskFolder);
    for (const auto &[stem, image] : own) {
      auto mask = others.find(stem);
      if (mask == others.end())
        fail("{} has no mask: expected {}/{}.png", image, maskFolder, stem);
      std::error_code error;
      pairs.push_back({image, mask->second, sizeOf(image) + sizeOf(mask->second)});
    }
    if (pairs.empty())
      fail("{} holds no JPEG or PNG file", imageFolder);
    images.addLeftOut(masks);
    images.tellLeftOut(root);
    if (others.size() > own.size())
      warn(fmt::format("{}: {} of no image left out", maskFolder,
                       counted(int64_t(others.size() - own.size()), "mask")));
    readNames(top + "/classes.txt");
  }

  int64_t size() const override { return int64_t(pairs.size()); }
  int64_t label(int64_t) const override { return 0; }
  void load(int64_t index, const ScaleChooser &chooseScale, Image &out) const override {
    const std::string &path = pairs[size_t(index)].image;
    decodeImage(path, readImageFile(path), chooseScale, out);
  }
  bool hasMasks() const override { return true; }
  bool hasTargets() const override { return true; }
  void readMask(int64_t index, int imageHeight, int imageWidth, Image &out) const override {
    const auto &[image, mask, bytes] = pairs[size_t(index)];
    decodeLabels(mask, readImageFile(mask), out);
    if (out.height != imageHeight || out.width != imageWidth)
      fail("{} has {} x {} pixels, its image {} has {} x {}", mask, out.width, out.height, image,
           imageWidth, imageHeight);
  }
  std::string describe(int64_t index) const override { return pairs[size_t(index)].image; }
  std::string describeMask(int64_t index) const override { return pairs[size_t(index)].mask; }
  uint64_t fingerprint() const override {
    uint64_t hash = hashBytes("");
    for (const Pair &pair : pairs)
      hash = hashBytes(fs::path(pair.image).lexically_relative(root).string() + "\n" +
                           std::to_string(pair.bytes) + "\n",
                       hash);
    return hash;
  }
  bool inMemory() const override { return false; }

private:
  struct Pair {
    std::string image, mask;
    uint64_t bytes; ///< of both
  };

  static uint64_t sizeOf(const std::string &path) {
    std::error_code error;
    uint64_t bytes = fs::file_size(path, error);
    return error ? 0 : bytes;
  }

  /// A class a line, where the file exists.
  void readNames(const std::string &path) {
    if (!fs::exists(path))
      return;
    std::istringstream lines(readFile(path));
    for (std::string line; std::getline(lines, line);) {
      if (line.ends_with('\r'))
        line.pop_back();
      if (!line.empty())
        names.push_back(line);
    }
  }

  std::string root;
  std::vector<Pair> pairs;
};
} // namespace

std::unique_ptr<Dataset> openSegmentation(const std::string &folder, Split split) {
  if (!fs::is_directory(folder))
    fail("data folder {} does not exist", folder);
  auto has = [&](const char *name) { return fs::is_directory(folder + "/" + name); };
  if (split == Split::Train)
    return std::make_unique<Segmentation>(has("train") ? folder + "/train" : folder, folder);
  for (const char *name : {"val", "test"})
    if (has(name))
      return std::make_unique<Segmentation>(folder + "/" + name, folder);
  return nullptr;
}

} // namespace netc::runtime
