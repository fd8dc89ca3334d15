//===- View.h - how an ONNX tensor lies in a value --------------*- C++ -*-===//
//
// Exporters move the batch through transposes and merge it with other sizes; a value of
// the language never shows it. So a transpose or reshape only changes a view: which axes
// of the value make up which size of the ONNX tensor. Code is written where a layer needs
// the values in another order.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_FRONTEND_IMPORT_ONNX_VIEW_H
#define NETC_FRONTEND_IMPORT_ONNX_VIEW_H

#include <cstdint>
#include <optional>
#include <vector>

namespace netc::frontend::onnx {

using Shape = std::vector<int64_t>;

/// Stands for the batch among the axes of a view.
inline constexpr int kBatchAxis = -1;

struct View {
  Shape axes; ///< sizes of the value's axes in the order of its memory, without the batch
  /// Of each size of the ONNX tensor: its axes, from the outer to the inner; none: the size is 1.
  std::vector<std::vector<int>> dims;

  bool operator==(const View &) const = default;
};

int64_t elementsOf(const Shape &shape);

/// [batch, shape…].
View plainView(const Shape &shape);
/// All sizes of a tensor that has no batch; a number lies in a vector of one value.
View wholeView(const Shape &sizes);
/// The batch is the first size by itself, and memory has the order of the others.
bool isPlain(const View &view);

/// The number of values of a size per image; `hasBatch`: and whether the batch is in it.
int64_t sizeOf(const View &view, size_t dim);
bool hasBatch(const View &view, size_t dim);
/// The sizes without the batch's own one; nothing where it is merged with another.
std::optional<Shape> sizesWithoutBatch(const View &view);
/// Axes of all sizes in their order, the batch left out.
std::vector<int> orderOf(const View &view);

/// A reshape to `sizes`; -1 is what is left, batch multiples as in Constants.h. `batch`: the fixed
/// size of a graph that has one, else 0. Nothing: sizes would be cut across.
std::optional<View> regroup(const View &view, std::vector<int64_t> sizes, int64_t batch);

/// The view in which one size is a single axis of `size` values (a slice of it).
View withSize(const View &view, size_t dim, int64_t size);
/// The view without the axes of one size (a mean); the size becomes 1.
View withoutAxes(const View &view, size_t dim);

/// What brings a value of `shape` into another order of axes: a reshape to `before`, a permute by
/// `order`; both may be empty.
struct Rearrangement {
  Shape before;
  std::vector<int64_t> order;
  Shape after; ///< the shape then
};
/// Nothing: more than four axes would have to move.
std::optional<Rearrangement> rearrange(const View &view, const Shape &shape,
                                       const std::vector<int> &order);
/// The same dims over axes renumbered in `order`.
View reordered(const View &view, const std::vector<int> &order);

/// The axis of `shape` that holds exactly one size of the view; nothing where it is cut otherwise.
std::optional<size_t> axisOf(const View &view, const Shape &shape, size_t dim);

} // namespace netc::frontend::onnx

#endif // NETC_FRONTEND_IMPORT_ONNX_VIEW_H
