//===- AssemblyTest.cpp - the tests' PTX again: every level, and ptxas ----===//
//
// Last of the program's files: it runs and assembles what the tests before it have
// loaded.
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

TEST(Levels, GiveTheSameBits) {
  std::vector<uint32_t> a(32), b(32), c(32);
  for (unsigned lane = 0; lane < 32; ++lane) {
    a[lane] = lane % 3 == 0 ? lane / 3 : bits(0.37f * float(lane) - 5);
    b[lane] = lane % 4 == 0 ? lane : bits(1.7f - 0.11f * float(lane));
    c[lane] = lane % 5 == 0 ? lane % 32 : bits(0.5f * float(lane));
  }
  for (const std::string &kernel : evaluatedKernels()) {
    if (kernel.find("brx") != std::string::npos || kernel.find("LOOP") != std::string::npos)
      continue; // need values of their own
    SimulatorOptions options;
    std::vector<uint32_t> best = runKernel(options, kernel, a, b, c);
    for (unsigned level : {1, 2}) {
      options.level = level;
      EXPECT_EQ(runKernel(options, kernel, a, b, c), best) << level << kernel;
    }
    options.checks = false;
    options.level = 3;
    EXPECT_EQ(runKernel(options, kernel, a, b, c), best) << kernel;
  }
}

TEST(Assembly, EveryModuleThatLoaded) {
  std::string ptxas = findPtxas();
  if (ptxas.empty())
    GTEST_SKIP() << "no ptxas";
  std::string base = testing::TempDir() + "netc_sim_" + std::to_string(getpid());
  unsigned number = 0;
  for (const std::string &text : loadedModules()) {
    std::ofstream(base + ".ptx") << text;
    size_t target = text.find("sm_");
    std::string chip = text.substr(target, text.find('\n', target) - target);
    std::string command =
        ptxas + " -arch=" + chip + " -o /dev/null " + base + ".ptx > " + base + ".log 2>&1";
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
