#!/usr/bin/python3
"""Runs every test there is and closes with one line, `N passed, N failed`.

Unit tests (GoogleTest: a case counts), IR tests (lit: a file counts) and the scripts of numeric/ and e2e/ (a line
`PASS name`, `FAIL name: why` or `UNSUPPORTED name: why` counts). Prints failures and what could not run; the whole
output lies in BUILD/test/log.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parent
LIMIT = 1500  # seconds a program may take


class Tally:
    """Counts verdicts and prints those that need a reader."""

    def __init__(self, folder):
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.lock = threading.Lock()

    def add(self, verdict, name="", why=""):
        with self.lock:
            self.counts[verdict] += 1
            if verdict == "failed":
                print(f"FAIL {name}" + (f": {why}" if why else ""), flush=True)
            elif verdict == "skipped":
                print(f"UNSUPPORTED {name}: {why}", flush=True)

    def run(self, name, command, environment=None, accept=(0, 1)):
        """The output of a program; what ends otherwise than it should is a failure of its own."""
        start = time.time()
        try:
            done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=LIMIT, env={**os.environ, **(environment or {})})
            text, code = done.stdout.decode(errors="replace"), done.returncode
        except subprocess.TimeoutExpired as late:
            text, code = (late.stdout or b"").decode(errors="replace"), f"none after {LIMIT} s"
        except OSError as error:
            text, code = str(error), "not started"
        (self.folder / (name.replace("/", "-") + ".log")).write_text(text)
        print(f"-- {name}: {time.time() - start:.0f} s", flush=True)
        if code not in accept:
            self.add("failed", name, f"exit code {code}\n" + "\n".join(text.splitlines()[-15:]))
        return text, code

    def __str__(self):
        skipped = f", {self.counts['skipped']} skipped" if self.counts["skipped"] else ""
        return f"{self.counts['passed']} passed, {self.counts['failed']} failed{skipped}"


def run_unit(tally, program):
    text, code = tally.run(f"unit/{program.name}", [program, "--gtest_brief=0"])
    failed = set()
    for verdict, case in re.findall(r"^\[\s+(OK|FAILED|SKIPPED)\s+\] ([\w/.]+)(?:,.*)? \(\d+ ms\)", text, re.M):
        if verdict == "OK":
            tally.add("passed")
        elif verdict == "SKIPPED":
            tally.add("skipped", f"unit/{case}", "skipped by the test")
        else:
            failed.add(case)
            block = re.search(rf"^\[ RUN\s+\] {re.escape(case)}\n(.*?)^\[  FAILED", text, re.M | re.S)
            tally.add("failed", f"unit/{program.name}/{case}", "\n" + block.group(1)[-3000:] if block else "")
    if code == 1 and not failed:
        tally.add("failed", f"unit/{program.name}", "exit code 1 without a failed case")


def run_lit(tally, build, lit):
    out = tally.folder / "lit.json"
    out.unlink(missing_ok=True)
    text, _ = tally.run("lit", [lit, "-v", "-o", out, build / "test"])
    if not out.exists():
        return tally.add("failed", "lit", "no result\n" + text[-2000:])
    for test in json.loads(out.read_text())["tests"]:
        if test["code"] in ("PASS", "XFAIL"):
            tally.add("passed")
        elif test["code"] in ("UNSUPPORTED", "SKIPPED", "EXCLUDED"):
            tally.add("skipped", test["name"], "a feature that the test requires is absent")
        else:
            tally.add("failed", test["name"], "\n" + test["output"][-3000:])


def run_script(tally, script, environment):
    name = f"{script.parent.name}/{script.stem}"
    text, code = tally.run(name, ["/usr/bin/python3", "-u", script], environment)
    verdicts = {"PASS": "passed", "FAIL": "failed", "UNSUPPORTED": "skipped"}
    found = failed = 0
    lines = text.splitlines()
    for index, line in enumerate(lines):
        match = re.match(r"(PASS|FAIL|UNSUPPORTED) ([^:]+)(?:: (.*))?$", line)
        if not match:
            continue
        found += 1
        failed += match.group(1) == "FAIL"
        rest = []
        for more in lines[index + 1:index + 30]:
            if not more.startswith("    ") or " took " in more:
                break
            rest.append(more)
        tally.add(verdicts[match.group(1)], match.group(2), "\n".join([match.group(3) or ""] + rest)[:3000])
    if not found and code in (0, 1):
        tally.add("failed", name, "no verdict\n" + text[-1000:])
    elif code == 1 and not failed:  # it died on the way
        tally.add("failed", name, "exit code 1 without a failed case\n" + text[-1000:])


def find_lit(llvm_bin):
    for folder in [llvm_bin, *os.environ["PATH"].split(":")]:
        for name in ("lit", "llvm-lit", "lit-22"):
            if os.access(os.path.join(folder, name), os.X_OK):
                return os.path.join(folder, name)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=TESTS.parent / "build")
    parser.add_argument("--only", nargs="+", default=["unit", "lit", "structure", "numeric", "e2e"], help="some of: unit lit structure numeric e2e")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    tally = Tally(build / "test" / "log")
    environment = {"NETC": str(build / "bin" / "netc"), "NETC_BUILD": str(build)}
    start = time.time()
    if "unit" in arguments.only:
        programs = [build / "bin" / name for name in ("frontend_tests", "runtime_tests", "sim_tests", "passes_tests")]
        programs += [path for path in (build / "bin" / "frontend_sanitized", build / "bin" / "runtime_sanitized") if path.exists()]
        for program in programs:
            run_unit(tally, program)
    if "lit" in arguments.only:
        lit = find_lit("/usr/lib/llvm-22/bin")
        if lit:
            run_lit(tally, build, lit)
        else:
            tally.add("skipped", "lit", "lit is not installed (llvm-22-tools)")
    for room in ("structure", "numeric", "e2e"):
        if room in arguments.only:
            for script in sorted((TESTS / room).glob("*.py")):
                if script.read_text().startswith("#!"):  # the others are modules
                    run_script(tally, script, environment)
    print(f"{time.time() - start:.0f} s in all")
    print(tally, flush=True)
    sys.exit(1 if tally.counts["failed"] else 0)


if __name__ == "__main__":
    main()
