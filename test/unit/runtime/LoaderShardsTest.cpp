// What an image becomes does not depend on how a batch is cut, nor on who prepares which shard.
#include "runtime/data/Loader.h"

#include "test/unit/runtime/ImageModel.h"

#include <gtest/gtest.h>

#include <map>

using namespace netc::runtime;

/// Input and target of every image of an epoch of 150 images, batch by batch, prepared by as many
/// loaders as there are processes.
static std::vector<float> epochInShards(int64_t shards, int64_t processes,
                                        const std::vector<TransformKind> &mixing) {
  ModelInfo info = imageModel(3, 8, 8);
  info.softLabels = true;
  info.targets = {{"labels", NETC_SPACE_TARGETS, NETC_TYPE_F32, {10}, 0, 0}};
  info.recipe = R"({"augment":[{"name":"random_crop","args":[],"named":{"pad":2}}]})";
  auto data = openDataset("synthetic:150", Split::Train, {3, 8, 8, 10});
  Pipeline pipeline = Pipeline::forTraining(parseRecipe(info, {}), info, {}, {8, 8});
  LoaderOptions options;
  options.batch = 32; // leaves one of 22
  options.workers = 2;
  options.training = options.softLabels = true;
  options.shards = shards;
  options.ownShards = shards / processes;
  for (TransformKind kind : mixing) {
    options.mix.emplace_back().kind = kind;
    options.mix.back().strength = 0.4;
  }
  std::map<std::pair<int64_t, int64_t>, std::vector<float>> parts; // by batch and first image
  for (int64_t process = 0; process < processes; ++process) {
    options.firstShard = process * options.ownShards;
    Loader loader(*data, pipeline, info, options);
    std::vector<Visit> order;
    for (int64_t i : shuffledOrder(data->size(), 3, 1))
      order.push_back({i, 0});
    loader.begin(order, 1);
    while (const Batch *batch = loader.next()) {
      EXPECT_GT(batch->n, 0);
      std::vector<float> &part = parts[{batch->index, batch->first}];
      for (int64_t i = 0; i < batch->n; ++i) {
        part.insert(part.end(), batch->input + i * 192, batch->input + (i + 1) * 192);
        part.insert(part.end(), batch->targets + i * 10, batch->targets + (i + 1) * 10);
      }
    }
  }
  std::vector<float> all;
  for (const auto &[place, values] : parts)
    all.insert(all.end(), values.begin(), values.end());
  return all;
}

TEST(LoaderShards, ImagesAndPairsAreThoseOfTheWholeBatch) {
  using Kind = TransformKind;
  for (const std::vector<Kind> &mixing :
       {std::vector<Kind>{}, {Kind::Mixup}, {Kind::Cutmix}, {Kind::Mixup, Kind::Cutmix}}) {
    std::vector<float> whole = epochInShards(1, 1, mixing);
    EXPECT_EQ(whole.size(), size_t(150 * 202));
    EXPECT_EQ(whole, epochInShards(2, 1, mixing));
    EXPECT_EQ(whole, epochInShards(2, 2, mixing));
    EXPECT_EQ(whole, epochInShards(5, 1, mixing));  // of 6 and 7 images
    EXPECT_EQ(whole, epochInShards(24, 3, mixing)); // more than the last batch has images
    EXPECT_EQ(whole, epochInShards(32, 2, mixing));
  }
}

TEST(LoaderShards, ShardsCoverABatchOnce) {
  EXPECT_EQ(shardOf(10, 4, 0).size() + shardOf(10, 4, 1).size() + shardOf(10, 4, 2).size() +
                shardOf(10, 4, 3).size(),
            10);
  EXPECT_EQ(shardOf(3, 8, 7).end, 3);
  EXPECT_EQ(shardOf(3, 8, 0).size(), 0);
}
