//===- Diagnosis.cpp - where a step went wrong ----------------------------===//
#include "runtime/exec/Diagnosis.h"

#include "runtime/base/Error.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

namespace netc::runtime {

static constexpr float suspicious = 1e6f;
static constexpr int64_t chunk = 1 << 16; // floats

bool allFinite(const float *values, int64_t count) {
  uint32_t bad = 0;
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, values + i, 4);
    bad |= uint32_t((bits & 0x7F800000u) == 0x7F800000u);
  }
  return !bad;
}

bool gradientsFinite(Executor &executor) {
  // Where they are not at hand they stay: their norm tells, unless it is too large for a float
  // though they are not.
  if (!executor.device().isAtHand(NETC_SPACE_GRADIENTS) && executor.has(Program::Norm)) {
    executor.run(Program::Norm, 1);
    if (std::isfinite(executor.hyper().gradient_norm))
      return true;
  }
  struct Search {
    const float *values;
    int64_t count;
    std::atomic<bool> found{false};
  } search{executor.at<float>(NETC_SPACE_GRADIENTS),
           int64_t(executor.model().parameter_bytes / sizeof(float))};
  executor.threads().run((search.count + chunk - 1) / chunk,
                         [](void *context, unsigned, int64_t begin, int64_t end) {
                           Search &search = *static_cast<Search *>(context);
                           int64_t first = begin * chunk,
                                   last = std::min(search.count, end * chunk);
                           if (!allFinite(search.values + first, last - first))
                             search.found = true;
                         },
                         &search);
  return !search.found;
}

double explodedLoss(int64_t classes) {
  return 1000 * std::max(1.0, std::log(double(std::max<int64_t>(1, classes))));
}

namespace {
struct Fault {
  uint64_t command;
  float value;
  bool backward;
};
} // namespace

/// The first value that is not finite, else the largest by magnitude.
static float firstBadOrLargest(const float *values, int64_t count) {
  float largest = 0;
  bool finite = allFinite(values, count);
  for (int64_t i = 0; i < count; ++i) {
    if (!finite && !std::isfinite(values[i]))
      return values[i];
    if (std::abs(values[i]) > std::abs(largest))
      largest = values[i];
  }
  return largest;
}

static float widened(uint16_t half) {
  uint32_t bits = uint32_t(half) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// The same of `bytes` stored as `type`; nothing where its elements are no floats that are known.
static std::optional<float> firstBadOrLargest(const void *stored, NetcType type, uint64_t bytes) {
  int64_t count = int64_t(bytes / netc_type_bytes(type));
  if (type == NETC_TYPE_F32)
    return firstBadOrLargest(static_cast<const float *>(stored), count);
  if (type != NETC_TYPE_BF16)
    return std::nullopt;
  const auto *halves = static_cast<const uint16_t *>(stored);
  std::vector<float> values(size_t(std::min(count, chunk)));
  float largest = 0;
  for (int64_t begin = 0; begin < count; begin += chunk) {
    int64_t end = std::min(count, begin + chunk);
    std::transform(halves + begin, halves + end, values.begin(), widened);
    float value = firstBadOrLargest(values.data(), end - begin);
    if (!std::isfinite(value))
      return value;
    if (std::abs(value) > std::abs(largest))
      largest = value;
  }
  return largest;
}

static std::string describeInputs(const Executor &executor, int64_t n) {
  const ModelInfo &info = executor.info();
  for (const TensorInfo &input : info.inputs)
    if (!allFinite(executor.at<float>(input, n), n * input.elements()))
      return info.inputs.size() == 1
                 ? "the input images hold values that are not finite: look at normalize and augment"
                 : fmt::format("the input {} holds values that are not finite", input.name);
  for (const ParameterInfo &parameter : info.parameters) {
    // Running statistics follow from the step: they are looked at where they are written.
    if (!parameter.trainable)
      continue;
    const float *values = executor.parameter(parameter);
    if (!allFinite(values, parameter.elements()))
      return fmt::format("parameter {} is {} since the update before", parameter.name,
                         firstBadOrLargest(values, parameter.elements()));
  }
  return "";
}

static std::string describeFault(const Executor &executor, const Fault &fault) {
  const ModelInfo &info = executor.info();
  const NetcCommand &command = executor.table(Program::Step).commands[fault.command];
  std::string kernel = executor.model().kernels[command.kernel].name;
  std::string where = command.layer < info.layers.size()
                          ? fmt::format("layer {} ({})", info.layers[command.layer].name,
                                        info.layers[command.layer].kind)
                          : fmt::format("kernel {}", kernel);
  return fmt::format("{}, {}: {}", where, fault.backward ? "backward" : "forward",
                     std::isnan(fault.value) ? "nan" : fmt::format("{:.3g}", fault.value));
}

std::string locateFault(Executor &executor, int64_t n) {
  if (std::string text = describeInputs(executor, n); !text.empty())
    return text;
  std::optional<Fault> bad, large, largest; // the first not finite, the first beyond 1e6, of all
  bool backward = false;
  Watch watch;
  watch.after = [&](uint64_t index) {
    const NetcCommand &command = executor.table(Program::Step).commands[index];
    bool lossWritten = false;
    for (uint32_t i = 0; i < command.buffer_count && !bad; ++i) {
      const NetcBuffer &buffer = executor.model().buffers[command.first_buffer + i];
      lossWritten |= buffer.space == NETC_SPACE_LOSS && (buffer.flags & NETC_BUFFER_WRITTEN);
      if (!(buffer.flags & NETC_BUFFER_WRITTEN))
        continue;
      uint64_t bytes = buffer.bytes_fixed + uint64_t(n) * buffer.bytes_per_image;
      std::optional<float> value = firstBadOrLargest(executor.device().operand(i),
                                                     static_cast<NetcType>(buffer.type), bytes);
      if (!value)
        continue;
      Fault fault{index, *value, backward};
      if (!std::isfinite(*value))
        bad = fault;
      else if (!large && std::abs(*value) > suspicious)
        large = fault;
      if (!largest || std::abs(*value) > std::abs(largest->value))
        largest = fault;
    }
    backward |= lossWritten; // what follows the loss is the way back
    return !bad;
  };
  executor.device().clearArena();
  executor.run(Program::Step, n, &watch);
  if (bad && large && large->command != bad->command)
    return fmt::format("first in {}; values beyond 1e6 first in {}", describeFault(executor, *bad),
                       describeFault(executor, *large));
  if (bad || large)
    return "first in " + describeFault(executor, bad ? *bad : *large);
  return largest ? "the largest value is in " + describeFault(executor, *largest)
                 : std::string("the step writes no buffer");
}

} // namespace netc::runtime
