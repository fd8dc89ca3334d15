#!/usr/bin/python3
"""editors/tree-sitter-netc: its grammar has no conflicts and parses every .net file of the tree. Checked by tables that are built here (harness/grammar.py),
because tree-sitter's generator is in neither Debian 12 nor PyPI; and by the generator itself where it is installed."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "harness"))
import grammar
from report import Report, Unsupported

FOLDER = ROOT / "editors" / "tree-sitter-netc"

# What no model of the zoo has.
MORE = """net 1  # the version
import "a.net"
block f(x, c, n=[1, 2.5, 1e-3,], on=not true,) {
  if c == 1 or n[0] << 2 < len(n) and x.channels != 3 { return_ = 2 } else if on { y = 1 } else { y = -x }
  {c}: g(x)
  return [x, y]
}
model a(c=4) {
  input image: [3,
                8, 8]
  repeat c { image = image | layer{c + 1}.{0}.conv: conv(c, k=[3, 3])
                   # a comment between
                   | relu }
  for i, each in enumerate([[1, 2], [3, 4]]) { image = (image + image * 2) | f(i..each[0]) }
  aux(image | flatten | linear(10), weight=0.3)
  return {scores: image, soft: (image | flatten) + 1, }
}
model b = a(c=1 << 3)
train a, b {
  loss scores: cross_entropy + 0.5 * dice, soft: 0.1 * l1
  normalize(auto)
  schedule step(at=[32k, 48k], factor=0.1)
  batch 256
}
"""


def files():
    listed = subprocess.run(["git", "ls-files", "*.net"], cwd=ROOT, capture_output=True, text=True)
    names = listed.stdout.split() if listed.returncode == 0 else []
    return [ROOT / name for name in names] or sorted((ROOT / "models").glob("*.net"))


def tables(found):
    return [(f"conflicts: {found.conflicts[:3]}", len(found.conflicts), 0.5)]


def every_file(found):
    texts = {path.name: path.read_text() for path in files()}
    wrong = {name: where for name, text in [*texts.items(), ("more", MORE)] if (where := found.parse(text))}
    return [(f"{len(texts)} files, at least 20 missing", max(0, 20 - len(texts)), 0.5), (f"errors in: {wrong}", len(wrong), 0.5)]


def refuses(found):
    """Texts that are none of the language; cut files."""
    text = (ROOT / "models" / "lenet.net").read_text()
    wrong = ["model a {}", "net 1\nmodel a { x = }", "net 1\nmodel a { x = f(1 }", "net 1\nblock a { return 1 }", "net 1\nx = 3", "net 1\nmodel a { x | 3 }",
             text[:len(text) // 2], text.replace("{", "(", 1)]
    return [(f"accepted: {each[-40:]!r}", int(found.parse(each) is None), 0.5) for each in wrong]


def highlights(found):
    """Queries name rules, fields and words of the grammar."""
    query = (FOLDER / "queries" / "highlights.scm").read_text()
    source = (FOLDER / "grammar.js").read_text()
    rules = set(re.findall(r"\((\w+)", query)) - set(found.rules)
    words = {each for each in re.findall(r'"([^"]+)"', query) if f'"{each}"' not in source}
    fields = {each for each in re.findall(r"(\w+): \(", query) if f'field("{each}"' not in source}
    return [(f"not in the grammar: {rules | words | fields}", len(rules | words | fields), 0.5)]


def generator():
    tool = shutil.which("tree-sitter")
    if not tool:
        raise Unsupported("no tree-sitter (its command line is in neither Debian 12 nor PyPI)")
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "tree-sitter-netc"
        shutil.copytree(FOLDER, copy)
        made = subprocess.run([tool, "generate"], cwd=copy, capture_output=True, text=True)
        if made.returncode:
            return [(made.stderr, 1, 0.5)]
        (copy / "more.net").write_text(MORE)
        parsed = subprocess.run([tool, "parse", "--quiet", *files(), copy / "more.net"], cwd=copy, capture_output=True, text=True)
    return [(f"tree-sitter parse: {parsed.stdout}{parsed.stderr}"[:500], parsed.returncode, 0.5)]


def main():
    report = Report("tree_sitter")
    if shutil.which("node"):
        found = grammar.Grammar(FOLDER / "grammar.js")
        for case in (tables, every_file, refuses, highlights):
            report.case(case.__name__, case, found)
    else:
        report.line("UNSUPPORTED", "tables", "no node to read grammar.js with (Debian: nodejs)")
    report.case("generator", generator)
    report.close()


if __name__ == "__main__":
    main()
