#!/usr/bin/python3
"""The CUDA kernels, in the simulator: every layer at awkward shapes against float64, forward and backward.

The same models as kernels.py, compiled with --target sim: the simulator reads the PTX that ships, checks bounds, races,
barriers and unwritten shared memory, and orders warps by a seed; results must not depend on it. tf32 and bf16: convolutions
against a reference whose operands are rounded as the tensor cores' are.
"""
import json
import os
import pathlib
import sys

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import safetensors
import tensor_cores
from compiled import THREADS, Compiled
from report import Report

try:
    import torch
    import kernels
    from kernels import pre
    from layers import Net
except ImportError as missing:
    torch = None
    WHY = f"python3-torch is needed: {missing}"

SIM = ["--target", "sim"]


def tiles():
    """Channels and pixels that take each tile of the schedule, with and without a prologue; odd edges."""
    net = Net(4, 33, 33, seed=21)
    net.branch([("conv", {"c": 68, "k": 3, "pad": 1}), ("avgpool", {"k": 3, "stride": 3})])
    net.branch([("conv", {"c": 132, "k": 3, "pad": 1}), ("avgpool", {"k": 11, "stride": 11})])
    net.branch([pre(20), ("silu", {}), ("conv", {"c": 132, "k": 1}), ("bn", {}), ("tanh", {}), ("avgpool", {"k": 11, "stride": 11})])
    net.branch([("conv", {"c": 24, "k": 5, "stride": 4}), ("conv", {"c": 48, "k": 3, "stride": 2, "pad": 1}), ("tanh", {}),
                ("flatten", {}), ("linear", {"c": 36}), ("silu", {}), ("linear", {"c": 12})])
    net.branch([pre(16), ("avgpool", {"k": 3, "stride": 3}), ("conv", {"c": 64, "k": 3, "pad": 1, "groups": 2}), ("tanh", {}),
                ("conv", {"c": 32, "k": 3, "stride": 2, "groups": 2})])
    return net


# Shapes whose simulation takes long: one image. Several images, whose edges lie within a tile, are the smaller shapes' part.
LARGE = ("tiles", "conv_17x19", "conv_large_23x26", "winograd_18x21", "wide_7x6")


def cases():
    yield from ((name, net) for name, net in kernels.cases() if not name.startswith(("narrow", "pooled")))
    yield "tiles", tiles()


def with_seed(seed, function):
    os.environ["NETC_SIM_SEED"] = str(seed)
    try:
        return function()
    finally:
        del os.environ["NETC_SIM_SEED"]


def same_bits(executable, inputs):
    """Of the training step that ran last, which was compared with the reference, and the same in another order."""
    before = {key: value.tobytes() for key, value in safetensors.load(executable.path / "out.safetensors").items()}
    after = with_seed(2, lambda: executable.run_again(inputs, train=True))
    different = [key for key in before if before[key] != after[key].tobytes()]
    return [("tensors that differ between two orders of warps: " + " ".join(different[:3]), len(different), 0.5)]


def bank_conflicts(*options):
    """Passes over the banks of shared memory that any access of any kernel could have saved; every tile of the schedule."""
    net = tiles()
    image = net.draw(1, *net.image)
    net.forward(image)
    executable = Compiled.from_text(net.text(), options=["--target", "sim", *options])
    weights = {key: value.detach().numpy().astype(numpy.float32) for key, value in {**net.parameters, **net.statistics}.items()}
    profile = executable.path / "profile.json"
    os.environ["NETC_SIM_PROFILE"] = str(profile)
    try:
        executable.run(weights, {"input": image.numpy().astype(numpy.float32), "labels": numpy.array([1])}, train=True)
    finally:
        del os.environ["NETC_SIM_PROFILE"]
    kernels = [json.loads(line) for line in profile.read_text().splitlines()]
    contractions = [kernel for kernel in kernels if "contract" in kernel["kernel"] and kernel["shared"]]
    claims = [("contractions that are too few to prove anything", float(len(contractions) < 15), 0.5)]
    for kernel in kernels:
        for access in kernel["shared"]:
            claims.append((f"{kernel['kernel']}: {access['instruction'].strip()}, {access['passes']} passes, conflicts", access["conflicts"], 0.5))
    return claims


def check(report, name, net):
    images = {batch: net.draw(batch, *net.image) for batch in (1, 3)}
    net.forward(images[3])  # draws the parameters
    executable = Compiled.from_text(net.text(), options=SIM)
    weights = {key: value.detach().numpy().astype(numpy.float32) for key, value in {**net.parameters, **net.statistics}.items()}
    for batch in (1,) if name in LARGE else (1, 3):
        image, labels = images[batch], torch.arange(batch) % net.classes
        inputs = {"input": image.numpy().astype(numpy.float32), "labels": labels.numpy()}
        report.case(f"{name}/batch_{batch}", kernels.against_reference, net, executable, weights, inputs, image, labels)
    report.case(f"{name}/order_of_warps", same_bits, executable, inputs)


def on_tensor_cores(name, precision):
    executable = Compiled.from_text(tensor_cores.text(name), options=SIM + ["--precision", precision])
    weights, inputs = tensor_cores.draw(name)
    return tensor_cores.claims(name, weights, inputs, executable.run(weights, inputs, train=True), precision)


def on_hopper():
    """wgmma and TMA: forward and backward of a 1x1 convolution with odd edges, in two orders of warps."""
    name, precision = "wide", "bf16"
    os.environ["NETC_SIM_CHIP"] = "90"
    try:
        executable = Compiled.from_text(tensor_cores.text(name), options=SIM + ["--precision", precision, "--chip", "sm_90a"])
        weights, inputs = tensor_cores.draw(name)
        claims = tensor_cores.claims(name, weights, inputs, executable.run(weights, inputs, train=True), precision)
        claims += same_bits(executable, inputs)
        used = executable.executable.read_bytes().count(b"wgmma.mma_async")
    finally:
        del os.environ["NETC_SIM_CHIP"]
    return claims + [(f"{used} wgmma.mma_async in the PTX", float(used < 8), 0.5)]


def main():
    report = Report("cuda_kernels")
    if not torch:
        report.line("UNSUPPORTED", "all", WHY)
        report.close()
    torch.set_num_threads(THREADS)
    tasks = [(name, lambda name=name, net=net: check(report, name, net)) for name, net in cases()]
    for precision in ("f32", "tf32", "bf16"):
        name = "banks_" + precision
        tasks.append((name, lambda a=(name, bank_conflicts, "--precision", precision): report.case(*a)))
    for precision in ("tf32", "bf16"):
        for name, net in (("attentions", kernels.axis_nets.attentions()), ("one_of_each", kernels.operator_nets.one_of_each())):
            case = f"{precision}_{name}"
            tasks.append((case, lambda a=(case, kernels.in_precision, net, precision, SIM): report.case(*a)))
        for name in tensor_cores.CASES:
            case = precision + "_" + name
            tasks.append((case, lambda a=(case, on_tensor_cores, name, precision): report.case(*a)))
    tasks.append(("bf16_hopper", lambda: report.case("bf16_hopper", on_hopper)))
    for name, task in report.share(tasks):
        if len(sys.argv) > 1 and not any(word in name for word in sys.argv[1:]):
            continue
        try:
            task()
        except Exception as error:
            report.line("FAIL", name, str(error).strip().replace("\n", "\n    "))
    report.close()


if __name__ == "__main__":
    main()
