#!/usr/bin/python3
"""Inference of one image with fewer and more threads than cores, alone and beside busy processes: how waiting threads behave.

Between two launches of a program, threads wait: by spinning they answer at once, by sleeping they leave the core to others. What
is best shows in small networks at batch 1, whose launches take some ten microseconds. Several builds of netc are measured in
turns, round by round, so a change of runtime/system/ThreadPool.cpp is judged beside the one before it:

    bench/threads.py --netc before=OLD/build/bin/netc --netc after=build/bin/netc [--rounds 9]

Prints milliseconds per image, the median of the rounds' medians, and the least time of any iteration. With `--busy N`, N processes
that never wait share the cores. Run it on cores with no other work: load_1m is printed, and a figure taken at a load is none.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import machine

ROOT = pathlib.Path(__file__).resolve().parents[1]
MODELS = {"squeezenet1_1": "squeezenet.net", "mobilenet_v2": "mobilenet_v2.net"}


def builds(words):
    """[(name, path)] of NAME=PATH or PATH."""
    pairs = [word.split("=", 1) if "=" in word else ("netc", word) for word in words]
    if len({name for name, _ in pairs}) != len(pairs):
        sys.exit("several builds need names: --netc before=PATH --netc after=PATH")
    return pairs


def compile_all(options, folder):
    """{(build, model): executable}"""
    executables = {}
    for build, netc in builds(options.netc):
        for model in options.models:
            executables[build, model] = folder / f"{build}-{model}"
            subprocess.run([str(netc), str(ROOT / "models" / MODELS[model]), "--model", model, "--mode", "infer", "-o", str(executables[build, model])],
                           check=True)
    return executables


def measure(executable, threads, iterations):
    """(median, least) milliseconds."""
    done = subprocess.run([str(executable), "bench", "--batch", "1", "--threads", str(threads), "--iterations", str(iterations), "--json"],
                          capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{executable} bench --threads {threads}: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    return found["ms_median"], found["ms_min"]


def measure_all(options, executables):
    """{(build, model, threads): [(median, least) of each round]}"""
    found = {}
    for _ in range(options.rounds):
        for model in options.models:
            for threads in options.threads:
                for build, _ in builds(options.netc):
                    found.setdefault((build, model, threads), []).append(measure(executables[build, model], threads, options.iterations))
    return found


def table(options, found):
    names = [build for build, _ in builds(options.netc)]
    lines = ["| network | threads | " + " | ".join(f"{name}: median, least (ms)" for name in names) + " |", "|---|---|" + "---|" * len(names)]
    for model in options.models:
        for threads in options.threads:
            cells = []
            for build in names:
                rounds = found[build, model, threads]
                cells.append(f"{statistics.median(median for median, _ in rounds):.2f}, {min(least for _, least in rounds):.2f}")
            lines.append(f"| {model} | {threads} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    cores = machine.describe()["cores"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--netc", action="append", metavar="[NAME=]PATH", help="may be repeated; default: build/bin/netc")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--threads", nargs="+", type=int, default=sorted({1, cores, 2 * cores, 4 * cores}))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--busy", type=int, default=0, help="processes that take cores meanwhile")
    options = parser.parse_args()
    options.netc = options.netc or [str(ROOT / "build/bin/netc")]
    print(machine.sentence(machine.describe()) + (f", {options.busy} busy processes" if options.busy else ""))
    with tempfile.TemporaryDirectory(prefix="threads-") as name:
        executables = compile_all(options, pathlib.Path(name))
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(options.busy)]
        try:
            print(table(options, measure_all(options, executables)))
        finally:
            for process in busy:
                process.kill()


if __name__ == "__main__":
    main()
