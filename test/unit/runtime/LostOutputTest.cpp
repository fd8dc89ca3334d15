// What the toy executables do where their messages cannot be written, or the reader goes away.
#include "runtime/base/Output.h"
#include "test/unit/runtime/Scratch.h"

#include <gtest/gtest.h>

#include <csignal>
#include <fcntl.h>
#include <sys/time.h>
#include <thread>
#include <unistd.h>

using namespace netc::runtime;

static const std::string toy = TOY_EXECUTABLES "/toy_model";

/// A child whose stdout and stderr are ours to close.
namespace {
class Child {
public:
  explicit Child(const std::vector<std::string> &arguments) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    reader = ends[0];
    child = fork();
    if (child == 0) {
      std::vector<char *> pointers;
      for (const std::string &argument : arguments)
        pointers.push_back(const_cast<char *>(argument.c_str()));
      pointers.push_back(nullptr);
      dup2(ends[1], STDOUT_FILENO);
      dup2(ends[1], STDERR_FILENO);
      execv(pointers[0], pointers.data());
      _exit(127);
    }
    close(ends[1]);
  }
  ~Child() { closeReader(); }

  /// Reads until `text` has been written.
  void awaitText(const std::string &text) {
    char chunk[4096];
    ssize_t count;
    while (said.find(text) == std::string::npos && (count = read(reader, chunk, sizeof chunk)) > 0)
      said.append(chunk, size_t(count));
  }
  void closeReader() {
    if (reader >= 0)
      close(reader);
    reader = -1;
  }
  void signal(int number) const { kill(child, number); }
  int wait() const {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  std::string said;

private:
  pid_t child = -1;
  int reader = -1;
};
} // namespace

static std::vector<std::string> longRun(const std::string &out) {
  return {toy,  "train", "--data", "synthetic:3000", "--epochs", "400",       "--batch",
          "32", "--out", out,      "--threads",      "1",        "--workers", "1"};
}

// A warning on stderr, and an error: a note, then an exception.
TEST(LostOutput, AFullOrClosedStderrKillsNothing) {
  ScratchFolder folder;
  std::string train = toy + " train --data synthetic:100 --epochs 1 --out " + folder / "out";
  for (const char *stderrTo : {"2>/dev/full", "2>&-", ">/dev/null 2>&-"}) {
    EXPECT_EQ(shell(train + " " + stderrTo).code, 0) << stderrTo;
    EXPECT_EQ(shell(train + " --resume --batch 5 " + stderrTo).code, 1) << stderrTo;
    EXPECT_EQ(shell(toy + " fly " + stderrTo).code, 2) << stderrTo;
    EXPECT_EQ(shell(toy + " " + stderrTo).code, 2) << stderrTo;
    EXPECT_EQ(shell(toy + " eval --data synthetic:9 --weights /nowhere " + stderrTo).code, 1)
        << stderrTo;
  }
}

TEST(LostOutput, AFullStdoutIsAnErrorExceptInTraining) {
  ScratchFolder folder;
  for (const char *stdoutTo : {">/dev/full", ">&-"}) {
    EXPECT_EQ(shell(toy + " info " + stdoutTo).code, 1) << stdoutTo;
    EXPECT_EQ(shell(toy + " --help " + stdoutTo).code, 1) << stdoutTo;
    Outcome trained =
        shell(toy + " train --data synthetic:100 --epochs 2 --out " + folder / "out " + stdoutTo);
    EXPECT_EQ(trained.code, 1) << stdoutTo;
    EXPECT_HAS(trained.err, "cannot write to standard output");
    EXPECT_HAS(readFile(folder / "out/metrics.jsonl"), "\"epoch\":2,");
    std::filesystem::remove_all(folder / "out");
  }
}

// With stderr closed the first file that is opened gets its number; messages went into it.
TEST(LostOutput, MessagesDoNotEndInTheRunsFiles) {
  ScratchFolder folder;
  ASSERT_EQ(shell(toy + " train --data synthetic:100 --epochs 1 --out " + folder / "a").code, 0);
  ASSERT_EQ(
      shell(toy + " train --data synthetic:100 --epochs 1 --out " + folder / "b 2>&- >&-").code,
      1); // stdout
  EXPECT_EQ(contents(folder / "a"), contents(folder / "b"));
}

TEST(LostOutput, TrainingGoesOnWithoutItsReader) {
  ScratchFolder folder;
  Child child({toy, "train", "--data", "synthetic:3000", "--epochs", "8", "--out", folder / "out"});
  child.awaitText("epoch 1/8");
  child.closeReader();
  EXPECT_LT(child.wait(), 128);
  EXPECT_HAS(readFile(folder / "out/metrics.jsonl"), "\"epoch\":8,");
}

TEST(LostOutput, AnInterruptWithoutAReaderStillSaves) {
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) {
    ScratchFolder folder;
    Child child(longRun(folder / "out"));
    child.awaitText("epoch 1/400");
    child.closeReader();
    child.signal(signal);
    EXPECT_EQ(child.wait(), 1) << signal;
    Outcome resumed = shell("timeout -s INT 2 " + toy +
                            " train --data synthetic:3000 --epochs 400 --batch 32 --out " +
                            folder / "out --resume");
    EXPECT_HAS(resumed.out, "resuming at step ");
  }
}

// The shell and the system both tell of a terminal that goes away.
TEST(LostOutput, ASecondHangUpDoesNotKill) {
  ScratchFolder folder;
  Child child(longRun(folder / "out"));
  child.awaitText("epoch 1/400");
  child.signal(SIGHUP);
  child.signal(SIGHUP);
  EXPECT_EQ(child.wait(), 1);
  EXPECT_TRUE(std::filesystem::exists(folder / "out/model.safetensors"));
}

TEST(LostOutput, NohupIsRespected) {
  ScratchFolder folder;
  Outcome outcome = shell("trap '' HUP; " + toy + " train --data synthetic:3000 --epochs 8 --out " +
                          folder / "out & sleep 0.1; kill -HUP $!; wait $!");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

// A file that would grow beyond `ulimit -f` fails with a message; the signal would kill.
TEST(LostOutput, ALimitOnFilesIsAnError) {
  ScratchFolder folder;
  Outcome outcome = shell("ulimit -f 8; " + toy + " train --data synthetic:100 --epochs 1 --out " +
                          folder / "out");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_HAS(outcome.err, "File too large");
}
