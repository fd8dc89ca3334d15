#!/usr/bin/python3
"""What bf16 training and int8 inference cost in accuracy on Fashion-MNIST, for networks that are trained here.

    bench/narrow_accuracy.py int8                           # ResNet-20, ResNet-18, MobileNetV2: some minutes each
    bench/narrow_accuracy.py int8 --models resnet18 --epochs 2 --limit 6000
    bench/narrow_accuracy.py bf16 --seeds 5 --epochs 10     # ResNet-20 in f32 and bf16, of each seed

int8: top-1 of the 10,000 test images in f32 and after `calibrate` on 512 images of the training set. bf16: top-1 after the last epoch; bf16 is
well where it lies within what the seeds make of f32.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
MODELS = {"resnet20": "resnet_cifar.net", "resnet18": "resnet.net", "mobilenet_v2": "mobilenet_v2.net"}
LIMITS = {"resnet20": 0.15, "resnet18": 0.15, "mobilenet_v2": 0.7}  # points of top-1 that int8 may lose
TRAIN = re.compile(r"^train [^{]*\{.*?^\}\n", re.MULTILINE | re.DOTALL)


def call(*words):
    return subprocess.run([str(word) for word in words], check=True, stdout=subprocess.PIPE, text=True).stdout


def source(model, folder):
    """The zoo's model with the recipe of its ResNet-20, which is one for small images."""
    recipe = TRAIN.search((ROOT / "models" / MODELS["resnet20"]).read_text())[0]
    path = folder / f"{model}.net"
    path.write_text(TRAIN.sub("", (ROOT / "models" / MODELS[model]).read_text()) + re.sub(r"^train [^{]*", f"train {model} ", recipe))
    return path


def compile_model(options, model, folder, *words):
    executable = folder / "-".join([model, *(word.strip("-") for word in words)])
    call(options.netc, source(model, folder), "--model", model, "--set", "image=[1,28,28]", "--set", "classes=10", "-o", executable, *words)
    return executable


def train(options, executable, seed, folder):
    run = folder / f"{executable.name}-{seed}"
    limit = ["--limit", options.limit] if options.limit else []
    call(executable, "train", "--data", "fashion-mnist", "--epochs", options.epochs, "--seed", seed, "--out", run, *limit)
    return run


def top1(executable, weights):
    return 100 * json.loads(call(executable, "eval", "--data", "fashion-mnist", "--weights", weights, "--json"))["top1"]


def int8(options, folder):
    print("| | f32, top-1 % | int8, top-1 % | points lost | allowed |\n|---|---|---|---|---|")
    for model in options.models:
        f32 = compile_model(options, model, folder)
        narrow = compile_model(options, model, folder, "--precision", "int8", "--mode", "infer")
        run, calibrated = train(options, f32, 0, folder), folder / f"{model}.safetensors"
        call(narrow, "calibrate", "--data", "fashion-mnist", "--weights", run, "--out", calibrated)
        before, after = top1(f32, run), top1(narrow, calibrated)
        print(f"| {model} | {before:.2f} | {after:.2f} | {before - after:.2f} | {LIMITS[model]} |", flush=True)


def bf16(options, folder):
    model = options.models[0]
    print("| | top-1 % of each seed | median | least to most |\n|---|---|---|---|")
    for words in ([], ["--precision", "bf16"]):
        executable = compile_model(options, model, folder, *words)
        found = [top1(executable, train(options, executable, seed, folder)) for seed in range(options.seeds)]
        print(f"| {model}, {words[-1] if words else 'f32'} | {', '.join(f'{value:.2f}' for value in found)} | {statistics.median(found):.2f} | "
              f"{min(found):.2f} to {max(found):.2f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("precision", choices=["int8", "bf16"])
    parser.add_argument("--netc", type=pathlib.Path, default=pathlib.Path(os.environ.get("NETC", ROOT / "build/bin/netc")))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--limit", type=int, help="images of an epoch (default: all 60,000)")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="netc-narrow-") as folder:
        (int8 if options.precision == "int8" else bf16)(options, pathlib.Path(folder))


if __name__ == "__main__":
    main()
