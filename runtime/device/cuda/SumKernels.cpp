//===- SumKernels.cpp - kernels that add values over shards ---------------===//
#include "runtime/device/cuda/SumKernels.h"

#include "runtime/base/Error.h"

#include <fmt/format.h>

#include <string>

using namespace netc::runtime;
using namespace netc::runtime::cuda;

static constexpr unsigned threads = 256;

// Multiplication and addition are named with their rounding: none becomes a fused multiply-add.
// A line that is a name stands for the lines below that have it.
static constexpr const char *text = R"(.version 6.3
.target sm_75
.address_size 64

.visible .entry netc_sum_take(.param .u64 array, .param .u64 packed, .param .u64 chunks,
                              .param .u64 first, .param .f32 share, .param .u32 how)
{
  registers
  ld.param.u64 %d1, [array];
  ld.param.u64 %d2, [packed];
  ld.param.u64 %d3, [chunks];
  ld.param.u64 %d4, [first];
  ld.param.f32 %f4, [share];
  ld.param.u32 %r1, [how];
  and.b32 %r2, %r1, 1;
  setp.ne.u32 %p2, %r2, 0;
  and.b32 %r2, %r1, 2;
  setp.ne.u32 %p3, %r2, 0;
  and.b32 %r2, %r1, 4;
  setp.ne.u32 %p4, %r2, 0;
  chunk
take:
  setp.ge.u64 %p1, %d9, %d8;
  @%p1 bra taken;
  shl.b64 %d10, %d9, 2;
  add.u64 %d11, %d6, %d10;
  add.u64 %d12, %d7, %d10;
  mov.f32 %f1, 0f00000000;
  @%p4 bra nothing;
  ld.global.f32 %f2, [%d11];
  mul.rn.f32 %f1, %f4, %f2;
nothing:
  round
  @%p2 bra put;
  ld.global.f32 %f3, [%d12];
  add.rn.f32 %f1, %f3, %f1;
  round
put:
  st.global.f32 [%d12], %f1;
  add.u64 %d9, %d9, 256;
  bra take;
taken:
  ret;
}

.visible .entry netc_sum_give(.param .u64 array, .param .u64 packed, .param .u64 chunks,
                              .param .u64 first, .param .f32 divisor)
{
  registers
  ld.param.u64 %d1, [array];
  ld.param.u64 %d2, [packed];
  ld.param.u64 %d3, [chunks];
  ld.param.u64 %d4, [first];
  ld.param.f32 %f4, [divisor];
  chunk
give:
  setp.ge.u64 %p1, %d9, %d8;
  @%p1 bra given;
  shl.b64 %d10, %d9, 2;
  add.u64 %d11, %d6, %d10;
  add.u64 %d12, %d7, %d10;
  ld.global.f32 %f1, [%d12];
  div.rn.f32 %f1, %f1, %f4;
  st.global.f32 [%d11], %f1;
  add.u64 %d9, %d9, 256;
  bra give;
given:
  ret;
}

.visible .entry netc_sum_add(.param .u64 values, .param .u64 stride, .param .u64 count,
                             .param .u64 pairs, .param .u64 steps, .param .u32 how)
{
  registers
  ld.param.u64 %d1, [values];
  ld.param.u64 %d2, [count];
  ld.param.u64 %d3, [pairs];
  ld.param.u64 %d4, [steps];
  ld.param.u32 %r1, [how];
  and.b32 %r2, %r1, 2;
  setp.ne.u32 %p3, %r2, 0;
  place
  setp.ge.u64 %p1, %d5, %d2;
  @%p1 bra added;
  shl.b64 %d5, %d5, 2;
  add.u64 %d5, %d1, %d5;
  ld.param.u64 %d2, [stride];
  shl.b64 %d2, %d2, 2;
  shl.b64 %d4, %d4, 3;
  add.u64 %d4, %d3, %d4;
step:
  setp.ge.u64 %p1, %d3, %d4;
  @%p1 bra added;
  ld.global.u32 %r5, [%d3];
  ld.global.u32 %r6, [%d3+4];
  cvt.u64.u32 %d7, %r5;
  mad.lo.u64 %d7, %d7, %d2, %d5;
  cvt.u64.u32 %d8, %r6;
  mad.lo.u64 %d8, %d8, %d2, %d5;
  ld.global.f32 %f2, [%d7];
  ld.global.f32 %f3, [%d8];
  add.rn.f32 %f1, %f2, %f3;
  round
  st.global.f32 [%d7], %f1;
  add.u64 %d3, %d3, 8;
  bra step;
added:
  ret;
}

.visible .entry netc_sum_narrow(.param .u64 from, .param .u64 to, .param .u64 count)
{
  registers
  ld.param.u64 %d1, [from];
  ld.param.u64 %d2, [to];
  ld.param.u64 %d3, [count];
  place
  setp.ge.u64 %p1, %d5, %d3;
  @%p1 bra narrowed;
  shl.b64 %d6, %d5, 2;
  add.u64 %d6, %d1, %d6;
  ld.global.u32 %r5, [%d6];
  shr.u32 %r5, %r5, 16;
  cvt.u16.u32 %h1, %r5;
  shl.b64 %d7, %d5, 1;
  add.u64 %d7, %d2, %d7;
  st.global.u16 [%d7], %h1;
narrowed:
  ret;
}

