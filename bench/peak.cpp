// What the machine can do: peak THREADS prints the GFLOP/s of independent f32 multiply-adds in
// registers, the GB/s at which memory is read, and the GFLOP/s of bf16 and of int8 products with
// AVX-512's instructions (0 where it lacks them), of all threads together, the best of several
// rounds. Compiled for the machine by machine.py with BYTES, a vector's, and ACCUMULATORS.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <immintrin.h>
#include <thread>
#include <vector>

typedef float Vector __attribute__((vector_size(BYTES), aligned(4), may_alias));

/// GFLOP/s of `instruction`, which multiplies `products` pairs per vector.
template <typename Lanes, typename Instruction>
static double products(int products, Instruction instruction) {
  constexpr int iterations = 200000;
  Lanes a[ACCUMULATORS] = {};
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < iterations; ++i) {
#pragma clang loop unroll(full)
    for (int j = 0; j < ACCUMULATORS; ++j)
      a[j] = instruction(a[j]);
#pragma clang loop unroll(full)
    for (int j = 0; j < ACCUMULATORS; ++j)
      asm volatile("" : "+v"(a[j]));
  }
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return 2.0 * iterations * ACCUMULATORS * products / seconds / 1e9;
}

static double multiplyAdds() {
  Vector x = Vector{} + 0.5f, y = Vector{} + 0.25f;
  return products<Vector>(BYTES / 4, [&](Vector sum) { return sum * x + y; });
}

static double bf16Products() {
#ifdef __AVX512BF16__
  auto x = (__m512bh)_mm512_set1_epi16(0x3f00);
  return products<__m512>(32, [&](__m512 sum) { return _mm512_dpbf16_ps(sum, x, x); });
#else
  return 0;
#endif
}

static double int8Products() {
#ifdef __AVX512VNNI__
  __m512i x = _mm512_set1_epi8(1);
  return products<__m512i>(64, [&](__m512i sum) { return _mm512_dpbusd_epi32(sum, x, x); });
#else
  return 0;
#endif
}

// 256 MiB a thread: no last cache of today's servers holds a core's share of that.
static double reads(const std::vector<float> &memory) {
  Vector sum[8] = {};
  auto start = std::chrono::steady_clock::now();
  for (size_t i = 0; i + 2 * BYTES <= memory.size(); i += 2 * BYTES)
    for (size_t j = 0; j < 8; ++j)
      sum[j] += *reinterpret_cast<const Vector *>(&memory[i + j * (BYTES / 4)]);
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  volatile float keep = (sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7])[0];
  (void)keep;
  return 4.0 * double(memory.size()) / seconds / 1e9;
}

static double best(int threads, const std::function<double(int)> &work) {
  double most = 0;
  for (int round = 0; round < 12; ++round) {
    std::vector<double> rates(static_cast<size_t>(threads));
    std::vector<std::thread> running;
    for (int t = 0; t < threads; ++t)
      running.emplace_back([&, t] { rates[size_t(t)] = work(t); });
    double sum = 0;
    for (int t = 0; t < threads; ++t)
      running[size_t(t)].join(), sum += rates[size_t(t)];
    most = sum > most ? sum : most;
  }
  return most;
}

int main(int, char **arguments) {
  int threads = std::atoi(arguments[1]);
  std::vector<std::vector<float>> memory(size_t(threads), std::vector<float>(64 << 20, 1.0f));
  std::printf("%f %f %f %f\n", best(threads, [](int) { return multiplyAdds(); }),
              best(threads, [&](int t) { return reads(memory[size_t(t)]); }),
              best(threads, [](int) { return bf16Products(); }),
              best(threads, [](int) { return int8Products(); }));
}
