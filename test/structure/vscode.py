#!/usr/bin/python3
"""editors/vscode: the manifest names files and commands that there are, the extension starts the server that the setting names and starts it again, and the
grammar gives each kind of word of a model its scope. VS Code itself is replaced by a stub, its tokenizer by the rules of TextMate grammars that ours uses."""
import json
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "harness"))
from report import Report, Unsupported

FOLDER = ROOT / "editors" / "vscode"
MANIFEST = json.loads((FOLDER / "package.json").read_text())

# Records what the extension asks for. The first start of the server fails.
STUB = r"""
const Module = require("module"), said = [];
let starts = 0;
class LanguageClient {
  constructor(id, name, server, options) { said.push(["client", server.run.command, options.documentSelector[0].language]); }
  async start() { said.push(["start"]); this.on = ++starts > 1; if (!this.on) throw new Error("no such server"); }
  async stop() { if (!this.on) throw new Error("not running"); this.on = false; said.push(["stop"]); }
}
const registered = {};
const stubs = {
  vscode: {
    commands: { registerCommand: (name, run) => ((registered[name] = run), { dispose() {} }) },
    workspace: { getConfiguration: (part) => ({ get: (name) => `${part}.${name}` }), createFileSystemWatcher: (glob) => said.push(["watch", glob]) },
  },
  "vscode-languageclient/node": { LanguageClient },
};
const load = Module._load;
Module._load = (name, ...rest) => stubs[name] || load(name, ...rest);
const extension = require(process.argv[1]), context = { subscriptions: [] };
(async () => {
  await extension.activate(context).catch(() => said.push(["failed"]));
  for (const name of Object.keys(registered)) await registered[name]();
  await registered["netc.restart"]();
  await extension.deactivate();
  console.log(JSON.stringify({ said, commands: Object.keys(registered), kept: context.subscriptions.length }));
})();
"""


def manifest():
    gives = MANIFEST["contributes"]
    named = [MANIFEST["main"], gives["languages"][0]["configuration"], gives["grammars"][0]["path"]]
    missing = [name for name in named if not (FOLDER / name).exists()]
    json.loads((FOLDER / gives["languages"][0]["configuration"]).read_text())
    grammar = json.loads((FOLDER / gives["grammars"][0]["path"]).read_text())
    return [(f"files that are missing {missing}", len(missing), 0.5), ("scope", int(grammar["scopeName"] != gives["grammars"][0]["scopeName"]), 0.5),
            ("language", int(gives["grammars"][0]["language"] != gives["languages"][0]["id"]), 0.5),
            ("not for .net", int(".net" not in gives["languages"][0]["extensions"]), 0.5)]


def extension():
    if not shutil.which("node"):
        raise Unsupported("no node (Debian: nodejs)")
    done = subprocess.run(["node", "-e", STUB, str(FOLDER / "extension.js")], capture_output=True, text=True)
    if done.returncode:
        return [(done.stderr, 1, 0.5)]
    found, language = json.loads(done.stdout), MANIFEST["contributes"]["languages"][0]["id"]
    clients = [each[1:] for each in found["said"] if each[0] == "client"]
    steps = [each[0] for each in found["said"] if each[0] in ("start", "failed", "stop")]
    return [(f"clients {clients}", int(clients != [["netc.server", language]] * 3), 0.5), (f"steps {steps}", int(steps != ["start", "failed", "start", "stop", "start", "stop"]), 0.5),
            ("settings", int("netc.server" not in MANIFEST["contributes"]["configuration"]["properties"]), 0.5),
            (f"commands {found['commands']}", int(found["commands"] != [each["command"] for each in MANIFEST["contributes"]["commands"]]), 0.5)]


class Grammar:
    """Patterns in their order, the leftmost match first; begin and end; captures."""

    def __init__(self):
        text = json.loads((FOLDER / MANIFEST["contributes"]["grammars"][0]["path"]).read_text())
        self.rules = [self.rule(each, text["repository"]) for each in text["patterns"]]

    def rule(self, pattern, repository):
        pattern = repository[pattern["include"].removeprefix("#")] if "include" in pattern else pattern
        return pattern, re.compile(pattern.get("match") or pattern["begin"])

    def scopes(self, line):
        """(text, scope) of all that has one."""
        found, at = [], 0
        while at < len(line):
            matches = [(match.start(), index, match) for index, (_, regex) in enumerate(self.rules) if (match := regex.search(line, at))]
            if not matches:
                break
            _, index, match = min(matches, key=lambda each: each[:2])
            pattern, end = self.rules[index][0], match.end()
            if "begin" in pattern:
                end = re.compile(pattern["end"]).search(line, match.end()).end()
            if "name" in pattern:
                found.append((line[match.start():end].strip(), pattern["name"]))
            found += [(match.group(int(group)), each["name"]) for group, each in pattern.get("captures", {}).items() if match.group(int(group))]
            at = max(end, at + 1)
        return found


EXPECTED = (("net 1", "net", "keyword.control"), ('import "blocks.net"', '"blocks.net"', "string.quoted"), ("block basic(x, c, stride=1) {", "basic", "entity.name.type"),
            ("  input image: [3, 224, 224]", "image", "variable.parameter"), ("  input image: [3, 224, 224]", "224", "constant.numeric"),
            ("  x = image | conv(64, k=7) | bn | relu  # stem", "bn", "entity.name.function"), ("  x = image | conv(64, k=7)", "conv", "entity.name.function"),
            ("  x = image | conv(64, k=7)", "k", "variable.other"), ("    x = x | layer{stage + 1}.{i}: body(c)", "layer{stage + 1}.{i}", "entity.name.label"),
            ("    x = x | layer{stage + 1}.{i}: body(c)", "body", "entity.name.function"), ("  for i in 0..n {", "for", "keyword.control"), ("  for i in 0..n {", "..", "keyword.operator"),
            ("  s = if stride != 1 or x.channels != c {", "or", "keyword.operator.word"), ("train resnet18, resnet34 {", "train", "keyword.control"),
            ("  # a | conv(3)", "# a | conv(3)", "comment.line"), ("  schedule step(at=[32k], factor=1e-3)", "32k", "constant.numeric"),
            ("  schedule step(at=[32k], factor=1e-3)", "1e-3", "constant.numeric"), ("  pad=same", "same", "constant.language"),
            ("  loss       cross_entropy", "loss", "keyword.other"), ("  batch = image | relu", "batch", "variable.other"))


def scopes():
    grammar = Grammar()
    wrong = [(line, text, [each for each in grammar.scopes(line) if each[0] == text]) for line, text, scope in EXPECTED
             if not any(found == text and name.startswith(scope) for found, name in grammar.scopes(line))]
    lines = [line for path in sorted((ROOT / "models").glob("*.net")) for line in path.read_text().splitlines()]
    bare = [line for line in lines if re.search(r"\w", line) and not grammar.scopes(line)]
    return [(f"other scopes: {wrong}", len(wrong), 0.5), (f"lines of the zoo without any of {len(lines)}: {bare[:3]}", len(bare), 0.01 * len(lines))]


def main():
    report = Report("vscode")
    for case in (manifest, extension, scopes):
        report.case(case.__name__, case)
    report.close()


if __name__ == "__main__":
    main()
