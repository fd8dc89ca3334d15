//===- Gpu.cpp - kernels of a test on the simulated GPU -------------------===//
#include "test/unit/sim/Gpu.h"

#include <set>

using namespace netc::test;

static std::string headFor(const std::string &target) {
  return ".version 8.0\n.target " + target + "\n.address_size 64\n";
}
static const std::string head = headFor("sm_80");

static std::set<std::string> &loaded() {
  static std::set<std::string> texts;
  return texts;
}
static std::set<std::string> &evaluated() {
  static std::set<std::string> kernels;
  return kernels;
}

std::string Gpu::load(const std::string &body, const std::string &target, bool assembles) {
  std::string why = loadText(headFor(target) + body);
  if (why.empty() && assembles)
    loaded().insert(headFor(target) + body);
  return why;
}

std::vector<std::string> netc::test::loadedModules() {
  std::vector<std::string> texts(loaded().begin(), loaded().end());
  std::string all = head;
  unsigned number = 0;
  for (std::string kernel : evaluated())
    all += kernel.replace(kernel.find(" k("), 2, " k" + std::to_string(number++));
  if (number)
    texts.push_back(all);
  return texts;
}

std::vector<std::string> netc::test::evaluatedKernels() {
  return {evaluated().begin(), evaluated().end()};
}

std::vector<uint32_t> netc::test::runKernel(const SimulatorOptions &options,
                                            const std::string &kernel,
                                            const std::vector<uint32_t> &a,
                                            const std::vector<uint32_t> &b,
                                            const std::vector<uint32_t> &c) {
  Gpu gpu(options);
  std::string why = gpu.loadText(head + kernel);
  EXPECT_EQ(why, "");
  auto padded = [](std::vector<uint32_t> values) {
    values.resize(32);
    return values;
  };
  CUdeviceptr out = gpu.upload(std::vector<uint32_t>(32));
  why = gpu.run({}, out, gpu.upload(padded(a)), gpu.upload(padded(b)), gpu.upload(padded(c)));
  EXPECT_EQ(why, "");
  return gpu.download<uint32_t>(out, 32);
}

std::vector<uint32_t> netc::test::evaluate(const std::string &body, const std::vector<uint32_t> &a,
                                           const std::vector<uint32_t> &b,
                                           const std::vector<uint32_t> &c) {
  std::string kernel = R"(
.visible .entry k(.param .u64 out, .param .u64 a, .param .u64 b, .param .u64 c) {
  .reg .pred %p<10>;
  .reg .b16 %h<10>;
  .reg .b32 %r<10>, %q<10>;
  .reg .b64 %d<10>, %a<10>;
  .reg .b32 %lane;
  mov.u32 %lane, %laneid;
  mul.wide.u32 %a1, %lane, 4;
  ld.param.u64 %a2, [a];
  add.s64 %a2, %a2, %a1;
  ld.global.b32 %r1, [%a2];
  ld.param.u64 %a2, [b];
  add.s64 %a2, %a2, %a1;
  ld.global.b32 %r2, [%a2];
  ld.param.u64 %a2, [c];
  add.s64 %a2, %a2, %a1;
  ld.global.b32 %r3, [%a2];
)" + body + R"(
  ld.param.u64 %a2, [out];
  add.s64 %a2, %a2, %a1;
  st.global.b32 [%a2], %r0;
  ret;
})";
  evaluated().insert(kernel);
  return runKernel({}, kernel, a, b, c);
}
