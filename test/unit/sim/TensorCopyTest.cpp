//===- TensorCopyTest.cpp - cp.async.bulk.tensor and planted faults -------===//
#include "test/unit/sim/Gpu.h"

using namespace netc::test;

namespace {
/// A tensor of 16-bit words, innermost dimension first, and the box of a copy.
struct Tensor {
  std::vector<uint64_t> dimensions = {40, 12};
  std::vector<uint32_t> box = {32, 8};
  CUtensorMapSwizzle swizzle = CU_TENSOR_MAP_SWIZZLE_64B;

  uint64_t rowBytes() const { return (2 * dimensions[0] + 15) / 16 * 16; }
  std::vector<uint64_t> strides() const {
    std::vector<uint64_t> result = {rowBytes()};
    for (size_t axis = 1; axis + 1 < dimensions.size(); ++axis)
      result.push_back(result.back() * dimensions[axis]);
    return result;
  }
  uint64_t bytes() const { return strides().back() * dimensions.back(); }
  uint32_t boxBytes() const {
    uint32_t bytes = 2;
    for (uint32_t size : box)
      bytes *= size;
    return bytes;
  }
  CUresult encode(Gpu &gpu, CUdeviceptr address, CUtensorMap &map) const {
    std::vector<uint32_t> ones(dimensions.size(), 1);
    return gpu.cu.tensorMapEncodeTiled(
        &map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, uint32_t(dimensions.size()),
        reinterpret_cast<void *>(address), dimensions.data(), strides().data(), box.data(),
        ones.data(), CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle, CU_TENSOR_MAP_L2_PROMOTION_NONE,
        CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  }
  /// The element's number, or 0 outside.
  uint16_t at(std::vector<int> place) const {
    uint64_t number = 0;
    for (size_t axis = dimensions.size(); axis-- > 0;) {
      if (place[axis] < 0 || uint64_t(place[axis]) >= dimensions[axis])
        return 0;
      number = number * dimensions[axis] + uint64_t(place[axis]);
    }
    return uint16_t(number + 1);
  }
  std::vector<uint16_t> values() const {
    std::vector<uint16_t> result(bytes() / 2, 0x7777);
    uint64_t rows = bytes() / rowBytes();
    for (uint64_t row = 0; row < rows; ++row)
      for (uint64_t column = 0; column < dimensions[0]; ++column)
        result[row * rowBytes() / 2 + column] = uint16_t(row * dimensions[0] + column + 1);
    return result;
  }
};
} // namespace

/// 64 threads copy the box at (x, y, y, …) to shared memory by one bulk copy, and from there to
/// `out` as it lies.
static std::string loadKernel(unsigned rank, unsigned bytes) {
  std::string text = R"(
.visible .entry k(.param .align 64 .b8 map[128], .param .u64 out, .param .u32 x, .param .u32 y) {
  .reg .pred %p<9>, %first;
  .reg .b32 %t, %r<9>, %x, %y;
  .reg .b64 %d<9>, %map;
  .shared .align 1024 .b8 tile[BYTES];
  .shared .align 8 .b64 full;
  mov.u32 %t, %tid.x;
  setp.eq.u32 %first, %t, 0;
  mov.b64 %d0, map;
  cvta.param.u64 %map, %d0;
  ld.param.u32 %x, [x];
  ld.param.u32 %y, [y];
  mov.u32 %r0, tile;
  mov.u32 %r1, full;
  @!%first bra BEGUN;
  mbarrier.init.shared.b64 [%r1], 1;
  fence.mbarrier_init.release.cluster;
  mbarrier.arrive.expect_tx.shared.b64 %d1, [%r1], BYTES;
  cp.async.bulk.tensor.RANKd.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%r0], [%map, {%x, PLACES}], [%r1];
BEGUN:
  bar.sync 0;
WAIT:
  mbarrier.try_wait.parity.shared.b64 %p1, [%r1], 0;
  @!%p1 bra WAIT;
  ld.param.u64 %d2, [out];
  shl.b32 %r2, %t, 2;
STORE:
  setp.ge.u32 %p2, %r2, BYTES;
  @%p2 bra END;
  cvt.u64.u32 %d3, %r2;
  add.s64 %d3, %d3, %d2;
  add.u32 %r3, %r0, %r2;
  ld.shared.b32 %r4, [%r3];
  st.global.b32 [%d3], %r4;
  add.u32 %r2, %r2, 256;
  bra STORE;
END:
  ret;
})";
  auto replace = [&](const std::string &what, const std::string &by) {
    for (size_t at; (at = text.find(what)) != std::string::npos;)
      text.replace(at, what.size(), by);
  };
  std::string places = "%y";
  for (unsigned axis = 2; axis < rank; ++axis)
    places += ", %y";
  replace("BYTES", std::to_string(bytes)), replace("RANK", std::to_string(rank));
  replace("PLACES", places);
  return text;
}

