//===- ArenaPlanner.cpp - lifetimes to offsets ----------------------------===//
#include "passes/memory/ArenaPlanner.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

using namespace netc::memory;

namespace {
/// The free parts of an arena that grows at its end.
class FreeList {
public:
  enum class Fit { Best, Lowest, Highest };

  int64_t take(int64_t size, Fit fit) {
    auto chosen = gaps.end();
    for (auto it = gaps.begin(); it != gaps.end(); ++it) {
      if (it->second < size)
        continue;
      if (fit == Fit::Lowest) {
        chosen = it;
        break;
      }
      if (chosen == gaps.end() || fit == Fit::Highest || it->second < chosen->second)
        chosen = it;
    }
    if (chosen == gaps.end())
      return grow(size);
    auto [offset, room] = *chosen;
    gaps.erase(chosen);
    if (fit == Fit::Highest) {
      if (room > size)
        gaps[offset] = room - size;
      return offset + room - size;
    }
    if (room > size)
      gaps[offset + size] = room - size;
    return offset;
  }

  void give(int64_t offset, int64_t size) {
    auto next = gaps.lower_bound(offset);
    if (next != gaps.end() && next->first == offset + size) {
      size += next->second;
      next = gaps.erase(next);
    }
    if (next != gaps.begin()) {
      auto previous = std::prev(next);
      if (previous->first + previous->second == offset) {
        previous->second += size;
        return;
      }
    }
    gaps[offset] = size;
  }

  int64_t end() const { return size; }

private:
  /// Extends the arena, starting in a gap at its end.
  int64_t grow(int64_t wanted) {
    int64_t offset = size;
    if (!gaps.empty()) {
      auto last = std::prev(gaps.end());
      if (last->first + last->second == size) {
        offset = last->first;
        gaps.erase(last);
      }
    }
    size = offset + wanted;
    return offset;
  }

  std::map<int64_t, int64_t> gaps; ///< offset -> bytes
  int64_t size = 0;
};
} // namespace

/// Places buffers in the order in which they come alive. The list of gaps stays short
/// because lifetimes nest (what forward saves, backward frees in reverse).
static ArenaPlan planInTime(const std::vector<Lifetime> &lifetimes, FreeList::Fit longFit,
                            FreeList::Fit shortFit) {
  size_t n = lifetimes.size();
  std::vector<size_t> byFirst(n), byLast(n);
  std::iota(byFirst.begin(), byFirst.end(), 0);
  byLast = byFirst;
  // Of those that start together the longest-lived go first, to the bottom.
  std::stable_sort(byFirst.begin(), byFirst.end(), [&](size_t a, size_t b) {
    return std::pair(lifetimes[a].first, -lifetimes[a].last) <
           std::pair(lifetimes[b].first, -lifetimes[b].last);
  });
  std::stable_sort(byLast.begin(), byLast.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].last < lifetimes[b].last; });
  FreeList list;
  ArenaPlan plan;
  plan.offsets.resize(n);
  size_t freed = 0;
  for (size_t index : byFirst) {
    const Lifetime &life = lifetimes[index];
    for (; freed < n && lifetimes[byLast[freed]].last < life.first; ++freed)
      list.give(plan.offsets[byLast[freed]], lifetimes[byLast[freed]].size);
    bool isShort = life.last - life.first <= 4;
    plan.offsets[index] = list.take(life.size, isShort ? shortFit : longFit);
  }
  plan.size = list.end();
  return plan;
}

/// Places the largest first, each at the lowest offset where nothing that it meets lies. Quadratic.
static ArenaPlan planBySize(const std::vector<Lifetime> &lifetimes, bool byArea) {
  size_t n = lifetimes.size();
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  auto weight = [&](size_t i) {
    return byArea ? lifetimes[i].size * (lifetimes[i].last - lifetimes[i].first + 1)
                  : lifetimes[i].size;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return weight(a) > weight(b); });
  ArenaPlan plan;
  plan.offsets.resize(n);
  std::vector<size_t> placed; // by offset
  for (size_t index : order) {
    const Lifetime &life = lifetimes[index];
    int64_t offset = 0;
    for (size_t other : placed) {
      if (lifetimes[other].last < life.first || life.last < lifetimes[other].first)
        continue;
      if (plan.offsets[other] - offset >= life.size)
        break;
      offset = std::max(offset, plan.offsets[other] + lifetimes[other].size);
    }
    plan.offsets[index] = offset;
    plan.size = std::max(plan.size, offset + life.size);
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), index,
                         [&](size_t a, size_t b) { return plan.offsets[a] < plan.offsets[b]; }),
        index);
  }
  return plan;
}

static int64_t peakOf(const std::vector<Lifetime> &lifetimes) {
  std::map<int64_t, int64_t> change;
  for (const Lifetime &life : lifetimes) {
    change[life.first] += life.size;
    change[life.last + 1] -= life.size;
  }
  int64_t live = 0, peak = 0;
  for (auto [time, bytes] : change)
    peak = std::max(peak, live += bytes);
  return peak;
}

ArenaPlan netc::memory::planArena(const std::vector<Lifetime> &lifetimes) {
  using Fit = FreeList::Fit;
  int64_t peak = peakOf(lifetimes);
  ArenaPlan best;
  best.size = std::numeric_limits<int64_t>::max();
  auto goodEnough = [&] { return best.size <= peak + peak / 50; };
  auto consider = [&](ArenaPlan plan) {
    if (plan.size < best.size)
      best = std::move(plan);
  };
  // From the end backwards, what frees last comes first: another plan, as good a one.
  std::vector<Lifetime> backwards = lifetimes;
  for (Lifetime &life : backwards)
    std::tie(life.first, life.last) = std::pair(-life.last, -life.first);
  for (const std::vector<Lifetime> *order : {&lifetimes, &std::as_const(backwards)})
    for (auto [longFit, shortFit] :
         {std::pair(Fit::Lowest, Fit::Lowest), std::pair(Fit::Lowest, Fit::Highest),
          std::pair(Fit::Best, Fit::Best)})
      if (!goodEnough())
        consider(planInTime(*order, longFit, shortFit));
  if (lifetimes.size() <= 4096)
    for (bool byArea : {false, true})
      if (!goodEnough())
        consider(planBySize(lifetimes, byArea));
  best.peak = peak;
  return best;
}
