//===- Losses.cpp - which loss is of which output -------------------------===//
#include "frontend/elaborate/Recipes.h"

#include "frontend/values/Value.h"

#include <fmt/format.h>

#include <algorithm>

namespace netc::frontend {

namespace {
/// Settles the losses of one network.
class LossSettler {
public:
  LossSettler(Network &network, const std::vector<Range> &ranges, const ModelRecipe *written,
              Diagnostics &diags)
      : network(network), ranges(ranges), written(written), diags(diags) {}
  bool nameOutputs();
  void checkShapes();

private:
  Diagnostic &error(size_t output, std::string message);
  void checkScores(const LossTerm &term);
  void checkIgnored(const LossTerm &term, const Shape &scores);
  void checkSmoothing();
  void checkMixing();

  Network &network;
  const std::vector<Range> &ranges;
  const ModelRecipe *written;
  Diagnostics &diags;
};
} // namespace

static size_t indexOf(const Network &network, const std::string &name) {
  size_t i = 0;
  while (i < network.outputs.size() && network.outputs[i].name != name)
    ++i;
  return i;
}

/// False after an error.
bool LossSettler::nameOutputs() {
  for (LossTerm &term : network.recipe.losses) {
    if (term.output.empty())
      term.output = network.outputs[network.mainOutput()].name;
    if (indexOf(network, term.output) < network.outputs.size())
      continue;
    std::vector<std::string> names;
    for (const Output &output : network.outputs)
      names.push_back(output.name);
    diags
        .error(written->loss,
               fmt::format("a loss for '{}', but model '{}' has no such output{}", term.output,
                           network.name, didYouMean(term.output, names)))
        .suggest("its outputs are " + joinNames(names));
    return false;
  }
  return true;
}

/// At the output, with a note on the loss that wants something else.
Diagnostic &LossSettler::error(size_t output, std::string message) {
  Diagnostic &diag = diags.error(ranges[output], std::move(message));
  if (written && written->loss.line)
    diag.note(written->loss, "the loss is chosen here");
  return diag;
}

/// Cross entropy and dice compare class scores: a vector, or a map or sequence of vectors.
void LossSettler::checkScores(const LossTerm &term) {
  size_t output = indexOf(network, term.output);
  const Shape &scores = network.layers[network.outputs[output].layer].output;
  bool isDice = term.call.name == "dice";
  checkIgnored(term, scores);
  if (scores.size() == 4) {
    error(output, fmt::format("{} wants class scores: a vector, an image or a "
                              "sequence of them; have {}",
                              term.call.name, spell(scores)))
        .suggest("flatten it, or give it another loss: loss mse");
  } else if (isDice && (scores.size() == 1 || scores[channelAxis(scores)] < 2)) {
    error(output, fmt::format("dice compares maps or sequences of at least two classes; have {}",
                              spell(scores)))
        .suggest("give a map one channel for each class, the background included");
  } else if (scores.size() == 3 && scores[1] == 1 && scores[2] == 1) {
    // A map of one pixel is a vector that somebody forgot to flatten.
    error(output,
          fmt::format("a model returns class scores, a vector; have the image {}", spell(scores)))
        .suggest("end it with x | flatten | linear(classes)");
  }
}

/// One vector has one label, which always counts.
void LossSettler::checkIgnored(const LossTerm &term, const Shape &scores) {
  if (scores.size() == 1 && recipe::find(term.call.named, "ignore"))
    diags
        .error(written->loss, fmt::format("'ignore' is for maps and sequences of class scores; {} "
                                          "is a vector with one label: {}",
                                          term.output, spell(scores)))
        .suggest("leave it out");
}

static bool smoothsLabels(const LossTerm &term) {
  return term.call.name == "cross_entropy" || term.call.name == "bce";
}

/// The runtime has one number for all.
void LossSettler::checkSmoothing() {
  const RecipeValue *first = nullptr;
  bool any = false;
  for (const LossTerm &term : network.recipe.losses) {
    if (!smoothsLabels(term))
      continue;
    const RecipeValue *own = recipe::find(term.call.named, "label_smoothing");
    bool same = !any || (!own && !first) ||
                (own && first &&
                 recipe::numberOf(*own).value_or(0) == recipe::numberOf(*first).value_or(0));
    if (!same) {
      diags.error(written->loss,
                  "every cross_entropy and bce of a model has the same label_smoothing");
      return;
    }
    any = true;
    first = own;
  }
}

/// Mixed images have mixed labels: a distribution for each image.
void LossSettler::checkMixing() {
  bool mixes = std::any_of(
      network.recipe.augment.begin(), network.recipe.augment.end(),
      [](const RecipeCall &call) { return call.name == "mixup" || call.name == "cutmix"; });
  if (!mixes)
    return;
  const std::vector<LossTerm> &losses = network.recipe.losses;
  const Output &output = network.outputs[indexOf(network, losses[0].output)];
  bool fits = losses.size() == 1 && smoothsLabels(losses[0]) &&
              network.layers[output.layer].output.size() == 1 && network.inputCount() == 1;
  if (!fits)
    diags.error(written->range, "mixup and cutmix want one image in, and cross_entropy or bce on "
                                "one vector of class scores");
}

void LossSettler::checkShapes() {
  for (const LossTerm &term : network.recipe.losses)
    if (term.call.name == "cross_entropy" || term.call.name == "dice")
      checkScores(term);
  checkSmoothing();
  checkMixing();
}

void settleLosses(Network &network, const std::vector<Range> &ranges, const ModelRecipe *written,
                  Diagnostics &diags) {
  LossSettler settler(network, ranges, written, diags);
  if (settler.nameOutputs())
    settler.checkShapes();
}

} // namespace netc::frontend
