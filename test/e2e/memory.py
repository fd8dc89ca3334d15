#!/usr/bin/python3
"""`train --memory`: the plan computes again what does not fit, to the same bits, and keeps to the bytes; or says what is missing."""
import filecmp
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from compiled import MODELS, Compiled, call_measured
from report import Report

BATCH = 24


def train(executable, name, *options):
    """(exit code, standard error, weights, peak of resident bytes) of one step and a validation."""
    out = executable.path / name
    done = call_measured([executable.executable, "train", "--data", f"synthetic:{BATCH}", "--val", "synthetic:4",
                          "--batch", BATCH, "--epochs", 1, "--threads", 2, "--out", out, *options])
    return done.code, done.log, out / "model.safetensors", done.peak


def bytes_in(text, before):
    return int(re.search(before + r" (\d+) bytes", text).group(1))


def check(file, model, side, bound, *options):
    executable = Compiled(MODELS / file, model, ["classes=10", f"image=[3,{side},{side}]"])
    code, text, wanted, peak = train(executable, "free", *options)
    assert code == 0, text
    code, text, _, _ = train(executable, "none", "--memory", "1MiB", *options)
    least = bytes_in(text, "takes")
    claims = [("exit code of a hopeless budget, off 1", abs(code - 1), 0.5),
              ("bytes that are too many, off their sum", abs(bytes_in(text, "at least,") + (1 << 20) - least), 0.5),
              ("least memory by the peak without a bound", least / peak, bound)]
    middle = (least + peak) // 2
    for budget in (middle, least + (4 << 20)):
        code, text, weights, used = train(executable, f"budget{budget}", "--memory", budget, *options)
        if code:
            raise AssertionError(text)
        claims += [(f"weights differ with {budget >> 20} MiB", int(not filecmp.cmp(weights, wanted, shallow=False)), 0.5),
                   (f"peak by the budget of {budget >> 20} MiB", used / budget, 1.03),
                   ("no word of computing again", int("computed again" not in text), 0.5)]
    return claims


def main():
    report = Report("memory")
    report.case("bottleneck", check, "resnet.net", "resnet50", 64, 0.9)
    report.case("basic", check, "resnet.net", "resnet18", 128, 0.9)
    report.case("preactivation", check, "preact.net", "preact164", 32, 0.9)
    # Parameters outweigh the rest: sums of gradients are a copy of them.
    report.case("accumulation", check, "resnet.net", "resnet18", 64, 0.97, "--accumulate", 2)
    report.close()


if __name__ == "__main__":
    main()
