//===- Csv.cpp - images named in a table, with labels or values -----------===//
#include "runtime/base/Error.h"
#include "runtime/base/Philox.h"
#include "runtime/data/Dataset.h"
#include "runtime/data/Tensors.h"
#include "runtime/image/ImageFiles.h"
#include "runtime/system/AtomicFile.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>

namespace netc::runtime {

namespace {
struct Row {
  int64_t line = 0; ///< where it begins
  std::vector<std::string> fields;
};

/// Splits a table as RFC 4180 says: fields may be quoted, and then hold commas, quotes that are
/// doubled, and ends of lines.
class CsvReader {
public:
  CsvReader(const std::string &path, std::string text) : path(path), text(std::move(text)) {
    if (this->text.starts_with("\xEF\xBB\xBF"))
      at = 3;
  }
  /// False at the end. Empty lines are left out.
  bool next(Row &row);

private:
  std::string field();

  const std::string &path;
  const std::string text;
  size_t at = 0;
  int64_t line = 1;
};
} // namespace

std::string CsvReader::field() {
  std::string result;
  if (at < text.size() && text[at] == '"') {
    int64_t begin = line;
    for (++at;; ++at) {
      if (at >= text.size())
        fail("{}:{}: a quoted field does not end", path, begin);
      if (text[at] == '"' && (at + 1 >= text.size() || text[at + 1] != '"'))
        break;
      at += text[at] == '"';
      line += text[at] == '\n';
      result += text[at];
    }
    ++at;
  }
  while (at < text.size() && text[at] != ',' && text[at] != '\n')
    result += text[at++];
  if (result.ends_with('\r'))
    result.pop_back();
  return result;
}

bool CsvReader::next(Row &row) {
  while (at < text.size()) {
    row = {line, {}};
    while (true) {
      row.fields.push_back(field());
      if (at >= text.size() || text[at] == '\n')
        break;
      ++at; // the comma
    }
    ++at;
    ++line;
    if (row.fields.size() > 1 || !row.fields[0].empty())
      return true;
  }
  return false;
}

static std::optional<int64_t> integerOf(const std::string &text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool whole = error == std::errc() && end == text.data() + text.size() && !text.empty();
  return whole ? std::optional(value) : std::nullopt;
}

static std::optional<float> numberOf(const std::string &text) {
  char *end = nullptr;
  float value = std::strtof(text.c_str(), &end);
  bool whole = !text.empty() && end == text.c_str() + text.size() && std::isfinite(value);
  return whole ? std::optional(value) : std::nullopt;
}

namespace {
class CsvDataset : public Dataset {
public:
  CsvDataset(const std::string &path, const ModelInfo &info,
             const std::vector<std::string> &classNames);

  int64_t size() const override { return int64_t(files.size()); }
  int64_t label(int64_t index) const override { return labels.empty() ? 0 : labels[size_t(index)]; }
  void load(int64_t index, const ScaleChooser &chooseScale, Image &out) const override {
    const std::string &file = files[size_t(index)];
    decodeImage(file, readImageFile(file), chooseScale, out);
  }
  std::string describe(int64_t index) const override { return files[size_t(index)]; }
  uint64_t fingerprint() const override { return hash; }
  bool inMemory() const override { return false; }
  bool hasTargets() const override { return !targets.empty(); }
  void read(int64_t index, const std::string &name, char *out, uint64_t bytes) const override {
    auto input = inputs.find(name);
    const std::vector<float> &values = input == inputs.end() ? targets : input->second;
    std::memcpy(out, values.data() + uint64_t(index) * (bytes / sizeof(float)), bytes);
  }

private:
  int64_t columnOf(const std::string &name) const;
  void readLabels(const std::vector<Row> &rows, size_t column,
                  const std::vector<std::string> &classNames);
  void readInput(const std::vector<Row> &rows, const TensorInfo &input);
  void readTargets(const std::vector<Row> &rows, const ModelInfo &info);
  float valueOf(const Row &row, size_t column) const;

