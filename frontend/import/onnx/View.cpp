//===- View.cpp - how an ONNX tensor lies in a value ----------------------===//
#include "frontend/import/onnx/View.h"

#include "frontend/import/onnx/Constants.h"

#include <algorithm>
#include <numeric>

namespace netc::frontend::onnx {

int64_t elementsOf(const Shape &shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<>());
}

View plainView(const Shape &shape) {
  View view{shape, {{kBatchAxis}}};
  for (size_t i = 0; i < shape.size(); ++i)
    view.dims.push_back({int(i)});
  return view;
}

View wholeView(const Shape &sizes) {
  View view{sizes.empty() ? Shape{1} : sizes, {}};
  for (size_t i = 0; i < sizes.size(); ++i)
    view.dims.push_back({int(i)});
  return view;
}

std::vector<int> orderOf(const View &view) {
  std::vector<int> order;
  for (const std::vector<int> &dim : view.dims)
    for (int axis : dim)
      if (axis != kBatchAxis)
        order.push_back(axis);
  return order;
}

/// Axes of one value may lie anywhere.
static bool isAscending(const View &view, const std::vector<int> &order) {
  int last = -1;
  for (int axis : order)
    if (view.axes[size_t(axis)] != 1) {
      if (axis < last)
        return false;
      last = axis;
    }
  return true;
}

bool isPlain(const View &view) {
  return !view.dims.empty() && view.dims.front() == std::vector<int>{kBatchAxis} &&
         isAscending(view, orderOf(view));
}

int64_t sizeOf(const View &view, size_t dim) {
  int64_t size = 1;
  for (int axis : view.dims[dim])
    size *= axis == kBatchAxis ? 1 : view.axes[size_t(axis)];
  return size;
}

bool hasBatch(const View &view, size_t dim) {
  const std::vector<int> &axes = view.dims[dim];
  return std::find(axes.begin(), axes.end(), kBatchAxis) != axes.end();
}

std::optional<Shape> sizesWithoutBatch(const View &view) {
  Shape sizes;
  for (size_t dim = 0; dim < view.dims.size(); ++dim) {
    bool alone = view.dims[dim] == std::vector<int>{kBatchAxis};
    if (hasBatch(view, dim) && !alone && sizeOf(view, dim) != 1)
      return std::nullopt;
    if (!hasBatch(view, dim))
      sizes.push_back(sizeOf(view, dim));
  }
  return sizes;
}

namespace {
/// Deals the axes of a view out to new sizes, in order; an axis is cut where a size ends in it.
class Regrouping {
public:
  Regrouping(const View &view, int64_t batch) : result{view.axes, {}}, batch(batch) {
    for (const std::vector<int> &dim : view.dims)
      left.insert(left.end(), dim.begin(), dim.end());
  }

  bool take(int64_t size) {
    bool wantsBatch = batchFactor(size) > 0;
    int64_t rest = wantsBatch ? batchFactor(size) : size;
    std::vector<int> dim;
    // A size of 1 is the batch's, where the graph fixes that to 1 and it comes next.
    if (rest == 1 && batch == 1 && atBatch())
      wantsBatch = true;
    while (rest > 1 || wantsBatch) {
      if (left.empty())
        return false;
      if (atBatch()) {
        if (!wantsBatch && (batch == 0 || rest % batch != 0))
          return false;
        rest /= wantsBatch ? 1 : batch;
        wantsBatch = false;
      } else if (!takeAxis(rest)) {
        return false;
      }
      dim.push_back(left.front());
      left.erase(left.begin());
    }
    result.dims.push_back(std::move(dim));
    return rest == 1;
  }

  /// What is left must be axes of one value.
  std::optional<View> finish() {
    for (int axis : left)
      if (axis == kBatchAxis || result.axes[size_t(axis)] != 1)
        return std::nullopt;
    return std::move(result);
  }

private:
  bool atBatch() const { return !left.empty() && left.front() == kBatchAxis; }

  /// Makes the first axis left divide `rest`, and divides by it.
  bool takeAxis(int64_t &rest) {
    int axis = left.front();
    int64_t size = result.axes[size_t(axis)];
    if (rest == 1 && size > 1) // the batch is looked for, and another size comes first
      return false;
    if (rest % size != 0) {
      if (size % rest != 0)
        return false;
      cut(axis, rest);
      size = rest;
    }
    rest /= size;
    return true;
  }

  /// An axis becomes two, the outer of `outer` values.
  void cut(int axis, int64_t outer) {
    int64_t inner = result.axes[size_t(axis)] / outer;
    result.axes[size_t(axis)] = outer;
    result.axes.insert(result.axes.begin() + axis + 1, inner);
    auto renumber = [&](std::vector<int> &list) {
      for (int &each : list)
        each += each > axis ? 1 : 0;
    };
    for (std::vector<int> &dim : result.dims)
      renumber(dim);
    renumber(left);
    left.insert(left.begin() + 1, axis + 1);
  }

