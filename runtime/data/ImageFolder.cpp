//===- ImageFolder.cpp - a folder a class ---------------------------------===//
#include "runtime/base/Error.h"
#include "runtime/base/Philox.h"
#include "runtime/base/Progress.h"
#include "runtime/base/Utf8.h"
#include "runtime/data/Dataset.h"
#include "runtime/image/ImageFiles.h"
#include "runtime/system/AtomicFile.h"

#include <algorithm>
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

namespace {
class ImageFolder : public Dataset {
public:
  explicit ImageFolder(std::string folder) : root(std::move(folder)) {
    kindName = "imagefolder";
    std::vector<std::string> folders, strays;
    std::error_code error;
    for (const fs::directory_entry &entry : fs::directory_iterator(root)) {
      std::string name = entry.path().filename().string();
      if (!entry.is_directory(error) && isImageFile(name))
        strays.push_back(name);
      else if (entry.is_directory(error) && !name.starts_with('.'))
        folders.push_back(name);
    }
    std::sort(folders.begin(), folders.end());
    classes = int64_t(folders.size());
    if (folders.empty())
      fail("{}: no folders in it, expected one a class", root);
    for (size_t label = 0; label < folders.size(); ++label) {
      names.push_back(className(folders[label]));
      addClass(folders[label], int32_t(label));
    }
    if (files.empty())
      fail("{}: its {} folders hold no JPEG or PNG file", root, folders.size());
    if (!strays.empty())
      warn(fmt::format("{}: left out: {} in no class's folder ({})", root,
                       counted(int64_t(strays.size()), "image"),
                       *std::min_element(strays.begin(), strays.end())));
    if (others)
      warn(fmt::format("{}: left out: {} named neither .jpg, .jpeg nor .png ({})", root,
                       counted(others, "file"), firstOther));
  }

  int64_t size() const override { return int64_t(files.size()); }
  int64_t label(int64_t index) const override { return files[size_t(index)].label; }
  void load(int64_t index, const ScaleChooser &chooseScale, Image &out) const override {
    std::string path = describe(index);
    decodeImage(path, readFile(path), chooseScale, out);
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
    if (others == 0)
      firstOther = found.firstOther;
    others += found.others;
    if (files.size() == first)
      warn(fmt::format("{}/{} holds no JPEG or PNG file", root, name));
    std::sort(files.begin() + int64_t(first), files.end(),
              [](const File &a, const File &b) { return a.name < b.name; });
  }

  std::string root;
  std::vector<File> files;
  int64_t others = 0; // files that are no images, left out
  std::string firstOther;
};
} // namespace

std::unique_ptr<Dataset> openImageFolder(const std::string &folder, Split split) {
  if (!fs::is_directory(folder))
    fail("data folder {} does not exist", folder);
  auto inner = [&](const char *name) { return folder + "/" + name; };
  if (split == Split::Train)
    return std::make_unique<ImageFolder>(fs::is_directory(inner("train")) ? inner("train")
                                                                          : folder);
  for (const char *name : {"val", "test"})
    if (fs::is_directory(inner(name)) && fs::is_directory(inner("train")))
      return std::make_unique<ImageFolder>(inner(name));
  return nullptr;
}

} // namespace netc::runtime
