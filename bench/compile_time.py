#!/usr/bin/python3
"""Compile time and memory against depth: the whole training executable, from text to linked file.

Writes docs/figures/compile-time.md and docs/figures/compile-time.svg. Each model is compiled --rounds times, the models taking turns;
seconds are the median, memory is the largest of all (peak resident set of netc and of the linker it starts).

    bench/compile_time.py
    bench/compile_time.py --rounds 5 --json figures.json
"""
import argparse
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

import chart
import machine

ROOT = pathlib.Path(__file__).resolve().parents[1]
CIFAR = {f"resnet{n}": ("resnet_cifar.net", n) for n in (20, 32, 44, 56, 110, 1202)}
IMAGENET = {f"resnet{n}": ("resnet.net", n) for n in (18, 34, 50, 101, 152)}


def compile_once(netc, file, model, output, *options, cache=""):
    """Seconds, user seconds, peak bytes of one compilation."""
    start = time.perf_counter()
    pid = os.posix_spawn(netc, [str(netc), str(ROOT / "models" / file), "--model", model, "-o", str(output), *options],
                         {**os.environ, "NETC_CACHE": str(cache)})
    _, status, used = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"netc failed on {model}")
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, 1024 * used.ru_maxrss


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--netc", type=pathlib.Path, default=ROOT / "build/bin/netc")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--docs", type=pathlib.Path, default=ROOT / "docs" / "figures")
    parser.add_argument("--note", default="", help="a sentence on the circumstances, for the page")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    about = machine.describe()
    models = [(family, name, *entry) for family, entries in (("CIFAR", CIFAR), ("ImageNet", IMAGENET))
              for name, entry in entries.items()]
    found = {(family, name): [] for family, name, _, _ in models}
    sizes = {}
    with tempfile.TemporaryDirectory(prefix="compile-time-") as folder:
        output = pathlib.Path(folder) / "model"
        for _ in range(options.rounds):
            for family, name, file, _ in models:
                found[family, name].append(compile_once(options.netc, file, name, output, "--no-kernel-cache"))
                sizes[family, name] = output.stat().st_size
        # Then each after the one before it, with what the kernel cache has by then, and once more.
        after, again = ({(family, name): compile_once(options.netc, file, name, output, cache=pathlib.Path(folder) / "cache")[0]
                         for family, name, file, _ in models} for _ in range(2))
    rows, series, records = [], {"CIFAR ResNets": [], "ImageNet ResNets": []}, []
    for family, name, _, layers in models:
        seconds, cpu, memory = zip(*found[family, name])
        record = {"family": family, "model": name, "layers": layers, "seconds": statistics.median(seconds),
                  "cpu_seconds": statistics.median(cpu), "peak_bytes": max(memory), "executable_bytes": sizes[family, name], "seconds_after_others": after[family, name],
                  "seconds_again": again[family, name]}
        records.append(record)
        series[f"{family} ResNets"].append((layers, record["seconds"]))
        rows.append(f"| {name} ({family}) | {layers} | {record['seconds']:.1f} | {record['cpu_seconds']:.1f} | "
                    f"{after[family, name]:.1f} | {again[family, name]:.1f} | "
                    f"{record['peak_bytes'] / 2**20:.0f} | {record['executable_bytes'] / 1e6:.1f} |")
        print(rows[-1], flush=True)
    by_name = {(r["family"], r["model"]): r["seconds"] for r in records}
    deep = by_name["CIFAR", "resnet1202"] / by_name["CIFAR", "resnet20"]
    deep152 = by_name["ImageNet", "resnet152"] / by_name["ImageNet", "resnet50"]
    chart.line_chart(options.docs / "compile-time.svg", "Compiling a training executable", "layers", "seconds", series,
                     [18, 34, 56, 110, 152, 400, 1202], logx=True)
    table = "\n".join(rows)
    (options.docs / "compile-time.md").write_text(f"""# Compile time against depth

Seconds from a `.net` file to a linked executable that trains, evaluates and predicts. Kernels are compiled once per
signature, so depth adds entries to a table and hardly any code: 1202 layers take {deep:.2f} times the time of 20, and
ResNet-152 {deep152:.2f} times that of ResNet-50.

![compile seconds against layers](compile-time.svg)

| model | layers | seconds | CPU seconds | after those above | again | peak MiB | executable, MB |
|---|---|---|---|---|---|---|---|
{table}

"seconds" and "CPU seconds" are without the kernel cache. "after those above": with the cache, empty at first, each model once in this order.
"again": all of them once more.

Measured with `bench/compile_time.py` on a {machine.sentence(about)}; median of {options.rounds} rounds, each of which compiles every model once.
{options.note + chr(10) if options.note else ""}The CIFAR networks take 32x32 images, the ImageNet ones 224x224.
""")
    if options.json:
        options.json.write_text(json.dumps({"machine": about, "models": records}, indent=2) + "\n")


if __name__ == "__main__":
    main()
