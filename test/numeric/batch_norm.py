#!/usr/bin/python3
"""Batch norm of channels whose mean is large beside their deviation, as exact as PyTorch's in float32.

Each way in which a kernel sums statistics: in a convolution's epilogue by every algorithm, in a sweep of its own, on the
CPU and in the simulator; forward, running statistics and the gradients. Both are compared with float64; the bound is
PyTorch's own error, with room for a different order of the sums. Without that room the variance as E[x^2] - mean^2 over
float32 sums is 10,000 times too far off at a mean of 10,000.
"""
import pathlib
import sys

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from compiled import Compiled
from report import Report

try:
    import torch
    from torch.nn import functional
except ImportError as missing:
    torch = None
    WHY = f"python3-torch is needed: {missing}"

ROOM = 3  # times PyTorch's error
FLOOR = 5e-7  # some roundings in float32, where PyTorch adds in float64
SIM = ["--target", "sim"]

# name: image, the layer before the norm as (arguments, filter's shape) or none.
LAYERS = {
    "image": ((5, 19, 18), None),
    "wide_image": ((70, 5, 7), None),
    "k1": ((6, 13, 14), ("c: conv(20, k=1, bias=true)", (20, 6, 1, 1))),
    "k1_stride2": ((6, 13, 14), ("c: conv(33, k=1, stride=2, bias=true)", (33, 6, 1, 1))),
    "k5": ((3, 17, 15), ("c: conv(17, k=5, stride=2, pad=2, bias=true)", (17, 3, 5, 5))),
    "tall_tile": ((12, 33, 33), ("c: conv(132, k=1, bias=true)", (132, 12, 1, 1))),
    "winograd": ((16, 17, 13), ("c: conv(32, k=3, pad=1, bias=true)", (32, 16, 3, 3))),
    "depthwise": ((24, 12, 11), ("c: conv(24, k=3, pad=1, groups=24, bias=true)", (24, 1, 3, 3))),
    "pieces": ((96, 9, 8), ("c: conv(40, k=3, stride=2, pad=1, bias=true)", (40, 96, 3, 3))),
    "linear": ((24, 3, 3), ("flatten | c: linear(19)", (19, 216))),
}


def convolve(layer, x, weight, bias):
    text, shape = LAYERS[layer][1]
    if "linear" in text:
        return functional.linear(x.flatten(1), weight, bias)
    stride = 2 if "stride=2" in text else 1
    pad = {"pad=1": 1, "pad=2": 2}.get(next((word.strip(", )") for word in text.split() if word.startswith("pad=")), ""), 0)
    return functional.conv2d(x, weight, bias, stride, pad, 1, shape[0] // shape[1] if "groups" in text and shape[1] == 1 else 1)


def evaluate(layer, x, weights, labels, dtype):
    """Outputs, running statistics and gradients in PyTorch with `dtype`."""
    tensors = {key: torch.tensor(value, dtype=dtype, requires_grad="running" not in key) for key, value in weights.items()}
    y = torch.tensor(x, dtype=dtype)
    if LAYERS[layer][1]:
        y = convolve(layer, y, tensors["c.weight"], tensors["c.bias"])
    mean, var = tensors["n.running_mean"].clone(), tensors["n.running_var"].clone()
    y = functional.batch_norm(y, mean, var, tensors["n.weight"], tensors["n.bias"], True, 1.0, 1e-5).flatten(1)
    functional.cross_entropy(y, torch.tensor(labels)).backward()
    # The gradient by a bias before the norm is zero but for rounding.
    found = {f"grad.{key}": value.grad for key, value in tensors.items() if value.grad is not None and key != "c.bias"}
    return {key: value.detach().double().numpy()
            for key, value in {"output": y, "n.running_mean": mean, "n.running_var": var, **found}.items()}


def error(key, found, wanted):
    """The largest, by the largest value; of a mean, which may be near 0, at least by the deviation, which is 1."""
    scale = max(numpy.abs(wanted).max(), 1 if key == "n.running_mean" else 0)
    return float(numpy.abs(found.astype(numpy.float64) - wanted).max() / scale)


def draw(layer, mean, batch):
    rng = numpy.random.default_rng(3)
    image, before = LAYERS[layer]
    normal = lambda *shape: rng.standard_normal(shape).astype(numpy.float32)
    x = normal(batch, *image)
    channels = image[0]
    weights = {}
    if before:
        shape = before[1]
        channels = shape[0]
        weights = {"c.weight": normal(*shape) / numpy.float32(numpy.prod(shape[1:]) ** 0.5),
                   "c.bias": numpy.full(channels, mean, numpy.float32)}
    else:
        x += numpy.float32(mean)
    weights |= {"n.weight": 1 + 0.3 * normal(channels), "n.bias": 0.3 * normal(channels),
                "n.running_mean": normal(channels), "n.running_var": 1 + normal(channels) ** 2}
    return x, weights


def claims(layer, mean, executable, threads):
    x, weights = draw(layer, mean, batch=6)
    labels = numpy.arange(6)
    inputs = {"input": x, "labels": labels}
    found = executable.run(weights, inputs, train=True)
    exact, single = (evaluate(layer, x, weights, labels, dtype) for dtype in (torch.float64, torch.float32))
    result = [(key, error(key, found[key], exact[key]), ROOM * error(key, single[key], exact[key]) + FLOOR) for key in exact]
    for count in threads:
        again = executable.run_again(inputs, train=True, threads=count)
        result.append((f"tensors that differ with {count} threads", sum(again[key].tobytes() != found[key].tobytes() for key in found), 0.5))
    return result


def main():
    report = Report("batch_norm")
    if not torch:
        report.line("UNSUPPORTED", "all", WHY)
        report.close()
    for layer, (image, before) in LAYERS.items():
        channels, height, width = image
        source = "image" + (f" | {before[0]}" if before else "")
        text = f"net 1\nmodel test() {{\n  input image: [{channels}, {height}, {width}]\n  return {source} | n: bn(momentum=1.0) | flatten\n}}\n"
        for target, options in (("cpu", []), ("sim", SIM)):
            if len(sys.argv) > 1 and not any(word in f"{layer}/{target}" for word in sys.argv[1:]):
                continue
            executable = Compiled.from_text(text, options=options)
            for mean in (0, 1000, 10000):
                report.case(f"{layer}/{target}/mean_{mean}", claims, layer, mean, executable, (1, 3) if target == "cpu" else ())
    report.close()


if __name__ == "__main__":
    main()
