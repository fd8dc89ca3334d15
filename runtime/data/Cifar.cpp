//===- Cifar.cpp - the binary version of CIFAR-10 and CIFAR-100 -----------===//
//
// Records of one label byte (CIFAR-100: coarse, then fine) and 3 planes of
// 32x32 bytes.
//
//===----------------------------------------------------------------------===//
#include "runtime/base/Error.h"
#include "runtime/base/Philox.h"
#include "runtime/data/ByteFile.h"
#include "runtime/data/Dataset.h"

#include <filesystem>
#include <fstream>

namespace netc::runtime {

static constexpr int side = 32;
static constexpr size_t planeBytes = size_t(side) * side, imageBytes = 3 * planeBytes;
static constexpr uint64_t maxFileBytes = 1ull << 30;

/// The class names that come with the data; none where the file is missing.
static std::vector<std::string> readNames(const std::string &path, size_t count) {
  std::ifstream in(path);
  std::vector<std::string> names;
  for (std::string line; std::getline(in, line);)
    if (!line.empty())
      names.push_back(line);
  return names.size() == count ? names : std::vector<std::string>();
}

namespace {
class CifarDataset : public Dataset {
public:
  CifarDataset(const std::string &kind, const std::string &folder, Split split) {
    kindName = kind;
    bool fine = kind == "cifar100";
    classes = fine ? 100 : 10;
    height = width = side;
    labelBytes = fine ? 2 : 1;
    std::vector<std::string> files;
    if (fine)
      files = {split == Split::Train ? "train.bin" : "test.bin"};
    else if (split == Split::Test)
      files = {"test_batch.bin"};
    else
      for (int i = 1; i <= 5; ++i)
        files.push_back(fmt::format("data_batch_{}.bin", i));
    for (const std::string &file : files)
      append(findDataFile(folder, {file, file + ".gz"}));
    names =
        readNames(folder + (fine ? "/fine_label_names.txt" : "/batches.meta.txt"), size_t(classes));
    if (names.empty() && !fine)
      names = {"airplane", "automobile", "bird",  "cat",  "deer",
               "dog",      "frog",       "horse", "ship", "truck"};
  }

  int64_t size() const override { return int64_t(records.size() / recordBytes()); }
  int64_t label(int64_t index) const override {
    return records[size_t(index) * recordBytes() + labelBytes - 1];
  }
  void load(int64_t index, const ScaleChooser &, Image &out) const override {
    out.resize(side, side, 3);
    const uint8_t *planes = records.data() + size_t(index) * recordBytes() + labelBytes;
    for (size_t i = 0; i < planeBytes; ++i)
      for (size_t c = 0; c < 3; ++c)
        out.pixels[i * 3 + c] = planes[c * planeBytes + i];
  }
  std::string describe(int64_t index) const override {
    return fmt::format("{} image {}", kindName, index);
  }
  uint64_t fingerprint() const override {
    return hashBytes({reinterpret_cast<const char *>(records.data()), records.size()});
  }

private:
  size_t recordBytes() const { return labelBytes + imageBytes; }

  void append(const std::string &path) {
    std::vector<uint8_t> bytes = readDataFile(path, maxFileBytes);
    if (bytes.empty() || bytes.size() % recordBytes() != 0)
      fail("{}: {} bytes are no multiple of the {} of a record: the file is truncated or no binary "
           "{}",
           path, bytes.size(), recordBytes(), kindName);
    for (size_t i = 0; i < bytes.size() / recordBytes(); ++i)
      if (int label = bytes[i * recordBytes() + labelBytes - 1]; label >= classes)
        fail("{}: label {} of image {}, expected 0 to {}", path, label, i, classes - 1);
    records.insert(records.end(), bytes.begin(), bytes.end());
  }

  std::vector<uint8_t> records;
  size_t labelBytes = 1;
};
} // namespace

std::unique_ptr<Dataset> openCifar(const std::string &kind, const std::string &folder,
                                   Split split) {
  return std::make_unique<CifarDataset>(kind, folder, split);
}

} // namespace netc::runtime
