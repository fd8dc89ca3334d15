//===- Dataset.h - labelled images ------------------------------*- C++ -*-===//
#ifndef NETC_RUNTIME_DATA_DATASET_H
#define NETC_RUNTIME_DATA_DATASET_H

#include "runtime/image/Image.h"

#include <memory>
#include <string>
#include <vector>

namespace netc::runtime {

/// A set of labelled images. Everything const is thread-safe.
class Dataset {
public:
  virtual ~Dataset() = default;

  virtual int64_t size() const = 0;
  /// In [0, classCount()).
  virtual int64_t label(int64_t index) const = 0;
  /// Fails with an Error that names the file where an image does not decode.
  virtual void load(int64_t index, const ScaleChooser &chooseScale, Image &out) const = 0;
  /// What to call an image in messages.
  virtual std::string describe(int64_t index) const = 0;
  /// Hash of the data: equal sets have equal ones, wherever they lie.
  virtual uint64_t fingerprint() const = 0;
  /// All images in memory, decoding free.
  virtual bool inMemory() const { return true; }
  /// Samples are tensors, which `read` copies: there are no images to load.
  virtual bool isTensors() const { return false; }
  /// Samples are compared by values or maps rather than by one label each.
  virtual bool hasTargets() const { return false; }
  /// Each image has a mask of class indices.
  virtual bool hasMasks() const { return false; }
  /// Decodes it. Fails with an Error that names it where it is not as large as the image.
  virtual void readMask(int64_t, int /*imageHeight*/, int /*imageWidth*/, Image &) const {}
  virtual std::string describeMask(int64_t index) const { return describe(index); }
  /// Copies what sample `index` has of the model's tensor `name`, `bytes` long.
  virtual void read(int64_t, const std::string &, char *, uint64_t) const {}

  int64_t classCount() const { return classes; }
  const std::vector<std::string> &classNames() const { return names; } ///< may be empty
  const std::string &kind() const { return kindName; }
  /// Size of every image; 0 where they differ.
  int imageHeight() const { return height; }
  int imageWidth() const { return width; }

protected:
  std::string kindName;
  int64_t classes = 0;
  std::vector<std::string> names;
  int height = 0, width = 0;
};

enum class Split { Train, Test };

struct ModelInfo;

/// What the model expects of the data; synthetic data is made to it.
struct DataShape {
  int channels = 0, height = 0, width = 0;
  int64_t classes = 0;
  const ModelInfo *model = nullptr; ///< for tensors:FILE; null: images alone
};
DataShape dataShape(const ModelInfo &info);

/// Opens "KIND:PATH" or "KIND". Fails with a UsageError on an unknown kind, with
/// an Error that names the file where the data is missing, truncated, mislabelled
/// or has a label that the model lacks. Null where the kind has no such split
/// (an image folder without val/ has no test set, a file of tensors never has one).
/// `option`: the switch that `spec` came with, for messages.
std::unique_ptr<Dataset> openDataset(const std::string &spec, Split split, const DataShape &shape,
                                     const char *option = "--data");

/// Opens what evaluation reads: the test split, or all of a folder of images
/// that has no val/. `classNames`: of the training set; a folder of images with
/// other classes is an error. Null only where `required` is false.
std::unique_ptr<Dataset> openEvaluation(const std::string &spec, bool required,
                                        const DataShape &shape,
                                        const std::vector<std::string> &classNames,
                                        const char *option = "--data");

/// IDX files of MNIST and Fashion-MNIST, gzip or not.
std::unique_ptr<Dataset> openIdx(const std::string &kind, const std::string &folder, Split split);

/// The binary version of CIFAR-10 and CIFAR-100 (fine labels).
std::unique_ptr<Dataset> openCifar(const std::string &kind, const std::string &folder, Split split);

/// `count` images made from `shape` and their index: a coarse pattern of the
/// label under noise. Train and test are drawn apart.
std::unique_ptr<Dataset> makeSynthetic(int64_t count, Split split, const DataShape &shape);

/// images/ and masks/ of the same names, in train/ and val/ (or test/) where these exist. Null
/// where there is no such split.
std::unique_ptr<Dataset> openSegmentation(const std::string &folder, Split split);

/// A table with a column `image`, files relative to the table's folder, a column for each number of
/// the model's other inputs, and a column `label` or one for each value that the model's loss
/// compares with. Labels that are names become positions in
/// `classNames`, or among all names where that is empty.
std::unique_ptr<Dataset> openCsv(const std::string &path, const ModelInfo &info,
                                 const std::vector<std::string> &classNames);

/// A folder a class, sorted by name; train/ and val/ (or test/) where they exist.
std::unique_ptr<Dataset> openImageFolder(const std::string &folder, Split split);

} // namespace netc::runtime

#endif // NETC_RUNTIME_DATA_DATASET_H
