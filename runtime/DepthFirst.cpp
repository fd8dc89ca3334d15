//===- DepthFirst.cpp - a few images through many layers ------------------===//
#include "runtime/DepthFirst.h"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace netc::runtime {

namespace {
/// What a command touches.
struct Traffic {
  uint64_t perImage = 0, shared = 0;
  bool divisible = true; ///< writes one piece an image and nothing else
};
} // namespace

static Traffic trafficOf(const NetcModel &model, const NetcCommand &command) {
  Traffic traffic;
  for (uint32_t i = 0; i < command.buffer_count; ++i) {
    const NetcBuffer &buffer = model.buffers[command.first_buffer + i];
    traffic.perImage += buffer.bytes_per_image;
    traffic.shared += buffer.bytes_fixed;
    bool isWritten = buffer.flags & NETC_BUFFER_WRITTEN;
    if ((isWritten || buffer.bytes_per_image) && (buffer.bytes_fixed || !buffer.bytes_per_image))
      traffic.divisible = false;
  }
  return traffic;
}

std::vector<Stretch> depthFirst(const NetcModel &model, const NetcProgram &program, int64_t n, uint64_t cacheBytes) {
  if (n <= 1 || !cacheBytes)
    return {{0, program.command_count, n}};
  std::vector<Stretch> stretches;
  auto add = [&](uint64_t index, int64_t images) {
    if (!stretches.empty() && stretches.back().images == images)
      stretches.back().end = index + 1;
    else
      stretches.push_back({index, index + 1, images});
  };
  // Half of the cache for what flows, the other half for weights.
  uint64_t room = cacheBytes / 2, widest = 0, weights = 0, last = 0;
  uint64_t early = 0; // commands whose activations outweigh their weights and overflow the cache together
  for (; early < program.command_count; ++early) {
    Traffic traffic = trafficOf(model, program.commands[early]);
    if (!traffic.divisible || traffic.shared > traffic.perImage || weights + traffic.shared > room)
      break;
    weights += traffic.shared;
    if (traffic.perImage * uint64_t(n) > room)
      last = early + 1, widest = std::max(widest, traffic.perImage);
  }
  int64_t images = n;
  if (last > 1)
    images = std::max<int64_t>(1, int64_t(room / widest));
  for (uint64_t i = 0; i < program.command_count; ++i)
    add(i, i < last ? std::min(images, n) : n);
  return stretches;
}

/// "32768K" of a file under /sys, 0 where there is none.
static uint64_t cacheSize(const std::string &path) {
  std::ifstream file(path);
  uint64_t size = 0;
  char unit = 0;
  if (!(file >> size))
    return 0;
  file >> unit;
  return unit == 'K' ? size << 10 : unit == 'M' ? size << 20 : size;
}

uint64_t lastCacheBytes() {
  // The kernel knows what is shared by these cores; cpuid, which sysconf asks, may add up those of other sockets.
  for (int index : {3, 2})
    if (uint64_t bytes = cacheSize(fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/size", index)))
      return bytes;
  for (int name : {_SC_LEVEL3_CACHE_SIZE, _SC_LEVEL2_CACHE_SIZE})
    if (long bytes = sysconf(name); bytes > 0)
      return uint64_t(bytes);
  return 0;
}

} // namespace netc::runtime
