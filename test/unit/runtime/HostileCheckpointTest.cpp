// A checkpoint's description whose checksum is right and whose values are not.
#include "runtime/base/Error.h"
#include "runtime/base/ForeignJson.h"
#include "runtime/weights/Safetensors.h"
#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <functional>

using namespace netc::runtime;
using Json = nlohmann::ordered_json;

static const std::string toy = TOY_EXECUTABLES "/toy_model";

namespace {
struct HostileCheckpoint : testing::Test {
  ScratchFolder folder;
  std::string command =
      toy + " train --data synthetic:300 --epochs 3 --batch 32 --resume --out " + folder / "out";
  std::string index = folder / "out/checkpoint/checkpoint.json", good;

  void SetUp() override {
    ASSERT_EQ(shell(command).code, 0);
    good = readFile(index);
  }

  static std::string checksum(const std::string &text) {
    return fmt::format(
        "{:08x}", uint32_t(crc32_z(0, reinterpret_cast<const Bytef *>(text.data()), text.size())));
  }

  /// Resumes from the description as `change` leaves it, with the checksum that belongs to it.
  Outcome resumeWith(const std::function<void(Json &)> &change) {
    Json json = Json::parse(good);
    json.erase("crc32");
    change(json);
    json["crc32"] = checksum(json.dump());
    writeFileAtomically(index, json.dump(2));
    return shell(command);
  }

  void expectRefused(const char *part, const std::function<void(Json &)> &change) {
    Outcome outcome = resumeWith(change);
    EXPECT_EQ(outcome.code, 1) << part << outcome.out << outcome.err;
    EXPECT_HAS(outcome.err, part);
  }
};
} // namespace

TEST_F(HostileCheckpoint, TheChecksumOfThisTestIsRight) {
  EXPECT_EQ(resumeWith([](Json &) {}).code, 0);
}

TEST_F(HostileCheckpoint, NumbersOutOfRange) {
  expectRefused("step is -1", [](Json &json) { json["position"]["step"] = -1; });
  expectRefused("batch is -5", [](Json &json) { json["position"]["batch"] = -5; });
  expectRefused("epoch is 2.5", [](Json &json) { json["position"]["epoch"] = 2.5; });
  expectRefused("epoch is \"3\"", [](Json &json) { json["position"]["epoch"] = "3"; });
  expectRefused("seen is -1", [](Json &json) { json["position"]["seen"] = -1; });
  expectRefused("correct is 7", [](Json &json) { json["position"]["correct"] = 7; });
  expectRefused("loss_sum is null", [](Json &json) { json["position"]["loss_sum"] = nullptr; });
  expectRefused("scale is -1", [](Json &json) { json["plateau"]["scale"] = -1; });
  expectRefused("epochs_since_best is 4294967297",
                [](Json &json) { json["plateau"]["epochs_since_best"] = 4294967297; });
  expectRefused("top1 is 2", [](Json &json) { json["best"]["top1"] = 2; });
  expectRefused("epoch is 9", [](Json &json) { json["best"]["epoch"] = 9; });
  expectRefused("kept is -3", [](Json &json) { json["kept"][0] = -3; });
  expectRefused("do not rise", [](Json &json) { json["kept"] = {20, 20}; });
  expectRefused("step is 18446744073709551615",
                [](Json &json) { json["position"]["step"] = UINT64_MAX; });
}

TEST_F(HostileCheckpoint, PositionsThatDoNotAgree) {
  expectRefused("cannot be batch 3 of epoch 4", [](Json &json) { json["position"]["batch"] = 3; });
  expectRefused("cannot be batch 0 of epoch 3", [](Json &json) {
    json["position"]["epoch"] = 2;
    json["best"]["epoch"] = 1;
  });
  expectRefused("with 5 images seen", [](Json &json) { json["position"]["seen"] = 5; });
}

TEST_F(HostileCheckpoint, NamesOfOtherFiles) {
  writeFileAtomically(folder / "elsewhere", readFile(folder / "out/model.safetensors"));
  for (std::string name : {"../../elsewhere", "/etc/passwd", "weights-000000020.safetensors", ""}) {
    expectRefused("a file is named", [&](Json &json) { json["files"]["weights"]["name"] = name; });
    expectRefused("a file is named",
                  [&](Json &json) { json["files"]["optimizer"]["name"] = name; });
  }
}

TEST_F(HostileCheckpoint, BracketsAndBulk) {
  std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  writeFileAtomically(index, deep);
  Outcome outcome = shell(command);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_HAS(outcome.err, "damaged: ");
  EXPECT_HAS(outcome.err, "brackets lie 1000000 deep");
  // Within a description whose other values are right.
  std::string text = good;
  text.insert(1, "\"deep\": " + deep + ",");
  writeFileAtomically(index, text);
  EXPECT_EQ(shell(command).code, 1);
  writeFileAtomically(index, std::string(20'000'000, ' '));
  EXPECT_HAS(shell(command).err, "more than 16777216 bytes");
}

TEST_F(HostileCheckpoint, OtherKinds) {
  expectRefused("damaged", [](Json &json) { json["recipe"] = 3; });
  expectRefused("another recipe", [](Json &json) { json["recipe"]["optimizer"] = Json::array(); });
  expectRefused("damaged", [](Json &json) { json["position"] = Json::array(); });
  expectRefused("fingerprint", [](Json &json) { json["model"]["fingerprint"] = "-1"; });
  expectRefused("format is 3.5", [](Json &json) { json["format"] = 3.5; });
}

// Numbers by channel that the weights' metadata holds too few of.
TEST_F(HostileCheckpoint, MetadataOfOtherSizes) {
  std::string weights = folder / "out/checkpoint/weights-000000030.safetensors";
  Safetensors file = Safetensors::read(weights);
  std::vector<Tensor> tensors = file.tensors();
  auto meta = file.metadata();
  meta["netc.mean"] = meta["netc.std"] = "[0.5, 0.5, 0.5]";
  WrittenFile written = writeSafetensors(folder / "changed", tensors, meta);
  std::filesystem::rename(folder / "changed", weights);
  expectRefused("metadata normalises 3 channels, the model's input has 1", [&](Json &json) {
    json["files"]["weights"]["bytes"] = written.bytes;
    json["files"]["weights"]["crc32"] = fmt::format("{:08x}", written.crc);
  });
}

// Metrics are read again by a resumed run, and by its report.
TEST_F(HostileCheckpoint, LinesOfMetrics) {
  std::string metrics = folder / "out/metrics.jsonl";
  std::string deep = std::string(1'000'000, '{');
  writeFileAtomically(metrics, deep + "\n{\"step\":\"x\"}\n[]\n{\"step\":1e300}\n" +
                                   "{\"epoch\":[],\"step\":10,\"curve\":7}\n" + readFile(metrics));
  Outcome outcome = shell(toy +
                          " train --data synthetic:300 --epochs 3 --batch 32 --resume "
                          "--from-step 20 --out " +
                          folder / "out");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

TEST(ForeignJson, WholeNumbersAreWrittenAsSuch) {
  Json json = Json::parse(R"({"a": 5, "b": 5.0, "c": -1, "d": 18446744073709551615, "e": "5"})");
  EXPECT_EQ(wholeNumber(json, "a", 0), 5);
  for (const char *name : {"b", "c", "d", "e"})
    EXPECT_HAS(errorOf([&] { wholeNumber(json, name, 0); }), "expected an integer from 0 on");
  EXPECT_HAS(errorOf([&] { wholeNumber(json, "a", 0, 4); }),
             "a is 5, expected an integer from 0 to 4");
}
