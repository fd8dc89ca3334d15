// Checkpoints: whatever happens to a run, going on ends in the same bytes.
#include "runtime/image/Image.h"
#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <unistd.h>

using namespace netc::runtime;

static const std::string toy = TOY_EXECUTABLES "/toy_model";
static const std::string run = " train --data synthetic:300 --epochs 12 --batch 32 --out ";

static void expectSameFiles(const std::string &a, const std::string &b) {
  auto left = contents(a), right = contents(b);
  ASSERT_FALSE(left.empty());
  for (auto &[name, text] : left)
    EXPECT_TRUE(right.count(name) && right[name] == text) << name << " differs";
  for (auto &[name, text] : right)
    EXPECT_TRUE(left.count(name)) << name << " is left over";
}

/// Starts the command, sends `signal` after some time, counted from when `file`, if one is named,
/// is there; waits.
static int runAndSignal(const std::vector<std::string> &arguments, int signal, int microseconds,
                        const std::string &file = {}) {
  pid_t child = fork();
  if (child == 0) {
    std::vector<char *> pointers;
    for (const std::string &argument : arguments)
      pointers.push_back(const_cast<char *>(argument.c_str()));
    pointers.push_back(nullptr);
    freopen("/dev/null", "w", stdout);
    freopen("/dev/null", "w", stderr);
    execv(pointers[0], pointers.data());
    _exit(127);
  }
  int status = 0;
  while (!file.empty() && !std::filesystem::exists(file) && waitpid(child, &status, WNOHANG) == 0)
    usleep(200);
  usleep(useconds_t(microseconds));
  kill(child, signal);
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static std::vector<std::string> resumeArguments(const std::string &out) {
  return {toy,  "train", "--data", "synthetic:300", "--epochs", "12", "--batch",
          "32", "--out", out,      "--resume"};
}

TEST(Resume, FilesDependOnRecipeDataAndSeedOnly) {
  ScratchFolder folder;
  for (const char *variant : {"a", "b --threads 1", "c --threads 3 --workers 3"})
    ASSERT_EQ(shell(toy + run + folder / variant).code, 0);
  expectSameFiles(folder / "a", folder / "b");
  expectSameFiles(folder / "a", folder / "c");
  ASSERT_EQ(shell(toy + run + folder / "d --seed 1").code, 0);
  EXPECT_NE(contents(folder / "a")["model.safetensors"],
            contents(folder / "d")["model.safetensors"]);
}

TEST(Resume, SurvivesKillsAtRandomPoints) {
  ScratchFolder folder;
  ASSERT_EQ(shell(toy + run + folder / "whole").code, 0);
  std::mt19937 random(7);
  int kills = 0;
  for (int attempt = 0; attempt < 200 && kills < 25; ++attempt) {
    // Most runs die soon after their start, so that many kills fit into one run.
    int code =
        runAndSignal(resumeArguments(folder / "killed"), SIGKILL, int(random() % 40000) + 4000);
    kills += code == 128 + SIGKILL;
    if (code == 0)
      std::filesystem::remove_all(folder / "killed");
  }
  EXPECT_GE(kills, 20);
  ASSERT_EQ(shell(toy + run + folder / "killed --resume").code, 0);
  expectSameFiles(folder / "whole", folder / "killed");
}

TEST(Resume, GoesOnAfterAnInterrupt) {
  ScratchFolder folder;
  ASSERT_EQ(shell(toy + run + folder / "whole").code, 0);
  std::mt19937 random(3);
  for (int attempt = 0; attempt < 12; ++attempt) {
    int code = runAndSignal(resumeArguments(folder / "stopped"), attempt % 2 ? SIGINT : SIGTERM,
                            int(random() % 20000) + 20000);
    // Before the handlers are there, the signal kills; later it saves and exits with 1.
    EXPECT_TRUE(code == 0 || code == 1 || code >= 128) << code;
  }
  ASSERT_EQ(shell(toy + run + folder / "stopped --resume").code, 0);
  expectSameFiles(folder / "whole", folder / "stopped");
}

/// The curves of all epochs of a run, as they lie in metrics.jsonl.
static std::vector<std::string> curvesOf(const std::string &out) {
  std::vector<std::string> curves;
  std::istringstream lines(readFile(out + "/metrics.jsonl"));
  for (std::string line; std::getline(lines, line);)
    curves.push_back(nlohmann::json::parse(line)["curve"].dump());
  return curves;
}

// Stopped within an epoch, a run goes on with the points of its curve and the sums between two of
// them: report.html draws the epoch as if nothing had been.
TEST(Resume, TheCurveOfAStoppedEpochIsWhole) {
  ScratchFolder folder;
  std::string command =
      toy + " train --data synthetic:20000 --epochs 2 --batch 16 --threads 1 --out ";
  ASSERT_EQ(shell(command + folder / "whole").code, 0);
  std::vector<std::string> arguments{
      toy,  "train", "--data",           "synthetic:20000", "--epochs",  "2", "--batch",
      "16", "--out", folder / "stopped", "--resume",        "--threads", "1"};
  std::mt19937 random(11);
  int stops = 0;
  // Later each time: where the machine is busy, the first signals come before training begins.
  for (int attempt = 0; attempt < 24 && stops < 4; ++attempt)
    stops += runAndSignal(arguments, SIGINT, int(random() % 60000) + 30000 * (1 + attempt)) == 1;
  EXPECT_GE(stops, 1);
  ASSERT_EQ(shell(command + folder / "stopped --resume").code, 0);
  EXPECT_EQ(curvesOf(folder / "whole"), curvesOf(folder / "stopped"));
  EXPECT_EQ(contents(folder / "whole"), contents(folder / "stopped"));
}

static int64_t corruptOf(const std::string &out) {
  std::string metrics = readFile(out + "/metrics.jsonl");
  return nlohmann::json::parse(metrics.substr(0, metrics.find('\n')))["train_corrupt"];
}

// One image in twenty does not decode: those that were met before the stop count too, though
// another process met them.
TEST(Resume, UnreadableImagesBeforeTheStopAreCounted) {
  ScratchFolder folder;
  makeFolder(folder / "data");
  makeFolder(folder / "data/a");
  Image image;
  image.resize(28, 28, 1);
  writePng(folder / "good.png", image);
  std::string good = readFile(folder / "good.png");
  constexpr int images = 600;
  for (int i = 0; i < images; ++i)
    std::ofstream(folder / ("data/a/" + std::to_string(i) + ".png")) << (i % 20 ? good : "broken");
  std::string data = "imagefolder:" + folder / "data", out = folder / "stopped";
  std::vector<std::string> arguments{toy,       "train", "--data", data, "--epochs", "1",
                                     "--batch", "1",     "--out",  out,  "--resume"};
  int64_t met = 0;
  for (int attempt = 0; attempt < 40 && met < 3; ++attempt) {
    if (runAndSignal(arguments, SIGINT, 10000 * (1 + attempt), out + "/recipe.json") != 1) {
      std::filesystem::remove_all(out); // after its end
      continue;
    }
    auto checkpoint = nlohmann::json::parse(readFile(out + "/checkpoint/checkpoint.json"));
    if (checkpoint["position"]["batch"] > 0)
      met = int64_t(checkpoint["curve"]["corrupt"].size());
  }
  ASSERT_GE(met, 3) << "no run was stopped well within its epoch";
  std::string command = toy + " train --data " + data + " --epochs 1 --batch 1 --out " + out;
  Outcome outcome = shell(command + " --resume");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(corruptOf(out), images / 20);
}

TEST(Resume, WithoutACheckpointStartsAfresh) {
  ScratchFolder folder;
  Outcome outcome = shell(toy + run + folder / "a --resume");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_HAS(outcome.err, "starting afresh");
  ASSERT_EQ(shell(toy + run + folder / "b").code, 0);
  expectSameFiles(folder / "a", folder / "b");
}

TEST(Resume, RefusesAnotherRecipeDataOrModel) {
  ScratchFolder folder;
  std::string base = " train --batch 32 --resume --out " + folder / "out ";
  ASSERT_EQ(shell(toy + base + "--data synthetic:300 --epochs 2").code, 0);
  auto refusal = [&](const std::string &arguments, const std::string &executable = toy) {
    Outcome outcome = shell(executable + base + arguments);
    EXPECT_EQ(outcome.code, 1) << arguments;
    return outcome.err;
  };
  EXPECT_HAS(refusal("--data synthetic:300 --epochs 2 --lr 0.5"), "lr was 0.01, is 0.5");
  EXPECT_HAS(refusal("--data synthetic:300 --epochs 2 --seed 4"), "seed was 0, is 4");
  EXPECT_HAS(refusal("--data synthetic:301 --epochs 2"),
             "the checkpoint's synthetic has 300 images");
  EXPECT_HAS(refusal("--data synthetic:300 --epochs 9"),
             "epochs was 2, is 9, and the schedule depends on it");
  EXPECT_HAS(refusal("--data synthetic:300 --epochs 2", TOY_EXECUTABLES "/toy_color_model"),
             "the checkpoint is of toy, not of this toycolor");
}

TEST(Resume, RefusesARecipeThatLacksSomething) {
  ScratchFolder folder;
  std::string base =
      toy + " train --data synthetic:300 --epochs 2 --batch 32 --resume --out " + folder / "out";
  ASSERT_EQ(shell(base + " --freeze fc.bias --lr-for fc.weight=0.1").code, 0);
  Outcome outcome = shell(base);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_HAS(outcome.err, "freeze was [\"fc.bias\"], is none");
  EXPECT_HAS(outcome.err, "lr_for was {\"fc.weight\":0.1}, is none");
}

TEST(Resume, SaysThatItReplacesAnEarlierRun) {
  ScratchFolder folder;
  ASSERT_EQ(shell(toy + run + folder / "out").code, 0);
  EXPECT_HAS(shell(toy + run + folder / "out").err,
             folder / "out holds an earlier run, which this one replaces");
}

TEST(Resume, WhatAKilledRunLeftHalfWrittenGoesFirst) {
  ScratchFolder folder;
  ASSERT_EQ(shell(toy + run + folder / "whole").code, 0);
  makeFolder(folder / "out/checkpoint");
  writeFileAtomically(folder / "out/checkpoint/weights-000000007.safetensors.tmp", "half");
  ASSERT_EQ(shell(toy + run + folder / "out").code, 0);
  expectSameFiles(folder / "whole", folder / "out");
}

TEST(Resume, DamagedCheckpointsAreNamed) {
  ScratchFolder folder;
  std::string command = toy + run + folder / "out --resume";
  ASSERT_EQ(shell(command).code, 0);
  std::string optimizer;
  for (const auto &[name, text] : contents(folder / "out"))
    if (name.find("optimizer-") != std::string::npos)
      optimizer = folder / ("out/" + name);
  std::string text = readFile(optimizer);
  text[text.size() / 2] ^= 1;
  writeFileAtomically(optimizer, text);
  Outcome outcome = shell(command);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_HAS(outcome.err, optimizer + ": damaged: its checksum is");

  // The description as well: no digit of it can be another.
  std::string index = folder / "out/checkpoint/checkpoint.json", description = readFile(index);
  std::mt19937 random(5);
  for (int i = 0; i < 40; ++i) {
    std::string flipped = description;
    size_t at = random() % (flipped.size() - 1);
    if (flipped[at] == ' ' || flipped[at] == '\n')
      continue;
    flipped[at] ^= 1;
    writeFileAtomically(index, flipped);
    EXPECT_EQ(shell(command).code, 1) << description.substr(at < 20 ? 0 : at - 20, 40);
  }
}

TEST(Resume, DivergenceStopsAndKeepsTheCheckpoint) {
  ScratchFolder folder;
  std::string command = toy + " train --data synthetic:300 --batch 32 --out " + folder / "out ";
  ASSERT_EQ(shell(command + "--epochs 1").code, 0);
  auto before = contents(folder / "out");
  Outcome outcome = shell(command + "--epochs 2 --lr 1e30");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_HAS(outcome.err, "error: loss is ");
  EXPECT_HAS(outcome.err, " at step ");
  EXPECT_HAS(outcome.err, "this run has no checkpoint yet (that in " + folder / "out/checkpoint" +
                              " is of an earlier run)");
  before.erase("recipe.json");
  auto after = contents(folder / "out");
  after.erase("recipe.json");
  EXPECT_EQ(before, after);
}

TEST(Resume, DivergenceNamesTheCheckpointOfThisRun) {
  ScratchFolder folder;
  // Weights that overflow with the first batch, taken up after an epoch without updates.
  std::string command =
      toy + " train --data synthetic:300 --batch 32 --lr 1e30 --out " + folder / "out ";
  Outcome outcome = shell(command + "--epochs 0; " + command + "--epochs 2 --resume");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_HAS(outcome.err, "the last good checkpoint is " + folder / "out/checkpoint" + " (step 0)");
  EXPECT_HAS(outcome.err, "--weights " + folder / "out" + " --lr");
}

TEST(Resume, AFinishedRunSaysHowToGoOn) {
  ScratchFolder folder;
  ASSERT_EQ(shell(toy + run + folder / "out").code, 0);
  auto before = contents(folder / "out");
  Outcome outcome = shell(toy + run + folder / "out --resume");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_HAS(outcome.err, "nothing is left to train: 12 epochs (120 steps) are done");
  EXPECT_HAS(outcome.err, "more --epochs with --resume");
  EXPECT_EQ(before, contents(folder / "out"));
}

TEST(Resume, KeepsTheLastEpochsAndTheBest) {
  ScratchFolder folder;
  ASSERT_EQ(shell(toy + run + folder / "out --keep 3").code, 0);
  auto files = contents(folder / "out");
  for (const char *step : {"000000100", "000000110", "000000120"})
    for (std::string name : {"weights-" + std::string(step) + ".safetensors",
                             "optimizer-" + std::string(step) + ".safetensors",
                             "checkpoint-" + std::string(step) + ".json"})
      EXPECT_TRUE(files.count("checkpoint/" + name)) << name;
  EXPECT_EQ(files.size(), 3u * 3 + 1 + 3); // and checkpoint.json, model, best, recipe
  EXPECT_TRUE(files.count("best.safetensors"));

  // Any of them can be taken up, and ends in the same bytes.
  Outcome missing = shell(toy + run + folder / "out --keep 3 --resume --from-step 90");
  EXPECT_EQ(missing.code, 1);
  EXPECT_HAS(missing.err,
             "no checkpoint of step 90 is kept, there are those of steps 100, 110, 120");
  ASSERT_EQ(shell(toy + run + folder / "out --keep 3 --resume --from-step 110").code, 0);
  EXPECT_EQ(files, contents(folder / "out"));
  EXPECT_EQ(shell(toy + run + folder / "out --from-step 110").code, 2);
}

TEST(Resume, BestIsTheEpochOfTheHighestAccuracy) {
  ScratchFolder folder;
  // A rate so high that later epochs are worse than the best.
  std::string command =
      toy + " train --data fashion-mnist --limit 2000 --epochs 4 --lr 3 --out " + folder / "out";
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist"))
    GTEST_SKIP() << "needs the package dataset-fashion-mnist";
  Outcome outcome = shell(command);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  double best = 0;
  int bestEpoch = 0;
  std::istringstream lines(readFile(folder / "out/metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    auto json = nlohmann::json::parse(line);
    if (json["val_top1"].get<double>() > best)
      best = json["val_top1"], bestEpoch = json["epoch"];
  }
  EXPECT_LT(bestEpoch, 4) << "the last epoch is the best: nothing is tested";
  EXPECT_HAS(outcome.out, "the best (epoch " + std::to_string(bestEpoch) + ", ");
  auto json = nlohmann::json::parse(
      shell(toy + " eval --json --data fashion-mnist --weights " + folder / "out/best.safetensors")
          .out);
  EXPECT_EQ(json["top1"].get<double>(), best);
}

TEST(Resume, ADamagedCheckpointPointsToTheOneBefore) {
  ScratchFolder folder;
  ASSERT_EQ(shell(toy + run + folder / "out").code, 0);
  auto files = contents(folder / "out");
  writeFileAtomically(folder / "out/checkpoint/weights-000000120.safetensors", "damage");
  Outcome outcome = shell(toy + run + folder / "out --resume");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_HAS(outcome.err, "an earlier checkpoint is kept: --resume --from-step 110");
  ASSERT_EQ(shell(toy + run + folder / "out --resume --from-step 110").code, 0);
  EXPECT_EQ(files, contents(folder / "out"));
}

TEST(Resume, AFullFileSystemLeavesTheOldCheckpoint) {
  ScratchFolder folder;
  makeFolder(folder / "disk");
  std::string mount = "unshare -rm sh -c 'mount -t tmpfs -o size=400k none " + folder / "disk";
  if (shell(mount + "'").code != 0)
    GTEST_SKIP() << "may not mount a file system here";
  // 16 KiB are left for the second epoch: enough for all but the weights.
  std::string out = folder / "disk/out", index = out + "/checkpoint/checkpoint.json",
              before = folder / "before";
  std::string command =
      toy + " train --data synthetic:300 --batch 32 --lr 0 --resume --out " + out + " --epochs ";
  Outcome outcome = shell(mount + " && " + command + "1 && cp " + index + " " + before +
                          " && head -c 16384 /dev/zero > " + folder / "disk/a" +
                          "; cat /dev/zero > " + folder / "disk/b" + "; rm " + folder / "disk/a" +
                          "; " + command + "2; echo first $?; rm " + folder / "disk/b" + "; cmp " +
                          index + " " + before + " && " + command + "2'");
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  EXPECT_HAS(outcome.out, "first 1");
  EXPECT_HAS(outcome.err, ": No space left on device; the checkpoint of step 10 in " + out +
                              "/checkpoint is whole: make room, then --resume");
  EXPECT_HAS(outcome.out, "resuming at step 10 ");
}

TEST(Resume, AFullDiskLeavesTheOldCheckpoint) {
  ScratchFolder folder;
  std::string command = toy + run + folder / "out ";
  ASSERT_EQ(shell(command).code, 0);
  auto before = contents(folder / "out/checkpoint");
  // Files of more than 8 KiB cannot be written.
  Outcome outcome = shell("trap '' XFSZ; ulimit -f 8; " + command + "--seed 5");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_HAS(outcome.err, "cannot write ");
  EXPECT_EQ(before, contents(folder / "out/checkpoint"));
}
