#!/usr/bin/env python3
"""Checks on this machine's NVIDIA GPU what netc compiled elsewhere, and measures it.

The steps run in the order of their worth, each in a process of its own with a time limit of its own. DIR/report.json and
DIR/report.md are rewritten after each; a table comes last. Needs Python 3.11 and numpy; PyTorch where it is there.
Exit code 0: nothing failed; 1: something did; 2: there is no GPU, or the command line is wrong.
"""
import argparse
import concurrent.futures
import importlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "harness"), str(HERE / "numeric")]

import gpu
import rows
import summary
from programs import how_it_ended, last_lines
from rows import FAIL, INFO, LATE, PASS, SKIP

# name: (module of steps/, seconds of nine minutes, archives that it reads)
STEPS = {
    "device": ("device", 45, ["networks"]),
    "kernels": ("kernels", 110, ["kernels"]),
    "word": ("word", 30, ["networks"]),
    "steps": ("whole_steps", 75, ["networks"]),
    "end": ("end_to_end", 80, ["networks"]),
    "sanitizers": ("sanitizers", 60, ["networks"]),
    "speed": ("speed", 150, ["networks"]),
    "time": ("where_time_goes", 45, ["networks"]),
}
NOMINAL = 540  # seconds that the limits above are meant for
LEAST = 4  # seconds that a step is started with
GRACE = 2  # seconds between asking a step to end and ending it


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9, help="all steps together (default: 9)")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("gpu-report"), help="folder of the report (default: gpu-report)")
    parser.add_argument("--only", nargs="+", choices=STEPS, metavar="STEP", help="some of: " + ", ".join(STEPS))
    parser.add_argument("--sim", action="store_true", help="on the simulator, tiny sizes: no GPU is needed")
    parser.add_argument("--state", type=pathlib.Path, help=argparse.SUPPRESS)  # how a step is run
    return parser.parse_args(arguments)


def unpack(files, archives):
    """Which archives are damaged, and how. lzma works outside of Python's lock: in parallel."""
    def one(name):
        with tarfile.open(HERE / f"{name}.tar.xz") as archive:
            archive.extractall(files, filter="data") if hasattr(tarfile, "data_filter") else archive.extractall(files)

    def tried(name):
        try:
            one(name)
        except Exception as error:
            return f"{name}.tar.xz cannot be unpacked: {error}"
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return [reason for reason in pool.map(tried, archives) if reason]


def end_group(process):
    """The step and every program that it started."""
    for number, grace in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):
            break
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            pass
    process.wait()


def run_process(command, limit, log):
    """(None or how it failed, seconds) of a step's process."""
    begin = time.monotonic()
    with open(log, "w+", errors="replace") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = process.wait(limit)
            why = None if code == 0 else how_it_ended(code)
        except subprocess.TimeoutExpired:
            why = f"no end after {limit:.0f} s"
        finally:
            end_group(process)
        if why:
            file.seek(0)
            why = "\n".join([why, last_lines(file.read())]).strip()
    return why, time.monotonic() - begin


def run_step(name, options, files, work, limit):
    """What the report holds of a step."""
    path, state = options.out / f"rows-{name}.jsonl", options.out / f"state-{name}.json"
    path.unlink(missing_ok=True)
    state.write_text(json.dumps({"step": name, "folder": str(HERE), "files": str(files), "out": str(options.out), "sim": options.sim,
                                 "work": str(work), "limit": limit - GRACE / 2, "rows": str(path)}))
    why, seconds = run_process([sys.executable, "-u", __file__, "--state", state], limit, options.out / f"log-{name}.txt")
    found = summary.merged(rows.read(path))
    sums = summary.counts(found)
    if why and not found:
        why += "\nit had no row"
    verdict = FAIL if why or sums[FAIL] else PASS if sums[PASS] or sums[INFO] else LATE if sums[LATE] else SKIP
    for file in (path, state):
        file.unlink(missing_ok=True)
    return {"name": name, "verdict": verdict, "seconds": seconds, "why": why or "", "rows": found}


def be_a_step(state):
    """In the process of the step."""
    from kit import Kit
    state = json.loads(state.read_text())
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and so would what we start
    module = importlib.import_module("steps." + STEPS[state["step"]][0])
    kit = Kit(*(state[key] for key in ("folder", "files", "work", "out", "sim", "limit")))
    module.run(kit, rows.Rows(state["rows"]))


def run_all(options, about, files, work):
    chosen = [name for name in STEPS if not options.only or name in options.only]
    begin = time.monotonic()
    end = begin + 60 * options.minutes
    steps = []
    damaged = [] if (HERE / "files").is_dir() else unpack(files, sorted({word for name in chosen for word in STEPS[name][2]}))
    if damaged:
        steps.append({"name": "unpack", "verdict": FAIL, "seconds": time.monotonic() - begin, "why": "\n".join(damaged), "rows": []})
    share = sum(STEPS[name][1] for name in chosen)
    for name in chosen:
        # Its part of the time that is left: what the steps before did not need is for those that follow.
        left = end - time.monotonic()
        limit = left * STEPS[name][1] / share
        share -= STEPS[name][1]
        if limit < LEAST:
            steps.append({"name": name, "verdict": LATE, "seconds": 0, "why": f"{limit:.1f} s were left for it", "rows": []})
            continue
        print(f"-- {name}, at most {limit:.0f} s", flush=True)
        steps.append(run_step(name, options, files, work, limit))
        summary.write(options.out, about, steps)
    summary.write(options.out, about, steps)
    return steps


def main():
    options = parse(sys.argv[1:])
    if options.state:
        return be_a_step(options.state)
    if not options.sim and (reason := gpu.why_not()):
        print(f"no GPU to check: {reason}. --sim runs what the simulator can answer.", file=sys.stderr)
        return 2
    manifest = json.loads((HERE / "manifest.json").read_text())
    options.out = options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    where = "the simulator" if options.sim else (lambda card: f"{card['card']} (sm_{card['chip']}), CUDA {card['cuda_of_driver']}")(gpu.Driver().describe())
    about = {"where": where, "kit": manifest["kit"], "date": time.strftime("%Y-%m-%d %H:%M:%S"), "python": sys.version.split()[0], "minutes": options.minutes}
    work = pathlib.Path(tempfile.mkdtemp(prefix="netc-gpu-kit-"))
    files = HERE / "files" if (HERE / "files").is_dir() else work / "files"
    try:
        steps = run_all(options, about, files, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("\n".join(summary.table(about, steps)), flush=True)
    return 1 if any(step["verdict"] == FAIL for step in steps) else 0


if __name__ == "__main__":
    sys.exit(main())
