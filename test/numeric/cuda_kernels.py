#!/usr/bin/python3
"""The CUDA kernels, in the simulator: every layer at awkward shapes against float64, forward and backward.

The same models as kernels.py, compiled with --target sim: the simulator reads the PTX that ships, checks bounds, races,
barriers and unwritten shared memory, and orders warps by a seed; results must not depend on it. tf32: one
convolution against a reference whose operands are rounded as the tensor cores' are.
"""
import json
import os
import pathlib
import sys

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
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

TF32_BOUND = 1e-5  # against a reference with the same rounded operands
SIM = ["--target", os.environ.get("NETC_GPU_TARGET", "sim")]  # cuda: `make test-gpu`


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


def cases():
    yield from ((name, net) for name, net in kernels.cases() if not name.startswith(("avx2", "pooled")))
    yield "tiles", tiles()


def with_seed(seed, function):
    os.environ["NETC_SIM_SEED"] = str(seed)
    try:
        return function()
    finally:
        del os.environ["NETC_SIM_SEED"]


def same_bits(executable, inputs):
    runs = [with_seed(seed, lambda: executable.run_again(inputs, train=True)) for seed in (1, 2)]
    different = [key for key in runs[0] if runs[0][key].tobytes() != runs[1][key].tobytes()]
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
    for batch in (1,) if name == "tiles" else (1, 3):
        image, labels = images[batch], torch.arange(batch) % net.classes
        inputs = {"input": image.numpy().astype(numpy.float32), "labels": labels.numpy()}
        report.case(f"{name}/batch_{batch}", kernels.against_reference, net, executable, weights, inputs, image, labels)
    report.case(f"{name}/order_of_warps", same_bits, executable, inputs)


def rounded(x):
    """To tf32: 10 bits of mantissa, to nearest, ties away from zero."""
    bits = numpy.ascontiguousarray(x, numpy.float32).view(numpy.uint32)
    return ((bits + 0x1000) & 0xffffe000).view(numpy.float32).astype(numpy.float64)


TF32 = {
    "k3": (8, 10, 9, {"c": 20, "k": 3, "pad": 1}),
    "k1": (12, 7, 7, {"c": 64, "k": 1}),
    "k3_stride2": (16, 11, 11, {"c": 36, "k": 3, "stride": 2, "pad": 1}),
    "k7_odd_channels": (3, 19, 19, {"c": 17, "k": 7, "stride": 2, "pad": 3}),
    "many": (8, 34, 33, {"c": 132, "k": 3, "pad": 1}),
    "groups": (32, 6, 6, {"c": 64, "k": 3, "pad": 1, "groups": 2}),
}


def tf32(channels, height, width, arguments):
    """image | 1x1 to `channels` | the convolution | flatten. The cotangent of the output is known from the output."""
    rng = numpy.random.default_rng(1)
    text = ", ".join(f"{key}={value}" for key, value in arguments.items())
    stride, pad, groups = (arguments.get(key, default) for key, default in (("stride", 1), ("pad", 0), ("groups", 1)))
    kernel, outputs = arguments["k"], arguments["c"]
    source = f"""net 1
model test() {{
  input image: [4, {height}, {width}]
  return image | a: conv({channels}, k=1, bias=false) | b: conv({text}, bias=false) | flatten
}}
"""
    executable = Compiled.from_text(source, options=SIM + ["--precision", "tf32"])
    draw = lambda *shape: rng.standard_normal(shape).astype(numpy.float32)
    a, b = draw(channels, 4, 1, 1), draw(outputs, channels // groups, kernel, kernel) / numpy.float32(kernel * channels ** 0.5)
    x, n = draw(2, 4, height, width), 2
    labels = numpy.array([1, 3])
    found = executable.run({"a.weight": a, "b.weight": b}, {"input": x, "labels": labels}, train=True)

    def product(image, weight, **options):
        image = torch.tensor(rounded(image), requires_grad=True)
        weight = torch.tensor(rounded(weight), requires_grad=True)
        return image, weight, torch.nn.functional.conv2d(image, weight, **options)

    def gradients(image, weight, value, cotangent):
        return torch.autograd.grad(value, (image, weight), torch.tensor(rounded(cotangent)).reshape(value.shape))

    first = product(x, a)
    second = product(first[2].detach().numpy(), b, stride=stride, padding=pad, groups=groups)
    output = found["output"].astype(numpy.float64)
    high = numpy.exp(output - output.max(1, keepdims=True))
    cotangent = high / high.sum(1, keepdims=True)
    cotangent[numpy.arange(n), labels] -= 1
    to_first, to_b = gradients(*second, cotangent / n)
    _, to_a = gradients(*first, to_first.numpy())
    claims = []
    for name, value, wanted in (("output", output, second[2].detach().numpy().reshape(n, -1)), ("grad.b.weight", found["grad.b.weight"], to_b.numpy()),
                                ("grad.a.weight", found["grad.a.weight"], to_a.numpy())):
        claims.append((name, float(numpy.linalg.norm(value - wanted) / numpy.linalg.norm(wanted)), TF32_BOUND))
    return claims


def main():
    report = Report("cuda_kernels")
    if not torch:
        report.line("UNSUPPORTED", "all", WHY)
        report.close()
    torch.set_num_threads(THREADS)
    tasks = [(name, lambda name=name, net=net: check(report, name, net)) for name, net in cases()]
    if SIM[1] == "sim":
        for precision in ("f32", "tf32"):
            name = "banks_" + precision
            tasks.append((name, lambda a=(name, bank_conflicts, "--precision", precision): report.case(*a)))
    for name, arguments in TF32.items():
        tasks.append(("tf32_" + name, lambda a=("tf32_" + name, tf32, *arguments): report.case(*a)))
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
