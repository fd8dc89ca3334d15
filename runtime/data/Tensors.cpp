//===- Tensors.cpp - data that are tensors already ------------------------===//
//
// tensors:FILE.safetensors holds an array for each input of the model, under its name, and what the
// losses compare with: `labels` (class indices) or `targets` (values). The first size of each
// counts samples. Values are taken as they are: no scaling, no augmentation.
//
//===----------------------------------------------------------------------===//
#include "runtime/data/Tensors.h"

#include "runtime/base/Error.h"
#include "runtime/base/Philox.h"

#include <algorithm>
#include <cstring>
#include <map>

namespace netc::runtime {

/// "[N, 3, 32, 32]"
static std::string wantedShape(const TensorInfo &tensor) {
  std::string text = describeShape(tensor.shape);
  return tensor.shape.empty() ? "[N]" : "[N, " + text.substr(1);
}

const Tensor &requireTensor(const Safetensors &file, const TensorInfo &wanted,
                            const std::vector<std::string> &names) {
  for (const std::string &name : names)
    if (const Tensor *tensor = file.find(name))
      return *tensor;
  std::vector<std::string> has;
  for (const Tensor &tensor : file.tensors())
    has.push_back(tensor.name);
  fail("{}: no tensor '{}', expected {} {} of type {}; the file has {}", file.path(), names.front(),
       names.front(), wantedShape(wanted), wanted.type == NETC_TYPE_I64 ? "I64" : "F32",
       has.empty() ? std::string("no tensors") : fmt::format("{}", fmt::join(has, ", ")));
}

int64_t checkTensor(const Safetensors &file, const Tensor &tensor, const TensorInfo &wanted,
                    int64_t n) {
  std::vector<int64_t> own = tensor.shape;
  // A vector may come as [N, F, 1, 1].
  if (wanted.shape.size() == 1 && own.size() == 4 && own[2] == 1 && own[3] == 1)
    own.resize(2);
  int64_t have = own.empty() ? 0 : own.front();
  bool fits = have > 0 && (n == 0 || have == n) && own == wanted.batchShape(have);
  if (!fits)
    fail("{}: tensor '{}' has shape {}, expected {}", file.path(), tensor.name,
         describeShape(tensor.shape),
         n ? describeShape(wanted.batchShape(n)) : wantedShape(wanted) + ", N at least 1");
  return have;
}

void readLabels(const Safetensors &file, const Tensor &labels, int64_t classes,
                std::optional<int64_t> ignore, int64_t *out) {
  if (labels.dtype != "I64" && labels.dtype != "I32")
    fail("{}: tensor '{}' has type {}, expected I64", file.path(), labels.name, labels.dtype);
  int64_t count = labels.elements(), each = count / std::max<int64_t>(1, labels.shape.front());
  for (int64_t i = 0; i < count; ++i) {
    int32_t narrow = 0;
    if (labels.dtype == "I64")
      std::memcpy(&out[i], labels.data + 8 * i, 8);
    else
      std::memcpy(&narrow, labels.data + 4 * i, 4), out[i] = narrow;
    bool counts = !ignore || out[i] != *ignore;
    if (counts && (out[i] < 0 || out[i] >= classes))
      fail("{}: label {} of image {}, expected 0 to {}{}", file.path(), out[i], i / each,
           classes - 1, ignore ? fmt::format(", or {} for none", *ignore) : std::string());
  }
}

std::vector<std::string> namesOf(const ModelInfo &info, const TensorInfo &input) {
  std::vector<std::string> names{input.name};
  if (&input == &info.inputs.front() && !info.findInput("input"))
    names.push_back("input");
  return names;
}

TensorInfo targetInFile(const ModelInfo &info, const LossInfo &loss) {
  TensorInfo target = info.targets[loss.target];
  if (info.softLabels) {
    target.name = "labels";
    target.type = NETC_TYPE_I64;
    target.shape.clear();
  }
  return target;
}

int64_t classesOf(const ModelInfo &info, const LossInfo &loss) {
  const std::vector<int64_t> &shape = info.outputs[loss.output].shape;
  return shape.size() == 3 ? shape.front() : shape.back();
}

/// All of a tensor as the model stores it. `loss`: what it is compared by; null: it is an input.
static std::vector<char> convert(const Safetensors &file, const Tensor &tensor,
                                 const TensorInfo &wanted, const ModelInfo &info,
                                 const LossInfo *loss) {
  std::vector<char> bytes(uint64_t(tensor.elements()) * netc_type_bytes(wanted.type));
  if (wanted.type == NETC_TYPE_I64)
    readLabels(file, tensor, classesOf(info, *loss), loss->ignore,
               reinterpret_cast<int64_t *>(bytes.data()));
  else
    convertToF32(tensor, file.path(), reinterpret_cast<float *>(bytes.data()));
  return bytes;
}

namespace {
class TensorDataset : public Dataset {
public:
  TensorDataset(const std::string &path, const ModelInfo &info);

