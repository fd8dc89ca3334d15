//===- Scratch.h - folders and processes for tests --------------*- C++ -*-===//
#ifndef NETC_TEST_UNIT_RUNTIME_SCRATCH_H
#define NETC_TEST_UNIT_RUNTIME_SCRATCH_H

#include "runtime/system/AtomicFile.h"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <sys/wait.h>
#include <vector>

namespace netc::runtime {

/// A folder that goes with the object.
class ScratchFolder {
public:
  ScratchFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "netc-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~ScratchFolder() { std::filesystem::remove_all(path); }
  std::string operator/(const std::string &name) const { return path + "/" + name; }
  std::string path;
};

struct Outcome {
  int code;
  std::string out, err;
};

/// Runs a shell command; code is 128 + signal where it was killed.
inline Outcome shell(const std::string &command) {
  ScratchFolder folder;
  int status =
      std::system(("{ " + command + " ; } >" + folder / "out" + " 2>" + folder / "err").c_str());
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {code, readFile(folder / "out"), readFile(folder / "err")};
}

/// Every file below `folder` by relative name, metrics and report (times) left out.
inline std::map<std::string, std::string> contents(const std::string &folder) {
  std::map<std::string, std::string> files;
  for (const auto &entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && entry.path().filename() != "metrics.jsonl" &&
        entry.path().filename() != "report.html")
      files[entry.path().lexically_relative(folder).string()] = readFile(entry.path().string());
  return files;
}

inline std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (int value : values)
    text += char(value);
  return text;
}

/// The message of the Error that `body` throws; empty where it throws none.
template <typename Body> std::string errorOf(Body body) {
  try {
    body();
  } catch (const std::exception &error) {
    return error.what();
  }
  return "";
}

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << "in: " << (text)

} // namespace netc::runtime

#endif // NETC_TEST_UNIT_RUNTIME_SCRATCH_H
