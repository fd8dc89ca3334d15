#!/usr/bin/python3
"""Kernels that multiply bf16 (AVX512_BF16) against float64 products of the same rounded operands.

A 1x1 convolution by the identity stores the image as bf16, which has all its values; the layer under test reads that. The loss is l1 with
far targets, so its gradient is a known sign times a constant. Then the output, which is f32, the filter's gradient and the bias of the first
convolution, whose gradient is the sum of the input's, are sums of known products.
"""
import pathlib
import random
import sys

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import cpu
from agreement import difference
from compiled import THREADS, Compiled
from report import Report

try:
    import torch
    import kernels
except ImportError as missing:
    torch = None
    WHY = f"python3-torch is needed: {missing}"

BOUND = 1e-5  # of sums in f32, by norm; Winograd's transforms add to them
BATCH = 3
WIDE = [(320, {"c": 80, "k": 1}), (512, {"c": 136, "k": 1}), (128, {"c": 96, "k": 3, "stride": 2, "pad": 1}), (96, {"c": 72, "k": 5, "pad": 2}),
        (64, {"c": 264, "k": 1}), (256, {"c": 300, "k": 1, "stride": 2}), (96, {"c": 130, "k": 3, "dilation": 2, "pad": 2}),
        (515, {"c": 520, "k": 3, "pad": 1}), (3, {"c": 64, "k": 7, "stride": 2, "pad": 3}), (130, {"c": 40, "k": [3, 1], "stride": [2, 1], "pad": [1, 0]})]


def rounded(values):
    """To bf16, in float64."""
    return torch.from_numpy(values).bfloat16().double()


def layer(arguments):
    """The convolution in float64, of an image and a filter."""
    stride, dilation = (kernels.pair(arguments.get(key, 1)) for key in ("stride", "dilation"))
    pad, groups = arguments.get("pad", 0), arguments.get("groups", 1)
    top, left, bottom, right = pad if isinstance(pad, list) and len(pad) == 4 else 2 * kernels.pair(pad)

    def apply(image, weight):
        return torch.nn.functional.conv2d(torch.nn.functional.pad(image, (left, right, top, bottom)), weight, None, stride, 0, dilation, groups)
    return apply


def check(inputs, arguments, height, width, seed, options, compiled=Compiled.from_text):
    apply = layer(arguments)
    words = ", ".join(f"{key}={str(value)}" for key, value in {**arguments, "bias": "false"}.items())
    text = f"""net 1
model test {{
  input image: [{inputs}, {height}, {width}]
  return image | a: conv({inputs}, k=1, bias=true) | c: conv({words})
}}
train test {{ loss l1 }}
"""
    draw = numpy.random.default_rng(seed)
    kernel = kernels.pair(arguments["k"])
    shape = (arguments["c"], inputs // arguments.get("groups", 1), *kernel)
    image = rounded(draw.standard_normal((BATCH, inputs, height, width), numpy.float32))
    filters = draw.standard_normal(shape, numpy.float32)
    # Winograd's algorithm does not round filters, and some groups are multiplied in f32.
    if kernel == [3, 3] or arguments.get("groups", 1) > 1:
        filters = rounded(filters).float().numpy()
    x, w = image.clone().requires_grad_(), rounded(filters).requires_grad_()
    y = apply(x, w)
    targets = torch.where(torch.rand(y.shape, generator=torch.Generator().manual_seed(seed)) < 0.5, 1e4, -1e4)
    constant = rounded(numpy.array([1 / y.numel()], numpy.float32))
    y.backward(-targets.sign().double() * constant)
    weights = {"a.weight": numpy.eye(inputs, dtype=numpy.float32).reshape(inputs, inputs, 1, 1), "a.bias": numpy.zeros(inputs, numpy.float32),
               "c.weight": filters}
    executable = compiled(text, options=options)
    given = {"input": image.float().numpy(), "targets": targets.float().numpy()}
    found = executable.run(weights, given, train=True)
    sums = x.grad.sum((0, 2, 3))
    return [("output", difference(found["output"], y.detach().numpy()), BOUND),
            ("inference", difference(executable.run_again({"input": given["input"]})["output"], y.detach().numpy()), BOUND),
            ("filter's gradient", difference(found["grad.c.weight"], w.grad.numpy()), BOUND),
            # Signs cancel in the sum: by the norm of what is added up.
            ("sum of the input's gradient", float(numpy.linalg.norm(found["grad.a.bias"] - sums.numpy())) / float(x.grad.norm()), BOUND)]


def main():
    report = Report("bf16_products")
    if not torch:
        report.line("UNSUPPORTED", "all", WHY)
    elif "avx512_bf16" not in cpu.flags():
        report.line("UNSUPPORTED", "all", "this CPU has no avx512_bf16")
    else:
        torch.set_num_threads(THREADS)
        rng = random.Random(1)
        cases = [("wide", 7, 6, *case) for case in WIDE]
        for height, width in ((17, 19), (8, 8), (5, 3)):
            drawn = (kernels.draw_conv(rng, height, width) for _ in range(100))
            cases += [("drawn", height, width, *case) for case in drawn if case[1].get("pad") != "same"][-8:]
        for seed, (name, height, width, inputs, arguments) in report.share(list(enumerate(cases))):
            arguments = {key: value for key, value in arguments.items() if key != "bias"}
            words = "_".join(f"{key}{value}".replace(" ", "") for key, value in arguments.items())
            report.case(f"{name}_{height}x{width}_{inputs}_{words}", check, inputs, arguments, height, width, seed, ["--precision", "bf16"])
    report.close()


if __name__ == "__main__":
    main()
