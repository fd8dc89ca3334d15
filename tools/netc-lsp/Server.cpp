//===- Server.cpp - answers requests about a document ---------------------===//
#include "tools/netc-lsp/Server.h"

#include "frontend/syntax/Format.h"
#include "tools/netc-lsp/Complete.h"
#include "tools/netc-lsp/Describe.h"
#include "tools/netc-lsp/Text.h"

#include "llvm/Support/LSP/Protocol.h"

#include <algorithm>

using namespace netc::frontend;
using llvm::json::Array;
using llvm::json::Object;

namespace netc::lsp {

static Object capabilities() {
  return Object{
      {"positionEncoding", "utf-16"},
      {"textDocumentSync", Object{{"openClose", true}, {"change", 2}, {"save", true}}},
      {"hoverProvider", true},
      {"completionProvider", Object{{"triggerCharacters", Array{"|", ".", "(", ",", "=", " "}}}},
      {"signatureHelpProvider", Object{{"triggerCharacters", Array{"(", ","}}}},
      {"definitionProvider", true},
      {"referencesProvider", true},
      {"documentHighlightProvider", true},
      {"renameProvider", Object{{"prepareProvider", true}}},
      {"documentSymbolProvider", true},
      {"documentFormattingProvider", true},
      {"codeActionProvider", Object{{"codeActionKinds", Array{"quickfix"}}}},
      {"inlayHintProvider", true},
  };
}

void Server::notification(llvm::StringRef method, const Params &params) {
  if (method == "textDocument/didOpen")
    open(params);
  else if (method == "textDocument/didChange")
    change(params);
  else if (method == "textDocument/didClose")
    close(params);
  else if (method == "textDocument/didSave" || method == "workspace/didChangeWatchedFiles")
    for (auto &[uri, document] : documents)
      document.stale = true;
}

Server::Handler Server::handlerOf(llvm::StringRef method) {
  static const std::map<std::string, Handler> handlers{
      {"hover", &Server::hoverAt},
      {"completion", &Server::completionAt},
      {"signatureHelp", &Server::signatureAt},
      {"documentSymbol", &Server::symbolsOf},
      {"formatting", &Server::format},
      {"codeAction", &Server::actions},
      {"inlayHint", &Server::inlayHints},
      {"definition", &Server::definitionOf},
      {"references", &Server::references},
      {"documentHighlight", &Server::highlights},
      {"prepareRename", &Server::prepareRename},
  };
  if (!method.consume_front("textDocument/"))
    return nullptr;
  auto found = handlers.find(method.str());
  return found == handlers.end() ? nullptr : found->second;
}

llvm::Expected<llvm::json::Value> Server::request(llvm::StringRef method, const Params &params) {
  using llvm::lsp::ErrorCode;
  using llvm::lsp::LSPError;
  if (method == "initialize")
    return Object{{"capabilities", capabilities()}, {"serverInfo", Object{{"name", "netc-lsp"}}}};
  if (method == "shutdown")
    return nullptr;
  bool isRename = method == "textDocument/rename";
  Handler handler = handlerOf(method);
  if (!handler && !isRename)
    return llvm::make_error<LSPError>("there is no method '" + method.str() + "'",
                                      ErrorCode::MethodNotFound);
  Document *document = find(params);
  if (!document)
    return llvm::make_error<LSPError>("the document is not open", ErrorCode::InvalidParams);
  if (isRename)
    return rename(*document, params);
  return (this->*handler)(*document, params);
}

static std::string textBefore(const Document &document, const Server::Params &params) {
  Position position = readPosition(params.getObject("position"));
  return document.text.substr(0, offsetOf(document.text, position));
}

/// The newest analysis that knows all definitions.
static const Analysis *knownOf(const Document &document) {
  return document.whole ? document.whole.get() : document.analysis.get();
}

llvm::json::Value Server::hoverAt(Document &document, const Params &params) {
  refresh(document);
  std::string before = textBefore(document, params);
  size_t begin = before.rfind('\n') == std::string::npos ? 0 : before.rfind('\n') + 1;
  auto line = static_cast<uint32_t>(std::count(before.begin(), before.end(), '\n') + 1);
  std::optional<Hover> found = hover(*document.analysis, *document.symbols, line,
                                     static_cast<uint32_t>(before.size() - begin + 1));
  if (!found)
    return nullptr;
  return Object{{"contents", Object{{"kind", "markdown"}, {"value", validText(found->text)}}},
                {"range", toJson(document.analysis->diags.source(0), found->range)}};
}

llvm::json::Value Server::completionAt(Document &document, const Params &params) {
  refresh(document);
  return Object{{"isIncomplete", false},
                {"items", complete(textBefore(document, params), knownOf(document))}};
}

llvm::json::Value Server::signatureAt(Document &document, const Params &params) {
  refresh(document);
  return signatureHelp(textBefore(document, params), knownOf(document));
}

static void addInputs(const Analysis &analysis, const Body &body, Array &children) {
  const Source &source = analysis.diags.source(0);
  for (const Stmt &stmt : body.statements)
    if (const auto *input = std::get_if<InputStmt>(&stmt.node))
      children.push_back(Object{{"name", input->name.name},
                                {"detail", "input"},
                                {"kind", 13},
                                {"range", toJson(source, input->name.range)},
                                {"selectionRange", toJson(source, input->name.range)}});
}

llvm::json::Value Server::symbolsOf(Document &document, const Params & /*params*/) {
  refresh(document);
  const Analysis &analysis = *document.analysis;
  Array found;
  if (analysis.program.files().empty())
    return found;
  const Source &source = analysis.diags.source(0);
  const File &file = analysis.program.files().front();
  for (const auto &def : file.definitions) {
    Object name = toJson(source, def->range), whole = toJson(source, def->range);
    if (!def->alias && def->body.close.line)
      whole["end"] = *toJson(source, def->body.close).get("end");
    Array children;
    addInputs(analysis, def->body, children);
    found.push_back(Object{{"name", def->name},
                           {"detail", validText(signatureOf(analysis, *def))},
                           {"kind", def->isModel ? 5 : 12},
                           {"range", std::move(whole)},
                           {"selectionRange", std::move(name)},
                           {"children", std::move(children)}});
  }
  for (const Train &train : file.recipes) {
    std::string names;
    for (const Target &model : train.models)
      names += (names.empty() ? "" : ", ") + model.name;
    found.push_back(Object{{"name", "train " + names},
                           {"kind", 24},
                           {"range", toJson(source, train.range)},
                           {"selectionRange", toJson(source, train.range)}});
  }
  return found;
}

llvm::json::Value Server::format(Document &document, const Params & /*params*/) {
  std::string unused;
  std::optional<std::string> text = formatSource(document.path, document.text, unused);
  if (!text)
    return nullptr; // its errors are shown already
  if (*text == document.text)
    return Array{};
  return Array{Object{{"range", wholeRange(document.text)}, {"newText", *text}}};
}

/// What a request asks about; the text's begin where it does not say.
static std::pair<Position, Position> readRange(const Object &params) {
  const Object *range = params.getObject("range");
  Position start = readPosition(range ? range->getObject("start") : nullptr);
  Position end = readPosition(range ? range->getObject("end") : nullptr);
  return {start, end};
}

llvm::json::Value Server::actions(Document &document, const Params &params) {
  refresh(document);
  auto [start, end] = readRange(params);
  Array found;
  for (const Diagnostic &diagnostic : document.analysis->messages) {
    int64_t line = int64_t(diagnostic.range.line) - 1;
    std::string word = proposedWord(diagnostic);
    if (word.empty() || diagnostic.range.file != 0 || line < start.line || line > end.line)
      continue;
    Object edit{{"range", toJson(document.analysis->diags.source(0), diagnostic.range)},
                {"newText", word}};
    Object changes;
    changes[document.uri] = Array{std::move(edit)};
    found.push_back(Object{{"title", "change to '" + word + "'"},
                           {"kind", "quickfix"},
                           {"isPreferred", true},
                           {"edit", Object{{"changes", std::move(changes)}}}});
  }
  return found;
}

llvm::json::Value Server::inlayHints(Document &document, const Params &params) {
  refresh(document);
  auto [start, end] = readRange(params);
  Array found;
  for (const Hint &hint : hints(*document.analysis, static_cast<uint32_t>(start.line + 1),
                                static_cast<uint32_t>(end.line + 1))) {
    Object at = toJson(document.analysis->diags.source(0), hint.after);
    found.push_back(Object{
        {"position", *at.get("end")}, {"label", hint.text}, {"kind", 1}, {"paddingLeft", true}});
  }
  return found;
}

} // namespace netc::lsp
