#include "runtime/DepthFirst.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

using namespace netc::runtime;

namespace {
/// Commands of one input, one set of weights and one output each.
struct Tables {
  std::vector<NetcBuffer> buffers;
  std::vector<NetcCommand> commands;
  void add(uint64_t in, uint64_t weights, uint64_t out, uint64_t outFixed = 0) {
    NetcCommand command{};
    command.first_buffer = uint32_t(buffers.size());
    command.buffer_count = 3;
    commands.push_back(command);
    buffers.push_back({NETC_SPACE_ARENA_IMAGE, 0, 0, in, 0});
    buffers.push_back({NETC_SPACE_PREPARED, 0, 0, 0, weights});
    buffers.push_back({NETC_SPACE_ARENA_IMAGE, NETC_BUFFER_WRITTEN, 0, out, outFixed});
  }
  std::vector<Stretch> divide(int64_t n, uint64_t cache) {
    NetcModel model{};
    model.buffers = buffers.data();
    NetcProgram program{commands.data(), commands.size(), 0, 0};
    return depthFirst(model, program, n, cache);
  }
};
} // namespace

static std::string describe(const std::vector<Stretch> &stretches) {
  std::string text;
  for (const Stretch &s : stretches)
    text += "[" + std::to_string(s.begin) + "," + std::to_string(s.end) + ")x" + std::to_string(s.images) + " ";
  return text;
}

static Tables funnel() {
  Tables tables;
  tables.add(1000, 10, 1000);
  tables.add(1000, 20, 400);
  tables.add(400, 100, 100);
  tables.add(100, 5000, 10);
  return tables;
}

TEST(DepthFirst, EarlyLayersTakeAsManyImagesAsTheCacheHolds) {
  // Half of 8000 holds two images of the widest layer; from the third layer on all sixteen fit or weights outweigh.
  EXPECT_EQ(describe(funnel().divide(16, 8000)), "[0,3)x2 [3,4)x16 ");
}

TEST(DepthFirst, ABatchThatFitsIsNotDivided) {
  EXPECT_EQ(describe(funnel().divide(2, 8000)), "[0,4)x2 ");
  EXPECT_EQ(describe(funnel().divide(1, 8000)), "[0,4)x1 ");
}

TEST(DepthFirst, NoCacheNoDivision) { EXPECT_EQ(describe(funnel().divide(16, 0)), "[0,4)x16 "); }

TEST(DepthFirst, WhatImagesShareIsWrittenOnce) {
  Tables tables;
  tables.add(1000, 10, 1000);
  tables.add(1000, 20, 0, 400);
  tables.add(1000, 10, 1000);
  EXPECT_EQ(describe(tables.divide(16, 8000)), "[0,3)x16 ");
}
