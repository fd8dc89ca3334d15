//===- Server.h - the language server's documents and requests --*- C++ -*-===//
#ifndef NETC_TOOLS_NETC_LSP_SERVER_H
#define NETC_TOOLS_NETC_LSP_SERVER_H

#include "tools/netc-lsp/Symbols.h"

#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace netc::lsp {

/// A text that an editor holds, saved or not, and what is known about it.
struct Document {
  std::string uri, path, text;
  int64_t version = 0;
  bool stale = true; ///< changed, or what it imports, since it was analyzed
  std::unique_ptr<frontend::Analysis> analysis;
  std::unique_ptr<Symbols> symbols;
  /// The last one whose definitions were all there: completion goes on while brackets are open.
  std::unique_ptr<frontend::Analysis> whole;
};

class Server {
public:
  using Params = llvm::json::Object;
  /// Sends a notification to the client.
  using Notify = std::function<void(llvm::StringRef method, llvm::json::Value params)>;

  explicit Server(Notify notify) : notify(std::move(notify)) {}

  /// Answers a request; an error for one that cannot be served.
  llvm::Expected<llvm::json::Value> request(llvm::StringRef method, const Params &params);
  void notification(llvm::StringRef method, const Params &params);
  /// Analyzes what has changed and publishes its messages; for when no input waits.
  void settle();

private:
  // Documents.cpp
  void open(const Params &params);
  void change(const Params &params);
  void close(const Params &params);
  void refresh(Document &document);
  void publish(const Document &document);
  void spoilImporters(const Document &changed);
  Document *find(const Params &params);
  frontend::FileText read(const std::string &path) const;

  // Server.cpp
  using Handler = llvm::json::Value (Server::*)(Document &, const Params &);
  static Handler handlerOf(llvm::StringRef method);
  llvm::json::Value hoverAt(Document &document, const Params &params);
  llvm::json::Value completionAt(Document &document, const Params &params);
  llvm::json::Value signatureAt(Document &document, const Params &params);
  llvm::json::Value symbolsOf(Document &document, const Params &params);
  llvm::json::Value format(Document &document, const Params &params);
  llvm::json::Value actions(Document &document, const Params &params);
  llvm::json::Value inlayHints(Document &document, const Params &params);

  // Navigate.cpp
  const Occurrence *occurrenceAt(Document &document, const Params &params);
  llvm::json::Value definitionOf(Document &document, const Params &params);
  llvm::json::Value references(Document &document, const Params &params);
  llvm::json::Value highlights(Document &document, const Params &params);
  llvm::json::Value prepareRename(Document &document, const Params &params);
  llvm::Expected<llvm::json::Value> rename(Document &document, const Params &params);
  using Use = std::function<void(const frontend::Analysis &, const Occurrence &)>;
  void forEachUse(Document &document, std::vector<std::string> symbols, const Use &use);

  Notify notify;
  std::map<std::string, Document> documents; ///< by URI
};

/// The range of the protocol that an error or a name covers.
llvm::json::Object location(const frontend::Analysis &analysis, frontend::Range range);

/// The word that a message proposes: "… did you mean 'stride'?"; empty: none.
std::string proposedWord(const frontend::Diagnostic &diagnostic);

/// Where an editor shows a message about `document`: an error in an import stands at the call or
/// the import that leads there.
frontend::Range shownAt(const frontend::Analysis &analysis, const frontend::Diagnostic &diagnostic);

} // namespace netc::lsp

#endif // NETC_TOOLS_NETC_LSP_SERVER_H
