#!/usr/bin/python3
"""Whole training steps of CUDA kernels, in the simulator, against the CPU's kernels; three steps twice, bit for bit.

f32 by the bounds of parity.py: batch-norm biases of +-4 keep values off the ReLUs' corners; then ordinary weights. tf32: loss within 1e-3, bf16:
within 1e-2; the cosine of each gradient at least 0.98.
"""
import os
import pathlib
import sys

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import safetensors
from agreement import bf16_claims, difference, step_claims, tf32_claims
from compiled import MODELS, Compiled, call
from report import Report

LOGITS, LOSS, GRADIENT, RUNNING = 1e-4, 1e-5, 1e-3, 1e-4
ORDINARY = 0.1  # of gradients where values lie near the corners
SIM = ["--target", "sim"]

ALEXNET = """net 1
model small() {
  input image: [3, 35, 35]
  x = image | conv(24, k=11, stride=4, pad=2) | relu | lrn | maxpool(k=3, stride=2)
            | conv(32, k=5, pad=2, groups=2) | relu | lrn | maxpool(k=3, stride=2, round=up)
            | conv(48, k=3, pad=1) | relu | conv(32, k=3, pad=1, groups=2) | relu
  return x | flatten | fc6: linear(64) | relu | dropout(0.5) | fc8: linear(10)
}
"""

# name: (file or text, options, images)
CASES = {
    "resnet20": (MODELS / "resnet_cifar.net", ["--model", "resnet20"], 2),
    "alexnet_small": (ALEXNET, [], 4),
    "bottleneck_small": (MODELS / "resnet.net", ["--model", "deep_resnet", "--set", "depths=[1, 2, 1, 1]", "--set", "width=16",
                                                 "--set", "classes=10", "--set", "image=[3, 64, 64]"], 4),
}


def compiled(source, options):
    if isinstance(source, str):
        return Compiled.from_text(source, options=options)
    return Compiled(source, options=options)


def fresh_weights(executable, ordinary=False):
    """What training would start from, with batch norms kept off the corners unless `ordinary`."""
    out = executable.path / "fresh"
    call([executable.executable, "train", "--data", "synthetic:16", "--epochs", "0", "--out", out])
    weights = safetensors.load(out / "model.safetensors")
    if ordinary:
        return weights
    rng = numpy.random.default_rng(3)
    signs = numpy.where(rng.random(4096) < 0.7, 4.0, -4.0).astype(numpy.float32)
    for name in [name for name in weights if name.endswith("running_mean")]:
        scope = name[: -len("running_mean")]
        size = weights[name].size
        weights[scope + "weight"] = rng.uniform(0.75, 1.5, size).astype(numpy.float32)
        weights[scope + "bias"] = signs[:size]
        weights[name] = (0.5 * rng.standard_normal(size)).astype(numpy.float32)
        weights[scope + "running_var"] = rng.uniform(0.5, 2.0, size).astype(numpy.float32)
    return weights


def both(name, extra, ordinary=False):
    source, options, images = CASES[name]
    cpu, sim = compiled(source, options), compiled(source, options + SIM + extra)
    shape = cpu.info()["input"]
    rng = numpy.random.default_rng(7)
    inputs = {"input": rng.standard_normal((images, *shape)).astype(numpy.float32), "labels": numpy.arange(images) % 10}
    weights = fresh_weights(cpu, ordinary)
    return (cpu.run(weights, inputs, train=True), sim.run(weights, inputs, train=True),
            cpu.run_again(inputs)["output"], sim.run_again(inputs)["output"])


def f32(name, ordinary=False):
    wanted, found, wanted_logits, logits = both(name, [], ordinary)
    bound = ORDINARY if ordinary else GRADIENT
    return [("inference logits", difference(logits, wanted_logits), LOGITS), *step_claims(found, wanted, LOGITS, LOSS, bound, RUNNING)]


def tf32(name):
    wanted, found, _, _ = both(name, ["--precision", "tf32"])
    return tf32_claims(found, wanted)


def bf16(name):
    wanted, found, _, _ = both(name, ["--precision", "bf16"])
    return bf16_claims(found, wanted)


def same_training(name):
    """Three steps with momentum, in two orders of warps: the same weights and optimizer state."""
    source, options, images = CASES[name]
    sim = compiled(source, options + SIM)
    files = []
    for seed in ("1", "77"):
        out = sim.path / f"run{seed}"
        os.environ["NETC_SIM_SEED"] = seed
        call([sim.executable, "train", "--data", "synthetic:8", "--limit", str(3 * images), "--batch", str(images), "--epochs", "1",
              "--val", "synthetic:2", "--out", out])
        del os.environ["NETC_SIM_SEED"]
        files.append({path.name: path.read_bytes() for path in sorted(out.rglob("*.safetensors"))})
    assert len(files[0]) >= 2, "expected weights and optimizer state"
    different = [file for file in files[0] if files[0][file] != files[1].get(file)]
    return [("files that differ: " + " ".join(different), len(different), 0.5)]


def main():
    report = Report("cuda_step")
    for name in CASES:
        if len(sys.argv) > 1 and not any(word in name for word in sys.argv[1:]):
            continue
        report.case(name + "/f32", f32, name)
        report.case(name + "/f32_ordinary_weights", f32, name, True)
        report.case(name + "/tf32", tf32, name)
        report.case(name + "/bf16", bf16, name)
    if len(sys.argv) == 1 or "training" in sys.argv:
        report.case("training/same_bits", same_training, "resnet20")
    report.close()


if __name__ == "__main__":
    main()