static std::string runLoad(const Tensor &tensor, const std::string &text, int x, int y,
                           std::vector<uint16_t> &got, bool checks = true, uint64_t seed = 1) {
  SimulatorOptions options;
  options.chip = 90, options.checks = checks, options.seed = seed;
  Gpu gpu(options);
  if (std::string why = gpu.load(text, "sm_90", x == 0); !why.empty())
    return why;
  CUtensorMap map;
  if (tensor.encode(gpu, gpu.upload(tensor.values()), map) != CUDA_SUCCESS)
    return gpu.cu.lastReport();
  CUdeviceptr out = gpu.upload(std::vector<uint16_t>(tensor.boxBytes() / 2));
  std::string report = gpu.run({1, 64}, map, out, x, y);
  if (report.empty())
    got = gpu.download<uint16_t>(out, tensor.boxBytes() / 2);
  return report;
}

/// Of every element of the box, where it lies by the swizzle's definition: 16-byte chunks change
/// places within rows of 128 bytes by the number of the row.
static void compare(const Tensor &tensor, int x, int y, bool checks = true) {
  std::vector<uint16_t> got;
  unsigned rank = unsigned(tensor.dimensions.size());
  ASSERT_EQ(runLoad(tensor, loadKernel(rank, tensor.boxBytes()), x, y, got, checks), "");
  unsigned chunks = tensor.swizzle ? 1u << tensor.swizzle : 1; // that change places
  for (unsigned index = 0; index < got.size(); ++index) {
    std::vector<int> place;
    unsigned rest = index;
    for (unsigned axis = 0; axis < rank; ++axis) {
      place.push_back((axis ? y : x) + int(rest % tensor.box[axis]));
      rest /= tensor.box[axis];
    }
    unsigned byte = 2 * index, chunk = byte / 16, row = byte / 128;
    unsigned swapped = chunk ^ (row % chunks);
    ASSERT_EQ(got[(16 * swapped + byte % 16) / 2], tensor.at(place))
        << "element " << index << " of a box at " << x << ", " << y;
  }
}

TEST(TensorCopy, BoxesAndSwizzles) {
  Tensor tensor;
  compare(tensor, 0, 0);
  compare(tensor, 8, 4);
  compare(tensor, 8, 4, /*checks=*/false);
  tensor.box = {64, 8}, tensor.swizzle = CU_TENSOR_MAP_SWIZZLE_128B;
  compare(tensor, 0, 2);
  tensor.box = {16, 16}, tensor.swizzle = CU_TENSOR_MAP_SWIZZLE_32B;
  compare(tensor, 16, 0);
  tensor.box = {24, 5}, tensor.swizzle = CU_TENSOR_MAP_SWIZZLE_NONE;
  compare(tensor, 3, 1);
}

TEST(TensorCopy, OutsideIsZero) {
  Tensor tensor;
  compare(tensor, 20, 9); // beyond both ends, within a chunk too
  compare(tensor, -5, -3);
  compare(tensor, 100, 0);
  tensor.dimensions = {40, 5, 3}, tensor.box = {32, 4, 3};
  compare(tensor, -3, 0);
  compare(tensor, 9, 2);
  tensor.dimensions = {40, 4, 3, 2}, tensor.box = {32, 2, 2, 2};
  compare(tensor, 0, -1);
}

