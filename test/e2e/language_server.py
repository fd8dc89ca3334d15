#!/usr/bin/python3
"""netc-lsp by a client over stdio: what it says about good, broken and half-typed texts, renaming across files, restarts, 1,000 random edits.
net-lsp-server: that it knows the dialects."""
import pathlib
import random
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from compiled import MODELS, NETC, ROOT
from language_server import LanguageServer, OpenText, ServerError
from report import Report

BIN = pathlib.Path(NETC).parent
BLOCKS = """net 1

# Two convolutions and a shortcut.
block basic(x, c, stride=1) {
  y = x | conv(c, k=3, stride=stride, pad=1) | bn | relu
        | conv(c, k=3, pad=1) | bn
  s = if stride != 1 or x.channels != c { x | down: conv(c, k=1, stride=stride) | bn } else { x }
  return relu(y + s)
}
"""
MODEL = """net 1
import "blocks.net"
model small(width=16, classes=10) { # größe 😀
  input image: [3, 32, 32]
  x = image | conv(width, k=3, pad=1) | bn | relu
  for i in 0..3 {
    x = x | layer{i}: basic(width << i, stride = if i == 0 { 1 } else { 2 })
  }
  return x | avgpool(global) | flatten | fc: linear(classes)
}
train small {
  augment   random_crop(32, pad=4), hflip
  loss      cross_entropy
  optimizer sgd(lr=0.1, momentum=0.9)
}
"""


class Session:
    """A server with `small.net` open, beside `blocks.net` on the disk."""

    def __init__(self, text=MODEL):
        self.folder = tempfile.TemporaryDirectory(prefix="netc-lsp-")
        self.path = pathlib.Path(self.folder.name).resolve()
        (self.path / "blocks.net").write_text(BLOCKS)
        (self.path / "small.net").write_text(MODEL)
        self.server = LanguageServer([BIN / "netc-lsp"])
        self.text = OpenText(self.server, self.path / "small.net", text)

    def __enter__(self):
        return self.text

    def __exit__(self, *_):
        self.server.process.kill()
        self.folder.cleanup()


def expect(claims, what, have, *words):
    """Claims that each of `words` stands in `have`."""
    missing = [word for word in words if word not in str(have)]
    claims.append((f"{what} without {missing}: {str(have)[:300]}", len(missing), 0.5))


def hovers():
    claims = []
    with Session() as text:
        claims.append((f"messages {text.messages()}", len(text.messages()), 0.5))

        def hover(where):
            found = text.ask("hover", where)
            return found["contents"]["value"] if found else "nothing"
        expect(claims, "layer", hover("image | co^nv(width"), "conv1", "[16, 32, 32]", "432 parameters", "442,368 multiply-adds", "torch.nn.Conv2d",
               "conv1.weight")
        expect(claims, "label's layer", hover("fc: lin^ear"), "fc.bias", "650 parameters", "640 multiply-adds")
        expect(claims, "block", hover("layer{i}: ba^sic"), "block basic(x, c, stride=1)", "Two convolutions")
        expect(claims, "loop's variable", hover("layer{i}: basic(width << ^i"), "`0`, `1`, `2`")
        expect(claims, "tensor", hover("  ^x = x | layer"), "[16, 32, 32]", "[64, 8, 8]")
        expect(claims, "parameter", hover("linear(cla^sses)"), "`10`")
        expect(claims, "model", hover("model sm^all"), "multiply-adds per image")
        expect(claims, "clause", hover("  los^s "), "minimised")
        claims.append(("hover in a comment", int(text.ask("hover", "# grö^ße") is not None), 0.5))
        # Within an imported file, the values are those of the models that import it, once it is open itself.
        hints = {text.covered({"start": {**h["position"], "character": 0}, "end": h["position"]}).strip(): h["label"]
                 for h in text.ask("inlayHint", range={"start": {"line": 0, "character": 0}, "end": {"line": 99, "character": 0}})}
        expect(claims, "hints", hints, "'return': '[10]'", "[16, 32, 32], [32, 16, 16], [64, 8, 8]")
    branch = "net 1\nmodel m(wide=true) {\n  input i: [3]\n  if wide { y = i | linear(9) } else { y = i }\n  z = if wide { w = y | linear(4)\n w } else { y }\n  return z\n}\n"
    with Session(branch) as text:
        found = text.ask("inlayHint", range={"start": {"line": 0, "character": 0}, "end": {"line": 99, "character": 0}})
        labels = [hint["label"] for hint in found]
        claims.append((f"hints in branches {labels}", int(labels != ["[9]", "[4]", "[4]", "[4]"]), 0.5))
    return claims


