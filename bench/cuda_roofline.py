#!/usr/bin/python3
"""An estimate, from bytes and FLOPs of the launches that netc plans, of a step on a GPU: nothing here is measured.

usage: cuda_roofline.py [--model resnet50] [--file models/resnet.net] [--batch 256] [--precision tf32] [--netc build/bin/netc]

A launch takes the longer of moving its operands once through DRAM and computing at the peak, plus a launch in a graph. Prints
a table by layer and the whole step for A100 (40 GB, SXM) and H100 (SXM).
"""
import argparse
import collections
import math
import re
import subprocess

# Data sheets: DRAM bytes/s, FLOP/s dense; seconds between two launches of a graph: about a microsecond.
GPUS = {"A100": {"bytes": 1.555e12, "bf16": 312e12, "tf32": 156e12, "f32": 19.5e12},
        "H100": {"bytes": 3.35e12, "bf16": 989e12, "tf32": 495e12, "f32": 67e12}}
LAUNCH = 1e-6
ELEMENT = {"bf16": 2, "f32": 4, "f64": 8, "i64": 8}  # bytes


def size_of(shape, batch):
    """Bytes of a buffer, `?x56x56x64xbf16`."""
    *dims, element = shape.split("x")
    return ELEMENT[element] * math.prod(batch if dim == "?" else int(dim) for dim in dims)


def launches(text, functions):
    """(layer, op, operand shapes, attributes) of each launch of the functions."""
    inside = False
    for line in text.splitlines():
        if match := re.match(r"\s*func\.func @(\w+)", line):
            inside = match.group(1) in functions
        if not inside or not re.match(r"\s*kern\.(contract|pointwise|reduce|pack|unpack|transpose|move|pool|row|mean_loss|copy|update|sum_squares|norm)\b", line):
            continue
        yield re.match(r"\s*kern\.(\w+)\s+(\w*)", line), re.findall(r"memref<([^>]*)>", line), line


def cost(shapes, line, batch):
    bytes_moved = sum(size_of(shape, batch) for shape in shapes)
    geometry = dict(re.findall(r"(\w+) = (\d+)", (re.search(r"#kern\.geometry<([^>]*)>", line) or [None, ""])[1]))
    if "gpu_schedule" not in line:
        return bytes_moved, 0, None
    g = {key: int(value) for key, value in geometry.items()}
    flops = 2 * batch * g["oh"] * g["ow"] * g["oc"] * g["kh"] * g["kw"] * g["ic"] // g["groups"]
    return bytes_moved, flops, g


def name_of(g):
    return f"{g['kh']}x{g['kw']}/{g['sh']} {g['ic']}->{g['oc']} @{g['oh']}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, default in (("--model", "resnet50"), ("--file", "models/resnet.net"), ("--precision", "tf32"), ("--netc", "build/bin/netc")):
        parser.add_argument(option, default=default)
    parser.add_argument("--batch", type=int, default=256)
    options = parser.parse_args()
    text = subprocess.run([options.netc, options.file, "--model", options.model, "--target", "cuda", "--precision", options.precision,
                           "--emit", "kern"], check=True, capture_output=True, text=True).stdout
    rows = collections.OrderedDict()
    total = collections.Counter()
    for head, shapes, line in launches(text, ("step", "norm", "update")):
        bytes_moved, flops, g = cost(shapes, line, options.batch)
        key = (name_of(g), head.group(2)) if g else ("everything else", head.group(1))
        row = rows.setdefault(key, collections.Counter())
        for counter in (row, total):
            counter["launches"] += 1
            counter["bytes"] += bytes_moved
            counter["flops"] += flops
            for gpu, peak in GPUS.items():
                counter[gpu] += max(bytes_moved / peak["bytes"], flops / peak[options.precision]) + LAUNCH
                counter[gpu + " bound"] += bytes_moved / peak["bytes"] > flops / peak[options.precision]
    print(f"Estimate, not measured: {options.model}, batch {options.batch}, {options.precision}, a training step\n")
    print("| layer | kernel | launches | GB | GFLOP | A100 ms | H100 ms | A100 limited by |\n|---|---|---|---|---|---|---|---|")
    for (layer, kernel), row in sorted(rows.items(), key=lambda item: -item[1]["A100"]):
        limit = "memory" if row["A100 bound"] * 2 > row["launches"] else "arithmetic"
        print(f"| {layer} | {kernel} | {row['launches']} | {row['bytes'] / 1e9:.2f} | {row['flops'] / 1e9:.0f} | "
              f"{row['A100'] * 1e3:.2f} | {row['H100'] * 1e3:.2f} | {limit} |")
    print(f"| **step** | | {total['launches']} | {total['bytes'] / 1e9:.1f} | {total['flops'] / 1e9:.0f} | {total['A100'] * 1e3:.1f} | "
          f"{total['H100'] * 1e3:.1f} | |")
    for gpu in GPUS:
        print(f"\n{gpu}: at most {options.batch / total[gpu]:.0f} images/s at the roofline")


if __name__ == "__main__":
    main()