  View result;
  std::vector<int> left;
  int64_t batch;
};
} // namespace

std::optional<View> regroup(const View &view, std::vector<int64_t> sizes, int64_t batch) {
  int64_t known = 1, all = elementsOf(view.axes);
  bool given = false;
  std::optional<size_t> open;
  for (size_t i = 0; i < sizes.size(); ++i) {
    int64_t factor = batchFactor(sizes[i]);
    if (sizes[i] == -1 && !open)
      open = i;
    else if (factor == 0 && sizes[i] < 1)
      return std::nullopt;
    else if (__builtin_mul_overflow(known, factor ? factor : sizes[i], &known))
      return std::nullopt;
    given |= factor > 0;
  }
  if (open) {
    bool isFixed = batch > 0 && !given;
    if (isFixed && __builtin_mul_overflow(all, batch, &all))
      return std::nullopt;
    if (known < 1 || all % known != 0)
      return std::nullopt;
    int64_t rest = all / known;
    bool isWhole = true; // no size is the batch
    for (size_t dim = 0; dim < view.dims.size(); ++dim)
      isWhole &= !hasBatch(view, dim);
    sizes[*open] = given || isFixed || isWhole ? rest : batchTimes(rest);
  }
  Regrouping result(view, batch);
  for (int64_t size : sizes)
    if (!result.take(size))
      return std::nullopt;
  return result.finish();
}

View withSize(const View &view, size_t dim, int64_t size) {
  if (view.dims[dim].empty())
    return view;
  View result = withoutAxes(view, dim);
  // The new axis lies where the first of the old ones lay.
  int at = *std::min_element(view.dims[dim].begin(), view.dims[dim].end());
  result.axes.insert(result.axes.begin() + at, size);
  for (std::vector<int> &axes : result.dims)
    for (int &axis : axes)
      axis += axis >= at ? 1 : 0;
  result.dims[dim] = {at};
  return result;
}

View withoutAxes(const View &view, size_t dim) {
  View result = view;
  std::vector<int> gone = view.dims[dim];
  std::sort(gone.rbegin(), gone.rend());
  result.dims[dim].clear();
  for (int axis : gone) {
    result.axes.erase(result.axes.begin() + axis);
    for (std::vector<int> &axes : result.dims)
      for (int &each : axes)
        each -= each > axis ? 1 : 0;
  }
  return result;
}

std::optional<Rearrangement> rearrange(const View &view, const Shape &shape,
                                       const std::vector<int> &order) {
  if (isAscending(view, order))
    return Rearrangement{{}, {}, shape};
  std::vector<int> moved;
  for (int axis : order)
    if (view.axes[size_t(axis)] != 1)
      moved.push_back(axis);
  // Axes that stay side by side move as one.
  std::vector<int> memory = moved;
  std::sort(memory.begin(), memory.end());
  std::vector<size_t> runOf(view.axes.size());
  Shape sizes;
  for (size_t i = 0; i < memory.size(); ++i) {
    auto place = std::find(moved.begin(), moved.end(), memory[i]);
    bool follows = i > 0 && place != moved.begin() && *(place - 1) == memory[i - 1];
    if (!follows)
      sizes.push_back(1);
    sizes.back() *= view.axes[size_t(memory[i])];
    runOf[size_t(memory[i])] = sizes.size() - 1;
  }
  if (sizes.size() > 4)
    return std::nullopt;
  Rearrangement result;
  if (sizes != shape)
    result.before = sizes;
  for (int axis : moved) {
    auto run = int64_t(runOf[size_t(axis)]);
    if (result.order.empty() || result.order.back() != run) {
      result.order.push_back(run);
      result.after.push_back(sizes[size_t(run)]);
    }
  }
  return result;
}

View reordered(const View &view, const std::vector<int> &order) {
  View result;
  std::vector<int> place(view.axes.size(), 0);
  for (size_t i = 0; i < order.size(); ++i) {
    result.axes.push_back(view.axes[size_t(order[i])]);
    place[size_t(order[i])] = int(i);
  }
  for (const std::vector<int> &dim : view.dims) {
    result.dims.emplace_back();
    for (int axis : dim)
      result.dims.back().push_back(axis == kBatchAxis ? axis : place[size_t(axis)]);
  }
  return result;
}

std::optional<size_t> axisOf(const View &view, const Shape &shape, size_t dim) {
  const std::vector<int> &axes = view.dims[dim];
  if (axes.empty() || axes.front() == kBatchAxis)
    return std::nullopt;
  for (size_t i = 1; i < axes.size(); ++i)
    if (axes[i] != axes[i - 1] + 1)
      return std::nullopt;
  int64_t before = 1, passed = 1, size = sizeOf(view, dim);
  for (int axis = 0; axis < axes.front(); ++axis)
    before *= view.axes[size_t(axis)];
  for (size_t i = 0; i < shape.size(); passed *= shape[i++])
    if (passed == before && shape[i] == size)
      return i;
  return std::nullopt;
}

} // namespace netc::frontend::onnx
