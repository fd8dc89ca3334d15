#include "runtime/augment/Augment.h"

#include "runtime/augment/Color.h"
#include "runtime/augment/Mix.h"
#include "runtime/base/Error.h"
#include "runtime/data/Scaling.h"
#include "runtime/data/Statistics.h"
#include "test/unit/runtime/ImageModel.h"
#include "test/unit/runtime/Scratch.h"
#include "test/unit/runtime/TestImages.h"

#include <gtest/gtest.h>

using namespace netc::runtime;

static Image numbered(int height, int width) {
  Image image;
  image.resize(height, width, 1);
  for (size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = uint8_t(i * 37);
  return image;
}

static std::vector<int> apply(const Image &image, const Geometry &geometry) {
  Image out;
  resample(image, geometry, out);
  return {out.pixels.begin(), out.pixels.end()};
}

static void expectClose(const std::vector<int> &have, const std::vector<int> &want) {
  ASSERT_EQ(have.size(), want.size());
  for (size_t i = 0; i < have.size(); ++i)
    EXPECT_NEAR(have[i], want[i], 1) << i; // Pillow rounds between its two passes
}

TEST(Geometry, ResizesAsPillow) {
  Geometry smaller(7, 5);
  smaller.resize(4, 3);
  expectClose(apply(numbered(7, 5), smaller),
              {101, 73, 100, 124, 143, 113, 121, 91, 110, 134, 161, 133});
  Geometry larger(7, 5);
  larger.resize(9, 8);
  expectClose(apply(numbered(7, 5), larger),
              {0,   16,  39,  62,  86,  109, 132, 148, 123, 139, 152, 68,  39,  62,  85,
               101, 153, 169, 184, 118, 97,  120, 79,  45,  98,  114, 137, 160, 184, 207,
               118, 47,  43,  59,  82,  105, 129, 152, 175, 191, 187, 116, 27,  50,  74,
               97,  120, 136, 189, 155, 114, 137, 116, 50,  65,  81,  133, 149, 172, 195,
               166, 82,  95,  111, 86,  102, 125, 148, 172, 195, 218, 234});
}

TEST(Geometry, CropsFlipsAndPadsExactly) {
  Image image = numbered(3, 3); // 0 37 74 / 111 148 185 / 222 3 40
  Geometry crop(3, 3);
  crop.crop(1, 1, 2, 2);
  EXPECT_EQ(apply(image, crop), (std::vector<int>{148, 185, 3, 40}));
  crop.flip();
  EXPECT_EQ(apply(image, crop), (std::vector<int>{185, 148, 40, 3}));
  Geometry padded(3, 3);
  padded.crop(-1, -1, 3, 3);
  EXPECT_EQ(apply(image, padded), (std::vector<int>{0, 0, 0, 0, 0, 37, 0, 111, 148}));
  Geometry flippedFirst(3, 3);
  flippedFirst.flip();
  flippedFirst.crop(0, 0, 1, 2);
  EXPECT_EQ(apply(image, flippedFirst), (std::vector<int>{74, 37}));
}

TEST(Geometry, CropThenResizeSeesTheCropOnly) {
  Image image = numbered(4, 4);
  Geometry composed(4, 4);
  composed.crop(1, 1, 2, 2);
  composed.resize(4, 4);
  Geometry cropped(4, 4);
  cropped.crop(1, 1, 2, 2);
  Image inner;
  resample(image, cropped, inner);
  Geometry enlarged(2, 2);
  enlarged.resize(4, 4);
  EXPECT_EQ(apply(image, composed), apply(inner, enlarged));
}

TEST(Geometry, AsksForNoMoreThanItNeeds) {
  Geometry geometry(800, 800);
  geometry.resize(100, 100);
  EXPECT_EQ(geometry.neededEighths(), 1);
  Geometry half(400, 400);
  half.resize(150, 150);
  EXPECT_EQ(half.neededEighths(), 4);
  EXPECT_EQ(Geometry(10, 10).neededEighths(), 8);
}

// torchvision.transforms.functional.center_crop: round() of Python, padding (n // 2, (n + 1) // 2).
TEST(Geometry, CentresAsTorchvision) {
  auto start = [](int size, int crop) {
    Geometry geometry(size, size);
    geometry.centerCrop(crop, crop);
    EXPECT_EQ(geometry.originX, geometry.originY);
    return int(geometry.originX);
  };
  EXPECT_EQ(start(5, 4), 0); // 0.5
  EXPECT_EQ(start(7, 4), 2); // 1.5
  EXPECT_EQ(start(9, 4), 2); // 2.5
  EXPECT_EQ(start(256, 227), 14);
  EXPECT_EQ(start(256, 224), 16);
  EXPECT_EQ(start(3, 4), 0);
  EXPECT_EQ(start(4, 7), -1);
  EXPECT_EQ(start(4, 9), -2);
  EXPECT_EQ(start(4, 8), -2);
}

TEST(Geometry, EvaluationLeavesHalfOfTheReductionToTheFilter) {
  auto eighths = [](int from, int to) {
    Geometry geometry(from, from);
    geometry.resize(to, to);
    return geometry.neededEighths(2);
  };
  EXPECT_EQ(eighths(512, 256), 8);
  EXPECT_EQ(eighths(1000, 256), 8);
  EXPECT_EQ(eighths(1024, 256), 4);
  EXPECT_EQ(eighths(2048, 256), 2);
  EXPECT_EQ(eighths(4096, 256), 1);
}

static Image decodeAt(const std::string &jpeg, int eighths) {
  Image image;
  decodeImage("x.jpg", jpeg, [&](int, int) { return eighths; }, image);
  return image;
}

static int farthest(const Image &a, const Image &b, const Geometry &geometry) {
  std::vector<int> pixelsA = apply(a, geometry), pixelsB = apply(b, geometry);
  int most = 0;
  for (size_t i = 0; i < pixelsA.size(); ++i)
    most = std::max(most, std::abs(pixelsA[i] - pixelsB[i]));
  return most;
}

// Sizes that are no multiple of 8: a pixel of a scaled decode is 8 / eighths pixels of the image,
// not the quotient of the two sizes, also when the image is then turned by its orientation.
TEST(Geometry, ScaledDecodesLieWhereTheFullImageDoes) {
  for (int orientation = 1; orientation <= 8; ++orientation)
    for (int side : {521, 528}) {
      JpegRequest request;
      request.height = side;
      request.width = side + 2;
      request.waves = true;
      request.orientation = orientation;
      std::string jpeg = makeJpeg(request);
      Geometry whole = orientation >= 5 ? Geometry(side + 2, side) : Geometry(side, side + 2);
      Geometry crop = whole;
      whole.resize(64, 64);
      crop.crop(side - 461, side - 403, 461, 403);
      crop.flip();
      crop.resize(57, 50);
      Image full = decodeAt(jpeg, 8);
      for (int eighths : {1, 2, 4})
        for (const Geometry &geometry : {whole, crop})
          EXPECT_LE(farthest(full, decodeAt(jpeg, eighths), geometry), 4)
              << side << " orientation " << orientation << " at " << eighths;
    }
}

TEST(Statistics, MeanImageOfScaledDecodes) {
  ScratchFolder folder;
  makeFolder(folder / "cat");
  JpegRequest request;
  request.height = 521;
  request.width = 600;
  request.waves = true;
  std::string jpeg = makeJpeg(request);
  writeFileAtomically(folder / "cat/a.jpg", jpeg);
  ModelInfo info = imageModel(3, 64, 64);
  StatisticsRequest wanted;
  wanted.pixelMean = true;
  auto data = openDataset("imagefolder:" + folder.path, Split::Train, {3, 64, 64, 1});
  PixelScaling scaling = computeStatistics(*data, {0}, info, wanted, 1);
  Geometry geometry(521, 600);
  geometry.resizeShorter(64);
  geometry.centerCrop(64, 64);
  std::vector<int> expected = apply(decodeAt(jpeg, 8), geometry);
  for (size_t i = 0; i < 64 * 64; ++i)
    for (size_t c = 0; c < 3; ++c)
      ASSERT_NEAR(scaling.pixelMean[c * 64 * 64 + i] * 255, expected[i * 3 + c], 4) << i;
}

static ModelInfo colorModel(const std::string &normalize) {
  ModelInfo info = imageModel(3, 1, 1);
  info.recipe = R"({"normalize":)" + normalize + "}";
  return info;
}

/// What becomes of the pixel (10, 20, 30) in evaluation.
static std::vector<float> normalized(const ModelInfo &info, const std::vector<std::string> &set,
                                     const WeightsMetadata &metadata = {}) {
  RecipeOverrides overrides;
  overrides.set = set;
  Recipe recipe = parseRecipe(info, overrides);
  Pipeline pipeline = Pipeline::forEvaluation(
      recipe, info, scalingForEvaluation(recipe, info, metadata, "w"), {1, 1}, 1);
  AugmentWorkspace workspace;
  std::vector<float> out(3);
  auto source = [](const ScaleChooser &, Image &image) {
    image.resize(1, 1, 3);
    image.pixels = {10, 20, 30};
  };
  pipeline.apply(source, 0, 0, 0, workspace, out.data());
  return out;
}

static void expectNear(const std::vector<float> &have, const std::vector<double> &want) {
  for (size_t i = 0; i < 3; ++i)
    EXPECT_NEAR(have[i], want[i], 1e-4) << i;
}

// Caffe's preprocessing: pixels from 0 to 255, blue first; mean and std are by the input's
// channels.
TEST(Normalize, TakesAScaleAndAnOrder) {
  expectNear(normalized(colorModel(R"({"mean":[1,2,3],"std":[1,1,2],"scale":255})"), {}),
             {9, 18, 13.5});
  expectNear(normalized(colorModel(R"({"mean":[1,2,3],"std":[1],"scale":255,"order":"bgr"})"), {}),
             {29, 18, 7});
  EXPECT_HAS(errorOf([] { normalized(colorModel(R"({"mean":[0],"std":[1],"order":"gbr"})"), {}); }),
             "order is gbr, expected rgb or bgr");
}

TEST(Normalize, TheCommandLineIsAboveWeightsAboveRecipe) {
  ModelInfo info = colorModel(R"({"mean":[0],"std":[1]})");
  WeightsMetadata metadata;
  metadata.mean = {0, 0, 0};
  metadata.std = {0.1f, 0.1f, 0.1f};
  double ten = 10 / 255.0;
  expectNear(normalized(info, {}), {ten, 2 * ten, 3 * ten});
  expectNear(normalized(info, {}, metadata), {10 * ten, 20 * ten, 30 * ten});
  expectNear(normalized(info, {"normalize.std=0.5"}, metadata), {2 * ten, 4 * ten, 6 * ten});
  expectNear(normalized(info, {"normalize.std=255", "normalize.scale=255"}, metadata),
             {ten, 2 * ten, 3 * ten});
  expectNear(normalized(info, {"normalize.order=bgr"}, metadata), {30 * ten, 20 * ten, 10 * ten});
  metadata.order = "bgr";
  expectNear(normalized(info, {}, metadata), {30 * ten, 20 * ten, 10 * ten});
  expectNear(normalized(info, {"normalize.order=rgb"}, metadata), {10 * ten, 20 * ten, 30 * ten});
}

TEST(Normalize, UnitsThatCannotBeArePointedOut) {
  auto told = [](const std::string &normalize) {
    testing::internal::CaptureStderr();
    parseRecipe(colorModel(normalize), {});
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_HAS(told(R"({"mean":[127,127,127],"std":[128]})"), "with scale=255 pixels are from 0");
  EXPECT_HAS(told(R"({"mean":[0],"std":[255]})"), "with scale=255");
  EXPECT_HAS(told(R"({"mean":[0.485],"std":[0.229],"scale":255})"), "but scale=255 makes them");
  EXPECT_EQ(told(R"({"mean":[127],"std":[128],"scale":255})"), "");
  EXPECT_EQ(told(R"({"mean":[0.485],"std":[0.229]})"), "");
  EXPECT_EQ(told(R"({"mean":[104,117,123],"std":[1],"scale":255})"), "");
}

/// A pipeline for a [channels, side, side] input.
static Pipeline makePipeline(const std::string &augment, int channels, int side,
                             Pipeline::SourceSize source, bool training = true,
                             const std::string &eval = "") {
  ModelInfo info = imageModel(channels, side, side);
  info.recipe = R"({"augment":[)" + augment + R"(],"eval":[)" + eval + "]}";
  Recipe recipe = parseRecipe(info, {});
  return training ? Pipeline::forTraining(recipe, info, {}, source)
                  : Pipeline::forEvaluation(recipe, info, {}, source, 0);
}

static std::vector<float> run(const Pipeline &pipeline, const Image &image, size_t values,
                              uint64_t sample = 0, uint32_t epoch = 0, int view = 0) {
  AugmentWorkspace workspace;
  std::vector<float> out(values);
  pipeline.apply([&](const ScaleChooser &, Image &to) { to = image; }, sample, epoch, view,
                 workspace, out.data());
  return out;
}

TEST(Pipeline, PassesFittingImagesThrough) {
  Image image = numbered(4, 4);
  auto out = run(makePipeline("", 1, 4, {4, 4}), image, 16);
  for (size_t i = 0; i < 16; ++i)
    EXPECT_EQ(out[i], float(image.pixels[i]) / 255.0f);
}

TEST(Pipeline, SpreadsGreyOverThreeChannels) {
  auto out = run(makePipeline("", 3, 4, {4, 4}), numbered(4, 4), 48);
  EXPECT_EQ(out[5], out[16 + 5]);
  EXPECT_EQ(out[5], out[32 + 5]);
}

TEST(Pipeline, DependsOnSampleAndEpochOnly) {
  std::string augment = R"({"name":"random_resized_crop","args":[],"named":{}},)"
                        R"({"name":"hflip","args":[],"named":{}},)"
                        R"({"name":"color_jitter","args":[0.4,0.4,0.4,0.1],"named":{}},)"
                        R"({"name":"random_erasing","args":[],"named":{}})";
  Pipeline pipeline = makePipeline(augment, 3, 16, {32, 32});
  Image image = numbered(32, 32);
  auto once = run(pipeline, image, 768, 7, 2);
  EXPECT_EQ(once, run(pipeline, image, 768, 7, 2));
  EXPECT_NE(once, run(pipeline, image, 768, 8, 2));
  EXPECT_NE(once, run(pipeline, image, 768, 7, 3));
}

TEST(Pipeline, BringsAnySizeToTheInput) {
  for (auto [height, width] : {std::pair{5, 9}, {100, 30}, {28, 28}, {1, 1}})
    for (bool training : {true, false})
      for (const char *augment : {"", R"({"name":"random_crop","args":[],"named":{"pad":4}})",
                                  R"({"name":"random_resized_crop","args":[224],"named":{}})"}) {
        Pipeline pipeline = makePipeline(augment, 1, 16, {}, training);
        for (float value : run(pipeline, numbered(height, width), 256))
          ASSERT_TRUE(value >= 0 && value <= 1);
      }
}

TEST(Pipeline, ScalesSizesWrittenForAnotherInput) {
  Pipeline pipeline =
      makePipeline(R"({"name":"random_resized_crop","args":[224],"named":{}})", 1, 64, {64, 64});
  EXPECT_EQ(pipeline.writtenFor().height, 224);
}

TEST(Pipeline, TenCropsDiffer) {
  Pipeline pipeline =
      makePipeline("", 1, 8, {12, 12}, false, R"({"name":"ten_crop","args":[8],"named":{}})");
  ASSERT_EQ(pipeline.views(), 10);
  Image image = numbered(12, 12);
  auto center = run(pipeline, image, 64, 0, 0, 4), mirrored = run(pipeline, image, 64, 0, 0, 9);
  EXPECT_EQ(center[0], float(image.pixels[2 * 12 + 2]) / 255.0f);
  EXPECT_EQ(center[0], mirrored[7]);
  EXPECT_EQ(run(pipeline, image, 64, 0, 0, 3)[63], float(image.pixels[143]) / 255.0f);
}

TEST(Pipeline, FlipsRowsOrColumns) {
  Image image = numbered(4, 4);
  auto with = [&](const std::string &call) {
    return run(makePipeline(R"({"name":)" + call + R"(],"named":{}})", 1, 4, {4, 4}), image, 16);
  };
  auto rows = with(R"("vflip","args":[1)"), columns = with(R"("hflip","args":[1)"),
       never = with(R"("vflip","args":[0)");
  for (size_t y = 0; y < 4; ++y)
    for (size_t x = 0; x < 4; ++x) {
      EXPECT_EQ(rows[4 * y + x], float(image.pixels[4 * (3 - y) + x]) / 255.0f);
      EXPECT_EQ(columns[4 * y + x], float(image.pixels[4 * y + 3 - x]) / 255.0f);
      EXPECT_EQ(never[4 * y + x], float(image.pixels[4 * y + x]) / 255.0f);
    }
}

TEST(Color, GreyIsTheLumaOfEachPixel) {
  float planes[] = {1, 0, 0, 0.5f, 0, 1, 0, 0.5f, 0, 0, 1, 0.5f}; // red, green, blue, grey
  Philox draw(1, Stream::Augment);
  toGrey(0, draw, 3, 4, planes);
  EXPECT_EQ(planes[0], 1);
  toGrey(1, draw, 3, 4, planes);
  const float luma[] = {0.299f, 0.587f, 0.114f, 0.5f};
  for (int i = 0; i < 12; ++i)
    EXPECT_NEAR(planes[i], luma[i % 4], 1e-3) << i;
}

// A point becomes the product of two normal densities at whole numbers; at an edge what would lie
// outside comes back as from a mirror through the last pixel's centre.
TEST(Color, BlurIsThatOfANormalKernel) {
  constexpr int side = 9;
  Transform transform;
  transform.probability = 1;
  transform.area = {0.8, 0.8};
  auto blurred = [&](int y, int x) {
    std::vector<float> plane(side * side, 0);
    plane[size_t(y * side + x)] = 1;
    Philox draw(1, Stream::Augment);
    blur(transform, draw, 1, side, side, plane.data());
    return plane;
  };
  auto weight = [](int distance) {
    double sum = 0;
    for (int k = -3; k <= 3; ++k)
      sum += std::exp(-0.5 * k * k / 0.64);
    return std::abs(distance) > 3 ? 0 : std::exp(-0.5 * distance * distance / 0.64) / sum;
  };
  auto inside = blurred(4, 4), edge = blurred(4, 1);
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x) {
      EXPECT_NEAR(inside[size_t(y * side + x)], weight(y - 4) * weight(x - 4), 1e-6);
      double across = weight(x - 1) + weight(x + 1); // column -1 shows column 1
      EXPECT_NEAR(edge[size_t(y * side + x)], weight(y - 4) * across, 1e-6) << y << " " << x;
    }
}

TEST(Color, HueTurnsRedToGreen) {
  Transform jitter;
  jitter.kind = TransformKind::ColorJitter;
  jitter.color = {0, 0, 0, 0.5};
  float planes[3] = {1, 0, 0};
  // Whatever is drawn, value and saturation stay.
  Philox draw(1, Stream::Augment);
  jitterColor(jitter, draw, 3, 1, planes);
  EXPECT_NEAR(std::max({planes[0], planes[1], planes[2]}), 1, 1e-6);
  EXPECT_NEAR(std::min({planes[0], planes[1], planes[2]}), 0, 1e-6);
}

TEST(Mix, TargetsAreDistributionsThatFollowThePixels) {
  for (TransformKind kind : {TransformKind::Mixup, TransformKind::Cutmix}) {
    Transform transform;
    transform.kind = kind;
    transform.strength = 1;
    int64_t labels[] = {0, 1, 2};
    // Image i holds the value i everywhere: its mean is a mix of two labels' numbers.
    std::vector<float> input(3 * 100), targets(9);
    for (size_t i = 0; i < 300; ++i)
      input[i] = float(i / 100);
    Philox draw(5, Stream::Mix);
    mix({transform}, draw, {input.data(), labels, targets.data(), 3, 3, 1, 10, 10});
    for (size_t i = 0; i < 3; ++i) {
      double sum = 0, expected = 0, mean = 0;
      for (size_t c = 0; c < 3; ++c) {
        sum += double(targets[i * 3 + c]);
        expected += double(targets[i * 3 + c]) * double(c);
      }
      for (size_t p = 0; p < 100; ++p)
        mean += double(input[i * 100 + p]) / 100;
      EXPECT_NEAR(sum, 1, 1e-6);
      EXPECT_NEAR(mean, expected, 1e-5);
    }
  }
}

TEST(Statistics, AreExactAndIndependentOfWorkers) {
  DataShape shape{3, 8, 8, 4};
  auto data = openDataset("synthetic:40", Split::Train, shape);
  ModelInfo info = imageModel(3, 8, 8);
  std::vector<int64_t> samples{0, 1, 2, 3, 30, 39};
  StatisticsRequest request{true, true, true};
  PixelScaling one = computeStatistics(*data, samples, info, request, 1);
  PixelScaling three = computeStatistics(*data, samples, info, request, 3);
  EXPECT_EQ(one.mean, three.mean);
  EXPECT_EQ(one.std, three.std);
  EXPECT_EQ(one.pixelMean, three.pixelMean);
  EXPECT_EQ(one.pcaVectors, three.pcaVectors);
  double sum = 0;
  Image image;
  for (int64_t i : samples) {
    data->load(i, {}, image);
    for (size_t p = 0; p < image.pixels.size(); p += 3)
      sum += image.pixels[p];
  }
  EXPECT_NEAR(double(one.mean[0]), sum / 6 / 64 / 255, 1e-6);
}

// A run that goes on takes what it computed from its checkpoint.
TEST(Statistics, AreTakenFromTheWeightsThatStoreThem) {
  ModelInfo info = imageModel(3, 8, 8);
  auto data = openDataset("synthetic:20", Split::Train, {3, 8, 8, 4});
  Recipe recipe;
  recipe.normalize.automatic = true;
  Transform jitter;
  jitter.kind = TransformKind::PcaJitter;
  recipe.augment = {jitter};
  PixelScaling computed = scalingForTraining(recipe, info, *data, {0, 1, 2}, 1);
  ASSERT_EQ(computed.pcaVectors.size(), 9u);

  ScratchFolder folder;
  WeightsMetadata metadata{"m",
                           "synthetic",
                           {},
                           computed.mean,
                           computed.std,
                           {},
                           computed.pcaValues,
                           computed.pcaVectors};
  writeSafetensors(folder / "w", {}, metadata.encode());
  WeightsMetadata stored = WeightsMetadata::decode(Safetensors::read(folder / "w"));
  // Other images would give other numbers.
  PixelScaling restored = scalingForTraining(recipe, info, *data, {7}, 1, &stored);
  EXPECT_EQ(restored.mean, computed.mean);
  EXPECT_EQ(restored.std, computed.std);
  EXPECT_EQ(restored.pcaValues, computed.pcaValues);
  EXPECT_EQ(restored.pcaVectors, computed.pcaVectors);
  stored.pcaValues.clear();
  EXPECT_NE(scalingForTraining(recipe, info, *data, {7}, 1, &stored).pcaValues, computed.pcaValues);
}

TEST(Statistics, EigenvectorsDiagonalise) {
  std::vector<double> values, vectors;
  symmetricEigen({2, 1, 0, 1, 2, 0, 0, 0, 5}, 3, values, vectors);
  EXPECT_NEAR(values[0], 5, 1e-12);
  EXPECT_NEAR(values[1], 3, 1e-12);
  EXPECT_NEAR(values[2], 1, 1e-12);
  EXPECT_NEAR(vectors[3], std::sqrt(0.5), 1e-12);
  EXPECT_NEAR(vectors[4], std::sqrt(0.5), 1e-12);
}
