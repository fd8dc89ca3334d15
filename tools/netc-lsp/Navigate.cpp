//===- Navigate.cpp - definitions, references, renaming -------------------===//
#include "frontend/layers/LayerTable.h"
#include "frontend/syntax/Lexer.h"
#include "tools/netc-lsp/Server.h"
#include "tools/netc-lsp/Text.h"

#include "llvm/Support/LSP/Protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

using namespace netc::frontend;
using llvm::json::Array;
using llvm::json::Object;

namespace netc::lsp {

const Occurrence *Server::occurrenceAt(Document &document, const Params &params) {
  refresh(document);
  size_t offset = offsetOf(document.text, readPosition(params.getObject("position")));
  std::string_view before = std::string_view(document.text).substr(0, offset);
  size_t begin = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  auto line = static_cast<uint32_t>(std::count(before.begin(), before.end(), '\n') + 1);
  return document.symbols->at(0, line, static_cast<uint32_t>(offset - begin + 1));
}

/// Where a variable got its value: the last binding before its use, in the order of the text.
static const Occurrence *bindingOf(const Symbols &symbols, const Occurrence &use,
                                   const std::string &symbol) {
  const Occurrence *first = nullptr, *last = nullptr;
  for (const Occurrence *each : symbols.meaning({symbol})) {
    if (!each->binds)
      continue;
    first = first ? first : each;
    if (placeOf(each->range) <= placeOf(use.range) && each->range.file == use.range.file)
      last = each;
  }
  return last ? last : first;
}

llvm::json::Value Server::definitionOf(Document &document, const Params &params) {
  const Occurrence *use = occurrenceAt(document, params);
  Array found;
  if (use)
    for (const std::string &symbol : use->symbols)
      if (const Occurrence *binding = bindingOf(*document.symbols, *use, symbol))
        found.push_back(location(*document.analysis, binding->range));
  if (use || document.analysis->program.files().empty())
    return found;
  // The path of an import leads to its file.
  Position position = readPosition(params.getObject("position"));
  const File &file = document.analysis->program.files().front();
  for (const Import &import : file.imports)
    if (import.range.line == position.line + 1) {
      std::filesystem::path path = std::filesystem::path(document.path).parent_path() / import.path;
      found.push_back(Object{{"uri", uriOf(path.lexically_normal().string())},
                             {"range", wholeRange(std::string_view())}});
    }
  return found;
}

/// Files that may import `path`: open ones are known; of those on the disk, its neighbours.
static std::vector<std::string> neighbours(const std::string &path) {
  constexpr size_t most = 300;
  std::vector<std::string> files;
  std::error_code code;
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  for (const auto &entry : std::filesystem::directory_iterator(folder, code))
    if (entry.path().extension() == ".net" && files.size() < most)
      files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  return files;
}

/// Visits each place once, whichever file's analysis finds it. Symbols that stand together
/// somewhere (an argument of several blocks) belong together.
void Server::forEachUse(Document &document, std::vector<std::string> symbols, const Use &use) {
  std::vector<std::pair<const Analysis *, const Symbols *>> sources;
  std::vector<std::pair<std::unique_ptr<Analysis>, std::unique_ptr<Symbols>>> owned;
  std::set<std::string> known;
  auto add = [&](const Analysis &analysis, const Symbols &found) {
    for (uint32_t file = 0; file < analysis.diags.sourceCount(); ++file)
      known.insert(analysis.diags.source(file).name);
    sources.push_back({&analysis, &found});
  };
  add(*document.analysis, *document.symbols);
  for (auto &[uri, other] : documents) {
    refresh(other);
    if (&other != &document)
      add(*other.analysis, *other.symbols);
  }
  for (const std::string &path : neighbours(document.path)) {
    if (known.count(path))
      continue;
    auto analysis = analyze(path, [this](const std::string &name) { return read(name); }, false);
    auto found = std::make_unique<Symbols>(*analysis);
    add(*analysis, *found);
    owned.push_back({std::move(analysis), std::move(found)});
  }
  for (size_t before = 0; before != symbols.size();) {
    before = symbols.size();
    for (const auto &[analysis, found] : sources)
      for (const Occurrence *each : found->meaning(symbols))
        for (const std::string &symbol : each->symbols)
          if (std::find(symbols.begin(), symbols.end(), symbol) == symbols.end())
            symbols.push_back(symbol);
  }
  std::set<std::tuple<std::string, uint32_t, uint32_t>> seen;
  for (const auto &[analysis, found] : sources)
    for (const Occurrence *each : found->meaning(symbols)) {
      const std::string &name = analysis->diags.source(each->range.file).name;
      if (seen.insert({name, each->range.line, each->range.column}).second)
        use(*analysis, *each);
    }
}

llvm::json::Value Server::references(Document &document, const Params &params) {
  const Occurrence *use = occurrenceAt(document, params);
  if (!use)
    return Array{};
  const Object *context = params.getObject("context");
  bool declarations = !context || context->getBoolean("includeDeclaration").value_or(true);
  Array found;
  forEachUse(document, use->symbols, [&](const Analysis &analysis, const Occurrence &each) {
    if (declarations || !each.binds)
      found.push_back(location(analysis, each.range));
  });
  return found;
}

llvm::json::Value Server::highlights(Document &document, const Params &params) {
  const Occurrence *use = occurrenceAt(document, params);
  Array found;
  if (use)
    for (const Occurrence *each : document.symbols->meaning(use->symbols))
      if (each->range.file == 0)
        found.push_back(Object{{"range", toJson(document.analysis->diags.source(0), each->range)},
                               {"kind", each->binds ? 3 : 2}});
  return found;
}

llvm::json::Value Server::prepareRename(Document &document, const Params &params) {
  const Occurrence *use = occurrenceAt(document, params);
  if (!use || !isOwn(*use))
    return nullptr;
  return toJson(document.analysis->diags.source(0), use->range);
}

static llvm::Error refuse(const std::string &message) {
  return llvm::make_error<llvm::lsp::LSPError>(message, llvm::lsp::ErrorCode::InvalidParams);
}

/// Empty, or why `name` cannot be a name of one's own.
static std::string whyNoName(const std::string &name) {
  Diagnostics scratch;
  TokenStream stream = lex(scratch.addSource("", name), scratch);
  bool isName = !scratch.hasErrors() && !stream.tokens.empty() &&
                stream.tokens[0].kind == TokenKind::Identifier && stream.tokens[0].text == name;
  if (!isName)
    return fmt::format("'{}' is no name", name);
  if (findLayerKind(name) || findFunction(name) || isChoiceWord(name))
    return fmt::format("'{}' is a word of the language", name);
  return {};
}

llvm::Expected<llvm::json::Value> Server::rename(Document &document, const Params &params) {
  const Occurrence *use = occurrenceAt(document, params);
  if (!use || !isOwn(*use))
    return refuse("only blocks, models, parameters and variables can be renamed");
  std::string name = params.getString("newName").value_or("").str();
  if (std::string why = whyNoName(name); !why.empty())
    return refuse(why);
  std::vector<std::string> fresh;
  for (const std::string &symbol : use->symbols)
    fresh.push_back(symbol.substr(0, symbol.rfind(':') + 1) + name);
  bool taken = !document.symbols->meaning(fresh).empty() || document.analysis->program.find(name);
  if (taken)
    return refuse(fmt::format("there is a '{}' already", name));
  std::map<std::string, Array> edits;
  forEachUse(document, use->symbols, [&](const Analysis &analysis, const Occurrence &each) {
    const Source &source = analysis.diags.source(each.range.file);
    edits[uriOf(source.name)].push_back(
        Object{{"range", toJson(source, each.range)}, {"newText", name}});
  });
  Object changes;
  for (auto &[uri, list] : edits)
    changes[uri] = std::move(list);
  return Object{{"changes", std::move(changes)}};
}

} // namespace netc::lsp
