//===- RecipeLosses.cpp - the clause `loss` of a recipe -------------------===//
#include "frontend/elaborate/RecipeReader.h"

#include <fmt/format.h>

#include <map>

namespace netc::frontend {

std::vector<LossTerm> defaultLosses() {
  LossTerm term;
  term.call.name = "cross_entropy";
  return {term};
}

/// `0.1 * l1`: the term after a weight. `weight` is multiplied by it.
static const Expr *termOf(const Expr &item, const Expr *&weight) {
  const auto *product = std::get_if<BinaryExpr>(&item.node);
  if (!product || product->rest.size() != 1 || product->rest[0].op != BinaryOp::Multiply)
    return &item;
  weight = product->first.get();
  return product->rest[0].right.get();
}

/// One term, or a sum of them: `cross_entropy + 0.5 * l1`.
void RecipeReader::readLoss(const std::string &output, const Expr &item,
                            const recipe::Clause &kind) {
  const auto *sum = std::get_if<BinaryExpr>(&item.node);
  if (sum && sum->rest.front().op == BinaryOp::Add) {
    readLoss(output, *sum->first, kind);
    for (const BinaryExpr::Link &link : sum->rest) {
      if (link.op == BinaryOp::Add)
        readLoss(output, *link.right, kind);
      else
        diags.error(link.opRange, "losses are only added");
    }
    return;
  }
  LossTerm term;
  term.output = output;
  const Expr *weight = nullptr;
  const Expr *call = termOf(item, weight);
  if (weight) {
    std::string have;
    std::optional<RecipeValue> value = evaluate(*weight, have);
    if (!value)
      return;
    if (!recipe::fits(recipe::Type::Positive, *value)) {
      diags
          .error(weight->range, fmt::format("the weight of a loss must be {}, have {}",
                                            recipe::wanted(recipe::Type::Positive), have))
          .suggest("write 0.1 * l1");
      return;
    }
    term.weight = *recipe::numberOf(*value);
  }
  if (std::optional<RecipeCall> read = readCall(*call, kind)) {
    term.call = std::move(*read);
    recipe.losses.push_back(std::move(term));
  }
}

void RecipeReader::readLosses(const Clause &clause, const recipe::Clause &kind) {
  recipe.losses.clear();
  std::map<std::string, Range> seen;
  for (size_t i = 0; i < clause.items.size(); ++i) {
    const Target &output = clause.outputs[i];
    if (clause.items.size() > 1 && output.name.empty()) {
      diags.error(clause.items[i].range, "'loss' of several outputs names each of them")
          .suggest("write loss scores: cross_entropy, depth: 0.1 * l1; terms of one output are "
                   "added: loss mse + 0.1 * l1");
      continue;
    }
    auto [first, fresh] = seen.insert({output.name, output.range});
    if (!fresh) {
      diags.error(output.range, fmt::format("the output '{}' has two losses", output.name))
          .note(first->second, "the first is here")
          .suggest("terms of one output are added: loss mse + 0.1 * l1");
      continue;
    }
    readLoss(output.name, clause.items[i], kind);
  }
  if (recipe.losses.empty()) // an error was reported
    recipe.losses = defaultLosses();
}

} // namespace netc::frontend
