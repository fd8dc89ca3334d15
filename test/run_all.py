#!/usr/bin/python3
"""Runs every test there is and closes with one line, `N passed, N failed`.

Unit tests (GoogleTest: a case counts), IR tests (lit: a file counts) and the scripts of structure/, numeric/, e2e/ and onnx/ (a
line `PASS name`, `FAIL name: why` or `UNSUPPORTED name: why` counts). Prints failures and what could not run; the whole
output lies in BUILD/test/log. As many programs run at once as there are cores and memory for; a script that takes its
cases from `Report.share` runs as several programs. docs/reference/testing.md says how to add a test.
"""
import argparse
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parent
ROOMS = ("structure", "numeric", "e2e", "onnx")
LIMIT = 1500  # seconds a program may take

# Seconds of one core, as `--times` printed them: what takes longest starts first. A new test may be missing.
EXPECTED = {"numeric/parity": 720, "numeric/kernels": 280, "e2e/depth": 70, "numeric/cuda_kernels": 150, "numeric/cuda_step": 110,
            "numeric/cuda_assembly": 160, "e2e/transfer": 90, "e2e/cuda": 50, "e2e/memory": 50, "e2e/gpu_kit": 120, "e2e/gpu_kit_tools": 60,
            "e2e/lenet": 40, "e2e/zoo": 40, "e2e/gradcheck": 40, "e2e/shards": 60, "e2e/library": 40, "e2e/onnx": 40, "e2e/caffe": 15, "e2e/language_server": 10, "onnx/backend": 120,
            "e2e/python_package": 60, "e2e/mpi": 130, "e2e/nccl": 25}
GIBIBYTES = {"numeric/parity": 4, "e2e/depth": 4, "e2e/memory": 4}  # of memory at most; 2 where it is not named

# `make check`: the scripts of five minutes, with the cases to run; none named: all.
QUICK = {"structure/includes": [], "numeric/kernels": ["conv_5x3", "shapes"], "numeric/cuda_kernels": ["tf32_k3"],
         "numeric/parity": ["resnet20"], "e2e/lenet": [], "e2e/levels": []}


class Tally:
    """Counts verdicts and prints those that need a reader."""

    def __init__(self, folder):
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.seconds = {}  # by program: wall clock
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
        self.seconds[name] = time.time() - start
        print(f"-- {name}: {self.seconds[name]:.0f} s", flush=True)
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


def run_script(tally, name, script, words, environment):
    text, code = tally.run(name, ["/usr/bin/python3", "-u", script, *words], environment)
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


class Job:
    """A program to run: what it is called, how long it takes about, what memory it may take."""

    def __init__(self, name, run, parts=1):
        stem = name.split(" ")[0]
        self.name, self.run = name, run
        self.seconds = EXPECTED.get(stem, 10) / parts
        self.gibibytes = GIBIBYTES.get(stem, 2)


def jobs_of(tally, build, only, quick, cores):
    environment = {"NETC": str(build / "bin" / "netc"), "NETC_BUILD": str(build), "NETC_TEST_THREADS": "1" if cores > 1 else "2"}
    jobs = []
    if "unit" in only:
        programs = [path for name in ("frontend", "recipe", "runtime", "sim", "passes", "codegen", "schedule") for path in [build / "bin" / f"{name}_tests"]
                    if path.exists() or name != "schedule"]
        if not quick:
            programs += [path for path in sorted((build / "bin").glob("*_sanitized"))]
        for program in programs:
            jobs.append(Job(f"unit/{program.name}", lambda program=program: run_unit(tally, program)))
    if "lit" in only:
        lit = find_lit("/usr/lib/llvm-22/bin")
        if lit:
            jobs.append(Job("lit", lambda: run_lit(tally, build, lit)))
        else:
            tally.add("skipped", "lit", "lit is not installed (llvm-22-tools)")
    for room in ROOMS:
        for script in sorted((TESTS / room).glob("*.py")) if room in only else []:
            text, name = script.read_text(), f"{room}/{script.stem}"
            if not text.startswith("#!") or (quick and name not in QUICK):  # the others are modules
                continue
            parts = min(cores, 4) if "report.share(" in text and not quick else 1
            for part in range(parts):
                label = f"{name} {part + 1} of {parts}" if parts > 1 else name
                its = {**environment, "NETC_TEST_PART": f"{part}/{parts}"}
                words = QUICK[name] if quick else []
                jobs.append(Job(label, lambda a=(label, script, words, its): run_script(tally, *a), parts))
    return sorted(jobs, key=lambda job: -job.seconds)


def run_jobs(jobs, cores, gibibytes):
    """Runs all, `cores` at a time, as long as what they may take together fits into memory."""
    waiting, running, free = list(jobs), {}, threading.Condition()

    def work(job):
        try:
            job.run()
        finally:
            with free:
                del running[job.name]
                free.notify()

    with free:
        while waiting or running:
            taken = sum(job.gibibytes for job in running.values())
            fits = next((job for job in waiting if not running or taken + job.gibibytes <= gibibytes), None)
            if fits and len(running) < cores:
                waiting.remove(fits)
                running[fits.name] = fits
                threading.Thread(target=work, args=(fits,)).start()
            else:
                free.wait()


def print_times(tally, wall):
    """Where the time went, longest first; wall clock of each program."""
    print(f"\n| program | seconds |\n|---|---|")
    for name, seconds in sorted(tally.seconds.items(), key=lambda item: -item[1]):
        print(f"| {name} | {seconds:.0f} |")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"| **all** | {wall:.0f} ({used.ru_utime + used.ru_stime:.0f} of processor time) |\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=TESTS.parent / "build")
    kinds = ["unit", "lit", *ROOMS]
    parser.add_argument("--only", nargs="+", default=kinds, choices=kinds, metavar="KIND", help="some of: " + " ".join(kinds))
    parser.add_argument("--quick", action="store_true", help="five minutes: what a developer runs before each commit")
    parser.add_argument("--times", action="store_true", help="prints where the time went")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="programs at a time; default: one per core")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    tally = Tally(build / "test" / "log")
    start = time.time()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = max(1, arguments.jobs)
    with tempfile.TemporaryDirectory(prefix="netc-tests-") as shared:  # what several scripts use and one builds
        os.environ["NETC_TEST_SHARED"] = shared
        run_jobs(jobs_of(tally, build, arguments.only, arguments.quick, cores), cores, max(4, memory - 4))
    if arguments.times:
        print_times(tally, time.time() - start)
    print(f"{time.time() - start:.0f} s in all")
    print(tally, flush=True)
    sys.exit(1 if tally.counts["failed"] else 0)


if __name__ == "__main__":
    main()