static void expectFinding(const std::string &report, const std::string &kind,
                          const std::string &text) {
  EXPECT_EQ(report.substr(0, kind.size()), kind) << report;
  EXPECT_NE(report.find(text), std::string::npos) << report;
}

/// The report when the first `what` of the kernel is replaced, and `andWhat` too.
static std::string planted(const std::string &what, const std::string &by, uint64_t seed = 1,
                           const std::string &andWhat = "", const std::string &andBy = "") {
  Tensor tensor;
  std::string text = loadKernel(2, tensor.boxBytes());
  for (const auto &[old, now] : {std::pair(what, by), std::pair(andWhat, andBy)}) {
    size_t at = text.find(old);
    EXPECT_NE(at, std::string::npos) << old;
    text.replace(at, old.size(), now);
  }
  std::vector<uint16_t> got;
  return runLoad(tensor, text, 1, 0, got, true, seed);
}

TEST(TensorCopyFaults, Loads) {
  std::string wait = "  mbarrier.try_wait.parity.shared.b64 %p1, [%r1], 0;\n  @!%p1 bra WAIT;\n";
  expectFinding(planted(wait, ""), "cp.async not waited for", "shared memory");
  // One warp waits, the other does not.
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    std::string report = planted("WAIT:", "setp.gt.u32 %p4, %t, 31;\n  @%p4 bra READ;\nWAIT:", seed,
                                 "  ld.param.u64 %d2, [out];", "READ:\n  ld.param.u64 %d2, [out];");
    EXPECT_TRUE(report.find("cp.async not waited for") == 0 ||
                report.find("race in shared memory") == 0)
        << report;
  }
  expectFinding(planted("fence.mbarrier_init.release.cluster;", ""), "race on an mbarrier",
                "no fence.mbarrier_init");
  EXPECT_EQ(planted("fence.mbarrier_init.release.cluster;", "fence.proxy.async.shared::cta;"), "");
  expectFinding(planted("[%r1], 512;", "[%r1], 528;"), "mbarrier deadlock", "16 bytes pending");
  expectFinding(planted("[%r1], 512;", "[%r1], 496;"), "mbarrier deadlock", "-16 bytes pending");
  expectFinding(planted("  mbarrier.try_wait", "  ret;\n  mbarrier.try_wait"),
                "bulk copy not waited for", "while a bulk copy of 512 bytes");
  expectFinding(planted("mov.u32 %r0, tile;", "mov.u32 %r0, tile; add.u32 %r0, %r0, 64;"),
                "misaligned access", "128 bytes at shared");
  expectFinding(planted("cvta.param.u64 %map, %d0;", "ld.param.u64 %map, [out];"), "bad tensor map",
                "no tensor map lies at");
  // Other threads wrote to the tile, and no barrier or fence lies between.
  expectFinding(planted("@!%first bra BEGUN;", "setp.eq.u32 %p3, %t, 40; @%p3 st.shared.b32 [%r0], "
                                               "%t; bar.sync 0; @!%first bra BEGUN;"),
                "fence.proxy.async missing", "wrote with no fence.proxy.async after it");
  EXPECT_EQ(planted("@!%first bra BEGUN;", "setp.eq.u32 %p3, %t, 40; @%p3 st.shared.b32 [%r0], %t; "
                                           "fence.proxy.async; bar.sync 0; @!%first bra BEGUN;"),
            "");
}

TEST(TensorCopyFaults, Maps) {
  SimulatorOptions options;
  options.chip = 90;
  Gpu gpu(options);
  CUtensorMap map;
  Tensor tensor;
  CUdeviceptr memory = gpu.upload(tensor.values());
  EXPECT_EQ(tensor.encode(gpu, memory, map), CUDA_SUCCESS);
  EXPECT_EQ(tensor.encode(gpu, memory + 8, map), CUDA_ERROR_INVALID_VALUE);
  tensor.box = {64, 8};
  EXPECT_EQ(tensor.encode(gpu, memory, map), CUDA_ERROR_INVALID_VALUE);
  EXPECT_NE(std::string(gpu.cu.lastReport()).find("the swizzle has 64"), std::string::npos);
  tensor.box = {12, 8};
  EXPECT_EQ(tensor.encode(gpu, memory, map), CUDA_ERROR_INVALID_VALUE);
  // A tensor that is larger than its memory.
  tensor.box = {32, 8}, tensor.dimensions[1] = 50;
  std::vector<uint16_t> got;
  CUdeviceptr out = gpu.upload(std::vector<uint16_t>(256));
  ASSERT_EQ(gpu.load(loadKernel(2, 512), "sm_90"), "");
  EXPECT_EQ(tensor.encode(gpu, memory, map), CUDA_SUCCESS);
  expectFinding(gpu.run({1, 64}, map, out, 0, 0), "out of bounds", "the tensor of");
}