  int64_t size() const override { return count; }
  int64_t label(int64_t index) const override { return labels.empty() ? 0 : labels[size_t(index)]; }
  void load(int64_t index, const ScaleChooser &, Image &) const override {
    fail("internal error: {} is no image", describe(index));
  }
  std::string describe(int64_t index) const override {
    return fmt::format("{}: sample {}", path, index);
  }
  uint64_t fingerprint() const override { return hash; }
  bool isTensors() const override { return true; }
  bool hasTargets() const override { return givesTargets; }
  void read(int64_t index, const std::string &name, char *out, uint64_t bytes) const override {
    const std::vector<char> &array = arrays.at(name);
    std::memcpy(out, array.data() + uint64_t(index) * bytes, bytes);
  }

private:
  void add(const Safetensors &file, const TensorInfo &wanted, std::vector<std::string> names,
           const ModelInfo &info, const LossInfo *loss);

  std::string path;
  int64_t count = 0;
  bool givesTargets = false;
  std::map<std::string, std::vector<char>> arrays; ///< by the model's names
  std::vector<int64_t> labels;                     ///< of a model that classifies
  uint64_t hash = 0;
};
} // namespace

void TensorDataset::add(const Safetensors &file, const TensorInfo &wanted,
                        std::vector<std::string> names, const ModelInfo &info,
                        const LossInfo *loss) {
  const Tensor &tensor = requireTensor(file, wanted, names);
  count = checkTensor(file, tensor, wanted, count);
  arrays[wanted.name] = convert(file, tensor, wanted, info, loss);
  const std::vector<char> &bytes = arrays[wanted.name];
  hash = mixBits(hash ^ hashBytes({bytes.data(), bytes.size()}));
}

TensorDataset::TensorDataset(const std::string &path, const ModelInfo &model) : path(path) {
  kindName = "tensors";
  Safetensors file = Safetensors::read(path);
  ModelInfo info = model;
  if (info.scoresEachClass() && file.find(info.targets[info.losses[0].target].name))
    info.compareWithTargets();
  givesTargets = !info.softLabels && !info.classifies();
  for (const TensorInfo &input : info.inputs)
    add(file, input, namesOf(info, input), info, nullptr);
  for (const LossInfo &loss : info.losses)
    if (TensorInfo target = targetInFile(info, loss); !arrays.count(target.name))
      add(file, target, {target.name}, info, &loss);
  if (!info.classifies())
    return;
  const std::vector<char> &bytes = arrays.at(targetInFile(info, info.losses[0]).name);
  labels.resize(bytes.size() / sizeof(int64_t));
  std::memcpy(labels.data(), bytes.data(), bytes.size());
  classes = info.classes;
}

std::unique_ptr<Dataset> openTensors(const std::string &path, const ModelInfo &info) {
  return std::make_unique<TensorDataset>(path, info);
}

} // namespace netc::runtime
