#!/usr/bin/python3
"""`shards N` in one process: against a step made by hand from `run --train`, one shard as today, threads, memory, refusals."""
import itertools
import json
import pathlib
import re
import subprocess
import sys

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import safetensors
from compiled import MODELS, Compiled, call_measured
from report import Report
from runs import same_files
from small_networks import full_recipe

SMALL = """net 1

model small {
  input image: [3, 8, 8]
  x = image | conv(8, k=3, pad=1) | bn | relu | maxpool(k=2)
  return x | conv(16, k=3, pad=1) | bn | relu | avgpool(global) | flatten | linear(5)
}

train small {
  optimizer  sgd(lr=0.5)
  batch      4
  epochs     1
}
"""
RATE = 0.5

def by_hand():
    """Two shards of a batch of four, in the order that the epoch has: one of the three pairings."""
    model = Compiled.from_text(SMALL)
    folder = pathlib.Path(model.folder.name)
    rng = numpy.random.default_rng(3)
    images, labels = rng.normal(size=(4, 3, 8, 8)).astype(numpy.float32), numpy.array([0, 3, 4, 1], numpy.int64)
    safetensors.save(folder / "four.safetensors", {"image": images, "labels": labels})
    train = [model.executable, "train", "--data", f"tensors:{folder / 'four.safetensors'}", "--seed", 5]
    for name, options in (("start", ["--epochs", 0]), ("cut", ["--shards", 2])):
        done = call_measured([*train, "--out", folder / name, *options])
        assert done.code == 0, done.log
    start, cut = (safetensors.load(folder / name / "model.safetensors") for name in ("start", "cut"))

    def step(rows):
        safetensors.save(folder / "half.safetensors", {"input": images[rows], "labels": labels[rows]})
        model.call([model.executable, "run", "--train", "--weights", folder / "start" / "model.safetensors", "--in", folder / "half.safetensors",
                  "--out", folder / "step.safetensors"])
        return safetensors.load(folder / "step.safetensors")

    def distance(pair):
        halves = [step(list(rows)) for rows in (pair, [i for i in range(4) if i not in pair])]
        worst = 0.0
        for name, value in cut.items():
            if name in halves[0]:
                wanted = (halves[0][name] + halves[1][name]) / 2
            else:
                wanted = start[name] - RATE * (halves[0]["grad." + name] + halves[1]["grad." + name]) / 2
            worst = max(worst, float(numpy.abs(value - wanted).max()))
        return worst

    distances = sorted(distance(pair) for pair in itertools.combinations(range(4), 2) if 0 in pair)
    return [("distance from the step by hand", distances[0], 1e-6), ("distance of another pairing, inverse", 1e-4 / distances[1], 1)]


def full(optimizer):
    return Compiled.from_text(full_recipe(optimizer))


def train(model, name, *options):
    out = pathlib.Path(model.folder.name) / name
    done = call_measured([model.executable, "train", "--data", "synthetic:90", "--val", "synthetic:20", "--out", out, *options])
    assert done.code == 0, done.log
    return out


def same_bits(optimizer):
    """Threads change nothing, nor does one shard; 90 images leave a batch of 10, of which with 16 shards six are empty."""
    model = full(optimizer)
    claims = same_files(train(model, "whole"), train(model, "one", "--shards", 1))
    for shards in (4, 16):
        two = train(model, f"two{shards}", "--shards", shards, "--threads", 2)
        claims += same_files(two, train(model, f"single{shards}", "--shards", shards, "--threads", 1))
        if json.loads((two / "recipe.json").read_text()).get("shards") != shards:
            claims.append((f"recipe.json without its {shards} shards", 1, 0.5))
    return claims


def written():
    """The recipe's own clause; `info` counts the copies."""
    model = Compiled.from_text(SMALL.replace("batch      4", "shards     4\n  batch      8"))
    memory = model.info()["memory"]
    found = memory["shard_sum_bytes"] - 2 * memory["parameter_bytes"]
    return [("bytes of four shards' sums, off two copies", abs(found), 0.5)]


def refusals():
    model = full("sgd(lr=0.1)")

    def message(*options):
        words = [str(model.executable), "train", "--data", "synthetic:64", "--out", f"{model.folder.name}/refused", *options]
        done = subprocess.run(words, capture_output=True, text=True)
        return "" if done.returncode == 0 else done.stderr

    wanted = {("--shards", "3"): "batch 16 cannot be cut into 3 equal shards", ("--shards", "0"): "--shards",
              ("--set", "shards=1.5"): "expected an integer from 1", ("--set", "shards=5"): "cannot be cut into 5 equal shards"}
    missing = [text for options, text in wanted.items() if text not in message(*options)]
    return [("messages that are missing: " + "; ".join(missing), len(missing), 0.5)]


def memory():
    """One shard's arena at a time: eight shards of a batch take less, and `--memory` counts their sums."""
    model = Compiled(MODELS / "resnet_cifar.net", "resnet20")
    words = [model.executable, "train", "--data", "synthetic:256", "--val", "synthetic:4", "--batch", 256, "--epochs", 1]
    peaks = []
    for shards in (1, 8):
        done = call_measured([*words, "--out", f"{model.folder.name}/{shards}", "--shards", shards])
        assert done.code == 0, done.log
        peaks.append(done.peak)
    done = call_measured([*words, "--out", f"{model.folder.name}/none", "--shards", 8, "--memory", "1MiB"])
    least = int(re.search(r"takes (\d+) bytes", done.log).group(1))
    done = call_measured([*words, "--out", f"{model.folder.name}/least", "--shards", 8, "--memory", least + (8 << 20)])
    assert done.code == 0, done.log
    return [("peak by that of the whole batch", peaks[1] / peaks[0], 0.8), ("peak by the budget", done.peak / (least + (8 << 20)), 1.03)]


def main():
    report = Report("shards")
    report.case("by_hand", by_hand)
    for optimizer in ("sgd(lr=0.1, momentum=0.9)", "adamw(lr=0.01)", "lars(lr=1)"):
        report.case("same_bits_" + optimizer.split("(")[0], same_bits, optimizer)
    report.case("written", written)
    report.case("refusals", refusals)
    report.case("memory", memory)
    report.close()


if __name__ == "__main__":
    main()
