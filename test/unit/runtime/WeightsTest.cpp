// Weights that other tools named, and weights that give no result.
#include "runtime/weights/Weights.h"
#include "runtime/base/Error.h"
#include "runtime/train/BatchStatistics.h"
#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>

using namespace netc::runtime;

static const std::string toy = TOY_EXECUTABLES "/toy_model";

namespace {
/// A trained toy, and its tensors under other names or with other values.
struct ForeignWeights : testing::Test {
  ScratchFolder folder;
  std::string trained = folder / "out/model.safetensors", changed = folder / "changed.safetensors";

  void SetUp() override {
    ASSERT_EQ(shell(toy + " train --data synthetic:200 --epochs 1 --out " + folder / "out").code,
              0);
  }

  void rename(const std::function<std::string(const std::string &)> &to) {
    Safetensors file = Safetensors::read(trained);
    std::vector<Tensor> tensors = file.tensors();
    for (Tensor &tensor : tensors)
      tensor.name = to(tensor.name);
    writeSafetensors(changed, tensors, file.metadata());
  }

  /// With the first value of `name` replaced.
  void setValue(const std::string &name, float value) {
    Safetensors file = Safetensors::read(trained);
    std::vector<Tensor> tensors = file.tensors();
    std::vector<float> values;
    for (Tensor &tensor : tensors)
      if (tensor.name == name) {
        values.resize(tensor.bytes / sizeof(float));
        std::memcpy(values.data(), tensor.data, tensor.bytes);
        values[0] = value;
        tensor.data = reinterpret_cast<const char *>(values.data());
      }
    writeSafetensors(changed, tensors, file.metadata());
  }

  Outcome eval(const std::string &weights) const {
    return shell(toy + " eval --json --data synthetic:200 --weights " + weights);
  }
};
} // namespace

TEST_F(ForeignWeights, APrefixOfEveryNameIsLeftOut) {
  std::string expected = eval(trained).out;
  for (std::string prefix :
       {"_orig_mod.", "module.", "model.", "module._orig_mod.", "net.encoder."}) {
    rename([&](const std::string &name) { return prefix + name; });
    Outcome outcome = eval(changed);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, expected);
    EXPECT_HAS(outcome.err,
               "note: " + changed + ": every name begins with '" + prefix + "', which is left out");
    Outcome from = shell(toy + " train --data synthetic:200 --epochs 0 --weights " + changed +
                         " --out " + folder / "from");
    EXPECT_EQ(from.code, 0) << from.err;
    EXPECT_HAS(from.err, "every name begins with '" + prefix + "'");
    EXPECT_EQ(eval(folder / "from").out, expected);
    std::filesystem::remove_all(folder / "from");
  }
}

TEST_F(ForeignWeights, APrefixOfSomeNamesIsAHint) {
  rename(
      [](const std::string &name) { return name == "fc.bias" ? "head.bias" : "module." + name; });
  Outcome outcome = eval(changed);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_HAS(outcome.err, "module.fc.weight fits fc.weight");
}

TEST_F(ForeignWeights, NamesThatFitStayAsTheyAre) {
  EXPECT_EQ(eval(trained).err, "");
  rename([](const std::string &name) { return "x." + name + "s"; });
  EXPECT_EQ(eval(changed).code, 1);
}

TEST_F(ForeignWeights, WhatGivesNoResultIsSaid) {
  std::string image = folder / "x.png";
  ASSERT_EQ(shell(toy + " augment --data synthetic:9 --rows 1 --columns 1 --out " + image).code, 0);
  auto expectRefused = [&](const std::string &part) {
    for (const std::string &command :
         {toy + " eval --data synthetic:200", toy + " predict " + image,
          toy + " predict --json " + image}) {
      Outcome outcome = shell(command + " --weights " + changed);
      EXPECT_EQ(outcome.code, 1) << command << outcome.out;
      EXPECT_HAS(outcome.err, part);
      EXPECT_EQ(outcome.out.find("nan"), std::string::npos) << outcome.out;
    }
  };
  setValue("fc.weight", NAN);
  expectRefused("fc.weight holds nan: weights that are not finite give no result");
  setValue("fc.bias", INFINITY);
  expectRefused("fc.bias holds inf: weights that are not finite give no result");
  setValue("fc.bias", -INFINITY);
  expectRefused("fc.bias holds -inf");
}