.visible .entry netc_sum_widen(.param .u64 from, .param .u64 to, .param .u64 count)
{
  registers
  ld.param.u64 %d1, [from];
  ld.param.u64 %d2, [to];
  ld.param.u64 %d3, [count];
  place
  setp.ge.u64 %p1, %d5, %d3;
  @%p1 bra widened;
  shl.b64 %d6, %d5, 1;
  add.u64 %d6, %d1, %d6;
  ld.global.u16 %h1, [%d6];
  cvt.u32.u16 %r5, %h1;
  shl.b32 %r5, %r5, 16;
  shl.b64 %d7, %d5, 2;
  add.u64 %d7, %d2, %d7;
  st.global.u32 [%d7], %r5;
widened:
  ret;
}
)";

struct Lines {
  const char *name, *body;
};

static constexpr Lines lines[] = {
    {"registers", R"(  .reg .pred %p<8>;
  .reg .b16 %h<4>;
  .reg .b32 %r<16>;
  .reg .f32 %f<8>;
  .reg .b64 %d<24>;
)"},
    // Of the block's chunk: %d6 where it lies in the array, %d7 in the packed values, %d8 its
    // length, %d9 the thread's first value.
    {"chunk", R"(  mov.u32 %r3, %ctaid.x;
  cvt.u64.u32 %d5, %r3;
  add.u64 %d5, %d5, %d4;
  mul.lo.u64 %d5, %d5, 24;
  add.u64 %d5, %d3, %d5;
  ld.global.u64 %d6, [%d5];
  ld.global.u64 %d7, [%d5+8];
  ld.global.u64 %d8, [%d5+16];
  shl.b64 %d6, %d6, 2;
  add.u64 %d6, %d1, %d6;
  shl.b64 %d7, %d7, 2;
  add.u64 %d7, %d2, %d7;
  mov.u32 %r4, %tid.x;
  cvt.u64.u32 %d9, %r4;
)"},
    // %d5: the thread's value.
    {"place", R"(  mov.u32 %r3, %ctaid.x;
  mov.u32 %r4, %tid.x;
  mul.wide.u32 %d5, %r3, 256;
  cvt.u64.u32 %d6, %r4;
  add.u64 %d5, %d5, %d6;
)"},
    // %f1 to bf16 where %p3 holds: to the nearest, ties to even; NaN stays NaN.
    {"round", R"(  mov.b32 %r10, %f1;
  shr.u32 %r11, %r10, 16;
  and.b32 %r11, %r11, 1;
  add.u32 %r11, %r11, 32767;
  add.u32 %r11, %r10, %r11;
  and.b32 %r11, %r11, -65536;
  setp.nan.f32 %p5, %f1, %f1;
  selp.b32 %r11, 2143289344, %r11, %p5;
  selp.b32 %r10, %r11, %r10, %p3;
  mov.b32 %f1, %r10;
)"},
};

static std::string program() {
  std::string result = text;
  for (const auto &[name, body] : lines) {
    const std::string mark = fmt::format("  {}\n", name);
    for (size_t at = 0; (at = result.find(mark, at)) != std::string::npos;)
      result.replace(at, mark.size(), body);
  }
  return result;
}

SumKernels::SumKernels(const CudaDriver &driver) : driver(driver) {
  std::string ptx = program();
  checkCuda(driver, driver.moduleLoadDataEx(&code, ptx.c_str(), 0, nullptr, nullptr),
            "loading the kernels that add gradients over shards");
  auto find = [&](CUfunction &function, const char *name) {
    checkCuda(driver, driver.moduleGetFunction(&function, code, name), name);
  };
  find(takes, "netc_sum_take");
  find(gives, "netc_sum_give");
  find(adds, "netc_sum_add");
  find(narrows, "netc_sum_narrow");
  find(widens, "netc_sum_widen");
}

SumKernels::~SumKernels() {
  if (code)
    driver.moduleUnload(code);
}

template <typename... Parameters>
void SumKernels::launch(CUfunction kernel, const char *name, uint64_t blocks, CUstream stream,
                        Parameters... parameters) const {
  void *addresses[] = {&parameters...};
  if (blocks)
    checkCuda(driver,
              driver.launchKernel(kernel, unsigned(blocks), 1, 1, threads, 1, 1, 0, stream,
                                  addresses, nullptr),
              name);
}

static uint64_t blocksOf(uint64_t count) { return (count + threads - 1) / threads; }

void SumKernels::take(CUstream stream, CUdeviceptr array, CUdeviceptr packed, CUdeviceptr chunks,
                      uint64_t first, uint64_t count, float share, uint32_t how) const {
  launch(takes, "adding a shard's values", count, stream, array, packed, chunks, first, share, how);
}

void SumKernels::give(CUstream stream, CUdeviceptr array, CUdeviceptr packed, CUdeviceptr chunks,
                      uint64_t first, uint64_t count, float divisor) const {
  launch(gives, "writing sums over shards", count, stream, array, packed, chunks, first, divisor);
}

void SumKernels::add(CUstream stream, CUdeviceptr values, uint64_t stride, uint64_t count,
                     CUdeviceptr pairs, uint64_t steps, uint32_t how) const {
  launch(adds, "adding sums of shards", steps ? blocksOf(count) : 0, stream, values, stride, count,
         pairs, steps, how);
}

void SumKernels::narrow(CUstream stream, CUdeviceptr from, CUdeviceptr to, uint64_t count) const {
  launch(narrows, "rounding sums to bf16", blocksOf(count), stream, from, to, count);
}

void SumKernels::widen(CUstream stream, CUdeviceptr from, CUdeviceptr to, uint64_t count) const {
  launch(widens, "widening sums of bf16", blocksOf(count), stream, from, to, count);
}
