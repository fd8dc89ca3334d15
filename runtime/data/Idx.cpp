//===- Idx.cpp - MNIST and Fashion-MNIST ----------------------------------===//
//
// IDX: big-endian magic (0x00000803 for images, 0x00000801 for labels), then the
// sizes, then bytes.
//
//===----------------------------------------------------------------------===//
#include "runtime/base/Error.h"
#include "runtime/base/Philox.h"
#include "runtime/data/ByteFile.h"
#include "runtime/data/Dataset.h"

#include <algorithm>
#include <cstring>

namespace netc::runtime {

static constexpr uint32_t imagesMagic = 0x803, labelsMagic = 0x801;
static constexpr uint64_t maxFileBytes = 8ull << 30;

static uint32_t bigEndian(const std::vector<uint8_t> &bytes, size_t at) {
  return uint32_t(bytes[at]) << 24 | uint32_t(bytes[at + 1]) << 16 | uint32_t(bytes[at + 2]) << 8 |
         uint32_t(bytes[at + 3]);
}

/// Checks magic and size; returns the sizes of the dimensions.
static std::vector<int64_t> readHeader(const std::string &path, const std::vector<uint8_t> &bytes,
                                       uint32_t magic, const char *what) {
  size_t dimensions = magic & 0xFF, header = 4 + 4 * dimensions;
  if (bytes.size() < header)
    fail("{}: truncated: {} bytes, the header alone has {}", path, bytes.size(), header);
  if (bigEndian(bytes, 0) != magic)
    fail("{}: no IDX file of {}: magic number 0x{:08x}, expected 0x{:08x}", path, what,
         bigEndian(bytes, 0), magic);
  std::vector<int64_t> sizes;
  uint64_t total = 1;
  for (size_t i = 0; i < dimensions; ++i) {
    sizes.push_back(bigEndian(bytes, 4 + 4 * i));
    if (__builtin_mul_overflow(total, uint64_t(sizes.back()), &total))
      total = UINT64_MAX - header;
  }
  if (bytes.size() - header != total)
    fail("{}: {} bytes of {}, expected {} ({}): the file is {}", path, bytes.size() - header, what,
         total, fmt::join(sizes, " x "), bytes.size() - header < total ? "truncated" : "too long");
  return sizes;
}

namespace {
class IdxDataset : public Dataset {
public:
  IdxDataset(const std::string &kind, const std::string &imagesPath,
             const std::string &labelsPath) {
    kindName = kind;
    classes = 10;
    if (kind == "fashion-mnist")
      names = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
               "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
    else
      names = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    images = readDataFile(imagesPath, maxFileBytes);
    labels = readDataFile(labelsPath, maxFileBytes);
    auto sizes = readHeader(imagesPath, images, imagesMagic, "images");
    auto counts = readHeader(labelsPath, labels, labelsMagic, "labels");
    if (sizes[0] != counts[0])
      fail("{} has {} images but {} has {} labels", imagesPath, sizes[0], labelsPath, counts[0]);
    if (sizes[0] == 0 || sizes[1] == 0 || sizes[2] == 0)
      fail("{}: no images ({})", imagesPath, fmt::join(sizes, " x "));
    count = sizes[0];
    height = int(sizes[1]);
    width = int(sizes[2]);
    for (int64_t i = 0; i < count; ++i)
      if (label(i) >= classes)
        fail("{}: label {} of image {}, expected 0 to {}", labelsPath, label(i), i, classes - 1);
    path = imagesPath;
  }

  int64_t size() const override { return count; }
  int64_t label(int64_t index) const override { return labels[8 + size_t(index)]; }
  void load(int64_t index, const ScaleChooser &, Image &out) const override {
    out.resize(height, width, 1);
    std::memcpy(out.pixels.data(), images.data() + 16 + size_t(index) * out.pixels.size(),
                out.pixels.size());
  }
  std::string describe(int64_t index) const override {
    return fmt::format("image {} of {}", index, path);
  }
  uint64_t fingerprint() const override {
    auto view = [](const std::vector<uint8_t> &bytes) {
      return std::string_view(reinterpret_cast<const char *>(bytes.data()), bytes.size());
    };
    return hashBytes(view(labels), hashBytes(view(images)));
  }

private:
  std::vector<uint8_t> images, labels; // whole files, headers included
  std::string path;
  int64_t count = 0;
};
} // namespace

std::unique_ptr<Dataset> openIdx(const std::string &kind, const std::string &folder, Split split) {
  auto find = [&](const char *what) {
    std::string stem = (split == Split::Train ? "train-" : "t10k-") + std::string(what);
    // Some mirrors write a dot before idx.
    std::string dotted = stem;
    dotted[dotted.rfind("-idx")] = '.';
    return findDataFile(folder, {stem + ".gz", stem, dotted, dotted + ".gz"});
  };
  std::string images = find("images-idx3-ubyte");
  return std::make_unique<IdxDataset>(kind, images, find("labels-idx1-ubyte"));
}

} // namespace netc::runtime
