// As a server would use a library: the weights are read once, four threads have a context each and
// answer requests from one queue. Every answer is compared with that of a single context.
//   c++ -std=c++17 -pthread server.cpp -IDIR -LDIR -Wl,-rpath,DIR -lmodel -o server
//   ./server weights.safetensors 100
#include "model.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {
struct Destroy {
  void operator()(model_context *context) const { model_destroy(context); }
};
using Context = std::unique_ptr<model_context, Destroy>;

struct Request {
  std::vector<float> image, scores;
};

/// What the threads share.
struct Queue {
  std::vector<Request> requests;
  size_t next = 0;
  std::string error;
  std::mutex mutex;

  /// Null: there is none left.
  Request *take() {
    std::lock_guard<std::mutex> lock(mutex);
    return next < requests.size() && error.empty() ? &requests[next++] : nullptr;
  }
  void fail(const std::string &text) {
    std::lock_guard<std::mutex> lock(mutex);
    error = text;
  }
};
} // namespace

static Context open(const std::string &weights) {
  model_context *context = nullptr;
  model_status status = model_create_from_memory(weights.data(), weights.size(), 1, &context);
  Context owner(context);
  if (status != model_ok)
    throw std::runtime_error(model_last_error(context));
  return owner;
}

static void answer(const Context &context, const std::vector<float> &image,
                   std::vector<float> &scores) {
  const float *inputs[] = {image.data()};
  float *outputs[] = {scores.data()};
  if (model_infer(context.get(), 1, inputs, outputs) != model_ok)
    throw std::runtime_error(model_last_error(context.get()));
}

static void serve(Queue &queue, const std::string &weights) try {
  Context context = open(weights);
  while (Request *request = queue.take())
    answer(context, request->image, request->scores);
} catch (const std::exception &error) {
  queue.fail(error.what());
}

int main(int argc, char **argv) try {
  if (argc != 3)
    throw std::runtime_error("expected WEIGHTS COUNT");
  std::ifstream file(argv[1], std::ios::binary);
  std::string weights((std::istreambuf_iterator<char>(file)), {});
  model_tensor image, scores;
  model_input(0, &image);
  model_output(0, &scores);
  Queue queue;
  for (int i = 0; i < std::atoi(argv[2]); ++i) {
    Request request{std::vector<float>(size_t(image.elements)),
                    std::vector<float>(size_t(scores.elements))};
    for (size_t k = 0; k < request.image.size(); ++k)
      request.image[k] = float((k * 31 + size_t(i) * 17) % 97) / 97;
    queue.requests.push_back(std::move(request));
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] { serve(queue, weights); });
  for (std::thread &thread : threads)
    thread.join();
  if (!queue.error.empty())
    throw std::runtime_error(queue.error);

  Context context = open(weights);
  size_t different = 0;
  std::vector<float> expected(size_t(scores.elements));
  for (const Request &request : queue.requests) {
    answer(context, request.image, expected);
    different +=
        std::memcmp(expected.data(), request.scores.data(), expected.size() * sizeof(float)) != 0;
  }
  std::printf("%zu requests, %zu answers differ\n", queue.requests.size(), different);
  return different ? 1 : 0;
} catch (const std::exception &error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
