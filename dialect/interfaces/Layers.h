//===- Layers.h - which layer of the model file an op computes --*- C++ -*-===//
//
// The identity of a layer travels in attributes, from the front end through autodiff, fusion and
// lowering to the launches: `net.layer` names the layers that an op computes, in order. A launch
// says in `net.loaded` and `net.stored` which others it computes again where operands are loaded or
// the result is stored. Locations serve diagnostics only.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_DIALECT_INTERFACES_LAYERS_H
#define NETC_DIALECT_INTERFACES_LAYERS_H

#include "mlir/IR/Builders.h"
#include "llvm/ADT/SetVector.h"

namespace netc {

/// What an op computes: a layer's name, or an array of names.
inline constexpr llvm::StringLiteral kLayer = "net.layer";
/// What a launch computes while it loads its (left) operand, beside `net.layer`.
inline constexpr llvm::StringLiteral kLoaded = "net.loaded";
/// What a contraction of two activations computes while it loads the right one.
inline constexpr llvm::StringLiteral kLoadedRight = "net.loaded_right";
/// What a contraction computes of other layers while it stores its result.
inline constexpr llvm::StringLiteral kStored = "net.stored";

/// Of a launch: the name of a value that it stores, for the runtime to find it.
inline constexpr llvm::StringLiteral kObserved = "net.observed";

/// Names of layers, each once, in the order of computation.
using LayerNames = llvm::SetVector<mlir::StringAttr>;

/// The names in `attribute` of `op`; none where it has none.
LayerNames layersOf(mlir::Operation *op, llvm::StringRef attribute = kLayer);

/// Writes `names` to `attribute`: one as a string, several as an array, none as no attribute.
void setLayers(mlir::Operation *op, const LayerNames &names, llvm::StringRef attribute = kLayer);

/// Adds `names` behind those that `attribute` has.
void addLayers(mlir::Operation *op, const LayerNames &names, llvm::StringRef attribute = kLayer);

/// Whether `value` is what these attributes hold.
bool areLayerNames(mlir::Attribute value);

/// While it lives, ops that `builder` makes and that have no `net.layer` get one. Scopes nest: the
/// innermost counts.
class LayerScope final : mlir::OpBuilder::Listener {
public:
  using Filter = bool (*)(mlir::Operation *);

  /// `layer`: what the ops get, null: nothing. `filter`: which ops; null: all.
  LayerScope(mlir::OpBuilder &builder, mlir::Attribute layer, Filter filter = nullptr);
  /// The layers of `like`; of null, which stands for an argument, none.
  LayerScope(mlir::OpBuilder &builder, mlir::Operation *like, Filter filter = nullptr);
  ~LayerScope() override;
  LayerScope(const LayerScope &) = delete;

private:
  void notifyOperationInserted(mlir::Operation *op, mlir::OpBuilder::InsertPoint) override;

  mlir::OpBuilder &builder;
  mlir::OpBuilder::Listener *outer;
  const mlir::Attribute layer;
  const Filter filter;
};

} // namespace netc

#endif // NETC_DIALECT_INTERFACES_LAYERS_H
