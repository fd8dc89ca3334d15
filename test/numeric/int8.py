#!/usr/bin/python3
"""int8 inference against a reference in integers, to the bit, on every level of x86-64 that this machine runs and any number of threads.

A model is convolution, ReLU, the layer under test: its operands are signed first and then unsigned. The reference rounds as the kernels do, in
float32, and adds products up in float64, which holds all of these sums; then every float32 operation of the kernels' epilogues follows.
"""
import os
import pathlib
import random
import sys

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import cpu
from compiled import THREADS, Compiled
from report import Report

try:
    import torch
    import kernels
    from bf16_products import layer
except ImportError as missing:
    torch = None
    WHY = f"python3-torch is needed: {missing}"

BATCH = 3
F32 = numpy.float32
WIDE = [(320, {"c": 80, "k": 1}), (512, {"c": 136, "k": 1}), (128, {"c": 96, "k": 3, "stride": 2, "pad": 1}), (96, {"c": 72, "k": 5, "pad": 2}),
        (256, {"c": 300, "k": 1, "stride": 2}), (96, {"c": 130, "k": 3, "dilation": 2, "pad": 2}), (515, {"c": 520, "k": 3, "pad": 1}),
        (3, {"c": 64, "k": 7, "stride": 2, "pad": 3}), (130, {"c": 40, "k": [3, 1], "stride": [2, 1], "pad": [1, 0]}),
        (48, {"c": 48, "k": 3, "pad": 1, "groups": 48}), (30, {"c": 60, "k": 3, "pad": 1, "groups": 3}), (33, {"c": 33, "k": 5, "stride": 2, "pad": 2, "groups": 33})]


def levels():
    """Levels for --cpu that this machine runs, with and without its products of bytes."""
    runs = cpu.levels()
    return runs + (["x86-64-v4+vnni"] if "avx512_vnni" in cpu.flags() and "x86-64-v4" in runs else [])


def integers(values, inverse, least, most):
    """Rounded to nearest even and clamped, as kernels store them."""
    return numpy.clip(numpy.rint((values * inverse).astype(F32)), least, most)


def quantized(weight):
    """A filter's integers and its scales by output channel."""
    largest = numpy.abs(weight).reshape(len(weight), -1).max(1).astype(F32)
    inverse = (F32(127) / largest).astype(F32)
    by_channel = (-1,) + (1,) * (weight.ndim - 1)
    return integers(weight, inverse.reshape(by_channel), -127, 127), (largest / F32(127)).astype(F32)


def contraction(image, scale, weight, bias, apply, fused, inverse=None):
    """What a convolution of integers gives in float32, times `inverse`; `fused`: scale and bias with one rounding."""
    filters, scales = quantized(weight)
    sums = apply(torch.from_numpy(image).double(), torch.from_numpy(filters).double()).numpy()
    factor, shift = (F32(scale) * scales).astype(F32), bias
    if inverse is not None:  # it goes into scale and bias
        factor, shift = (inverse * factor).astype(F32), (inverse * shift).astype(F32)
    factor, shift = factor.reshape(-1, 1, 1), shift.reshape(-1, 1, 1)
    if fused:  # float64 holds the product, and is as good as exact for the sum
        return (sums.astype(F32).astype(float) * factor + shift).astype(F32)
    return ((sums.astype(F32) * factor).astype(F32) + shift).astype(F32)


def inverse_of(scale):
    return F32(1) / F32(scale)


def network(image, weights, scales, apply, fused):
    """The model's output."""
    first = contraction(integers(image, inverse_of(scales["image"]), -127, 127), scales["image"], weights["a.weight"], weights["a.bias"],
                        layer({}), fused, inverse_of(scales["r"]))
    hidden = integers(first, F32(1), 0, 255)
    return contraction(hidden, scales["r"], weights["c.weight"], weights["c.bias"], apply, fused)


def model_of(inputs, arguments, height, width, seed):
    """A model's text, its weights with scales, an input, and the output: `wanted[whether scale and bias are added with one rounding]`."""
    words = ", ".join(f"{key}={value}" for key, value in {**arguments, "bias": "true"}.items())
    text = f"""net 1
model test {{
  input image: [5, {height}, {width}]
  return image | a: conv({inputs}, k=1, bias=true) | r: relu | c: conv({words})
}}
train test {{ loss l1 }}
"""
    draw = numpy.random.default_rng(seed)
    image = draw.standard_normal((BATCH, 5, height, width), F32)
    weights = {"a.weight": draw.standard_normal((inputs, 5, 1, 1), F32), "a.bias": draw.standard_normal(inputs, F32),
               "c.weight": draw.standard_normal((arguments["c"], inputs // arguments.get("groups", 1), *kernels.pair(arguments["k"])), F32),
               "c.bias": draw.standard_normal(arguments["c"], F32)}
    scales = {"image": F32(0.02), "r": F32(0.03)}  # some values lie beyond the largest integers
    wanted = {fused: network(image, weights, scales, layer(arguments), fused) for fused in (False, True)}
    given = {**weights, **{f"{name}.activation_scale": numpy.array([scale], F32) for name, scale in scales.items()}}
    return text, given, image, wanted


def check(inputs, arguments, height, width, seed):
    text, given, image, wanted = model_of(inputs, arguments, height, width, seed)
    executable = Compiled.from_text(text, options=["--precision", "int8", "--mode", "infer", "--cpu", ",".join(levels())])
    rows = []
    for level in levels():
        os.environ["NETC_CPU"] = level
        found = executable.run(given, {"input": image}, threads=1)["output"]
        again = executable.run_again({"input": image}, threads=3)["output"]
        different = int((found != wanted["fma" in cpu.NEEDS[level.split("+")[0]] or "v4" in level]).sum())
        rows += [(f"{level}: outputs that differ", different, 0.5), (f"{level}: bits at 3 threads", int((found != again).sum()), 0.5)]
    del os.environ["NETC_CPU"]
    return rows


def main():
    report = Report("int8")
    if not torch:
        report.line("UNSUPPORTED", "all", WHY)
        report.close()
        return
    torch.set_num_threads(THREADS)
    rng = random.Random(1)
    cases = [("wide", 7, 6, *case) for case in WIDE]
    for height, width in ((17, 19), (8, 8), (5, 3)):
        drawn = (kernels.draw_conv(rng, height, width) for _ in range(100))
        cases += [("drawn", height, width, *case) for case in drawn if case[1].get("pad") != "same"][-6:]
    for seed, (name, height, width, inputs, arguments) in report.share(list(enumerate(cases))):
        arguments = {key: value for key, value in arguments.items() if key != "bias"}
        words = "_".join(f"{key}{value}".replace(" ", "") for key, value in arguments.items())
        report.case(f"{name}_{height}x{width}_{inputs}_{words}", check, inputs, arguments, height, width, seed)
    report.close()


if __name__ == "__main__":
    main()
