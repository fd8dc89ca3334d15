// A training loop in C++ over a library of netc: it learns to tell images with a bright left half
// from those with a bright right half, for any model that takes images and knows two classes.
//   c++ -std=c++17 train.cpp -IDIR -LDIR -Wl,-rpath,DIR -lmodel -o train
//   ./train weights.safetensors
#include "model.h"

#include <cstdio>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

namespace {
struct Destroy {
  void operator()(model_context *context) const { model_destroy(context); }
};
using Context = std::unique_ptr<model_context, Destroy>;

struct Batch {
  std::vector<float> images;
  std::vector<int64_t> labels;
};
} // namespace

static void check(const Context &context, model_status status) {
  if (status != model_ok)
    throw std::runtime_error(model_last_error(context.get()));
}

static Context create(uint64_t seed) {
  model_context *context = nullptr;
  model_status status = model_create(seed, 0, &context);
  Context owner(context);
  check(owner, status);
  return owner;
}

static Batch draw(const model_tensor &image, int64_t n, std::mt19937 &random) {
  Batch batch{std::vector<float>(size_t(n * image.elements)), std::vector<int64_t>(size_t(n))};
  std::normal_distribution<float> noise;
  int64_t width = image.shape[2];
  for (int64_t i = 0; i < n; ++i) {
    int64_t label = batch.labels[size_t(i)] = int64_t(random() % 2);
    for (int64_t k = 0; k < image.elements; ++k) {
      bool right = k % width >= width / 2;
      batch.images[size_t(i * image.elements + k)] = noise(random) + (right == (label == 1));
    }
  }
  return batch;
}

int main(int argc, char **argv) try {
  model_tensor image;
  model_input(0, &image);
  Context context = create(1);
  std::mt19937 random(7);
  constexpr int64_t n = 32;
  for (int step = 0; step < 60; ++step) {
    Batch batch = draw(image, n, random);
    const float *inputs[] = {batch.images.data()};
    const void *targets[] = {batch.labels.data()};
    float loss = 0;
    check(context, model_step(context.get(), n, inputs, targets, &loss));
    check(context, model_update(context.get(), step < 40 ? 0.05 : 0.005));
    if (step % 10 == 0 || step == 59)
      std::printf("step %d: loss %.4f\n", step, double(loss));
  }
  if (argc > 1)
    check(context, model_save(context.get(), argv[1]));
} catch (const std::exception &error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
