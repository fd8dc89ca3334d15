//===- ImageFolder.cpp - a folder a class ---------------------------------===//
#include "runtime/base/Error.h"
#include "runtime/base/Philox.h"
#include "runtime/base/Progress.h"
#include "runtime/base/Utf8.h"
#include "runtime/data/Dataset.h"
#include "runtime/image/ImageFiles.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

namespace netc::runtime {

namespace fs = std::filesystem;

/// Class names go into JSON: bytes that are no UTF-8 are spelled out, as in "caf\\xe9".
static std::string className(const std::string &folder) {
  std::string name;
  for (std::string_view rest = folder; !rest.empty();) {
    size_t length = utf8Length(rest);
    name += length ? std::string(rest.substr(0, length))
                   : fmt::format("\\x{:02x}", static_cast<unsigned char>(rest[0]));
    rest.remove_prefix(length ? length : 1);
  }
  return name;
}

/// Names of the folders in `root`, sorted; images beside them are strays.
static std::vector<std::string> classFolders(const std::string &root, LeftOut &strays,
                                             LeftOut &hidden) {
  std::vector<std::string> folders;
  std::error_code error;
  for (fs::directory_iterator entry(root, error), end; entry != end; entry.increment(error)) {
    std::string name = entry->path().filename().string();
    std::error_code unknown;
    if (isHidden(name))
      hidden.add(entry->path().string());
    else if (entry->is_directory(unknown))
      folders.push_back(name);
    else if (isImageFile(name))
      strays.add(name);
  }
  if (error)
    fail("cannot read the folder {}: {}", root, error.message());
  std::sort(folders.begin(), folders.end());
  return folders;
}

/// What people call the parts of a data set.
static bool isSplitName(const std::string &folder) {
  std::string name = folder;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return char(std::tolower(c)); });
  for (const char *split : {"train", "training", "val", "valid", "validation", "test", "testing"})
    if (name == split)
      return true;
  return false;
}

namespace {
class ImageFolder : public Dataset {
public:
  explicit ImageFolder(std::string folder) : root(std::move(folder)) {
    kindName = "imagefolder";
    LeftOut strays;
    std::vector<std::string> folders = classFolders(root, strays, leftOut.hidden);
    classes = int64_t(folders.size());
    if (folders.empty())
      fail("{}: no folders in it, expected one a class", root);
    for (size_t label = 0; label < folders.size(); ++label) {
      names.push_back(className(folders[label]));
      addClass(folders[label], int32_t(label));
    }
    if (files.empty())
      fail("{}: its {} folders hold no JPEG or PNG file", root, folders.size());
    tellEmpty();
    leftOut.tellLeftOut(root);
    if (strays.count)
      warn(fmt::format("{}: left out: {} in no class's folder ({})", root,
                       counted(strays.count, "image"), strays.first));
    if (const LeftOut &others = leftOut.others; others.count)
      warn(fmt::format("{}: left out: {} named neither .jpg, .jpeg nor .png ({})", root,
                       counted(others.count, "file"), others.first));
    if (std::all_of(folders.begin(), folders.end(), isSplitName))
      warn(fmt::format("{}: its folders ({}) are taken for classes; sets are folders named train "
                       "and val, or test, with the classes' folders in them",
                       root, fmt::join(folders, ", ")));
  }

  int64_t size() const override { return int64_t(files.size()); }
  int64_t label(int64_t index) const override { return files[size_t(index)].label; }
  void load(int64_t index, const ScaleChooser &chooseScale, Image &out) const override {
    std::string path = describe(index);
    decodeImage(path, readImageFile(path), chooseScale, out);
  }
  std::string describe(int64_t index) const override {
    return root + "/" + files[size_t(index)].name;
  }
  uint64_t fingerprint() const override {
    uint64_t hash = hashBytes("");
    for (const File &file : files)
      hash = hashBytes(file.name + "\n" + std::to_string(file.bytes) + "\n", hash);
    return hash;
  }
  bool inMemory() const override { return false; }

private:
  struct File {
    std::string name; // relative to the root
    uint64_t bytes;
    int32_t label;
  };

  void addClass(const std::string &name, int32_t label) {
    size_t first = files.size();
    FoundFiles found = findImageFiles(root + "/" + name, root);
    std::error_code error;
    for (const std::string &path : found.images) {
      uint64_t bytes = fs::file_size(path, error);
      files.push_back({fs::path(path).lexically_relative(root).string(), error ? 0 : bytes, label});
    }
    leftOut.addLeftOut(found);
    if (files.size() == first)
      empty.push_back(name);
    std::sort(files.begin() + int64_t(first), files.end(),
              [](const File &a, const File &b) { return a.name < b.name; });
  }

  /// One line, however many classes have no image.
  void tellEmpty() const {
    static constexpr size_t named = 5;
    if (empty.size() == 1)
      warn(fmt::format("{}/{} holds no JPEG or PNG file", root, empty[0]));
    if (empty.size() <= 1)
      return;
    std::vector<std::string> first(empty.begin(),
                                   empty.begin() + int64_t(std::min(empty.size(), named)));
    warn(fmt::format("{}: {} of {} folders hold no JPEG or PNG file: {}{}", root, empty.size(),
                     classes, fmt::join(first, ", "),
                     empty.size() > named ? fmt::format(" and {} more", empty.size() - named)
                                          : std::string()));
  }

  std::string root;
  std::vector<File> files;
  std::vector<std::string> empty; // classes' folders without an image
  FoundFiles leftOut;
};
} // namespace

std::unique_ptr<Dataset> openImageFolder(const std::string &folder, Split split) {
  if (!fs::is_directory(folder))
    fail("data folder {} does not exist", folder);
  LeftOut strays, hidden;
  std::vector<std::string> folders = classFolders(folder, strays, hidden);
  auto isThere = [&](const char *name) {
    return std::find(folders.begin(), folders.end(), name) != folders.end();
  };
  auto inner = [&](const char *name) { return folder + "/" + name; };
  bool trains = isThere("train");
  // A folder of nothing but val or test, in which the classes lie.
  bool onlyTests = !folders.empty() && std::all_of(folders.begin(), folders.end(), [&](auto &name) {
    return (name == "val" || name == "test") &&
           !classFolders(folder + "/" + name, strays, hidden).empty();
  });
  if (split == Split::Train && onlyTests)
    fail("{} has {}/ but no train/; to use that one: imagefolder:{}", folder, folders.back(),
         inner(folders.back().c_str()));
  if (split == Split::Train)
    return std::make_unique<ImageFolder>(trains ? inner("train") : folder);
  for (const char *name : {"val", "test"})
    if (isThere(name) && (trains || onlyTests))
      return std::make_unique<ImageFolder>(inner(name));
  return nullptr;
}

} // namespace netc::runtime
