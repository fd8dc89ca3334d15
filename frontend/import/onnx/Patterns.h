//===- Patterns.h - layers that exporters write as many nodes ---*- C++ -*-===//
#ifndef NETC_FRONTEND_IMPORT_ONNX_PATTERNS_H
#define NETC_FRONTEND_IMPORT_ONNX_PATTERNS_H

#include "frontend/import/onnx/Graph.h"

namespace netc::frontend::onnx {

/// The graph with layer norm, gelu and group norm as one node each, where an exporter of an older
/// opset wrote out their arithmetic. Nodes that are left over have no reader.
Graph fusePatterns(Graph graph);

} // namespace netc::frontend::onnx

#endif // NETC_FRONTEND_IMPORT_ONNX_PATTERNS_H