def errors():
    """Ranges are those of the words in error, also behind characters of several bytes; an error in a block of another file stands at the call."""
    claims = []
    with Session() as text:
        for wrong, right, word, message in (
                ("strid =", "stride =", "strid", "no argument 'strid'; did you mean 'stride'"), ("| rleu\n", "| relu\n", "rleu", "unknown name 'rleu'"),
                ("cross_entrpy", "cross_entropy", "cross_entrpy", "knows no 'cross_entrpy'"), ("image | conv(wdth", "image | conv(width", "wdth", "unknown"),
                ("[3, 32, 32", "[3, 32, 32]", "[", "bracket"), ("k=3, pad=\"a\"", "k=3, pad=1", '"a"', "pad")):
            text.change(MODEL.replace(right, wrong))
            found = text.messages()
            covered = [text.covered(message["range"]) for message in found]
            claims.append((f"{wrong!r}: {found} covers {covered}", int(not found or (word not in covered and word != "[")), 0.5))
            expect(claims, wrong, found, message if word != "[" else "'['")
        text.change(MODEL.replace("classes=10) { #", "classes=10) { x = 1 +; #"))
        claims.append((f"after an emoji {text.messages()}", int(text.covered(text.messages()[0]["range"]) != ";"), 0.5))
        text.change(MODEL.replace("basic(width << i,", "basic(0,"))
        found = text.messages()
        expect(claims, "in a block", found, "blocks.net", "relatedInformation", "in block basic")
        claims.append((f"stands at {found[0]['range']}", int(text.covered(found[0]["range"]) != "basic"), 0.5))
        text.change(MODEL.replace("strid =", "stride ="))
        claims.append((f"mended {text.messages()}", len(text.messages()), 0.5))
    with Session(MODEL.replace("| relu\n", "| rleu\n")) as text:
        actions = text.ask("codeAction", range={"start": text.position(text.find("rl^eu")), "end": text.position(text.find("rleu^"))}, context={"diagnostics": []})
        expect(claims, "action", actions, "change to 'relu'")
        edit = actions[0]["edit"]["changes"][text.uri][0] if actions else {"range": None}
        claims.append((f"edit {edit}", int(not actions or edit["newText"] != "relu" or text.covered(edit["range"]) != "rleu"), 0.5))
    return claims


def same_as_netc():
    """The messages are those that netc prints about the same file, in the same places."""
    claims = []
    broken = MODEL.replace("| relu\n", "| rleu\n").replace("classes)\n}", "clases)\n}").replace("lr=0.1", "rate=0.1")
    with Session(broken) as text:
        path = pathlib.Path(text.uri[7:])
        path.write_text(broken)
        said = subprocess.run([NETC, path, "--emit", "net"], capture_output=True, text=True, cwd=path.parent).stderr
        wanted = sorted((int(line), int(column), message) for line, column, message in re.findall(r"^\S*small.net:(\d+):(\d+): error: (.*)$", said, re.M))
        found = sorted((m["range"]["start"]["line"] + 1, m["range"]["start"]["character"] + 1, m["message"].split("\n")[0]) for m in text.messages())
        claims.append((f"{found} for {wanted}", int(found != wanted or len(found) < 3), 0.5))
    for path in sorted(MODELS.glob("*.net")):
        with Session() as text:
            other = OpenText(text.server, path, path.read_text())
            claims.append((f"{path.name}: {other.messages()}", len(other.messages()), 0.5))
    return claims


