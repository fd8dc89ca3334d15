//===- AssemblyTest.cpp - the tests' PTX is PTX to ptxas ------------------===//
//
// Last of the program's files: it assembles what the tests before it have loaded.
//
//===----------------------------------------------------------------------===//
#include "test/unit/sim/Gpu.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <unistd.h>

using namespace netc::test;

static std::string findPtxas() {
  for (const char *candidate : {"ptxas", "/usr/local/cuda/bin/ptxas"})
    if (std::system((std::string(candidate) + " --version > /dev/null 2>&1").c_str()) == 0)
      return candidate;
  return "";
}

TEST(Assembly, EveryModuleThatLoaded) {
  std::string ptxas = findPtxas();
  if (ptxas.empty())
    GTEST_SKIP() << "no ptxas";
  std::string base = testing::TempDir() + "netc_sim_" + std::to_string(getpid());
  unsigned number = 0;
  for (const std::string &text : loadedModules()) {
    std::ofstream(base + ".ptx") << text;
    std::string command = ptxas + " -arch=sm_80 -o /dev/null " + base + ".ptx > " + base + ".log 2>&1";
    if (std::system(command.c_str()) != 0) {
      std::ifstream log(base + ".log");
      ADD_FAILURE() << std::string(std::istreambuf_iterator<char>(log), {}) << "\n" << text;
    }
    ++number;
  }
  std::remove((base + ".ptx").c_str());
  std::remove((base + ".log").c_str());
  RecordProperty("modules", int(number));
}
