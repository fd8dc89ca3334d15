//===- Analyze.cpp - a text as an editor wants to know it -----------------===//
#include "frontend/elaborate/Analyze.h"

#include "frontend/elaborate/Resolve.h"

#include <algorithm>
#include <chrono>
#include <set>

namespace netc::frontend {

namespace {
/// Keeps the first few different values of each place.
class Recorder : public Observer {
public:
  explicit Recorder(std::map<Place, Observation> &values) : values(values) {}

  void saw(Range at, const Value &value, const Shape *shape) override {
    constexpr size_t mostValues = 8;
    Observation &seen = values[placeOf(at)];
    if (const auto *block = value.as<const Definition *>())
      if (std::find(seen.blocks.begin(), seen.blocks.end(), *block) == seen.blocks.end())
        seen.blocks.push_back(*block);
    if (seen.more)
      return;
    std::string text = shape ? spell(*shape) : describeBriefly(value);
    seen.tensor |= shape != nullptr;
    if (std::find(seen.values.begin(), seen.values.end(), text) != seen.values.end())
      return;
    if (seen.values.size() == mostValues)
      seen.more = true;
    else
      seen.values.push_back(std::move(text));
  }

private:
  static std::string describeBriefly(const Value &value) {
    constexpr size_t mostItems = 32;
    if (const auto *list = value.as<Value::List>(); list && (*list)->items.size() > mostItems)
      return "a list of " + std::to_string((*list)->items.size()) + " items";
    return spell(value);
  }

  std::map<Place, Observation> &values;
};
} // namespace

/// Those of the file itself; of a file that has none, those that it imports.
static std::vector<const Definition *> candidates(const Program &program) {
  std::vector<const Definition *> own, all;
  for (const File &file : program.files())
    for (const auto &def : file.definitions) {
      bool open = std::any_of(def->params.begin(), def->params.end(),
                              [](const Param &param) { return !param.byDefault; });
      if (!def->isModel || open)
        continue;
      all.push_back(def.get());
      if (&file == &program.files().front())
        own.push_back(def.get());
    }
  return own.empty() ? all : own;
}

static void placeLayers(const Diagnostics &diags, ModelAnalysis &result) {
  std::map<std::string, uint32_t> numbers;
  for (uint32_t i = 0; i < diags.sourceCount(); ++i)
    numbers.emplace(diags.source(i).name, i);
  for (size_t i = 0; i < result.network.layers.size(); ++i) {
    const SourceLocation &at = result.network.layers[i].location;
    auto file = numbers.find(at.file);
    if (file != numbers.end())
      result.layers[{file->second, at.line, at.column}].push_back(static_cast<int>(i));
  }
}

namespace {
/// Gathers the messages of several runs over one text.
class Gather {
public:
  explicit Gather(Analysis &analysis) : analysis(analysis) {}

  void take(const Diagnostics &diags) {
    for (const Diagnostic &diag : diags.all())
      if (told.insert({diag.severity, placeOf(diag.range)}).second)
        analysis.messages.push_back(diag);
  }

private:
  Analysis &analysis;
  std::set<std::pair<Diagnostic::Severity, Place>> told;
};
} // namespace

std::unique_ptr<Analysis> analyze(const std::string &path, SourceReader read, bool elaborate) {
  auto result = std::make_unique<Analysis>(std::move(read));
  Diagnostics &diags = result->diags;
  Program &program = result->program;
  program.load(path);
  Gather gather(*result);
  if (!program.whole() || !elaborate) {
    gather.take(diags);
    return result;
  }
  std::vector<ModelRecipe> recipes = readRecipes(program, diags);
  gather.take(diags);
  // Each model has messages of its own: the rules that follow an error are those of netc. A count
  // that was mistyped may make one model slow; the others can wait.
  constexpr auto longest = std::chrono::milliseconds(400);
  auto start = std::chrono::steady_clock::now();
  for (const Definition *model : candidates(program)) {
    Diagnostics own = diags;
    ModelAnalysis &analysis = result->models.emplace_back();
    analysis.model = model;
    Recorder recorder(analysis.values);
    analysis.network = elaborateModel(program, *model, {}, recipes, own, &recorder);
    placeLayers(diags, analysis);
    gather.take(own);
    if (std::chrono::steady_clock::now() - start > longest)
      break;
  }
  Diagnostics names = diags;
  resolveNames(program, names);
  gather.take(names);
  return result;
}

} // namespace netc::frontend
