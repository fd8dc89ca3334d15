//===- Documents.cpp - texts, their analysis and their messages -----------===//
#include "tools/netc-lsp/Server.h"
#include "tools/netc-lsp/Text.h"

#include <fmt/format.h>

#include <filesystem>

using namespace netc::frontend;
using llvm::json::Array;
using llvm::json::Object;

namespace netc::lsp {

static std::string canonical(const std::string &path) {
  std::error_code code;
  std::filesystem::path result = std::filesystem::weakly_canonical(path, code);
  return code ? path : result.string();
}

FileText Server::read(const std::string &path) const {
  for (const auto &[uri, document] : documents)
    if (document.path == path || canonical(document.path) == canonical(path))
      return {document.text, {}};
  return readSource(path);
}

Document *Server::find(const Params &params) {
  const Object *id = params.getObject("textDocument");
  auto found = documents.find(id ? id->getString("uri").value_or("").str() : std::string());
  return found == documents.end() ? nullptr : &found->second;
}

void Server::open(const Params &params) {
  const Object *item = params.getObject("textDocument");
  if (!item)
    return;
  std::string uri = item->getString("uri").value_or("").str();
  Document &document = documents[uri];
  document.uri = uri;
  document.path = pathOf(uri);
  document.text = item->getString("text").value_or("").str();
  document.version = item->getInteger("version").value_or(0);
  document.stale = true;
  spoilImporters(document);
}

void Server::change(const Params &params) {
  Document *document = find(params);
  const Array *changes = params.getArray("contentChanges");
  if (!document || !changes)
    return;
  for (const llvm::json::Value &change : *changes)
    if (const Object *object = change.getAsObject())
      applyChange(document->text, *object);
  if (const Object *id = params.getObject("textDocument"))
    document->version = id->getInteger("version").value_or(document->version);
  document->stale = true;
  spoilImporters(*document);
}

void Server::close(const Params &params) {
  Document *document = find(params);
  if (!document)
    return;
  notify("textDocument/publishDiagnostics",
         Object{{"uri", document->uri}, {"diagnostics", Array{}}});
  spoilImporters(*document);
  documents.erase(document->uri);
}

/// A changed file changes what the open files say that import it, or may do so.
void Server::spoilImporters(const Document &changed) {
  for (auto &[uri, document] : documents) {
    bool alone = document.analysis && !document.analysis->program.files().empty() &&
                 document.analysis->program.files().front().imports.empty();
    if (&document != &changed && !alone)
      document.stale = true;
  }
}

void Server::refresh(Document &document) {
  if (!document.stale)
    return;
  document.stale = false;
  if (document.analysis && document.analysis->program.whole())
    document.whole = std::move(document.analysis);
  document.symbols.reset();
  document.analysis =
      analyze(document.path, [this](const std::string &path) { return read(path); });
  document.symbols = std::make_unique<Symbols>(*document.analysis);
  if (document.analysis->program.whole())
    document.whole.reset();
  publish(document);
}

void Server::settle() {
  for (auto &[uri, document] : documents)
    refresh(document);
}

Object location(const Analysis &analysis, Range range) {
  const Source &source = analysis.diags.source(range.file);
  return Object{{"uri", uriOf(source.name)}, {"range", toJson(source, range)}};
}

std::string proposedWord(const Diagnostic &diagnostic) {
  constexpr std::string_view mark = "did you mean '";
  for (const std::string &text : {diagnostic.message, diagnostic.help}) {
    size_t begin = text.find(mark);
    if (begin == std::string::npos)
      continue;
    begin += mark.size();
    size_t end = text.find('\'', begin);
    if (end != std::string::npos)
      return text.substr(begin, end - begin);
  }
  return {};
}

/// The import of source 0 that leads to `file`; the first one where it is not direct.
static Range importOf(const Analysis &analysis, uint32_t file) {
  const std::deque<File> &files = analysis.program.files();
  if (files.empty() || files.front().imports.empty())
    return {0, 1, 1, 1};
  const std::string &wanted = analysis.diags.source(file).name;
  for (const Import &import : files.front().imports)
    if (wanted.ends_with(import.path))
      return import.range;
  return files.front().imports.front().range;
}

Range shownAt(const Analysis &analysis, const Diagnostic &diagnostic) {
  if (diagnostic.range.file == 0 || diagnostic.range.line == 0)
    return diagnostic.range;
  const std::string &main = analysis.diags.source(0).name;
  for (const Frame &frame : diagnostic.stack)
    if (frame.from.file == main)
      return {0, static_cast<uint32_t>(frame.from.line), static_cast<uint32_t>(frame.from.column),
              static_cast<uint32_t>(frame.block.size())};
  return importOf(analysis, diagnostic.range.file);
}

static Array related(const Analysis &analysis, const Diagnostic &diagnostic) {
  Array items;
  auto add = [&](Range at, std::string message) {
    if (at.line == 0)
      return;
    items.push_back(
        Object{{"location", location(analysis, at)}, {"message", validText(std::move(message))}});
  };
  if (diagnostic.range.file != 0)
    add(diagnostic.range, diagnostic.message);
  for (const Diagnostic::Note &note : diagnostic.notes)
    add(note.range, note.message);
  for (const Frame &frame : diagnostic.stack)
    for (uint32_t file = 0; file < analysis.diags.sourceCount(); ++file)
      if (analysis.diags.source(file).name == frame.from.file)
        add({file, static_cast<uint32_t>(frame.from.line), static_cast<uint32_t>(frame.from.column),
             1},
            fmt::format("in block {}, as {}", frame.block, frame.name));
  return items;
}

void Server::publish(const Document &document) {
  const Analysis &analysis = *document.analysis;
  Array list;
  for (const Diagnostic &diagnostic : analysis.messages) {
    std::string message = diagnostic.message;
    if (diagnostic.range.file != 0)
      message = fmt::format("{}: {}", analysis.diags.source(diagnostic.range.file).name, message);
    if (!diagnostic.help.empty())
      message += "\nhelp: " + diagnostic.help;
    bool isError = diagnostic.severity == Diagnostic::Severity::Error;
    Range at = shownAt(analysis, diagnostic);
    Object object{
        {"range", at.line ? toJson(analysis.diags.source(0), at) : wholeRange(std::string_view())},
        {"severity", isError ? 1 : 2},
        {"source", "netc"},
        {"message", validText(std::move(message))}};
    if (Array notes = related(analysis, diagnostic); !notes.empty())
      object["relatedInformation"] = std::move(notes);
    list.push_back(std::move(object));
  }
  notify("textDocument/publishDiagnostics", Object{{"uri", document.uri},
                                                   {"version", document.version},
                                                   {"diagnostics", std::move(list)}});
}

} // namespace netc::lsp
