//===- Import.h - an ONNX graph as a model file -----------------*- C++ -*-===//
#ifndef NETC_FRONTEND_IMPORT_ONNX_IMPORT_H
#define NETC_FRONTEND_IMPORT_ONNX_IMPORT_H

#include "frontend/import/Imported.h"
#include "frontend/import/onnx/Graph.h"

#include <optional>
#include <string>
#include <vector>

namespace netc::frontend::onnx {

/// Writes the graph as a model `name`; `source` names the file in the text. Nothing: `errors` names
/// each node that has no layer here, with what to do.
std::optional<Imported> importGraph(Graph graph, const std::string &name, const std::string &source,
                                    std::vector<std::string> &errors);

/// `text` as an identifier of the language.
std::string identifier(const std::string &text);

} // namespace netc::frontend::onnx

#endif // NETC_FRONTEND_IMPORT_ONNX_IMPORT_H