// Thread 0 copies what all threads wrote to shared memory, at (x, y).
static const char *storeKernel = R"(
.visible .entry k(.param .align 64 .b8 map[128], .param .u32 x, .param .u32 y) {
  .reg .pred %p<9>, %first;
  .reg .b32 %t, %r<9>, %x, %y;
  .reg .b64 %d<9>, %map;
  .shared .align 1024 .b8 tile[512];
  mov.u32 %t, %tid.x;
  setp.eq.u32 %first, %t, 0;
  mov.b64 %d0, map;
  cvta.param.u64 %map, %d0;
  ld.param.u32 %x, [x];
  ld.param.u32 %y, [y];
  mov.u32 %r0, tile;
  shl.b32 %r1, %t, 2;
  add.u32 %r1, %r1, %r0;
  st.shared.b32 [%r1], %t;
  add.u32 %r2, %t, 64;
  st.shared.b32 [%r1+256], %r2;
  fence.proxy.async.shared::cta;
  bar.sync 0;
  @!%first bra END;
  cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%map, {%x, %y}], [%r0];
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group.read 0;
  st.shared.b32 [%r0], %t;
END:
  ret;
})";

static std::string runStore(const std::string &what, const std::string &by,
                            std::vector<uint16_t> &got, int x = 0, int y = 0) {
  std::string text = storeKernel;
  if (!what.empty())
    text.replace(text.find(what), what.size(), by);
  SimulatorOptions options;
  options.chip = 90;
  Gpu gpu(options);
  EXPECT_EQ(gpu.load(text, "sm_90", what.empty()), "");
  Tensor tensor;
  tensor.swizzle = CU_TENSOR_MAP_SWIZZLE_NONE;
  CUdeviceptr memory = gpu.upload(tensor.values());
  CUtensorMap map;
  EXPECT_EQ(tensor.encode(gpu, memory, map), CUDA_SUCCESS);
  std::string report = gpu.run({1, 64}, map, x, y);
  if (report.empty())
    got = gpu.download<uint16_t>(memory, tensor.bytes() / 2);
  return report;
}

TEST(TensorCopy, StoresWhatLiesInside) {
  std::vector<uint16_t> got;
  ASSERT_EQ(runStore("", "", got, 16, 8), "");
  Tensor tensor;
  std::vector<uint16_t> before = tensor.values();
  for (int row = 0; row < 12; ++row)
    for (int column = 0; column < 40; ++column) {
      int index = (row - 8) * 32 + column - 16; // of the box
      bool written = row >= 8 && column >= 16;
      uint16_t wanted = written ? uint16_t(index % 2 ? 0 : index / 2) : before[row * 40 + column];
      ASSERT_EQ(got[row * 40 + column], wanted) << row << " " << column;
    }
}

TEST(TensorCopyFaults, Stores) {
  std::vector<uint16_t> got;
  expectFinding(runStore("fence.proxy.async.shared::cta;", "", got), "fence.proxy.async missing",
                "wrote with no");
  expectFinding(runStore("cp.async.bulk.wait_group.read 0;", "", got),
                "asynchronous read not waited for", "may still read");
  expectFinding(runStore("cp.async.bulk.commit_group;", "", got),
                "asynchronous read not waited for", "may still read");
  expectFinding(runStore("cp.async.bulk.wait_group.read 0;", "ret;", got),
                "bulk copy not waited for", "the thread exits");
}
