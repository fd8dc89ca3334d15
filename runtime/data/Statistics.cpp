//===- Statistics.cpp - what the training set's pixels are like -----------===//
#include "runtime/data/Statistics.h"

#include "runtime/augment/Color.h"
#include "runtime/augment/Geometry.h"
#include "runtime/base/Error.h"
#include "runtime/base/Threads.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <mutex>
#include <numeric>
#include <thread>

namespace netc::runtime {

static constexpr size_t maxDecoded = 10'000;

namespace {
/// Integer sums over pixels: addition in any order gives the same bits.
struct Sums {
  uint64_t pixels = 0, images = 0;
  std::vector<std::array<uint64_t, 256>> histograms; // [C]
  std::vector<uint64_t> products;                    // [C, C], above the diagonal; colours only
  std::vector<uint64_t> byPixel;                     // [H, W, C]; mean image only

  Sums(const ModelInfo &info, StatisticsRequest request)
      : histograms(size_t(info.channels)),
        products(request.colors ? size_t(info.channels * info.channels) : 0),
        byPixel(request.pixelMean ? size_t(info.inputElements()) : 0) {}

  /// Sum of value^power over the channel's pixels.
  uint64_t moment(size_t channel, int power) const {
    uint64_t sum = 0;
    for (uint64_t value = 0; value < 256; ++value)
      sum += histograms[channel][value] * (power == 1 ? value : value * value);
    return sum;
  }

  void add(const Sums &other) {
    pixels += other.pixels;
    images += other.images;
    auto addEach = [](std::vector<uint64_t> &to, const std::vector<uint64_t> &from) {
      for (size_t i = 0; i < to.size(); ++i)
        to[i] += from[i];
    };
    for (size_t c = 0; c < histograms.size(); ++c)
      for (size_t value = 0; value < 256; ++value)
        histograms[c][value] += other.histograms[c][value];
    addEach(products, other.products);
    addEach(byPixel, other.byPixel);
  }
};
} // namespace

/// Grey and colour as the model will see them, still 8 bits.
static void convertChannels(Image &image, int channels) {
  if (image.channels == channels)
    return;
  std::vector<float> planes(size_t(image.height) * size_t(image.width) * size_t(channels));
  toPlanes(image, channels, planes.data());
  size_t plane = size_t(image.height) * size_t(image.width);
  image.channels = channels; // all else stays: it may have been decoded at a fraction of its size
  image.pixels.resize(plane * size_t(channels));
  for (size_t i = 0; i < plane; ++i)
    for (size_t c = 0; c < size_t(channels); ++c)
      image.pixels[i * size_t(channels) + c] = uint8_t(std::lround(planes[c * plane + i] * 255));
}

static void addImage(const Image &image, Sums &sums) {
  size_t channels = sums.histograms.size();
  size_t count = size_t(image.height) * size_t(image.width);
  for (size_t c = 0; c < channels; ++c) {
    auto &histogram = sums.histograms[c];
    for (size_t i = 0; i < count; ++i)
      ++histogram[image.pixels[i * channels + c]];
  }
  for (size_t a = 0; a < channels && !sums.products.empty(); ++a)
    for (size_t b = a + 1; b < channels; ++b) {
      uint64_t sum = 0;
      for (size_t i = 0; i < count; ++i)
        sum += uint32_t(image.pixels[i * channels + a]) * image.pixels[i * channels + b];
      sums.products[a * channels + b] += sum;
    }
  sums.pixels += count;
}

static void addMeanImage(const Image &image, const ModelInfo &info, Image &scratch, Sums &sums) {
  Geometry geometry(image.fullHeight, image.fullWidth);
  if (geometry.height != info.height || geometry.width != info.width) {
    geometry.resizeShorter(std::max(info.height, info.width));
    geometry.centerCrop(info.height, info.width);
  }
  resample(image, geometry, scratch);
  for (size_t i = 0; i < scratch.pixels.size(); ++i)
    sums.byPixel[i] += scratch.pixels[i];
}

static Sums sumImages(const Dataset &data, const std::vector<int64_t> &samples,
                      const ModelInfo &info, StatisticsRequest request, unsigned workers) {
  Sums total(info, request);
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  auto work = [&] {
    Image image, scratch;
    auto choose = [&](int height, int width) {
      Geometry geometry(height, width);
      geometry.resizeShorter(std::max(info.height, info.width));
      return geometry.neededEighths();
    };
    try {
      Sums sums(info, request);
      for (size_t i; (i = next.fetch_add(1)) < samples.size();) {
        try {
          data.load(samples[i], choose, image);
        } catch (const Error &) {
          if (data.inMemory())
            throw;
          continue; // reported when training meets it
        }
        convertChannels(image, info.channels);
        addImage(image, sums);
        if (request.pixelMean)
          addMeanImage(image, info, scratch, sums);
        ++sums.images;
      }
      std::lock_guard lock(mutex);
      total.add(sums);
    } catch (...) {
      std::lock_guard lock(mutex);
      failure = std::current_exception();
    }
  };
  std::vector<std::thread> threads =
      startThreads(std::max(1u, workers) - 1, [&](unsigned) { work(); });
  work();
  for (std::thread &thread : threads)
    thread.join();
  if (failure)
    std::rethrow_exception(failure);
  return total;
}

void symmetricEigen(std::vector<double> a, int n, std::vector<double> &values,
                    std::vector<double> &vectors) {
  auto at = [n](int row, int column) { return size_t(row * n + column); };
  std::vector<double> v(size_t(n * n), 0);
  for (int i = 0; i < n; ++i)
    v[at(i, i)] = 1;
  for (int sweep = 0; sweep < 50; ++sweep)
    for (int p = 0; p < n; ++p)
      for (int q = p + 1; q < n; ++q) {
        if (a[at(p, q)] == 0)
          continue;
        double angle = 0.5 * std::atan2(2 * a[at(p, q)], a[at(q, q)] - a[at(p, p)]);
        double c = std::cos(angle), s = std::sin(angle);
        auto rotate = [&](std::vector<double> &m, size_t i, size_t j) {
          double x = m[i], y = m[j];
          m[i] = c * x - s * y;
          m[j] = s * x + c * y;
        };
        for (int k = 0; k < n; ++k)
          rotate(a, at(k, p), at(k, q));
        for (int k = 0; k < n; ++k)
          rotate(a, at(p, k), at(q, k));
        for (int k = 0; k < n; ++k)
          rotate(v, at(k, p), at(k, q));
      }
  std::vector<int> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int i, int j) { return a[at(i, i)] > a[at(j, j)]; });
  values.clear();
  vectors.clear();
  for (int column : order) {
    values.push_back(a[at(column, column)]);
    int largest = 0;
    for (int k = 0; k < n; ++k)
      if (std::abs(v[at(k, column)]) > std::abs(v[at(largest, column)]))
        largest = k;
    double sign = v[at(largest, column)] < 0 ? -1 : 1;
    for (int k = 0; k < n; ++k)
      vectors.push_back(sign * v[at(k, column)]);
  }
}

