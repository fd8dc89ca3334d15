// One process at a time: two runs in one folder, two writers of one file, folders that go away.
#include "runtime/system/FileLock.h"
#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>

#include <csignal>
#include <fcntl.h>
#include <unistd.h>

using namespace netc::runtime;

static const std::string toy = TOY_EXECUTABLES "/toy_model";

TEST(FolderLock, TheSecondIsToldWhoTheFirstIs) {
  ScratchFolder folder;
  {
    FolderLock first(folder / "out");
    std::string message = errorOf([&] { FolderLock second(folder / "out"); });
    EXPECT_HAS(message, folder / "out is in use: process " + std::to_string(getpid()) + " on ");
    EXPECT_HAS(message, "choose another --out");
    EXPECT_TRUE(first.isHeld());
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "out")); // made by it, and empty
  FolderLock again(folder / "out");
  EXPECT_TRUE(again.isHeld());
}

TEST(FolderLock, WhoDiesGivesItBack) {
  ScratchFolder folder;
  makeFolder(folder / "out");
  pid_t child = fork();
  if (child == 0) {
    FolderLock lock(folder / "out");
    raise(SIGKILL);
  }
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(std::filesystem::exists(folder / "out/train.lock"));
  FolderLock lock(folder / "out");
  EXPECT_HAS(readFile(folder / "out/train.lock"), "process " + std::to_string(getpid()));
}

TEST(FolderLock, ARemovedFolderIsSeenAndMadeAnew) {
  ScratchFolder folder;
  FolderLock lock(folder / "out");
  std::filesystem::remove_all(folder / "out");
  EXPECT_FALSE(lock.isHeld());
  lock.renew();
  EXPECT_TRUE(lock.isHeld());
}

TEST(AtomicFile, AFileThatAnotherProcessWritesIsLeftAlone) {
  ScratchFolder folder;
  AtomicFile first(folder / "x");
  first.write("first");
  EXPECT_EQ(errorOf([&] { writeFileAtomically(folder / "x", "second"); }),
            "cannot write " + folder / "x: another process is writing it");
  first.commit();
  EXPECT_EQ(readFile(folder / "x"), "first");
  writeFileAtomically(folder / "x", "third");
  EXPECT_EQ(readFile(folder / "x"), "third");
}

// What a killed process left beside is longer than what comes.
TEST(AtomicFile, WhatWasLeftBesideIsWrittenOver) {
  ScratchFolder folder;
  {
    int left = open((folder / "x.tmp").c_str(), O_WRONLY | O_CREAT, 0666);
    EXPECT_EQ(write(left, "something long", 14), 14);
    close(left);
  }
  writeFileAtomically(folder / "x", "short");
  EXPECT_EQ(readFile(folder / "x"), "short");
}

static std::string run(const std::string &out, const std::string &more) {
  return toy + " train --data synthetic:3000 --batch 32 --out " + out + " " + more;
}

TEST(FolderLock, TwoTrainersWithOneOut) {
  ScratchFolder folder;
  Outcome outcome = shell(run(folder / "out", "--epochs 60") + " & first=$!; while [ ! -e " +
                          folder / "out/best.safetensors ]; do sleep 0.01; done; " +
                          run(folder / "out", "--epochs 1") +
                          "; second=$?; kill -INT $first; wait $first; "
                          "echo first $? second $second");
  EXPECT_HAS(outcome.out, "first 1 second 1");
  EXPECT_HAS(outcome.err, folder / "out is in use: process ");
  EXPECT_HAS(outcome.err, "interrupted at step ");
  EXPECT_FALSE(std::filesystem::exists(folder / "out/train.lock"));
}

TEST(FolderLock, ARunWhoseFolderIsRemovedSavesInANewOne) {
  ScratchFolder folder;
  // Renamed first: `rm` alone fails where the run makes a file in a folder that it is emptying.
  Outcome outcome =
      shell(run(folder / "out", "--epochs 12") + " & first=$!; while [ ! -e " +
            folder / "out/best.safetensors ]; do sleep 0.01; done; mv " + folder / "out " +
            folder / "gone; rm -rf " + folder / "gone; wait $first");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_HAS(outcome.err, "warning: " + folder / "out was removed: it is made anew");
  EXPECT_EQ(outcome.err.find("make room"), std::string::npos) << outcome.err;
  for (const char *name :
       {"model.safetensors", "recipe.json", "metrics.jsonl", "checkpoint/checkpoint.json"})
    EXPECT_TRUE(std::filesystem::exists(folder / "out/" + name)) << name;
  EXPECT_EQ(shell(run(folder / "out", "--epochs 12 --resume")).code, 0);
}
