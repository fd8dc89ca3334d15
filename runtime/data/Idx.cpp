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

namespace {
/// A file of images or of labels.
struct IdxFile {
  std::vector<uint8_t> bytes; // header included
  std::vector<int64_t> sizes; // of the dimensions
};
} // namespace

/// The sizes of the dimensions.
static std::vector<int64_t> readSizes(const std::string &path, const std::vector<uint8_t> &bytes,
                                      uint32_t magic, const char *what) {
  if (bigEndian(bytes, 0) != magic)
    fail("{}: no IDX file of {}: magic number 0x{:08x}, expected 0x{:08x}", path, what,
         bigEndian(bytes, 0), magic);
  std::vector<int64_t> sizes;
  for (size_t i = 0; i < (magic & 0xFF); ++i)
    sizes.push_back(bigEndian(bytes, 4 + 4 * i));
  return sizes;
}

static uint64_t product(const std::vector<int64_t> &sizes, uint64_t most) {
  uint64_t total = 1;
  for (int64_t size : sizes)
    if (__builtin_mul_overflow(total, uint64_t(size), &total))
      return most;
  return std::min(total, most);
}

/// Reads no more than the header says.
static IdxFile readIdx(const std::string &path, uint32_t magic, const char *what) {
  size_t headerBytes = 4 + 4 * (magic & 0xFF);
  IdxFile file;
  SizeInHeader header{headerBytes, [&](const std::vector<uint8_t> &bytes) {
                        file.sizes = readSizes(path, bytes, magic, what);
                        return headerBytes + product(file.sizes, UINT64_MAX / 2);
                      }};
  file.bytes = readDataFile(path, maxFileBytes, header);
  if (file.bytes.size() < headerBytes)
    fail("{}: truncated: {} bytes, the header alone has {}", path, file.bytes.size(), headerBytes);
  uint64_t data = file.bytes.size() - headerBytes, expected = product(file.sizes, UINT64_MAX / 2);
  if (data < expected)
    fail("{}: {} bytes of {}, expected {} ({}): the file is truncated", path, data, what, expected,
         fmt::join(file.sizes, " x "));
  return file;
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
    IdxFile imagesFile = readIdx(imagesPath, imagesMagic, "images");
    IdxFile labelsFile = readIdx(labelsPath, labelsMagic, "labels");
    const std::vector<int64_t> &sizes = imagesFile.sizes, &counts = labelsFile.sizes;
    if (sizes[0] != counts[0])
      fail("{} has {} images but {} has {} labels", imagesPath, sizes[0], labelsPath, counts[0]);
    if (sizes[0] == 0 || sizes[1] == 0 || sizes[2] == 0)
      fail("{}: no images ({})", imagesPath, fmt::join(sizes, " x "));
    images = std::move(imagesFile.bytes);
    labels = std::move(labelsFile.bytes);
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
