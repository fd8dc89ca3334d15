//===- ImportedScales.cpp - scales of an imported model by layers' names --===//
#include "tools/netc/ImportedScales.h"

#include <algorithm>
#include <map>
#include <set>

using namespace netc;
using namespace netc::frontend;

/// The variable that the statement on each line binds; a statement may have several lines.
static std::map<int, std::string> variablesByLine(const std::string &text) {
  std::map<int, std::string> variables;
  std::string variable;
  int line = 1;
  for (size_t begin = 0; begin < text.size(); ++line) {
    size_t end = std::min(text.find('\n', begin), text.size());
    std::string all = text.substr(begin, end - begin);
    bool begins = all.size() > 2 && all.starts_with("  ") && all[2] != ' ';
    if (begins || !all.starts_with("  ")) {
      size_t equals = all.find(" = ");
      variable = begins && equals != std::string::npos ? all.substr(2, equals - 2) : std::string();
    }
    if (!variable.empty())
      variables[line] = variable;
    begin = end + 1;
  }
  return variables;
}

std::vector<ImportedTensor> netc::scaleTensors(const Imported &imported, const Network &network) {
  std::map<int, std::string> variables = variablesByLine(imported.text);
  std::map<std::string, std::string> layers; // by variable: the last one of its statement
  for (const Layer &layer : network.layers) {
    auto found = variables.find(layer.location.line);
    if (std::holds_alternative<InputAttrs>(layer.attrs))
      layers[layer.name] = layer.name;
    else if (found != variables.end() && layer.stack.empty())
      layers[found->second] = layer.name;
  }
  std::vector<ImportedTensor> tensors;
  std::set<std::string> names;
  for (const ImportedScale &scale : imported.scales)
    if (auto layer = layers.find(scale.variable);
        layer != layers.end() && names.insert(layer->second).second)
      tensors.push_back({layer->second + ".activation_scale", {1}, {scale.scale}});
  return tensors;
}
