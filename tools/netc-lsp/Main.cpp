//===- Main.cpp - netc-lsp: the language server of .net files -------------===//
//
// JSON-RPC over stdin and stdout. Changes are analyzed once no input waits, so that a
// burst of keystrokes costs one analysis.
//
//===----------------------------------------------------------------------===//
#include "tools/netc-lsp/Server.h"

#include "llvm/Support/LSP/Transport.h"
#include "llvm/Support/Program.h"

#include <cerrno>
#include <poll.h>
#include <unistd.h>

using llvm::json::Value;

namespace {
/// Reads messages from a file descriptor and calls `idle` before it waits for more.
class Input : public llvm::lsp::JSONTransportInput {
public:
  explicit Input(std::function<void()> idle) : idle(std::move(idle)) {}

  bool hasError() const override { return false; }
  bool isEndOfInput() const override { return ended; }

  llvm::LogicalResult readStandardMessage(std::string &json) override {
    constexpr size_t mostBytes = size_t(64) << 20;
    size_t length = 0;
    while (std::optional<std::string> line = readLine()) {
      if (line->empty()) {
        if (length == 0)
          continue; // blank lines between messages
        return length <= mostBytes ? readBody(length, json) : llvm::failure();
      }
      constexpr std::string_view header = "content-length:";
      if (llvm::StringRef(*line).starts_with_insensitive(header)) {
        llvm::StringRef digits = llvm::StringRef(*line).drop_front(header.size()).trim();
        if (digits.getAsInteger(10, length))
          length = 0;
      }
    }
    return llvm::failure();
  }
  llvm::LogicalResult readDelimitedMessage(std::string &json) override {
    return readStandardMessage(json);
  }

private:
  bool fill() {
    pollfd wait{STDIN_FILENO, POLLIN, 0};
    if (poll(&wait, 1, 0) == 0)
      idle();
    char bytes[1 << 16];
    ssize_t count = 0;
    do
      count = ::read(STDIN_FILENO, bytes, sizeof bytes);
    while (count < 0 && errno == EINTR);
    if (count <= 0) {
      ended = true;
      return false;
    }
    buffer.erase(0, position);
    position = 0;
    buffer.append(bytes, static_cast<size_t>(count));
    return true;
  }

  std::optional<std::string> readLine() {
    size_t end = buffer.find('\n', position);
    while (end == std::string::npos) {
      if (!fill())
        return std::nullopt;
      end = buffer.find('\n', position);
    }
    std::string line = buffer.substr(position, end - position);
    position = end + 1;
    if (!line.empty() && line.back() == '\r')
      line.pop_back();
    return line;
  }

  llvm::LogicalResult readBody(size_t length, std::string &json) {
    while (buffer.size() - position < length)
      if (!fill())
        return llvm::failure();
    json = buffer.substr(position, length);
    position += length;
    return llvm::success();
  }

  std::function<void()> idle;
  std::string buffer;
  size_t position = 0;
  bool ended = false;
};
} // namespace

/// One message: a request gets a reply, whatever it holds. False: the client says exit.
static bool handle(netc::lsp::Server &server, llvm::lsp::JSONTransport &transport,
                   const Value &message) {
  const llvm::json::Object *object = message.getAsObject();
  std::optional<llvm::StringRef> method = object ? object->getString("method") : std::nullopt;
  if (!method)
    return true; // a reply; this server asks nothing
  const llvm::json::Object *given = object->getObject("params");
  llvm::json::Object params = given ? *given : llvm::json::Object();
  if (*method == "exit")
    return false;
  if (const Value *id = object->get("id"))
    transport.reply(*id, server.request(*method, params));
  else
    server.notification(*method, params);
  return true;
}

int main() {
  if (std::error_code code = llvm::sys::ChangeStdinToBinary())
    return 1;
  std::unique_ptr<netc::lsp::Server> server;
  Input input([&] { server->settle(); });
  llvm::lsp::JSONTransport transport(nullptr, llvm::outs());
  server = std::make_unique<netc::lsp::Server>(
      [&](llvm::StringRef method, Value params) { transport.notify(method, std::move(params)); });
  std::string json;
  bool told = false; // `shutdown` came before `exit`, or the input ended
  while (llvm::succeeded(input.readMessage(json))) {
    llvm::Expected<Value> message = llvm::json::parse(json);
    if (!message) {
      std::string why = llvm::toString(message.takeError());
      transport.reply(nullptr,
                      llvm::make_error<llvm::lsp::LSPError>(why, llvm::lsp::ErrorCode::ParseError));
      continue;
    }
    const llvm::json::Object *object = message->getAsObject();
    told |= object && object->getString("method") == "shutdown";
    if (!handle(*server, transport, *message))
      return told ? 0 : 1;
  }
  return told ? 0 : 1;
}