def completions():
    claims = []

    def labels(text, where):
        return {item["label"]: item for item in text.ask("completion", where)["items"]}

    def typed(piece, instead, where):
        with Session(MODEL.replace(piece, instead, 1)) as text:
            return labels(text, where)
    layers = typed("| bn | relu", "| ", "pad=1) | ^\n")
    expect(claims, "layers", list(layers), "conv", "bn", "basic", "maxpool")
    named = [name for name, item in layers.items() if item["kind"] == 3 and "documentation" not in item]
    claims.append((f"layers without a text {named}", len(named), 0.5))
    expect(claims, "detail", layers["conv"]["detail"], "conv(x, c, k, stride=1, pad=0")
    expect(claims, "arguments", list(typed("width, k=3, pad=1", "width, k=3, ", "k=3, ^)")), "stride=", "pad=", "width", "bias")
    claims.append(("given arguments again", int("k=" in typed("width, k=3, pad=1", "width, k=3, ", "k=3, ^)")), 0.5))
    expect(claims, "block's arguments", list(typed("stride = if i == 0 { 1 } else { 2 }", "", "width << i, ^)")), "stride=")
    expect(claims, "words", list(typed("pad=1) | bn", "pad=) | bn", "k=3, pad=^)")), "same")
    expect(claims, "members", list(typed("linear(classes)", "linear(x.)", "linear(x.^)")), "channels", "shape")
    expect(claims, "clauses", list(typed("  loss      cross_entropy\n", "  \n", "hflip\n  ^\n")), "loss", "ema", "schedule")
    expect(claims, "calls of a clause", list(typed("cross_entropy", "cr", "loss      cr^")), "cross_entropy", "bce")
    expect(claims, "arguments of a recipe", list(typed("lr=0.1, momentum=0.9", "lr=0.1, ", "lr=0.1, ^)")), "momentum=", "nesterov")
    expect(claims, "variables", list(typed("  return", "  y = \n  return", "  y = ^\n")), "width", "image", "classes", "len")
    expect(claims, "top", list(typed("train small", "tr\ntrain small", "tr^\n")), "train", "model")
    claims.append(("in a comment", len(typed("größe", "gr ", "# gr ^")), 0.5))
    # Whatever is open after the cursor.
    with Session() as text:
        text.messages()
        text.change(MODEL[:MODEL.index("basic(width") + len("basic(")])
        expect(claims, "in a file that ends there", list(labels(text, len(text.text))), "stride=", "c=")
    return claims


def signatures():
    claims = []
    with Session() as text:
        for where, label, active in (("conv(^width", "conv(x, c, k, stride=1", 1), ("width, k=3, pad=^1)", "conv(x, c, k", 4), ("basic(width <<^ i", "basic(x, c, stride=1)", 1),
                                     ("sgd(lr=0.1, momentum^=", "sgd(lr, momentum", 1), ("random_crop(32, pad=4^", "random_crop(size, pad)", 1)):
            found = text.ask("signatureHelp", where)
            expect(claims, where, found, label)
            claims.append((f"{where}: {found}", int(not found or found["activeParameter"] != active), 0.5))
        claims.append(("outside of calls", int(text.ask("signatureHelp", "^return x") is not None), 0.5))
    return claims


