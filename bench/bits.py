#!/usr/bin/python3
"""Checksums of what networks compute: a change that promises to change no result keeps every one of them.

Six networks (resnet20, resnet18 and mobilenet_v2 at 64, alexnet and googlenet at 96, preact110) with weights, images and labels drawn
here. For each: logits of inference; logits, loss, every gradient and running statistic of one `run --train`; the weights and the
optimizer's state after 20 steps of `train`.

    bench/bits.py record bits.json --netc BEFORE/build/bin/netc
    bench/bits.py check bits.json --netc build/bin/netc        # exit code 1 where a checksum differs

Checksums of one instruction set (--cpu, by default x86-64-v3) do not depend on threads, but the C library's exp and log may differ
between machines: record and check on one machine.
"""
import argparse
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "test" / "harness"))
import safetensors

MODELS = {  # name: (file, input, images, classes)
    "resnet20": ("resnet_cifar.net", (3, 32, 32), 4, 10),
    "resnet18": ("resnet.net", (3, 64, 64), 4, 1000),
    "alexnet": ("alexnet.net", (3, 96, 96), 4, 1000),
    "mobilenet_v2": ("mobilenet_v2.net", (3, 64, 64), 4, 1000),
    "googlenet": ("googlenet.net", (3, 96, 96), 4, 1000),
    "preact110": ("preact.net", (3, 32, 32), 4, 10),
}
STEPS, BATCH = 20, 4


def call(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\nexit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def checksum(tensors):
    """Of names, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].shape}\n".encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()[:32]


def draw_weights(executable, folder):
    """Weights that depend on nothing but names and shapes: those of the model, with values drawn here."""
    call(executable, "train", "--data", "synthetic:4", "--epochs", 0, "--out", folder / "fresh")
    weights = safetensors.load(folder / "fresh" / "model.safetensors")
    rng = numpy.random.default_rng(11)
    for name, value in sorted(weights.items()):
        fan = max(1, int(numpy.prod(value.shape[1:])))
        if name.endswith("running_var"):
            drawn = rng.uniform(0.5, 2.0, value.shape)
        elif value.ndim > 1:
            drawn = rng.standard_normal(value.shape) * (2.0 / fan) ** 0.5
        elif name.endswith("weight"):
            drawn = rng.uniform(0.75, 1.5, value.shape)
        else:
            drawn = 0.1 * rng.standard_normal(value.shape)
        weights[name] = drawn.astype(value.dtype)
    return weights


def measure(netc, cpu, name, folder):
    file, shape, images, classes = MODELS[name]
    executable = folder / name
    call(netc, ROOT / "models" / file, "--model", name, "--cpu", cpu, "--set", f"image={list(shape)}", "-o", executable)
    rng = numpy.random.default_rng(7)
    safetensors.save(folder / "w.safetensors", draw_weights(executable, folder))
    safetensors.save(folder / "in.safetensors", {"input": rng.standard_normal((images, *shape)).astype(numpy.float32),
                                                 "labels": rng.integers(0, classes, images)})
    found = {}
    for mode in ((), ("--train",)):
        out = folder / "out.safetensors"
        call(executable, "run", "--weights", folder / "w.safetensors", "--in", folder / "in.safetensors", "--out", out, *mode)
        tensors = safetensors.load(out)
        if not mode:
            found["inference"] = checksum(tensors)
        else:
            found["gradients"] = checksum({key: value for key, value in tensors.items() if key.startswith("grad.")})
            found["step"] = checksum({key: value for key, value in tensors.items() if not key.startswith("grad.")})
    call(executable, "train", "--data", f"synthetic:{STEPS * BATCH}", "--val", "synthetic:4", "--batch", BATCH, "--epochs", 1, "--lr", "1e-4",
         "--weights", folder / "w.safetensors", "--out", folder / "run")
    for path in sorted((folder / "run").rglob("*.safetensors")):
        found[f"{STEPS} steps, {path.name}"] = checksum(safetensors.load(path))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["record", "check"])
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--netc", type=pathlib.Path, default=ROOT / "build/bin/netc")
    parser.add_argument("--cpu", default="x86-64-v3")
    parser.add_argument("--only", nargs="+", choices=list(MODELS), default=list(MODELS))
    options = parser.parse_args()
    found = {}
    for name in options.only:
        with tempfile.TemporaryDirectory(prefix="netc-bits-") as folder:
            found[name] = measure(options.netc.resolve(), options.cpu, name, pathlib.Path(folder))
        print(f"{name}: {len(found[name])} checksums", flush=True)
    if options.action == "record":
        options.file.write_text(json.dumps({"cpu": options.cpu, "models": found}, indent=1) + "\n")
        return 0
    recorded = json.loads(options.file.read_text())
    if recorded["cpu"] != options.cpu:
        sys.exit(f"{options.file} was recorded with --cpu {recorded['cpu']}")
    different = [f"{name}: {what}" for name in options.only for what, value in recorded["models"][name].items()
                 if found[name].get(what) != value]
    print("\n".join(f"DIFFERENT {line}" for line in different) or "the same bits")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
