#include "runtime/base/Philox.h"

#include <gtest/gtest.h>

using namespace netc::runtime;

// Known answers of the authors' Random123 library.
TEST(Philox, MatchesKnownAnswers) {
  using Block = std::array<uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, StreamsItemsAndEpochsDiffer) {
  auto first = [](uint64_t seed, Stream stream, uint64_t item, uint32_t epoch) {
    return Philox(seed, stream, item, epoch).next();
  };
  uint32_t base = first(1, Stream::Augment, 5, 0);
  EXPECT_EQ(base, first(1, Stream::Augment, 5, 0));
  EXPECT_NE(base, first(2, Stream::Augment, 5, 0));
  EXPECT_NE(base, first(1, Stream::Shuffle, 5, 0));
  EXPECT_NE(base, first(1, Stream::Augment, 6, 0));
  EXPECT_NE(base, first(1, Stream::Augment, 5, 1));
}

TEST(Philox, BelowIsUniform) {
  Philox draw(3, Stream::Shuffle);
  int counts[7] = {};
  for (int i = 0; i < 70000; ++i)
    ++counts[draw.below(7)];
  for (int count : counts)
    EXPECT_NEAR(count, 10000, 400);
}

TEST(Philox, NormalHasUnitMoments) {
  Philox draw(3, Stream::Initialize);
  double sum = 0, squares = 0;
  int count = 200000;
  for (int i = 0; i < count; ++i) {
    double x = draw.normal();
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / count, 0, 0.01);
  EXPECT_NEAR(squares / count, 1, 0.01);
}

TEST(Philox, SeekGoesOnWhereDrawsWouldBe) {
  Philox whole(3, Stream::Initialize, 9), part(3, Stream::Initialize, 9);
  for (int i = 0; i < 8; ++i)
    whole.normal();
  part.normal(); // half of a pair
  part.seek(8);
  for (int i = 0; i < 6; ++i)
    EXPECT_EQ(part.normal(), whole.normal());
}
