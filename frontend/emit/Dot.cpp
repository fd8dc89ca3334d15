//===- Dot.cpp - a network as a Graphviz drawing --------------------------===//
#include "frontend/emit/Dot.h"

#include <fmt/format.h>

#include <map>

using namespace netc::frontend;

static std::string shapeText(const Shape &shape) {
  return fmt::format("{}", fmt::join(shape, "x"));
}

static std::string escaped(const std::string &text) {
  std::string result;
  for (char c : text) {
    if (c == '"' || c == '\\')
      result += '\\';
    result += c;
  }
  return result;
}

namespace {
/// A scope of names: its layers and the scopes inside.
struct Scope {
  std::vector<size_t> layers;
  std::map<std::string, Scope> inside;
};
} // namespace

static void print(const Network &network, const Scope &scope, const std::string &path,
                  std::string &out) {
  for (size_t index : scope.layers) {
    const Layer &layer = network.layers[index];
    std::string local = layer.name.substr(path.empty() ? 0 : path.size() + 1);
    bool parametric = !layer.parameters.empty();
    out += fmt::format("  n{} [label=\"{}\\n{} {}\"{}];\n", index, escaped(local),
                       escaped(layer.kind), shapeText(layer.output),
                       parametric ? ", style=filled, fillcolor=\"#dce9f7\"" : "");
  }
  for (const auto &[name, inner] : scope.inside) {
    std::string full = path.empty() ? name : path + "." + name;
    out += fmt::format("  subgraph \"cluster_{}\" {{\n  label=\"{}\"; color=\"#999999\";\n",
                       escaped(full), escaped(full));
    print(network, inner, full, out);
    out += "  }\n";
  }
}

std::string netc::frontend::networkDot(const Network &network) {
  Scope top;
  for (size_t index = 0; index < network.layers.size(); ++index) {
    Scope *scope = &top;
    const std::string &name = network.layers[index].name;
    size_t start = 0;
    for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', start)) {
      scope = &scope->inside[name.substr(start, dot - start)];
      start = dot + 1;
    }
    scope->layers.push_back(index);
  }
  std::string out = fmt::format("digraph \"{}\" {{\n  rankdir=TB;\n  node [shape=box, "
                                "fontname=\"sans-serif\", fontsize=10];\n"
                                "  graph [fontname=\"sans-serif\", fontsize=10];\n",
                                escaped(network.name));
  print(network, top, "", out);
  for (size_t index = 0; index < network.layers.size(); ++index)
    for (int input : network.layers[index].inputs)
      out += fmt::format("  n{} -> n{};\n", input, index);
  for (const AuxiliaryHead &head : network.auxiliaries)
    out += fmt::format("  aux{0} [label=\"loss, weight {1}\", shape=ellipse];\n  n{0} -> aux{0};\n",
                       head.value, head.weight);
  return out + "}\n";
}
