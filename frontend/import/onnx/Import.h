//===- Import.h - an ONNX graph as a model file -----------------*- C++ -*-===//
#ifndef NETC_FRONTEND_IMPORT_ONNX_IMPORT_H
#define NETC_FRONTEND_IMPORT_ONNX_IMPORT_H

#include "frontend/import/Imported.h"
#include "frontend/import/onnx/Graph.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace netc::frontend::onnx {

/// Whether the first size of each input is the batch, or all sizes are those of one value.
enum class Batch { First, None };

struct ImportSettings {
  Batch batch = Batch::First;
  /// Values that pass 8 bits with a scale (QuantizeLinear and DequantizeLinear) stay as they are,
  /// and their scales are results, for an executable of --precision int8. Else they are rounded.
  bool keepsScales = false;
};

/// Whether the language has the word, so that no model or variable can be called so.
using IsWord = std::function<bool(const std::string &)>;

/// Writes the graph as a model `name`; `source` names the file in the text. Nothing: `errors` names
/// each node that has no layer here, with what to do.
std::optional<Imported> importGraph(Graph graph, const std::string &name, const std::string &source,
                                    const ImportSettings &settings, const IsWord &isWord,
                                    std::vector<std::string> &errors);

/// `text` as an identifier of the language.
std::string identifier(const std::string &text);

} // namespace netc::frontend::onnx

#endif // NETC_FRONTEND_IMPORT_ONNX_IMPORT_H
