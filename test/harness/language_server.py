"""A client of a language server over stdio: requests, notifications, and the messages that the server publishes."""
import json
import pathlib
import queue
import subprocess
import threading


class ServerError(Exception):
    """The server answered a request with an error."""


class LanguageServer:
    """Starts `command`; `close` ends it and gives its exit code."""

    def __init__(self, command, limit=30):
        self.limit = limit
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.next = 0
        self.replies = queue.Queue()
        self.published = {}  # by URI: the latest diagnostics
        self.versions = {}
        self.arrived = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self.capabilities = self.request("initialize", {"processId": None, "rootUri": None, "capabilities": {}})["capabilities"]
        self.notify("initialized", {})

    def _read(self):
        while header := self.process.stdout.readline():
            length = int(header.split(b":")[1])
            while self.process.stdout.readline().strip():
                pass
            message = json.loads(self.process.stdout.read(length))
            if message.get("method") == "textDocument/publishDiagnostics":
                with self.arrived:
                    self.published[message["params"]["uri"]] = message["params"]["diagnostics"]
                    self.versions[message["params"]["uri"]] = message["params"].get("version")
                    self.arrived.notify_all()
            elif "id" in message:
                self.replies.put(message)
        self.replies.put(None)

    def send(self, message):
        self.send_text(json.dumps({"jsonrpc": "2.0", **message}).encode())

    def send_text(self, text):
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(text) + text)
        self.process.stdin.flush()

    def notify(self, method, params):
        self.send({"method": method, "params": params})

    def request(self, method, params):
        self.next += 1
        self.send({"id": self.next, "method": method, "params": params})
        reply = self.replies.get(timeout=self.limit)
        if reply is None:
            raise ServerError("the server has ended")
        if "error" in reply:
            raise ServerError(reply["error"]["message"])
        return reply["result"]

    def close(self):
        self.request("shutdown", None)
        self.notify("exit", None)
        return self.process.wait(self.limit)


class OpenText:
    """A document that the client holds open, with `^` in a piece of its text for a position."""

    def __init__(self, server, path, text):
        self.server, self.uri, self.text, self.version = server, pathlib.Path(path).as_uri(), text, 1
        server.notify("textDocument/didOpen", {"textDocument": {"uri": self.uri, "languageId": "net", "version": 1, "text": text}})

    def change(self, text):
        """Replaces the whole text."""
        self._changed([{"text": text}])
        self.text = text

    def edit(self, begin, end, fresh):
        """Replaces characters by their offsets in the text, as an editor sends a keystroke."""
        self._changed([{"range": {"start": self.position(begin), "end": self.position(end)}, "text": fresh}])
        self.text = self.text[:begin] + fresh + self.text[end:]

    def _changed(self, changes):
        self.version += 1
        self.server.notify("textDocument/didChange", {"textDocument": {"uri": self.uri, "version": self.version}, "contentChanges": changes})

    def position(self, offset):
        """Of a character offset, in lines and UTF-16 units."""
        before = self.text[:offset]
        line = before.rsplit("\n", 1)[-1]
        return {"line": before.count("\n"), "character": len(line.encode("utf-16-le")) // 2}

    def find(self, where):
        """The offset of `^` in `where`, a piece of the text that stands there once."""
        piece = where.replace("^", "")
        if self.text.count(piece) != 1:
            raise AssertionError(f"{piece!r} stands {self.text.count(piece)} times in the text")
        return self.text.index(piece) + (where.index("^"))

    def ask(self, method, where=None, **more):
        """A request about this document: `textDocument/METHOD`, at a place that `where` shows or at an offset."""
        params = {"textDocument": {"uri": self.uri}, **more}
        if where is not None:
            params["position"] = self.position(where if isinstance(where, int) else self.find(where))
        return self.server.request(f"textDocument/{method}", params)

    def messages(self):
        """What the server published about the newest text."""
        with self.server.arrived:
            newest = self.server.arrived.wait_for(lambda: self.server.versions.get(self.uri) == self.version, self.server.limit)
            if not newest:
                raise AssertionError(f"no messages about version {self.version}")
            return self.server.published[self.uri]

    def covered(self, range):
        """The text of a range within one line."""
        line = self.text.split("\n")[range["start"]["line"]].encode("utf-16-le")
        return line[2 * range["start"]["character"]:2 * range["end"]["character"]].decode("utf-16-le")