  const std::string path;
  std::vector<std::string> columns, files;
  std::vector<int64_t> labels;
  std::vector<float> targets;                       ///< [size, columns that are targets]
  std::map<std::string, std::vector<float>> inputs; ///< those beside the image
  std::vector<size_t> taken;                        ///< columns of the image and of inputs
  uint64_t hash = 0;
};
} // namespace

/// -1: there is none.
int64_t CsvDataset::columnOf(const std::string &name) const {
  auto found = std::find(columns.begin(), columns.end(), name);
  return found == columns.end() ? -1 : found - columns.begin();
}

/// Class indices where all are integers, else names, sorted, or as the training set has them.
void CsvDataset::readLabels(const std::vector<Row> &rows, size_t column,
                            const std::vector<std::string> &classNames) {
  bool integers = std::all_of(rows.begin(), rows.end(),
                              [&](const Row &row) { return integerOf(row.fields[column]); });
  if (integers) {
    for (const Row &row : rows) {
      labels.push_back(*integerOf(row.fields[column]));
      if (labels.back() < 0)
        fail("{}:{}: label {}, expected 0 or more", path, row.line, labels.back());
      classes = std::max(classes, labels.back() + 1);
    }
    return;
  }
  names = classNames;
  if (names.empty()) {
    for (const Row &row : rows)
      names.push_back(row.fields[column]);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
  }
  for (const Row &row : rows) {
    auto found = std::find(names.begin(), names.end(), row.fields[column]);
    if (found == names.end())
      fail("{}:{}: label '{}' is no class of the weights: {}", path, row.line, row.fields[column],
           fmt::join(names, ", "));
    labels.push_back(found - names.begin());
  }
  classes = int64_t(names.size());
}

float CsvDataset::valueOf(const Row &row, size_t column) const {
  std::optional<float> value = numberOf(row.fields[column]);
  if (!value)
    fail("{}:{}: {} is '{}', expected a number", path, row.line, columns[column],
         row.fields[column]);
  return *value;
}

/// Column `age` of input age [1]; columns `size.0`, `size.1` of input size [2].
void CsvDataset::readInput(const std::vector<Row> &rows, const TensorInfo &input) {
  std::vector<size_t> own;
  for (int64_t i = 0; i < input.elements(); ++i) {
    std::string name = input.elements() == 1 ? input.name : fmt::format("{}.{}", input.name, i);
    int64_t column = columnOf(name);
    if (column < 0)
      fail("{}: no column '{}' in its header, which input {} {} reads; it has {}", path, name,
           input.name, describeShape(input.shape), fmt::join(columns, ", "));
    own.push_back(size_t(column));
  }
  std::vector<float> &values = inputs[input.name];
  for (const Row &row : rows)
    for (size_t column : own)
      values.push_back(valueOf(row, column));
  taken.insert(taken.end(), own.begin(), own.end());
}

/// Every column that nothing else takes is a value.
void CsvDataset::readTargets(const std::vector<Row> &rows, const ModelInfo &info) {
  const TensorInfo &output = info.outputs[info.losses[0].output];
  std::vector<size_t> own;
  std::vector<std::string> others;
  for (size_t column = 0; column < columns.size(); ++column)
    if (std::find(taken.begin(), taken.end(), column) == taken.end()) {
      own.push_back(column);
      others.push_back(columns[column]);
    }
  if (int64_t(own.size()) != output.elements())
    fail("{}: {} columns beside the image{} ({}), but the loss of {} compares {} {}", path,
         own.size(), inputs.empty() ? "" : " and the inputs",
         others.empty() ? "none" : fmt::format("{}", fmt::join(others, ", ")), info.name,
         output.name, describeShape(output.shape));
  for (const Row &row : rows)
    for (size_t column : own)
      targets.push_back(valueOf(row, column));
}

CsvDataset::CsvDataset(const std::string &path, const ModelInfo &info,
                       const std::vector<std::string> &classNames)
    : path(path) {
  kindName = "csv";
  std::string text = readFile(path);
  hash = hashBytes(text);
  CsvReader reader(path, std::move(text));
  std::vector<Row> rows;
  Row row;
  if (!reader.next(row))
    fail("{}: empty, expected a header with a column image", path);
  columns = row.fields;
  int64_t image = columnOf("image"), label = columnOf("label");
  if (image < 0)
    fail("{}: no column 'image' in its header; it has {}", path, fmt::join(columns, ", "));
  std::string folder = std::filesystem::path(path).parent_path().string();
  while (reader.next(row)) {
    if (row.fields.size() != columns.size())
      fail("{}:{}: {} fields, the header has {}", path, row.line, row.fields.size(),
           columns.size());
    files.push_back((std::filesystem::path(folder) / row.fields[size_t(image)]).string());
    rows.push_back(row);
  }
  if (rows.empty())
    fail("{}: no rows below the header", path);
  bool hasLabels = label >= 0 && (info.classifies() || info.scoresEachClass());
  if (info.classifies() && label < 0 && !info.scoresEachClass())
    fail("{}: no column 'label' in its header; it has {}", path, fmt::join(columns, ", "));
  taken = {size_t(image)};
  for (size_t number = 1; number < info.inputs.size(); ++number)
    readInput(rows, info.inputs[number]);
  if (hasLabels)
    readLabels(rows, size_t(label), classNames);
  else
    readTargets(rows, info);
}

std::unique_ptr<Dataset> openCsv(const std::string &path, const ModelInfo &info,
                                 const std::vector<std::string> &classNames) {
  return std::make_unique<CsvDataset>(path, info, classNames);
}

} // namespace netc::runtime
