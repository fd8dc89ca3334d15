#include "runtime/weights/Safetensors.h"

#include "runtime/base/Error.h"
#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace netc::runtime;

/// A file of the given header and data.
static std::string assemble(const std::string &header, const std::string &data) {
  uint64_t length = header.size();
  return std::string(reinterpret_cast<const char *>(&length), 8) + header + data;
}

static std::string readError(const ScratchFolder &folder, const std::string &text) {
  writeFileAtomically(folder / "x.safetensors", text);
  return errorOf([&] { Safetensors::read(folder / "x.safetensors"); });
}

// As root, `--out /dev/null` must not put a file in the device's place.
TEST(AtomicFile, WritesIntoAPipeInsteadOfReplacingIt) {
  ScratchFolder folder;
  std::string path = folder / "pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  writeFileAtomically(path, "hello");
  char text[8] = {};
  EXPECT_EQ(read(reader, text, sizeof text), 5);
  EXPECT_STREQ(text, "hello");
  close(reader);
  EXPECT_TRUE(std::filesystem::is_fifo(path));
}

TEST(Safetensors, RoundTrips) {
  ScratchFolder folder;
  std::vector<float> values{1, 2, 3, 4, 5, 6};
  writeSafetensors(folder / "x",
                   {f32Tensor("a", {2, 3}, values.data()), f32Tensor("b", {}, values.data())},
                   {{"format", "pt"}});
  Safetensors file = Safetensors::read(folder / "x");
  ASSERT_TRUE(file.find("a"));
  EXPECT_EQ(file.find("a")->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(std::memcmp(file.find("a")->data, values.data(), 24), 0);
  EXPECT_EQ(file.find("b")->elements(), 1);
  EXPECT_EQ(file.find("c"), nullptr);
  EXPECT_EQ(file.metadata().at("format"), "pt");
}

TEST(Safetensors, TruncationAnywhereIsAnError) {
  ScratchFolder folder;
  std::vector<float> values(8);
  writeSafetensors(folder / "x", {f32Tensor("a", {8}, values.data())}, {});
  std::string whole = readFile(folder / "x");
  for (size_t length = 0; length < whole.size(); ++length)
    EXPECT_HAS(readError(folder, whole.substr(0, length)), "x.safetensors");
  EXPECT_EQ(readError(folder, whole), "");
  EXPECT_HAS(readError(folder, whole + "more"), "behind the last tensor");
}

TEST(Safetensors, RejectsBadHeaders) {
  ScratchFolder folder;
  EXPECT_HAS(readError(folder, "this is text, no tensors"), "no safetensors file");
  EXPECT_HAS(readError(folder, assemble("{\"a\": 3", "")), "bad safetensors header");
  EXPECT_HAS(readError(folder, assemble(R"({"a":{"dtype":"F32","shape":[2]}})", "")), "bad");
  EXPECT_HAS(readError(folder, assemble(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})",
                                        "1234")),
             "tensor a of type F32 and shape [2] has 4 bytes, expected 8");
  EXPECT_HAS(readError(folder, assemble(R"({"a":{"dtype":"Q4","shape":[1],"data_offsets":[0,4]}})",
                                        "1234")),
             "unknown type Q4");
  EXPECT_HAS(
      readError(folder,
                assemble(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,400]}})", "1234")),
      "truncated or damaged");
  EXPECT_HAS(
      readError(folder,
                assemble(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", "1234")),
      "impossible shape [-1]");
}

static std::string entry(const std::string &fields) { return "{\"a\":{" + fields + "}}"; }

TEST(Safetensors, NumbersAreIntegers) {
  ScratchFolder folder;
  auto error = [&](const std::string &shape, const std::string &offsets) {
    return readError(folder, assemble(entry("\"dtype\":\"F32\",\"shape\":" + shape +
                                            ",\"data_offsets\":" + offsets),
                                      std::string(24, 'x')));
  };
  EXPECT_EQ(error("[6, 1]", "[0, 24]"), "");
  EXPECT_HAS(error("[6.9, 1]", "[0, 24]"), "tensor a shape is 6.9, expected a list of integers");
  EXPECT_HAS(error("[6.0, 1]", "[0, 24]"), "tensor a shape is 6.0, expected a list of integers");
  EXPECT_HAS(error("[\"6\", 1]", "[0, 24]"), "shape is \"6\"");
  EXPECT_HAS(error("[[6]]", "[0, 24]"), "shape is a list");
  EXPECT_HAS(error("6", "[0, 24]"), "shape is 6");
  EXPECT_HAS(error("null", "[0, 24]"), "shape is null");
  EXPECT_HAS(error("[6, -0]", "[0, 0]"), "shape is -0");
  EXPECT_HAS(error("[18446744073709551615]", "[0, 24]"), "shape is 18446744073709551615");
  EXPECT_HAS(error("[6, 1]", "[-0.5, 24]"),
             "tensor a data_offsets is -0.5, expected a list of two");
  EXPECT_HAS(error("[6, 1]", "[0.0, 24]"), "data_offsets is 0.0");
  EXPECT_HAS(error("[6, 1]", "[-24, 0]"), "data_offsets is -24");
  EXPECT_HAS(error("[6, 1]", "[0, 24, 24]"), "data_offsets has too many numbers");
  EXPECT_HAS(error("[6, 1]", "[0]"), "tensor a has 1 data_offsets, expected 2");
  EXPECT_HAS(error("[6, 1]", "{\"0\": 24}"), "data_offsets is an object");
  EXPECT_HAS(error("[6, 1]", "[1e400, 24]"), "bad safetensors header");
}

TEST(Safetensors, NamesAreThereOnce) {
  ScratchFolder folder;
  std::string a = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  EXPECT_HAS(readError(folder, assemble("{\"a\":" + a + ",\"a\":" + a + "}", "1234")),
             "tensor a is there twice");
  std::string twice = R"("dtype":"F32","shape":[1],"data_offsets":[0,4])";
  for (const char *field : {R"(,"dtype":"F32")", R"(,"shape":[1])", R"(,"data_offsets":[0,4])"})
    EXPECT_HAS(readError(folder, assemble(entry(twice + field), "1234")), "is there twice");
  EXPECT_HAS(readError(folder, assemble(R"({"__metadata__":{"k":"1","k":"2"}})", "")),
             "__metadata__ k is there twice");
  EXPECT_HAS(readError(folder, assemble(R"({"__metadata__":{},"__metadata__":{}})", "")),
             "__metadata__ is there twice");
  EXPECT_HAS(readError(folder, assemble(R"({"__metadata__":{"k":1}})", "")),
             "__metadata__ is 1, expected text by name");
  // Fields that nobody reads may be anything.
  EXPECT_EQ(
      readError(folder, assemble(entry(twice + R"(,"x":[{"y":[1.5,null]}],"z":true)"), "1234")),
      "");
}

TEST(Safetensors, TypesOfLessThanAByteArePacked) {
  ScratchFolder folder;
  auto error = [&](const std::string &type, int elements, int bytes) {
    return readError(
        folder, assemble(entry(fmt::format(R"("dtype":"{}","shape":[{}],"data_offsets":[0,{}])",
                                           type, elements, bytes)),
                         std::string(size_t(bytes), 'x')));
  };
  EXPECT_EQ(error("F4", 6, 3), "");
  EXPECT_EQ(error("F6_E2M3", 4, 3), "");
  EXPECT_EQ(error("C64", 2, 16), "");
  EXPECT_EQ(error("F8_E8M0", 5, 5), "");
  EXPECT_HAS(error("F4", 5, 3), "ends within a byte");
  EXPECT_HAS(error("F4", 6, 6), "has 6 bytes, expected 3");
}

// A tree of it would take gigabytes, and a search for each name hours.
TEST(Safetensors, TimeAndMemoryAreBoundedByTheHeader) {
  ScratchFolder folder;
  auto start = std::chrono::steady_clock::now();
  std::string header = "{";
  for (int i = 0; i < 160'000; ++i)
    header +=
        fmt::format(R"({}"layer.{}.weight":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})",
                    i ? "," : "", i);
  EXPECT_EQ(readError(folder, assemble(header + "}", "")), "");
  for (const char *where : {"", R"({"a":)", R"({"a":{"x":)", R"({"__metadata__":)"}) {
    std::string deep = where + std::string(4'000'000, *where ? '[' : '{');
    EXPECT_HAS(readError(folder, assemble("{" + deep.substr(1), "")), "bad safetensors header");
  }
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_LT(seconds.count(), 6); // of the first alone 12.9 before

  std::vector<Tensor> tensors;
  float zero = 0;
  for (int i = 0; i < 40'000; ++i)
    tensors.push_back(f32Tensor(fmt::format("layer.{}.weight", i), {1}, &zero));
  start = std::chrono::steady_clock::now();
  writeSafetensors(folder / "many", tensors, {});
  seconds = std::chrono::steady_clock::now() - start;
  EXPECT_LT(seconds.count(), 3);
  EXPECT_EQ(Safetensors::read(folder / "many").tensors().size(), 40'000u);
}

TEST(Safetensors, RejectsOverlapsAndHoles) {
  ScratchFolder folder;
  EXPECT_HAS(readError(folder, assemble(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                                        R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                                        "12345678")),
             "overlaps");
  EXPECT_HAS(readError(folder, assemble(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                                        R"("b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
                                        "123456789012")),
             "belong to no tensor");
}

// Files are mapped, which a pipe cannot be.
TEST(Safetensors, ReadsFromAPipe) {
  ScratchFolder folder;
  std::string path = folder / "pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::string text = assemble(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "1234");
  std::thread writer([&] {
    int pipe = open(path.c_str(), O_WRONLY);
    EXPECT_EQ(write(pipe, text.data(), text.size()), ssize_t(text.size()));
    close(pipe);
  });
  Safetensors file = Safetensors::read(path);
  writer.join();
  ASSERT_NE(file.find("a"), nullptr);
  EXPECT_EQ(std::string(file.find("a")->data, 4), "1234");
}

TEST(Safetensors, ConvertsOtherFloats) {
  float out[4] = {};
  uint16_t half[] = {0x3C00, 0xC000, 0x0001, 0x7C00}; // 1, -2, least denormal, infinity
  Tensor tensor{"h", "F16", {4}, reinterpret_cast<char *>(half), 8};
  convertToF32(tensor, "f", out);
  EXPECT_EQ(out[0], 1.0f);
  EXPECT_EQ(out[1], -2.0f);
  EXPECT_EQ(out[2], 0x1p-24f);
  EXPECT_EQ(out[3], INFINITY);
  uint16_t brain[] = {0x3F80, 0xC000};
  convertToF32({"b", "BF16", {2}, reinterpret_cast<char *>(brain), 4}, "f", out);
  EXPECT_EQ(out[0], 1.0f);
  EXPECT_EQ(out[1], -2.0f);
  double wide[] = {0.5};
  convertToF32({"d", "F64", {1}, reinterpret_cast<char *>(wide), 8}, "f", out);
  EXPECT_EQ(out[0], 0.5f);
  EXPECT_HAS(errorOf([&] {
               convertToF32({"i", "I64", {1}, reinterpret_cast<char *>(wide), 8}, "file", out);
             }),
             "file: tensor i has type I64");
}