def names():
    claims = []
    with Session() as text:
        def ends(found):
            return [(pathlib.PurePath(each["uri"]).name, each["range"]["start"]["line"] + 1) for each in found]
        claims.append(("block", int(ends(text.ask("definition", "layer{i}: ba^sic")) != [("blocks.net", 4)]), 0.5))
        claims.append(("argument", int(ends(text.ask("definition", "i, str^ide = if")) != [("blocks.net", 4)]), 0.5))
        claims.append(("variable", int(ends(text.ask("definition", "return ^x")) != [("small.net", 7)]), 0.5))
        claims.append(("import", int(ends(text.ask("definition", '"blo^cks.net"')) != [("blocks.net", 1)]), 0.5))
        claims.append(("model of a recipe", int(ends(text.ask("definition", "train sm^all")) != [("small.net", 3)]), 0.5))
        found = ends(text.ask("references", "layer{i}: ba^sic", context={"includeDeclaration": True}))
        claims.append((f"references {found}", int(sorted(found) != [("blocks.net", 4), ("small.net", 7)]), 0.5))
        claims.append(("highlights", int(len(text.ask("documentHighlight", "small(wi^dth")) != 3), 0.5))
        symbols = text.ask("documentSymbol")
        expect(claims, "symbols", [s["name"] for s in symbols], "small", "train small")
        expect(claims, "inputs", symbols[0]["children"], "image")
        for name, where, why in (("relu", "small(wi^dth", "word of the language"), ("1a", "small(wi^dth", "no name"), ("classes", "small(wi^dth", "already"),
                                 ("other", "image | co^nv", "only blocks")):
            try:
                said = text.ask("rename", where, newName=name)
            except ServerError as error:
                said = error
            expect(claims, f"rename to {name}", said, why)
        # Both files are changed, and mean the same afterwards.
        for where, name in (("layer{i}: ba^sic", "plain"), ("i, str^ide = if", "step"), ("small(wi^dth", "w"), ("  in^put image", None), ("train sm^all", "tiny")):
            if name is None:
                continue
            edits = text.ask("rename", where, newName=name)["changes"]
            folder = pathlib.Path(text.uri[7:]).parent
            renamed = {file.name: apply(file.read_text(), edits.get(file.as_uri(), [])) for file in folder.glob("*.net")}
            with tempfile.TemporaryDirectory() as other:
                for file, content in renamed.items():
                    (pathlib.Path(other) / file).write_text(content)
                before = subprocess.run([NETC, "--emit", "net", folder / "small.net"], capture_output=True, text=True)
                after = subprocess.run([NETC, "--emit", "net", pathlib.Path(other) / "small.net"], capture_output=True, text=True)
            claims.append((f"{name}: {after.stderr}", int(after.returncode or strip(after.stdout) != strip(before.stdout).replace("small", "tiny" if name == "tiny" else "small")), 0.5))
            claims.append((f"{name} stands in the files", int(name not in "".join(renamed.values())), 0.5))
    return claims


def strip(text):
    """Without the places in the text."""
    return re.sub(r'loc\(.*?\)|"[^"]*\.net"|\d+:\d+', "", text)


def apply(text, edits):
    lines = text.split("\n")
    for edit in sorted(edits, key=lambda e: (e["range"]["start"]["line"], e["range"]["start"]["character"]), reverse=True):
        start, end = edit["range"]["start"], edit["range"]["end"]
        line = lines[start["line"]]
        lines[start["line"]] = line[:start["character"]] + edit["newText"] + line[end["character"]:]
    return "\n".join(lines)


def formatting():
    with Session(MODEL.replace("x = image", "x   =    image")) as text:
        edits = text.ask("formatting", options={"tabSize": 2, "insertSpaces": True})
        same = [("formatted", int(len(edits) != 1 or "x = image" not in edits[0]["newText"]), 0.5)]
        text.change("net 1\nmodel {")
        return [*same, ("broken", int(text.ask("formatting", options={}) is not None), 0.5)]


def unsaved():
    """A change of an open import shows in the file that imports it, saved or not; so does a file that is not on the disk at all."""
    claims = []
    with Session() as text:
        text.messages()
        blocks = OpenText(text.server, pathlib.Path(text.uri[7:]).parent / "blocks.net", BLOCKS)
        claims.append((f"a file of blocks {blocks.messages()}", len(blocks.messages()), 0.5))
        blocks.change(BLOCKS.replace("block basic", "block simple"))
        blocks.messages()
        expect(claims, "importer", text.ask("hover", "image | co^nv") and text.server.published[text.uri], "unknown name 'basic'")
        blocks.change(BLOCKS)
        text.ask("hover", "image | co^nv")
        claims.append(("mended", len(text.server.published[text.uri]), 0.5))
        text.server.notify("textDocument/didOpen", {"textDocument": {"uri": "untitled:One", "languageId": "net", "version": 1,
                                                                     "text": "net 1\nmodel a { input i: [3]\n return i | linear(2) }\n"}})
        found = text.server.request("textDocument/hover", {"textDocument": {"uri": "untitled:One"}, "position": {"line": 2, "character": 15}})
        expect(claims, "untitled", found, "linear1")
    return claims


