//===- RecipeReader.h - reads one `train` clause ----------------*- C++ -*-===//
//
// Recipes.cpp reads clauses and calls, RecipeArguments.cpp the arguments of a call,
// RecipeLosses.cpp the clause `loss`.
//
//===----------------------------------------------------------------------===//
#ifndef NETC_FRONTEND_ELABORATE_RECIPEREADER_H
#define NETC_FRONTEND_ELABORATE_RECIPEREADER_H

#include "frontend/elaborate/Program.h"
#include "frontend/network/Network.h"
#include "runtime/abi/RecipeTable.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace netc::frontend {

/// Reads one `train` clause.
class RecipeReader {
public:
  RecipeReader(const Program &program, Diagnostics &diags) : program(program), diags(diags) {}
  Recipe read(const Train &train);

private:
  void readClause(const Clause &clause);
  /// The value of a clause that takes a number.
  std::optional<RecipeValue> readNumber(const Clause &clause, const recipe::Clause &kind);
  std::vector<RecipeCall> readCalls(const Clause &clause, const recipe::Clause &kind);
  std::optional<RecipeCall> readCall(const Expr &item, const recipe::Clause &clause);
  bool readArguments(const recipe::Call &kind, const CallExpr &call, RecipeCall &out);
  const recipe::Param *paramOf(const Argument &arg, const recipe::Call &kind,
                               const recipe::Param *toggle, size_t &before, bool named);
  std::optional<RecipeValue> readArgument(const Argument &arg, const recipe::Call &kind,
                                          const recipe::Param &param, bool isToggle);
  bool checkArguments(const recipe::Call &kind, const CallExpr &call, const RecipeCall &out);
  /// `have`: the value in words, for a message.
  std::optional<RecipeValue> evaluate(const Expr &expr, std::string &have);
  void store(std::string_view name, const RecipeValue &value);
  void store(std::string_view name, std::vector<RecipeCall> calls);
  /// `decay(norm=0, bias=0)`: weight decay of normalisations and biases, arguments of an optimizer.
  bool readDecay(const Expr &item, recipe::Arguments &arguments);
  void readOptimizer(const Clause &clause, const recipe::Clause &kind);
  void readLosses(const Clause &clause, const recipe::Clause &kind);
  void readLoss(const std::string &output, const Expr &item, const recipe::Clause &kind);

  const Program &program;
  Diagnostics &diags;
  Recipe recipe;
};

/// Names of a table's rows, for messages.
std::vector<std::string> namesOf(const auto &kinds) {
  std::vector<std::string> names;
  for (const auto &kind : kinds)
    names.emplace_back(kind.name);
  return names;
}

/// The loss of a recipe that has none: cross entropy.
std::vector<LossTerm> defaultLosses();

} // namespace netc::frontend

#endif // NETC_FRONTEND_ELABORATE_RECIPEREADER_H
