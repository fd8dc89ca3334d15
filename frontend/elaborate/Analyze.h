//===- Analyze.h - a text as an editor wants to know it ---------*- C++ -*-===//
//
// Elaborates every model of a text that has values for all its parameters, and keeps
// what is found on the way: messages, layers by place, values by place.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_FRONTEND_ELABORATE_ANALYZE_H
#define NETC_FRONTEND_ELABORATE_ANALYZE_H

#include "frontend/elaborate/Elaborator.h"
#include "frontend/elaborate/Recipes.h"

#include <map>
#include <memory>
#include <tuple>

namespace netc::frontend {

/// Runs one model and gives it its recipe. After an error, what was reached.
Network elaborateModel(const Program &program, const Definition &model, const Bindings &set,
                       const std::vector<ModelRecipe> &recipes, Diagnostics &diags,
                       Observer *observer = nullptr);

/// The beginning of a range: source, line, column.
using Place = std::tuple<uint32_t, uint32_t, uint32_t>;
inline Place placeOf(Range range) { return {range.file, range.line, range.column}; }

/// The values that one place of the text had while a model ran: different ones, in order.
struct Observation {
  std::vector<std::string> values; ///< as written; shapes of tensors
  std::vector<const Definition *> blocks;
  bool tensor = false;
  bool more = false; ///< there were others
};

struct ModelAnalysis {
  const Definition *model;
  Network network; ///< after an error, what was reached
  std::map<Place, Observation> values;
  std::map<Place, std::vector<int>> layers; ///< indices into `network`, by their calls' place
};

struct Analysis {
  explicit Analysis(SourceReader read) : program(diags, std::move(read)) {}

  Diagnostics diags; ///< the sources, and the messages about syntax and recipes
  Program program;
  std::vector<ModelAnalysis> models;
  std::vector<Diagnostic> messages; ///< of all models, one per place
};

/// Reads `path` with its imports. `elaborate`: false stops after the syntax.
std::unique_ptr<Analysis> analyze(const std::string &path, SourceReader read,
                                  bool elaborate = true);

} // namespace netc::frontend

#endif // NETC_FRONTEND_ELABORATE_ANALYZE_H
