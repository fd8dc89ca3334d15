//===- SafetensorsHeader.cpp - what a file says about its tensors ---------===//
#include "runtime/weights/SafetensorsHeader.h"

#include "runtime/base/Error.h"

#include <nlohmann/json.hpp>

#include <unordered_set>
#include <utility>

namespace netc::runtime {

// More than any library has.
static constexpr size_t mostDimensions = 1024, mostDepth = 64;

namespace {
/// Takes the header as it is parsed. No tree is made of it: its length alone bounds time and
/// memory, and a name that is there twice is seen.
class Reader : public nlohmann::json_sax<nlohmann::json> {
public:
  explicit Reader(const std::string &path) : path(path) {}

  SafetensorsHeader header;

  bool start_object(std::size_t) override { return open(/*isObject=*/true); }
  bool start_array(std::size_t) override { return open(/*isObject=*/false); }
  bool end_object() override;
  bool end_array() override;
  bool key(std::string &name) override;
  bool string(std::string &text) override;
  bool number_unsigned(uint64_t value) override;
  bool number_integer(int64_t value) override;
  bool number_float(double, const std::string &text) override { return reject(text); }
  bool null() override { return reject("null"); }
  bool boolean(bool value) override { return reject(value ? "true" : "false"); }
  bool binary(binary_t &) override { return reject("bytes"); }
  bool parse_error(std::size_t, const std::string &,
                   const nlohmann::json::exception &error) override {
    bad(error.what());
  }

private:
  enum Field : unsigned { Dtype = 1, Shape = 2, Offsets = 4, Other = 0 };

  bool open(bool isObject);
  bool reject(const std::string &value) const;
  bool isList() const { return field == Shape || field == Offsets; }
  HeaderEntry &entry() { return header.entries.back(); }
  std::string where() const;
  [[noreturn]] void bad(const std::string &what) const {
    fail("{}: bad safetensors header: {}", path, what);
  }

  const std::string &path;
  size_t depth = 0; // brackets that are open; 1: the header, 2: an entry or the metadata
  bool inMetadata = false;
  std::string metaKey;
  Field field = Other; // of the entry
  unsigned fields = 0; // that the entry has had
  std::unordered_set<std::string> names;
};
} // namespace

std::string Reader::where() const {
  if (depth == 0)
    return "the header";
  if (inMetadata)
    return "__metadata__";
  static constexpr const char *parts[] = {"", " dtype", " shape", "", " data_offsets"};
  return fmt::format("tensor {}{}", header.entries.empty() ? "" : header.entries.back().name,
                     depth > 1 ? parts[field] : "");
}

/// A value of a kind that is not valid at its place; true if the place is not read.
bool Reader::reject(const std::string &value) const {
  if (depth >= 2 && !inMetadata && field == Other)
    return true;
  bad(fmt::format("{} is {}, expected {}", where(), value.substr(0, 40),
                  depth < 2        ? "an object"
                  : inMetadata     ? "text by name"
                  : field == Dtype ? "text"
                  : field == Shape ? "a list of integers"
                                   : "a list of two integers from 0 on"));
}

bool Reader::open(bool isObject) {
  bool fits = depth < 2 ? isObject
                        : !inMetadata && (field == Other || (isList() && depth == 2 && !isObject));
  if (!fits)
    return reject(isObject ? "an object" : "a list");
  if (++depth > mostDepth)
    bad(fmt::format("brackets lie more than {} deep", mostDepth));
  if (depth == 2)
    fields = 0, field = Other;
  return true;
}

bool Reader::key(std::string &name) {
  if (depth == 1) {
    inMetadata = name == "__metadata__";
    if (!names.insert(name).second)
      fail("{}: {}{} is there twice", path, inMetadata ? "" : "tensor ", name);
    if (!inMetadata)
      header.entries.push_back({std::move(name), {}, {}, {}});
    return true;
  }
  if (inMetadata) {
    metaKey = std::move(name);
    if (header.metadata.contains(metaKey))
      bad(fmt::format("__metadata__ {} is there twice", metaKey));
    return true;
  }
  if (depth > 2)
    return true;
  field = name == "dtype"          ? Dtype
          : name == "shape"        ? Shape
          : name == "data_offsets" ? Offsets
                                   : Other;
  if (fields & field)
    bad(fmt::format("{} is there twice", where()));
  fields |= field;
  return true;
}

bool Reader::string(std::string &text) {
  if (depth == 2 && inMetadata)
    header.metadata[metaKey] = std::move(text);
  else if (depth == 2 && field == Dtype)
    entry().dtype = std::move(text);
  else
    return reject("\"" + text + "\"");
  return true;
}

bool Reader::number_unsigned(uint64_t value) {
  if (depth != 3 || inMetadata || !isList())
    return reject(std::to_string(value));
  if (field == Offsets)
    entry().offsets.push_back(value);
  else if (value > uint64_t(INT64_MAX))
    return reject(std::to_string(value));
  else
    entry().shape.push_back(int64_t(value));
  if (entry().shape.size() > mostDimensions || entry().offsets.size() > 2)
    bad(fmt::format("{} has too many numbers", where()));
  return true;
}

/// Written with a minus: a shape keeps it for its own message.
bool Reader::number_integer(int64_t value) {
  if (depth == 3 && !inMetadata && field == Shape && value < 0) {
    entry().shape.push_back(value);
    return entry().shape.size() <= mostDimensions || reject("too long");
  }
  return reject(value ? std::to_string(value) : "-0");
}

bool Reader::end_object() {
  if (depth == 2 && !inMetadata) {
    for (auto [which, name] :
         {std::pair(Dtype, "dtype"), {Shape, "shape"}, {Offsets, "data_offsets"}})
      if (!(fields & which))
        bad(fmt::format("tensor {} has no {}", entry().name, name));
    if (entry().offsets.size() != 2)
      bad(fmt::format("tensor {} has {} data_offsets, expected 2", entry().name,
                      entry().offsets.size()));
  }
  if (--depth == 1)
    inMetadata = false, field = Other;
  return true;
}

bool Reader::end_array() {
  --depth;
  return true;
}

SafetensorsHeader readSafetensorsHeader(const char *begin, const char *end,
                                        const std::string &path) {
  Reader reader(path);
  nlohmann::json::sax_parse(begin, end, &reader);
  return std::move(reader.header);
}

} // namespace netc::runtime
