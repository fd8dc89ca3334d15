//===- ClassLabels.h - what a model's classes are called --------*- C++ -*-===//
#ifndef NETC_RUNTIME_DATA_CLASSLABELS_H
#define NETC_RUNTIME_DATA_CLASSLABELS_H

#include "runtime/data/Dataset.h"

#include <memory>
#include <string>
#include <vector>

namespace netc::runtime {

/// The classes of a model in its order, from a file, from weights, or built in.
struct ClassLabels {
  std::string source; ///< for messages: "labels.txt"
  std::vector<std::string> names;
  /// What a folder of images of the class may be called too: ImageNet's synset, or the first word
  /// of a line. Empty, or as long as `names`.
  std::vector<std::string> others;
};

/// "imagenet" (the 1000 classes of ILSVRC 2012), or a file with a class a line. Fails where they
/// are not as many as the model's `classes`.
ClassLabels readClassLabels(const std::string &file, int64_t classes);

/// A folder of images whose folders may be some of the classes, in any order: labels become the
/// positions among `labels`. Fails, with counts, where a folder names no class, or several, or one
/// that another folder names.
std::unique_ptr<Dataset> mapToClasses(std::unique_ptr<Dataset> data, const ClassLabels &labels);

/// "2 classes: cat 40, dog 38": how many of `samples` each class has, for a terminal; of many
/// classes the first ones and the range of counts. `modelClasses` is added if it differs.
std::string describeClasses(const Dataset &data, const std::vector<int64_t> &samples,
                            int64_t modelClasses);

} // namespace netc::runtime

#endif // NETC_RUNTIME_DATA_CLASSLABELS_H