static void fillColors(const Sums &sums, const std::vector<double> &mean, PixelScaling &scaling) {
  int n = int(mean.size());
  std::vector<double> covariance(size_t(n * n));
  for (int i = 0; i < n; ++i)
    for (int j = i; j < n; ++j) {
      uint64_t sum = i == j ? sums.moment(size_t(i), 2) : sums.products[size_t(i * n + j)];
      double product = double(sum) / double(sums.pixels) / (255.0 * 255);
      covariance[size_t(i * n + j)] = covariance[size_t(j * n + i)] =
          product - mean[size_t(i)] * mean[size_t(j)];
    }
  std::vector<double> values, vectors;
  symmetricEigen(covariance, n, values, vectors);
  // Standard deviations along the components, as the usual ImageNet constants
  // (0.2175, 0.0188, 0.0045) are.
  for (double value : values)
    scaling.pcaValues.push_back(float(std::sqrt(std::max(0.0, value))));
  scaling.pcaVectors.assign(vectors.begin(), vectors.end());
}

PixelScaling computeStatistics(const Dataset &data, const std::vector<int64_t> &samples,
                               const ModelInfo &info, StatisticsRequest request, unsigned workers) {
  PixelScaling scaling;
  std::vector<int64_t> chosen = samples;
  if (!data.inMemory() && chosen.size() > maxDecoded) {
    for (size_t i = 0; i < maxDecoded; ++i)
      chosen[i] = samples[i * samples.size() / maxDecoded];
    chosen.resize(maxDecoded);
  }
  Sums sums = sumImages(data, chosen, info, request, workers);
  if (sums.pixels == 0 && chosen.size() < samples.size())
    sums = sumImages(data, samples, info, request, workers); // nearly none can be read
  if (sums.pixels == 0)
    fail("no image of the training set can be read: its mean is unknown");
  size_t channels = size_t(info.channels);
  std::vector<double> mean;
  for (size_t c = 0; c < channels; ++c)
    mean.push_back(double(sums.moment(c, 1)) / double(sums.pixels) / 255.0);
  if (request.moments)
    for (size_t c = 0; c < channels; ++c) {
      double square = double(sums.moment(c, 2)) / double(sums.pixels) / (255.0 * 255);
      double std = std::sqrt(std::max(0.0, square - mean[c] * mean[c]));
      scaling.mean.push_back(float(mean[c]));
      scaling.std.push_back(std > 1e-6 ? float(std) : 1.0f); // a constant channel stays 0
    }
  size_t plane = size_t(info.height) * size_t(info.width);
  if (request.pixelMean) {
    scaling.pixelMean.resize(channels * plane);
    for (size_t i = 0; i < plane; ++i)
      for (size_t c = 0; c < channels; ++c)
        scaling.pixelMean[c * plane + i] =
            float(double(sums.byPixel[i * channels + c]) / double(sums.images) / 255.0);
  }
  if (request.colors)
    fillColors(sums, mean, scaling);
  return scaling;
}

} // namespace netc::runtime
