//===- Layers.cpp - which layer of the model file an op computes ----------===//
#include "dialect/interfaces/Layers.h"

using namespace mlir;
using namespace netc;

LayerNames netc::layersOf(Operation *op, StringRef attribute) {
  LayerNames names;
  Attribute value = op->getDiscardableAttr(attribute);
  if (auto name = dyn_cast_or_null<StringAttr>(value))
    names.insert(name);
  else if (auto list = dyn_cast_or_null<ArrayAttr>(value))
    names.insert_range(list.getAsRange<StringAttr>());
  return names;
}

void netc::setLayers(Operation *op, const LayerNames &names, StringRef attribute) {
  if (names.empty()) {
    op->removeDiscardableAttr(attribute);
    return;
  }
  if (names.size() == 1)
    return op->setDiscardableAttr(attribute, names.front());
  SmallVector<Attribute> list(names.begin(), names.end());
  op->setDiscardableAttr(attribute, ArrayAttr::get(op->getContext(), list));
}

void netc::addLayers(Operation *op, const LayerNames &names, StringRef attribute) {
  LayerNames all = layersOf(op, attribute);
  all.insert_range(names);
  setLayers(op, all, attribute);
}

bool netc::areLayerNames(Attribute value) {
  if (isa<StringAttr>(value))
    return true;
  auto list = dyn_cast<ArrayAttr>(value);
  return list && !list.empty() &&
         llvm::all_of(list, [](Attribute name) { return isa<StringAttr>(name); });
}

LayerScope::LayerScope(OpBuilder &builder, Attribute layer, Filter filter)
    : builder(builder), outer(builder.getListener()), layer(layer), filter(filter) {
  builder.setListener(this);
}

LayerScope::LayerScope(OpBuilder &builder, Operation *like, Filter filter)
    : LayerScope(builder, like ? like->getDiscardableAttr(kLayer) : Attribute(), filter) {}

LayerScope::~LayerScope() { builder.setListener(outer); }

void LayerScope::notifyOperationInserted(Operation *op, OpBuilder::InsertPoint) {
  if (layer && (!filter || filter(op)) && !op->getDiscardableAttr(kLayer))
    op->setDiscardableAttr(kLayer, layer);
}
