#!/usr/bin/python3
"""The arena of a transformer's training step and of its inference grows with the number of tokens, not with its square."""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from compiled import MODELS, NETC, call
from report import Report

# Tokens of images of both sides, with patches of 8.
SIDES, TOKENS = (128, 256), (257, 1025)


# Options of netc.
TARGETS = {"cpu": (), "cpu_bf16": ("--precision", "bf16"), "cuda": ("--target", "cuda"), "cuda_bf16": ("--target", "cuda", "--precision", "bf16")}


def arena(side, function, options):
    """Bytes per image of one function's arena."""
    text = call([NETC, MODELS / "vit.net", "--model", "vit", "--emit", "kern", "-o", "-", *options, *(word for value in (
        "c=64", "depth=2", "count=1", "patch=8", f"side={side}", "classes=10") for word in ("--set", value))])
    attributes = re.search(rf"func\.func @{function}\(\) attributes \{{(.*)\}} \{{\n", text).group(1)
    return int(re.search(r"arena_bytes_per_image = (\d+)", attributes).group(1))


def linear(function, options):
    small, large = (arena(side, function, options) for side in SIDES)
    return [(f"{large} bytes by {small}, by the ratio of tokens", large / small / (TOKENS[1] / TOKENS[0]), 1.05)]


def main():
    report = Report("attention")
    for name, options in TARGETS.items():
        for function in ("infer", "step"):
            report.case(f"memory/{name}/{function}", linear, function, options)
    report.close()


if __name__ == "__main__":
    main()
