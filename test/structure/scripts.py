#!/usr/bin/python3
"""Every test script reports through test/harness, and none has a copy of what the harness has."""
import pathlib
import re
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "harness"))
from report import Report

# What only the harness may have: its verdicts, its errors, its ways to run a program.
COPIES = [r"print\(f?[\"'](PASS|FAIL|UNSUPPORTED|\{'PASS')", r"^class (Failed|Unsupported|Report)\b", r"^def call\(", r"\bos\.wait4\("]


ROOMS = ("structure", "numeric", "e2e", "onnx", "emulated")  # gpu_kit/ runs without this tree; e2e/gpu_kit.py tests it


def scripts():
    return [path for room in ROOMS for path in sorted((TESTS / room).glob("*.py"))]


def reports(path, seen=()):
    """Whether a script, or a module of the tests that it imports, uses the report."""
    text = path.read_text()
    if re.search(r"^from report import", text, re.M):
        return True
    names = re.findall(r"^import (\w+)$|^from (\w+) import", text, re.M)
    modules = [path.parent / f"{name or other}.py" for name, other in names]
    return any(module.exists() and module not in seen and reports(module, (*seen, path)) for module in modules)


def copies_in(text):
    return [pattern for pattern in COPIES if re.search(pattern, text, re.M)]


def check_reports():
    silent = [path.name for path in scripts() if path.read_text().startswith("#!") and not reports(path)]
    return [(f"scripts without the harness's report: {silent}", len(silent), 0.5)]


def check_copies():
    found = {path.name: copies_in(path.read_text()) for path in scripts() if path.resolve() != pathlib.Path(__file__).resolve()}
    found = {name: patterns for name, patterns in found.items() if patterns}
    return [(f"copies of the harness: {found}", len(found), 0.5)]


def check_planted():
    planted = ["print(f\"PASS {name}\")", "class Failed(Exception):", "def call(words):", "    os.wait4(process.pid, 0)"]
    missed = [text for text in planted if not copies_in(text)]
    return [(f"copies that are not found: {missed}", len(missed), 0.5)]


def main():
    report = Report("scripts")
    for name, function in (("reports", check_reports), ("copies", check_copies), ("planted", check_planted)):
        report.case(name, function)
    report.close()


if __name__ == "__main__":
    main()
