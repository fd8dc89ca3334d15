//===- ClassLabels.cpp - what a model's classes are called ----------------===//
#include "runtime/data/ClassLabels.h"

#include "runtime/base/Error.h"
#include "runtime/base/Utf8.h"
#include "runtime/system/AtomicFile.h"

#include <algorithm>
#include <map>
#include <sstream>

namespace netc::runtime {

static constexpr const char *imagenetClasses =
#include "runtime/data/ImagenetClasses.inc"
    ;

static std::vector<std::string> splitLines(const std::string &text) {
  std::istringstream lines(text);
  std::vector<std::string> result;
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r'))
      line.pop_back();
    result.push_back(line);
  }
  while (!result.empty() && result.back().empty())
    result.pop_back();
  return result;
}

static std::string firstWord(const std::string &line) {
  return line.substr(0, line.find_first_of(" \t,"));
}

ClassLabels readClassLabels(const std::string &file, int64_t classes) {
  bool builtIn = file == "imagenet";
  ClassLabels labels;
  labels.source = file;
  labels.names = splitLines(builtIn ? std::string(imagenetClasses) : readFile(file));
  for (std::string &name : labels.names) {
    labels.others.push_back(firstWord(name));
    if (builtIn)
      name = name.substr(labels.others.back().size() + 1);
  }
  if (int64_t(labels.names.size()) != classes)
    fail("{}: {} class names, the model has {} classes", file, labels.names.size(), classes);
  return labels;
}

namespace {
/// A data set with other labels.
class MappedDataset : public Dataset {
public:
  MappedDataset(std::unique_ptr<Dataset> inner, std::vector<int64_t> labels,
                std::vector<std::string> classNames)
      : inner(std::move(inner)), labels(std::move(labels)) {
    kindName = this->inner->kind();
    classes = int64_t(classNames.size());
    names = std::move(classNames);
    height = this->inner->imageHeight();
    width = this->inner->imageWidth();
  }

  int64_t size() const override { return inner->size(); }
  int64_t label(int64_t index) const override { return labels[size_t(inner->label(index))]; }
  void load(int64_t index, const ScaleChooser &chooseScale, Image &out) const override {
    inner->load(index, chooseScale, out);
  }
  std::string describe(int64_t index) const override { return inner->describe(index); }
  uint64_t fingerprint() const override { return inner->fingerprint(); }
  bool inMemory() const override { return inner->inMemory(); }

private:
  std::unique_ptr<Dataset> inner;
  std::vector<int64_t> labels; // by the inner label
};
} // namespace

/// Classes by what they are called; -1: more than one.
static std::map<std::string, int64_t> indexByName(const std::vector<std::string> &names) {
  std::map<std::string, int64_t> index;
  for (size_t i = 0; i < names.size(); ++i) {
    auto [found, fresh] = index.emplace(names[i], int64_t(i));
    if (!fresh)
      found->second = -1;
  }
  return index;
}

std::unique_ptr<Dataset> mapToClasses(std::unique_ptr<Dataset> data, const ClassLabels &labels) {
  auto byName = indexByName(labels.names), byOther = indexByName(labels.others);
  auto find = [&](const std::string &folder) -> int64_t {
    for (const auto *index : {&byName, &byOther})
      if (auto found = index->find(folder); found != index->end() && found->second >= 0)
        return found->second;
    return -1;
  };
  std::vector<int64_t> map;
  std::map<int64_t, std::string> taken;
  std::string stranger;
  size_t strangers = 0;
  for (const std::string &folder : data->classNames()) {
    map.push_back(find(folder));
    if (map.back() < 0 && strangers++ == 0)
      stranger = folder;
    else if (auto [other, fresh] = taken.emplace(map.back(), folder); !fresh && map.back() >= 0)
      fail("the folders '{}' and '{}' are both class {} of {}", other->second, folder, map.back(),
           labels.source);
  }
  if (strangers)
    fail("{} of {} folders are none of the {} classes of {}, or several of them: '{}'; its classes "
         "are such as '{}'",
         strangers, map.size(), labels.names.size(), labels.source, stranger, labels.names.front());
  return std::make_unique<MappedDataset>(std::move(data), std::move(map), labels.names);
}

std::string describeClasses(const Dataset &data, const std::vector<int64_t> &samples,
                            int64_t modelClasses) {
  static constexpr size_t named = 12;
  std::vector<int64_t> counts(size_t(data.classCount()), 0);
  for (int64_t sample : samples)
    ++counts[size_t(data.label(sample))];
  std::string text = fmt::format("{} class{}", counts.size(), counts.size() == 1 ? "" : "es");
  if (data.classCount() != modelClasses)
    text += fmt::format(" (the model has {})", modelClasses);
  bool all = counts.size() <= named;
  if (!all) {
    auto [least, most] = std::minmax_element(counts.begin(), counts.end());
    text += fmt::format(" of {} to {} images", *least, *most);
  }
  for (size_t c = 0; c < (all ? counts.size() : named); ++c) {
    const std::vector<std::string> &names = data.classNames();
    text += fmt::format("{} {} {}", c ? "," : ":",
                        c < names.size() ? printable(names[c]) : std::to_string(c), counts[c]);
  }
  return text + (all ? "" : ", …");
}

} // namespace netc::runtime