def random_edits():
    """1,000 edits, then the same answers as a fresh server's about the same text."""
    draw = random.Random(7)
    pieces = ["(", ")", "{", "}", "[", "]", "|", ",", "=", "\n", " ", "conv", "x", "é", "😀", '"', "#", "if ", "for i in 0..9 {", "..", "1e9", "<<", "train ", "\t", "\0"]
    methods = ("hover", "completion", "signatureHelp", "definition", "references", "documentHighlight", "prepareRename")
    with Session() as text:
        for index in range(1000):
            if index % 50 == 0:
                text.change(MODEL)
            begin = draw.randrange(len(text.text) + 1)
            end = min(len(text.text), begin + draw.choice([0, 0, 1, 3, 40]))
            text.edit(begin, end, draw.choice(pieces))
            if index % 2:
                text.messages()
            if index % 5 == 0:
                text.ask(draw.choice(methods), draw.randrange(len(text.text) + 1), context={"includeDeclaration": True})
            if index % 25 == 0:
                text.ask("documentSymbol")
                text.ask("inlayHint", range={"start": {"line": 0, "character": 0}, "end": {"line": 99, "character": 0}})
        last, messages = text.text, text.messages()
        with Session(last) as fresh:
            again = fresh.messages()
        plain = [[(m["message"], m["range"]) for m in each] for each in (messages, again)]
        return [(f"{plain[0]} for {plain[1]}", int(plain[0] != plain[1]), 0.5), ("has ended", int(text.server.process.poll() is not None), 0.5)]


def restarts():
    """A server ends as it is told, also by the end of its input; another one goes on; broken messages get errors."""
    claims = []
    for _ in range(3):
        session = Session()
        session.text.messages()
        claims.append(("exit code", session.server.close(), 0.5))
    with Session() as text:
        text.server.send_text(b"{nonsense")
        reply = text.server.replies.get(timeout=10)
        expect(claims, "nonsense", reply, "error")
        for message in ({"id": 1}, {"id": "a", "method": "textDocument/hover"}, {"id": 2, "method": "no/such"}, {"id": 3, "method": "textDocument/hover", "params": [1]},
                        {"method": "textDocument/didChange", "params": {"textDocument": {"uri": 4}, "contentChanges": [{"range": 1}]}},
                        {"method": "textDocument/didOpen", "params": {}}):
            text.server.send(message)
        for _ in range(3):
            expect(claims, "malformed", text.server.replies.get(timeout=10), "error")
        expect(claims, "goes on", text.ask("hover", "image | co^nv"), "conv1")
        text.server.process.stdin.close()
        claims.append(("end of input", int(text.server.process.wait(10) != 1), 0.5))
    return claims


def dialects():
    """net-lsp-server shows what an operation of the dialects is, and the verifier's message."""
    claims = []
    good = (ROOT / "test/dialect/net/round-trip.mlir").read_text()
    with tempfile.TemporaryDirectory() as folder:
        server = LanguageServer([BIN / "net-lsp-server"])
        text = OpenText(server, pathlib.Path(folder).resolve() / "a.mlir", good)
        claims.append((f"messages {text.messages()}", len(text.messages()), 0.5))
        text.change(good.replace("net.conv2d", "net.no_such_conv", 1))
        expect(claims, "message", text.messages(), "no_such_")
        server.close()
    return claims


def main():
    report = Report("language_server")
    for case in (hovers, errors, same_as_netc, completions, signatures, names, formatting, unsaved, random_edits, restarts, dialects):
        report.case(case.__name__, case)
    report.close()


if __name__ == "__main__":
    main()
