//===- HostSpaces.cpp - a model's spaces in this machine's memory ---------===//
#include "runtime/device/HostSpaces.h"

#include <utility>

namespace netc::runtime {

static constexpr uint64_t line = 64;

// What a prepared batch consists of, and what a run makes of it.
static constexpr NetcSpace inputs[] = {NETC_SPACE_INPUT, NETC_SPACE_LABELS, NETC_SPACE_TARGETS};
static constexpr NetcSpace ofBatch[] = {NETC_SPACE_INPUT, NETC_SPACE_LABELS, NETC_SPACE_OUTPUT,
                                        NETC_SPACE_TARGETS};
static constexpr std::pair<NetcSpace, const char *> lastingSpaces[] = {
    {NETC_SPACE_PARAMETERS, "parameters"},
    {NETC_SPACE_GRADIENTS, "gradients"},
    {NETC_SPACE_STATE, "optimizer state"},
    {NETC_SPACE_ACCUMULATED, "accumulated gradients"}};

static uint64_t roundUp(uint64_t bytes) {
  return bytes > UINT64_MAX - line ? UINT64_MAX : (bytes + line - 1) / line * line;
}

void HostSpaces::load(const SpaceSizes &sizes) {
  uint64_t hyperBytes = roundUp(sizes[NETC_SPACE_HYPER].fixed);
  small = Region(hyperBytes + line, "hyper-parameters");
  bases[NETC_SPACE_HYPER] = small.data();
  bases[NETC_SPACE_LOSS] = small.data() + hyperBytes;
  makeRoom(NETC_SPACE_PARAMETERS, sizes[NETC_SPACE_PARAMETERS].fixed);
}

uint64_t HostSpaces::need(const Reservation &reservation) {
  uint64_t bytes = std::size(ofBatch) * line;
  auto add = [&](NetcSpace space, uint64_t times) {
    bytes = saturatingMulAdd(reservation.spaces[space].bytes(reservation.batch), times, bytes);
  };
  for (NetcSpace space : inputs)
    add(space, uint64_t(reservation.inputCopies));
  add(NETC_SPACE_OUTPUT, 1);
  for (auto [space, name] : lastingSpaces)
    add(space, 1);
  return bytes;
}

uint64_t HostSpaces::held() const {
  uint64_t bytes = batch.size();
  for (const Region &region : lasting)
    bytes += region.size();
  return bytes;
}

void HostSpaces::makeRoom(NetcSpace space, uint64_t bytes) {
  if (bytes == 0 || lasting[space].size() >= bytes)
    return;
  const char *what = "";
  for (auto [each, name] : lastingSpaces)
    what = each == space ? name : what;
  lasting[space] = Region(); // first: both at once may be too much
  lasting[space] = Region(bytes, what);
  bases[space] = lasting[space].data();
}

void HostSpaces::reserve(const Reservation &reservation) {
  batch = Region();
  for (auto [space, name] : lastingSpaces)
    makeRoom(space, reservation.spaces[space].fixed);
  auto bytesOf = [&](NetcSpace space) {
    return roundUp(reservation.spaces[space].bytes(reservation.batch));
  };
  uint64_t bytes = 0;
  for (NetcSpace space : ofBatch)
    bytes = saturatingAdd(bytes, bytesOf(space));
  batch = Region(bytes, "a batch");
  char *next = batch.data();
  for (NetcSpace space : ofBatch)
    if (uint64_t size = bytesOf(space))
      bases[space] = std::exchange(next, next + size);
}

void HostSpaces::exchange(NetcSpace one, NetcSpace other) {
  std::swap(lasting[one], lasting[other]);
  std::swap(bases[one], bases[other]);
}

} // namespace netc::runtime
