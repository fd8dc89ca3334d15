//===- Describe.cpp - hover texts and inlay hints -------------------------===//
#include "tools/netc-lsp/Describe.h"

#include "frontend/syntax/Lexer.h"
#include "tools/netc-lsp/LayerNotes.h"

#include <fmt/format.h>

#include <algorithm>

using namespace netc::frontend;

namespace netc::lsp {

static constexpr size_t mostLines = 8; ///< instances that a text lists

static int64_t elements(const Shape &shape) {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

/// Of one image, forward.
static int64_t multiplyAdds(const Network &network, const Layer &layer) {
  if (layer.inputs.empty())
    return 0;
  const Shape &input = network.layers[layer.inputs[0]].output;
  auto weights = [&] { return layer.parameters.empty() ? 0 : elements(layer.parameters[0].shape); };
  if (std::holds_alternative<ConvAttrs>(layer.attrs))
    return layer.output[1] * layer.output[2] * weights();
  if (std::holds_alternative<ConvTransposeAttrs>(layer.attrs))
    return input[1] * input[2] * weights();
  if (std::holds_alternative<LinearAttrs>(layer.attrs))
    return elements(layer.output) / layer.output.back() * weights();
  if (std::holds_alternative<MatmulAttrs>(layer.attrs))
    return elements(layer.output) * input.back();
  return 0;
}

/// 115605504 -> "115,605,504".
static std::string grouped(int64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = digits.size(); at > 3; at -= 3)
    digits.insert(at - 3, ",");
  return digits;
}

static std::string describe(const Network &network, const Layer &layer) {
  int64_t parameters = 0;
  for (const Parameter &parameter : layer.parameters)
    parameters += parameter.role == Parameter::Role::RunningMean ||
                          parameter.role == Parameter::Role::RunningVar
                      ? 0
                      : elements(parameter.shape);
  std::string text = fmt::format("- `{}`: {}", layer.name, spell(layer.output));
  if (parameters)
    text += fmt::format(", {} parameters", grouped(parameters));
  if (int64_t products = multiplyAdds(network, layer))
    text += fmt::format(", {} multiply-adds", grouped(products));
  return text + "\n";
}

/// The instances of the layer at a place: those of the first model, and which others have it.
static std::string describeLayers(const Analysis &analysis, Place place) {
  std::string text, others;
  for (const ModelAnalysis &model : analysis.models) {
    auto found = model.layers.find(place);
    if (found == model.layers.end())
      continue;
    if (!text.empty()) {
      others += (others.empty() ? "also in " : ", ") + model.model->name;
      continue;
    }
    const std::vector<int> &layers = found->second;
    text = fmt::format("\nin {}:\n", model.model->name);
    for (size_t i = 0; i < std::min(layers.size(), mostLines); ++i)
      text += describe(model.network, model.network.layers[layers[i]]);
    if (layers.size() > mostLines)
      text += fmt::format("- and {} more\n", layers.size() - mostLines);
    const Layer &first = model.network.layers[layers[0]];
    if (!first.parameters.empty())
      text += "\nPyTorch's names of the first:\n";
    for (const Parameter &parameter : first.parameters)
      text += fmt::format("- `{}` {}\n", parameter.name, spell(parameter.shape));
  }
  return others.empty() ? text : text + "\n" + others + "\n";
}

/// The values at a place, by model where they differ.
static std::string describeValues(const Analysis &analysis, Place place) {
  std::vector<std::pair<std::string, std::string>> byModel; // values, models
  for (const ModelAnalysis &model : analysis.models) {
    auto found = model.values.find(place);
    if (found == model.values.end())
      continue;
    std::string values;
    for (const std::string &value : found->second.values)
      values += (values.empty() ? "`" : ", `") + value + "`";
    values += found->second.more ? ", ..." : "";
    auto same = std::find_if(byModel.begin(), byModel.end(),
                             [&](const auto &each) { return each.first == values; });
    if (same == byModel.end())
      byModel.push_back({values, model.model->name});
    else
      same->second += ", " + model.model->name;
  }
  std::string text;
  for (size_t i = 0; i < std::min(byModel.size(), mostLines); ++i)
    text += fmt::format("- {} in {}\n", byModel[i].first, byModel[i].second);
  return text;
}

static std::string code(const std::string &text) { return "```net\n" + text + "\n```\n"; }

static std::string_view textOf(const Source &source, uint32_t line, uint32_t column) {
  if (line == 0 || line > source.lineStarts.size())
    return {};
  return std::string_view(source.text).substr(source.lineStarts[line - 1] + column - 1);
}

/// A default as it stands in the file: up to the ',' or ')' that ends it.
static std::string defaultAsWritten(std::string_view text) {
  int depth = 0;
  size_t end = 0;
  for (; end < text.size() && text[end] != '\n'; ++end) {
    char c = text[end];
    if (depth == 0 && (c == ',' || c == ')'))
      break;
    depth += c == '(' || c == '[' ? 1 : c == ')' || c == ']' ? -1 : 0;
  }
  return std::string(text.substr(0, end));
}

std::string signatureOf(const Analysis &analysis, const Definition &def) {
  std::string text = def.name + "(";
  for (const Param &param : def.params) {
    text += (text.back() == '(' ? "" : ", ") + param.name;
    std::string_view rest = textOf(analysis.diags.source(param.range.file), param.range.line,
                                   param.range.column + param.range.length);
    if (param.byDefault && rest.starts_with('='))
      text += defaultAsWritten(rest);
  }
  return text + ")";
}

std::string commentAbove(const Analysis &analysis, const Definition &def) {
  const Source &source = analysis.diags.source(def.range.file);
  std::string text;
  for (uint32_t line = def.range.line; line-- > 1;) {
    std::string_view above = textOf(source, line, 1);
    above = above.substr(0, above.find('\n'));
    if (!above.starts_with('#'))
      break;
    above.remove_prefix(std::min<size_t>(above.starts_with("# ") ? 2 : 1, above.size()));
    text = std::string(above) + "\n" + text;
  }
  return text;
}

static std::string describeDefinition(const Analysis &analysis, const Definition &def) {
  std::string text = code((def.isModel ? "model " : "block ") + signatureOf(analysis, def)) +
                     commentAbove(analysis, def);
  for (const ModelAnalysis &model : analysis.models) {
    if (model.model != &def)
      continue;
    int64_t parameters = 0, products = 0;
    for (const Layer &layer : model.network.layers) {
      products += multiplyAdds(model.network, layer);
      for (const Parameter &parameter : layer.parameters)
        if (parameter.role < Parameter::Role::RunningMean)
          parameters += elements(parameter.shape);
    }
    text += fmt::format("\n{} layers, {} parameters, {} multiply-adds per image\n",
                        model.network.layers.size(), grouped(parameters), grouped(products));
  }
  return text;
}

static std::string describeLayerKind(std::string_view name) {
  std::string text = code(signatureOfLayer(name));
  if (const LayerNote *note = findLayerNote(name))
    text += fmt::format("{}\n\nPyTorch: `{}`\n", note->summary, note->pytorch);
  return text;
}

static std::string describeSymbol(const Analysis &analysis, const std::string &symbol,
                                  const std::string &name) {
  if (symbol.starts_with("def:")) {
    const Definition *def = analysis.program.find(name);
    return def ? describeDefinition(analysis, *def) : std::string();
  }
  if (symbol.starts_with("layer:"))
    return describeLayerKind(name);
  if (symbol.starts_with("function:"))
    return code(signatureOfFunction(name)) + std::string(describeWord(name)) + "\n";
  std::string_view words = describeWord(name);
  return words.empty() ? std::string() : std::string(words) + "\n";
}

static std::optional<Range> tokenAt(const Source &source, uint32_t line, uint32_t column) {
  Diagnostics scratch;
  uint32_t file = scratch.addSource(source.name, source.text);
  TokenStream stream = lex(file, scratch);
  std::optional<Range> found;
  for (const Token &token : stream.tokens) {
    bool named = token.kind == TokenKind::Identifier || token.kind == TokenKind::Plus ||
                 token.kind == TokenKind::Star || token.kind == TokenKind::Return;
    auto length = static_cast<uint32_t>(token.text.size());
    if (token.line == line && token.column <= column && column <= token.column + length && named)
      found = Range{0, token.line, token.column, length};
  }
  return found;
}

std::optional<Hover> hover(const Analysis &analysis, const Symbols &symbols, uint32_t line,
                           uint32_t column) {
  if (analysis.diags.sourceCount() == 0)
    return std::nullopt;
  const Source &source = analysis.diags.source(0);
  std::optional<Range> token = tokenAt(source, line, column);
  if (!token)
    return std::nullopt;
  std::string name(textOf(source, token->line, token->column).substr(0, token->length));
  std::string text;
  if (const Occurrence *occurrence = symbols.at(0, token->line, token->column))
    if (placeOf(occurrence->range) == placeOf(*token))
      for (const std::string &symbol : occurrence->symbols)
        text += describeSymbol(analysis, symbol, name);
  text += describeLayers(analysis, placeOf(*token));
  text += describeValues(analysis, placeOf(*token));
  if (text.empty())
    return std::nullopt;
  return Hover{*token, std::move(text)};
}

/// Of the first model that has the place; several shapes in the order in which they come.
static std::string shapesAt(const Analysis &analysis, Range range) {
  for (const ModelAnalysis &model : analysis.models) {
    auto found = model.values.find(placeOf(range));
    if (found == model.values.end() || !found->second.tensor)
      continue;
    constexpr size_t most = 3;
    const std::vector<std::string> &values = found->second.values;
    std::string text;
    for (size_t i = 0; i < std::min(most, values.size()); ++i)
      text += (text.empty() ? "" : ", ") + values[i];
    return values.size() > most || found->second.more ? text + ", ..." : text;
  }
  return {};
}

static void hintsOf(const Analysis &analysis, const Body &body, std::vector<Hint> &out);

/// Of the bodies of an `if`, also where it is a value.
static void hintsOf(const Analysis &analysis, const Expr &expr, std::vector<Hint> &out) {
  if (const auto *branch = std::get_if<IfExpr>(&expr.node)) {
    for (const IfExpr::Arm &arm : branch->arms)
      hintsOf(analysis, arm.body, out);
    if (branch->otherwise)
      hintsOf(analysis, *branch->otherwise, out);
  }
}

static void hintsOf(const Analysis &analysis, const Body &body, std::vector<Hint> &out) {
  auto add = [&](Range range) {
    if (std::string text = shapesAt(analysis, range); !text.empty())
      out.push_back({range, std::move(text)});
  };
  for (const Stmt &stmt : body.statements) {
    if (const auto *assign = std::get_if<AssignStmt>(&stmt.node)) {
      for (const Target &target : assign->targets)
        add(target.range);
      hintsOf(analysis, *assign->value, out);
    } else if (const auto *value = std::get_if<ExprStmt>(&stmt.node)) {
      hintsOf(analysis, *value->value, out);
    } else if (const auto *loop = std::get_if<ForStmt>(&stmt.node)) {
      hintsOf(analysis, loop->body, out);
    } else if (const auto *loop = std::get_if<RepeatStmt>(&stmt.node)) {
      hintsOf(analysis, loop->body, out);
    } else if (std::holds_alternative<ReturnStmt>(stmt.node)) {
      add(stmt.range);
    }
  }
}

std::vector<Hint> hints(const Analysis &analysis, uint32_t first, uint32_t last) {
  std::vector<Hint> found;
  if (!analysis.program.files().empty())
    for (const auto &def : analysis.program.files().front().definitions)
      hintsOf(analysis, def->body, found);
  std::erase_if(
      found, [&](const Hint &hint) { return hint.after.line < first || hint.after.line > last; });
  return found;
}

} // namespace netc::lsp