TEST_F(ForeignWeights, SoundWeightsThatOverflowAreSaidToo) {
  Safetensors file = Safetensors::read(trained);
  std::vector<Tensor> tensors = file.tensors();
  std::vector<float> huge(7840, 3e38f);
  tensors[0].data = reinterpret_cast<const char *>(huge.data());
  ASSERT_EQ(tensors[0].name, "fc.weight");
  writeSafetensors(changed, tensors, file.metadata());
  Outcome outcome = eval(changed);
  EXPECT_EQ(outcome.code, 1) << outcome.out;
  EXPECT_HAS(outcome.err, "images are not finite: values overflow in the network");
  std::string image = folder / "x.png";
  ASSERT_EQ(shell(toy + " augment --data synthetic:9 --rows 1 --columns 1 --out " + image).code, 0);
  outcome = shell(toy + " predict " + image + " --weights " + changed);
  EXPECT_EQ(outcome.code, 1) << outcome.out;
  EXPECT_HAS(outcome.err, "the scores of " + image + " are not finite");
}

TEST_F(ForeignWeights, MetadataHoldsNumbersThatCanBeUsed) {
  Safetensors file = Safetensors::read(trained);
  auto errorWith = [&](const std::string &key, const std::string &value) {
    auto meta = file.metadata();
    meta[key] = value;
    writeSafetensors(changed, file.tensors(), meta);
    Outcome outcome = eval(changed);
    EXPECT_EQ(outcome.code, 1) << key << value;
    return outcome.err;
  };
  EXPECT_HAS(errorWith("netc.std", "[0]"), "metadata netc.std holds 0, expected more than 0");
  EXPECT_HAS(errorWith("netc.std", "[-1]"), "metadata netc.std holds -1, expected more than 0");
  EXPECT_HAS(errorWith("netc.std", "[1e300]"), "metadata netc.std holds inf");
  EXPECT_HAS(errorWith("netc.mean", "[1e300]"), "metadata netc.mean holds inf");
  EXPECT_HAS(errorWith("netc.mean", "[\"1\"]"), "bad metadata");
  EXPECT_HAS(errorWith("netc.pca_values", "[1, 2]"),
             "2 colour components of 0 numbers, expected 4");
  std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  EXPECT_HAS(errorWith("netc.classes", deep), "bad metadata");
}

TEST_F(ForeignWeights, TypesThatNobodyAskedForAreLeftOut) {
  Safetensors file = Safetensors::read(trained);
  std::string zeros(64, '\0');
  for (auto [type, bytes] : {std::pair("F8_E8M0", 8),
                             {"C64", 64},
                             {"F4", 4},
                             {"F6_E2M3", 6},
                             {"F6_E3M2", 6},
                             {"F8_E4M3FNUZ", 8},
                             {"F8_E5M2FNUZ", 8}}) {
    std::vector<Tensor> tensors = file.tensors();
    tensors.push_back({"scales", type, {8}, zeros.data(), uint64_t(bytes)});
    writeSafetensors(changed, tensors, file.metadata());
    Outcome outcome = shell(toy + " train --data synthetic:200 --epochs 0 --weights " + changed +
                            " --out " + folder / "from");
    EXPECT_EQ(outcome.code, 0) << type << outcome.err;
    EXPECT_HAS(outcome.err, "1 unexpected: scales");
    // Where the model asks for it, its type is the error.
    tensors.back().name = "fc.bias", tensors.back().shape = {10};
    tensors.back().bytes = uint64_t(bytes) * 10 / 8;
    if (std::string(type) != "F4" && bytes * 10 % 8)
      continue;
    std::erase_if(tensors,
                  [&](const Tensor &t) { return t.name == "fc.bias" && t.dtype == "F32"; });
    writeSafetensors(changed, tensors, file.metadata());
    Outcome needed = eval(changed);
    EXPECT_EQ(needed.code, 1);
    EXPECT_HAS(needed.err, "fc.bias");
  }
}

TEST(BatchStatistics, OneValuePerChannelHasNoVariance) {
  ModelInfo info;
  info.layers = {{"bn1", "bn", {8, 4, 4}, 0, 0}, {"fc", "linear", {10}, 0, 0}};
  requireBatchStatistics(info, 1, "--batch 1"); // sixteen pixels
  info.layers.push_back({"bn2", "bn", {8, 1, 1}, 0, 0});
  requireBatchStatistics(info, 2, "--batch 2");
  EXPECT_EQ(errorOf([&] { requireBatchStatistics(info, 1, "--batch 1"); }),
            "--batch 1: batch norm bn2 would have one value per channel, expected more than one to "
            "take their variance");
  info.layers = {{"bn1", "bn", {8}, 0, 0}}; // of vectors
  EXPECT_NE(errorOf([&] { requireBatchStatistics(info, 1, "--batch 1"); }), "");
}
