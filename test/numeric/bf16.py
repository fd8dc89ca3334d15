#!/usr/bin/python3
"""--precision bf16: whole steps against float64, threads, memory, checkpoints, a short training.

Steps as in parity.py, whose weights keep values off the corners of ReLUs: the loss within 1e-2, the cosine of each gradient at least
0.98. Enough images that no filter's gradient all but cancels over them. That single kernels store the results of f32, rounded, is what
`kernels_in_bf16` claims.
"""
import json
import pathlib
import subprocess
import sys
import time

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import cpu
from agreement import bf16_claims, difference
from compiled import MODELS, THREADS, Compiled, call
from cuda_step import ALEXNET
from report import Report, Unsupported

try:
    import torch
    import axis_nets
    import kernels
    import operator_nets
    import parity
    from rounded_products import rounded_operands
except ImportError as missing:
    torch = None
    WHY = f"python3-torch and python3-torchvision are needed: {missing}"

BF16 = ["--precision", "bf16"]
LOGITS = 3e-2  # by norm, after some fifty layers that each round to 8 bits
ARENA = 0.55  # of f32's
BOTTLENECK = ["--model", "deep_resnet", "--set", "depths=[1, 2, 1, 1]", "--set", "width=16"]

# name: (file or text, options, side, images, classes, seed)
STEPS = {
    "resnet20": (MODELS / "resnet_cifar.net", ["--model", "resnet20"], 32, 32, 10, 2),
    "alexnet_small": (ALEXNET, [], 35, 8, 10, 1),
    "bottleneck_small": (MODELS / "resnet.net", BOTTLENECK, 64, 8, 10, 2),
    "mobilenet_v2": (MODELS / "mobilenet_v2.net", ["--model", "mobilenet_v2"], 64, 25, 20, 5),
}


# Some gradients turn by nearly the bound where float64 products have their operands and results rounded to bf16.
DEEP_AND_NARROW = ("mobilenet_v2",)


def compiled(source, options):
    return (Compiled.from_text if isinstance(source, str) else Compiled)(source, options=options)


def network(name, extra, precision=BF16):
    source, options, side, _, classes, _ = STEPS[name]
    sizes = [] if isinstance(source, str) else ["--set", f"classes={classes}", "--set", f"image=[3, {side}, {side}]"]
    return compiled(source, [*options, *sizes, *precision, *extra])


def drawn(name):
    _, _, side, images, classes, seed = STEPS[name]
    return parity.draw(name, side, images, classes, seed, off_corners=True)


def gradients(model):
    return {"grad." + key: value.grad.numpy().copy() for key, value in model.named_parameters()}


def step(name, level):
    if not torch:
        raise Unsupported(WHY)
    model, images, labels = drawn(name)
    executable = network(name, ["--cpu", level])
    weights = parity.weights_of(model)
    inputs = {"input": images.numpy().astype(numpy.float32), "labels": labels.numpy()}
    model.double().eval()
    with torch.no_grad():
        logits = model(images).numpy()
    claims = [("inference logits", difference(executable.run(weights, inputs)["output"], logits), LOGITS)]
    found = executable.run_again(inputs, train=True)
    rounded = None
    if name in DEEP_AND_NARROW:
        with rounded_operands("bf16"):
            parity.step(model, images, labels)
        rounded = gradients(model)
        parity.restore(model, weights)
    _, loss = parity.step(model, images, labels)
    claims += bf16_claims(found, {**gradients(model), "loss": numpy.array([float(loss)])}, rounded=rounded)
    claims += [(key, difference(found[key], value.numpy()), LOGITS) for key, value in model.state_dict().items()
               if key.endswith(("running_mean", "running_var"))]
    for threads in (1, 3):
        again = executable.run_again(inputs, train=True, threads=threads)
        claims.append((f"tensors that differ with {threads} threads", sum((again[key] != found[key]).any() for key in found), 0.5))
    return claims


def layers(name):
    if not torch:
        raise Unsupported(WHY)
    net = axis_nets.attentions() if name == "attentions" else operator_nets.one_of_each()
    return kernels.in_precision(net, "bf16", [])


def memory(name):
    """Bytes per image of what a batch takes, of inference and of a step."""
    found, wanted = (network(name, [], precision).info()["memory"] for precision in (BF16, []))
    return [(f"{program} arena, of f32's", found[program]["arena_bytes_per_image"] / wanted[program]["arena_bytes_per_image"], ARENA)
            for program in ("infer", "step")]


def says_so(name):
    info = network(name, []).info()
    ports = {tensor["type"] for tensor in info["inputs"] + info["outputs"]}
    return [("precision in info --json", int(info["precision"] != "bf16"), 0.5), (f"types of inputs and outputs: {ports}", int(ports != {"f32"}), 0.5)]


TRAIN = ["train", "--data", "fashion-mnist", "--limit", "3000", "--batch", "64", "--epochs"]


def last_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()][-1]


def training():
    """A short training on real images: the last loss within the spread of seeds in f32, a checkpoint that both precisions read."""
    if not pathlib.Path("/usr/share/datasets/fashion-mnist").exists():
        raise Unsupported("the package dataset-fashion-mnist is needed")
    half, full = (Compiled(MODELS / "lenet.net", options=precision) for precision in (BF16, []))
    losses = []
    for seed in (0, 1, 2, 3, 4):
        call([full.executable, *TRAIN, 2, "--seed", seed, "--out", full.path / f"seed{seed}"])
        losses.append(last_of(full.path / f"seed{seed}")["train_loss"])
    call([half.executable, *TRAIN, 2, "--seed", 0, "--out", half.path / "run"])
    loss = last_of(half.path / "run")["train_loss"]
    spread = max(losses) - min(losses)
    claims = [("distance from the mean loss of f32's seeds", abs(loss - sum(losses) / len(losses)), spread)]
    words = ["eval", "--data", "fashion-mnist", "--weights", half.path / "run", "--json"]
    top1 = [json.loads(call([executable.executable, *words]))["top1"] for executable in (half, full)]
    claims.append(("difference in accuracy of the same weights in f32", abs(top1[0] - top1[1]), 5e-3))
    # The other precision goes on where this one was stopped.
    out = half.path / "stopped"
    process = subprocess.Popen([half.executable, *map(str, TRAIN), "3", "--out", out], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (out / "checkpoint" / "checkpoint.json").exists():
        time.sleep(0.01)
    ended = process.poll() is not None
    process.kill()
    process.wait()
    call([full.executable, *TRAIN, 3, "--resume", "--out", out])
    claims += [("the run ended before it could be stopped", int(ended), 0.5), ("epochs missing", 3 - last_of(out)["epoch"], 0.5)]
    return claims


def main():
    report = Report("bf16")
    if torch:
        torch.set_num_threads(THREADS)
    levels = ["native", *cpu.levels()[-2:-1]]
    words = sys.argv[1:]
    cases = [(f"step/{name}/{level}", step, name, level) for name in STEPS for level in levels]
    cases += [(f"layers/{name}", layers, name) for name in ("attentions", "one_of_each")]
    cases += [(f"memory/{name}", memory, name) for name in ("resnet20", "mobilenet_v2")]
    cases += [("info", says_so, "resnet20"), ("training", training)]
    for name, *case in report.share(cases):
        if not words or any(word in name for word in words):
            report.case(name, *case)
    report.close()


if __name__ == "__main__":
    main()
