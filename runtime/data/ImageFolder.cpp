//===- ImageFolder.cpp - a folder a class ---------------------------------===//
#include "runtime/AtomicFile.h"
#include "runtime/Error.h"
#include "runtime/ImageFiles.h"
#include "runtime/Philox.h"
#include "runtime/data/Dataset.h"

#include <algorithm>
#include <filesystem>

namespace netc::runtime {

namespace fs = std::filesystem;

namespace {
class ImageFolder : public Dataset {
public:
  explicit ImageFolder(std::string folder) : root(std::move(folder)) {
    kindName = "imagefolder";
    for (const fs::directory_entry &entry : fs::directory_iterator(root))
      if (entry.is_directory() && !entry.path().filename().string().starts_with('.'))
        names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    classes = int64_t(names.size());
    if (names.empty())
      fail("{}: no folders in it, expected one a class", root);
    for (size_t label = 0; label < names.size(); ++label)
      addClass(int32_t(label));
    if (files.empty())
      fail("{}: its {} folders hold no JPEG or PNG file", root, names.size());
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

  void addClass(int32_t label) {
    const std::string &name = names[size_t(label)];
    size_t first = files.size();
    for (const std::string &path : imageFilesBelow(root + "/" + name))
      files.push_back({fs::path(path).lexically_relative(root).string(), fs::file_size(path), label});
    if (files.size() == first)
      warn(fmt::format("{}/{} holds no JPEG or PNG file", root, name));
    std::sort(files.begin() + int64_t(first), files.end(),
              [](const File &a, const File &b) { return a.name < b.name; });
  }

  std::string root;
  std::vector<File> files;
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
