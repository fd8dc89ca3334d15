#!/usr/bin/python3
"""Every layer at awkward shapes against a float64 reference, forward and backward, at batch 1 and 3.

A model holds many branches from one image; each begins with a 1x1 convolution, so that the layer under test also has a
gradient by its input, and ends in a linear head. Results must be the same bits at 1, 2 and 3 threads.
"""
import random
import pathlib
import sys

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import cpu
from agreement import bf16_claims, tf32_claims
from compiled import THREADS, Compiled
from report import Report

try:
    import torch
    import axis_nets
    import operator_nets
    from layers import Net, pair
except ImportError as missing:
    torch = None
    WHY = f"python3-torch is needed: {missing}"

BOUND = 2e-5  # float32 against float64, relative by norm; the longest sums have some thousand terms
DIFFERENCE = 1e-2  # of finite differences in float32


def pre(channels):
    return ("conv", {"c": channels, "k": 1, "bias": "true"})


def fits(size, kernel, dilation, pad):
    before, after = pad
    return size + before + after >= (kernel - 1) * dilation + 1


def draw_conv(rng, height, width):
    """A random convolution that fits: (input channels, arguments)."""
    while True:
        kernel = rng.choice([1, 1, 2, 3, 3, 3, 5, 7, [3, 5], [1, 7], [2, 3]])
        stride = rng.choice([1, 1, 2, 3, [2, 1], [1, 3]])
        dilation = rng.choice([1, 1, 1, 2, [2, 1]])
        pad = rng.choice([0, 0, 1, 1, 2, 3, [1, 2], [0, 1, 2, 3], [2, 0, 1, 1], "same"])
        groups = rng.choice([1, 1, 1, 2, 3, "depthwise"])
        inputs, outputs = rng.choice([1, 3, 5, 10, 17, 33, 100]), rng.choice([1, 3, 5, 10, 17, 33, 100])
        if groups == "depthwise":
            groups, outputs = inputs, inputs * rng.choice([1, 1, 2])
        elif groups > 1:
            inputs, outputs = groups * rng.choice([1, 3, 5, 8, 11]), groups * rng.choice([1, 2, 5, 8, 17])
        borders = pair(pad) if pad != "same" else None
        borders = borders + borders if borders and len(borders) == 2 else borders
        if borders and not (fits(height, pair(kernel)[0], pair(dilation)[0], (borders[0], borders[2])) and
                            fits(width, pair(kernel)[1], pair(dilation)[1], (borders[1], borders[3]))):
            continue
        arguments = {"c": outputs, "k": kernel}
        if stride != 1:
            arguments["stride"] = stride
        if pad != 0:
            arguments["pad"] = pad
        if dilation != 1:
            arguments["dilation"] = dilation
        if groups != 1:
            arguments["groups"] = groups
        if rng.random() < 0.5:
            arguments["bias"] = "true"
        return inputs, arguments


def convolutions(channels, height, width, count, seed):
    rng = random.Random(seed)
    net = Net(channels, height, width, seed=seed)
    for _ in range(count):
        inputs, arguments = draw_conv(rng, height, width)
        layers = [pre(inputs), ("conv", arguments)]
        # What follows rides in the epilogue, what precedes in the prologue.
        if rng.random() < 0.3:
            layers.insert(1, ("silu", {}))
        if rng.random() < 0.3:
            layers.append(("tanh", {}))
        net.branch(layers)
    return net


def every_kernel_size():
    """Whatever the draw leaves out: each kernel with each stride, at channels that no vector divides."""
    net = Net(3, 11, 9, seed=5)
    for kernel in (1, 2, 3, 5, 7):
        for stride in (1, 2, 3):
            net.branch([pre(5), ("conv", {"c": 10, "k": kernel, "stride": stride, "pad": kernel // 2})])
    return net


def large(height, width):
    """Windows and strides so large that kernels loop over taps and residues instead of writing them out."""
    net = Net(3, height, width, seed=15)
    for inputs, outputs, arguments in (
            (5, 7, {"k": 15, "pad": 7}), (17, 18, {"k": [13, 11], "pad": 6, "stride": [2, 1]}), (3, 5, {"k": 16, "stride": 8, "pad": 4}),
            (4, 9, {"k": 20, "stride": [12, 9], "pad": [3, 5]}), (6, 4, {"k": [3, 8], "stride": [11, 13]}), (2, 3, {"k": 37, "pad": 20}),
            (10, 10, {"k": 17, "pad": 8, "groups": 10}), (8, 12, {"k": 12, "pad": 5, "groups": 2})):
        net.branch([pre(inputs), ("conv", {"c": outputs, **arguments, "bias": "true"}), ("tanh", {})])
    return net


def normalised(channels, height, width):
    net = Net(channels, height, width, seed=7)
    for c, kernel, stride in ((17, 3, 1), (5, 1, 2), (33, 3, 2), (10, 5, 1)):
        net.branch([("conv", {"c": c, "k": 1}), ("bn", {}), ("silu", {}), ("conv", {"c": c + 1, "k": kernel, "stride": stride, "pad": kernel // 2}),
                    ("bn", {"eps": 1e-3, "momentum": 0.3}), ("tanh", {})])
    net.branch([("bn", {}), pre(4), ("tanh", {})])
    net.branch([("conv", {"c": 12, "k": 3, "pad": 1, "groups": 3}), ("bn", {}), ("sigmoid", {}),
                ("conv", {"c": 12, "k": 3, "pad": 1, "groups": 12}), ("bn", {}), ("silu", {})])
    return net


def winograd(height, width):
    """3x3, stride 1, enough channels: ragged tiles at each border, ragged channels, every epilogue and prologue."""
    net = Net(3, height, width, seed=12)
    for inputs, outputs, pad in ((16, 16, 1), (17, 33, 1), (33, 17, 0), (64, 100, 2), (40, 24, [0, 1, 2, 1]), (192, 128, 1)):
        net.branch([pre(inputs), ("conv", {"c": outputs, "k": 3, "pad": pad, "bias": "true"}), ("tanh", {})])
    net.branch([pre(32), ("bn", {}), ("silu", {}), ("conv", {"c": 32, "k": 3, "pad": 1}), ("bn", {}), ("silu", {}),
                ("conv", {"c": 48, "k": 3, "pad": 1}), ("dropout", {"p": 0.3}), pre(3)])

    def conv(name, part, c, x, kernel=1, pad=0):
        return net.layer_conv(f"{name}.{part}", {"c": c, "k": kernel, "pad": pad, "bias": "true"}, x)

    def skip_add(b, x):
        p = conv(b, "p", 20, x).tanh()
        return conv(b, "r", 3, (conv(b, "q", 20, p, 3, 1) + p).tanh())

    net.custom("""p = image | {b}.p: conv(20, k=1, bias=true) | tanh
                  q = p | {b}.q: conv(20, k=3, pad=1, bias=true)
                  value = tanh(q + p) | {b}.r: conv(3, k=1, bias=true)""", skip_add)
    return net


def dilated_winograd(height, width):
    """3x3 whose pixels of equal residue modulo the dilation are whole tiles high and ragged wide: sums of batch norm, borders."""
    net = Net(3, height, width, seed=15)
    for inputs, outputs, dilation, pad in ((64, 100, 2, 2), (33, 48, 4, 4), (40, 64, 2, [1, 3, 3, 1])):
        net.branch([pre(inputs), ("conv", {"c": outputs, "k": 3, "dilation": dilation, "pad": pad, "bias": "true"}), ("tanh", {}), pre(3)])
    net.branch([("conv", {"c": 64, "k": 1}), ("bn", {}), ("silu", {}), ("conv", {"c": 64, "k": 3, "dilation": 2, "pad": 2}), ("bn", {}), ("tanh", {}),
                ("maxpool", {"k": 2})])
    return net


def wide(height, width):
    """Channels enough that filter gradients go in blocks of input and of output channels, whole and ragged, that pixels lie
    off the powers of two, and that transformed filters are written past the caches; with and without what is computed on load."""
    net = Net(3, height, width, seed=13)
    for inputs, outputs, arguments in ((320, 80, {"k": 1}), (512, 136, {"k": 1}), (128, 96, {"k": 3, "stride": 2, "pad": 1}), (96, 72, {"k": 5, "pad": 2}),
                                       (515, 520, {"k": 3, "pad": 1})):
        net.branch([pre(inputs), ("conv", {"c": outputs, **arguments, "bias": "true"}), ("tanh", {}), pre(3)])
    for inputs, outputs, arguments in ((64, 264, {"k": 1}), (256, 300, {"k": 1, "stride": 2}), (96, 130, {"k": 3, "dilation": 2, "pad": 2}),
                                       (130, 40, {"k": [3, 1], "stride": [2, 1], "pad": [1, 0]})):
        net.branch([("conv", {"c": inputs, "k": 1}), ("bn", {}), ("silu", {}), ("conv", {"c": outputs, **arguments}), ("bn", {}), ("tanh", {}), pre(3)])
    return net


def pooled_on_load(height, width):
    """Normalised and activated while a pool and its gradient read: overlapping, padded and whole windows, ragged channels."""
    net = Net(3, height, width, seed=14)
    for channels, activation, kind, arguments in (
            (17, "hardswish", "maxpool", {"k": 3, "stride": 2, "pad": 1}), (40, "hardswish", "maxpool", {"k": 2}),
            (13, "leaky_relu", "maxpool", {"k": 3, "stride": 2, "round": "up"}), (8, "hardswish", "avgpool", {"k": 3, "stride": 2, "pad": 1}),
            (33, "leaky_relu", "avgpool", {"global": "true"}), (5, "hardswish", "maxpool", {"k": 3, "stride": 1, "pad": 1})):
        conv = ("conv", {"c": channels, "k": 1})  # a bias before a batch norm has no gradient but rounding
        net.branch([conv, ("bn", {}), (activation, {}), (kind, arguments), pre(4)])
        net.branch([conv, ("bn", {}), (kind, arguments), ("tanh", {})])
    return net


def pools():
    net = Net(3, 13, 10, seed=8)
    settings = [{"k": 2}, {"k": 3, "stride": 2}, {"k": 3, "stride": 2, "pad": 1}, {"k": 3, "stride": 2, "round": "up"},
                {"k": 3, "stride": 1, "pad": 1}, {"k": [3, 2], "stride": [2, 3], "pad": [1, 0]}, {"k": 5, "stride": 3, "pad": 2},
                {"k": 3, "stride": 2, "pad": 1, "round": "up"}, {"k": 2, "stride": 3}, {"k": 4, "stride": 3, "round": "up"},
                {"k": 3, "stride": 1, "pad": 2, "dilation": 2}, {"k": [3, 2], "stride": [2, 1], "pad": [2, 1], "dilation": [3, 4]}]
    for index, arguments in enumerate(settings):
        channels = [1, 5, 8, 17, 33][index % 5]
        net.branch([pre(channels), ("maxpool", arguments)])
        net.branch([pre(channels), ("avgpool", arguments)])
    for out in (1, 2, 6, [3, 4], 12, [13, 10], 17):
        net.branch([pre(5), ("avgpool", {"out": out})])
    net.branch([pre(9), ("avgpool", {"global": "true"})])
    net.branch([pre(9), ("maxpool", {"global": "true"})])
    return net


def clipped_pools():
    """Images smaller than the window, rounded up: one window that leaves the image."""
    net = Net(3, 2, 3, seed=15)
    for index, arguments in enumerate(({"k": 3, "stride": 2, "round": "up"}, {"k": [4, 5], "stride": 3, "round": "up"}, {"k": 5, "stride": 2, "pad": 1, "round": "up"})):
        net.branch([pre([5, 8, 17][index]), ("maxpool", arguments)])
        net.branch([pre([5, 8, 17][index]), ("avgpool", arguments)])
    return net


def pooled_on_store(height, width):
    """What a convolution pools before it stores: windows that do and don't divide its tiles and the image."""
    net = Net(3, height, width, seed=13)
    for inputs, outputs, kind, window in ((16, 16, "maxpool", 2), (17, 40, "maxpool", 2), (40, 13, "avgpool", 2), (32, 32, "avgpool", [1, 2]),
                                          (33, 17, "maxpool", [2, 1]), (16, 24, "maxpool", 4), (24, 24, "avgpool", [2, 4])):
        net.branch([pre(inputs), ("conv", {"c": outputs, "k": 3, "pad": 1, "bias": "true"}), ("tanh", {}), (kind, {"k": window})])
    net.branch([pre(32), ("conv", {"c": 32, "k": 3, "pad": 1}), ("bn", {}), ("silu", {}), ("conv", {"c": 48, "k": 3, "pad": 1}), ("bn", {}),
                ("tanh", {}), ("maxpool", {"k": 2}), ("silu", {}), pre(3)])
    net.branch([pre(16), ("conv", {"c": 16, "k": 3, "pad": 1}), ("maxpool", {"k": 3, "stride": 2, "pad": 1})])
    net.branch([pre(16), ("conv", {"c": 16, "k": 3, "pad": 1}), ("maxpool", {"k": 2, "round": "up"})])

    def conv(name, part, c, x, kernel=1, pad=0):
        return net.layer_conv(f"{name}.{part}", {"c": c, "k": kernel, "pad": pad, "bias": "true"}, x)

    def skip_add(b, x):
        p = conv(b, "p", 20, x).tanh()
        return conv(b, "r", 3, torch.nn.functional.max_pool2d((conv(b, "q", 20, p, 3, 1) + p).tanh(), 2))

    def two_readers(b, x):
        q = conv(b, "q", 24, conv(b, "p", 20, x), 3, 1).tanh()
        return torch.cat([torch.nn.functional.max_pool2d(q, 2), torch.nn.functional.avg_pool2d(q, 2)], 1)

    net.custom("""p = image | {b}.p: conv(20, k=1, bias=true) | tanh
                  q = p | {b}.q: conv(20, k=3, pad=1, bias=true)
                  value = tanh(q + p) | maxpool(k=2) | {b}.r: conv(3, k=1, bias=true)""", skip_add)
    net.custom("""q = image | {b}.p: conv(20, k=1, bias=true) | {b}.q: conv(24, k=3, pad=1, bias=true) | tanh
                  value = concat(q | maxpool(k=2), q | avgpool(k=2))""", two_readers)
    return net


def pooled_bits(report):
    """A pool alone reads a convolution, and a second reader keeps it from fusing: the same bits."""
    text = "net 1\nmodel test {{\n  input image: [24, 22, 19]\n  y = image | c: conv(40, k=3, pad=1, bias=true) | relu\n  return {} | flatten\n}}\n"
    together = {kind: f"y | {kind}(k=2)" for kind in ("maxpool", "avgpool")}
    random = numpy.random.default_rng(3)
    weights = {"c.weight": random.standard_normal((40, 24, 3, 3), numpy.float32), "c.bias": random.standard_normal(40, numpy.float32)}
    inputs = {"input": random.standard_normal((3, 24, 22, 19), numpy.float32)}
    executables = [Compiled.from_text(text.format(value), options=["--mode", "infer"])
                   for value in (*together.values(), f"concat({', '.join(together.values())})")]
    wanted = dict(zip(together, numpy.split(executables[-1].run(weights, inputs)["output"], 2, axis=1)))
    for kind, executable in zip(together, executables):
        for threads in (1, 2, 3):
            found = executable.run(weights, inputs, threads=threads)["output"]
            report.check(f"pooled_on_store/bits/{kind}/threads_{threads}",
                         [("values that differ from a pool's own launch", int((found != wanted[kind]).sum()), 0.5)])


def pooled_nan(report):
    """A NaN anywhere in a max pool's window is its largest value, as in PyTorch."""
    image = numpy.random.default_rng(4).standard_normal((3, 16, 12, 12), numpy.float32)
    for n, c, h, w in ((0, 0, 4, 6), (1, 5, 5, 7), (2, 15, 11, 11), (2, 9, 4, 7)):
        image[n, c, h, w] = numpy.nan
    for size, stride, pad in ((2, 2, 0), (3, 2, 1)):
        text = f"net 1\nmodel test {{\n  input image: [16, 12, 12]\n  return image | maxpool(k={size}, stride={stride}, pad={pad}) | flatten\n}}\n"
        found = Compiled.from_text(text, options=["--mode", "infer"]).run({}, {"input": image})["output"]
        wanted = torch.nn.functional.max_pool2d(torch.from_numpy(image), size, stride, pad).flatten(1).numpy()
        report.check(f"pooled_nan/{size}x{size}", [("values that differ from PyTorch's", int((~numpy.isclose(found, wanted, 0, 0, equal_nan=True)).sum()), 0.5)])


def group_bits(report):
    """A few images at a time pass a section of the network: the same bits as a whole batch, whatever the group and the threads."""
    text = """net 1
model test {
  input image: [3, 67, 61]
  x = image | a: conv(32, k=5, pad=2) | relu | b: conv(40, k=3, pad=1) | relu | maxpool(k=3, stride=2, pad=1)
  y = x | c: conv(40, k=3, pad=1, groups=40) | relu
  z = concat(relu(x + y), y) | d: conv(33, k=1) | relu | e: conv(48, k=3, pad=1) | relu | maxpool(k=2)
  u = z | f: conv(48, k=3, stride=2, pad=1) | relu
  return u | g: conv(64, k=3, pad=1, groups=4) | relu | avgpool(global) | flatten | h: linear(10)
}
"""
    shapes = {"a": (32, 3, 5, 5), "b": (40, 32, 3, 3), "c": (40, 1, 3, 3), "d": (33, 80, 1, 1), "e": (48, 33, 3, 3),
              "f": (48, 48, 3, 3), "g": (64, 12, 3, 3), "h": (10, 64)}
    random = numpy.random.default_rng(5)
    weights = {f"{name}.weight": random.normal(0, (2 / numpy.prod(shape[1:])) ** 0.5, shape).astype(numpy.float32)
               for name, shape in shapes.items()}
    weights |= {f"{name}.bias": random.standard_normal(shape[0], numpy.float32) for name, shape in shapes.items()}
    executable = Compiled.from_text(text, options=["--mode", "infer"])
    inputs = {"input": random.standard_normal((7, 3, 67, 61), numpy.float32)}
    wanted = executable.run(weights, inputs, options=["--cache", 0])["output"]
    sections = executable.info()["memory"]["infer"]["sections"]
    report.check("groups/sections", [("sections missing", max(0, 2 - len(sections)), 0.5)])
    first = sections[0]
    for images in (1, 2, 3, 6):
        cache = max(first["weight_bytes"] + images * first["live_bytes_per_image"], 2 * first["weight_bytes"])
        for threads in (1, 2, 3):
            found = executable.run_again(inputs, threads=threads, options=["--cache", cache])["output"]
            report.check(f"groups/{images}_images/threads_{threads}", [("values that differ", int((found != wanted).sum()), 0.5)])


ACTIVATIONS = [("relu", {}), ("relu6", {}), ("leaky_relu", {}), ("leaky_relu", {"slope": 0.2}), ("tanh", {}), ("sigmoid", {}),
               ("silu", {}), ("hardswish", {}), ("gelu", {}), ("gelu", {"tanh": "true"}), ("elu", {}), ("elu", {"alpha": 0.6}), ("mish", {}),
               ("hardsigmoid", {}), ("prelu", {})]


def pointwise():
    net = Net(4, 5, 7, seed=9)
    for index, activation in enumerate(ACTIVATIONS):
        channels = [1, 5, 8, 17, 33][index % 5] + (index == 0)
        net.branch([pre(channels), activation])
        # After a pool it stands alone; after flatten it works on vectors.
        net.branch([pre(channels), ("avgpool", {"k": 2}), activation, pre(3)])
        net.branch([pre(channels), ("flatten", {}), ("linear", {"c": 7 + index}), activation, ("linear", {"c": 5})])
    net.branch([pre(5), ("identity", {}), ("dropout", {"p": 0.4}), ("tanh", {}), ("dropout", {}), ("stochastic_depth", {"p": 0.3}), pre(3)])
    for channels in (1, 2, 13, 100):
        net.branch([pre(3), ("flatten", {}), ("linear", {"c": channels}), ("softmax", {}), ("linear", {"c": 4})])
    # Far from zero: saturated, but finite.
    for kind in ("tanh", "sigmoid", "silu", "hardswish", "relu6", "gelu", "elu", "mish"):
        net.branch([("bn", {}), pre(6), (kind, {})])
    return net


def norms_over_channels():
    net = Net(3, 5, 4, seed=10)
    for channels, arguments in ((10, {}), (10, {"alpha": 0.5}), (17, {"size": 3, "alpha": 1.0, "beta": 0.5, "k": 1}),
                                (3, {"size": 5, "alpha": 0.7}), (1, {"alpha": 0.7}), (33, {"size": 7, "alpha": 0.2, "beta": 1.5, "k": 3}),
                                (10, {"size": 2, "alpha": 0.5}), (17, {"size": 4, "alpha": 0.7}), (3, {"size": 6, "alpha": 0.4})):
        net.branch([pre(channels), ("lrn", arguments)])
    return net


def shapes():
    net = Net(3, 9, 7, seed=11)
    net.branch([pre(5), ("pad", {"pad": 1}), ("conv", {"c": 3, "k": 3})])
    net.branch([pre(5), ("pad", {"pad": [1, 2]}), ("tanh", {})])
    net.branch([pre(8), ("pad", {"pad": [0, 1, 2, 3]}), pre(4)])
    net.branch([pre(5), ("subsample", {"stride": 2}), pre(3)])
    net.branch([pre(17), ("subsample", {"stride": 3}), ("tanh", {})])
    net.branch([pre(5), ("pad_channels", {"c": 9}), ("tanh", {}), pre(3)])
    net.branch([pre(8), ("subsample", {"stride": 2}), ("pad_channels", {"c": 33}), ("conv", {"c": 3, "k": 3})])
    net.branch([pre(4), ("flatten", {}), ("linear", {"c": 1}), ("tanh", {}), ("linear", {"c": 13}), ("silu", {}),
                ("linear", {"c": 100, "bias": "false"}), ("tanh", {})])

    def conv(name, part, c, x, kernel=1, pad=0):
        return net.layer_conv(f"{name}.{part}", {"c": c, "k": kernel, "pad": pad, "bias": "true"}, x)

    net.custom("""p = image | {b}.p: conv(5, k=1, bias=true)
                  q = p | {b}.q: conv(3, k=3, pad=1, bias=true) | tanh
                  r = p | {b}.r: conv(17, k=1, bias=true)
                  value = concat(q, p, r, q) | {b}.s: conv(6, k=3, bias=true)""",
               lambda b, x: conv_concat(conv, b, x))
    net.custom("""p = image | {b}.p: conv(5, k=1, bias=true) | flatten
                  q = image | {b}.q: conv(3, k=3, bias=true) | tanh | flatten
                  value = concat(p, q, p) | {b}.r: linear(9) | tanh""", lambda b, x: vector_concat(net, conv, b, x))
    net.custom("""p = image | {b}.p: conv(10, k=1, bias=true)
                  g = p | avgpool(global) | {b}.q: conv(10, k=1, bias=true) | sigmoid
                  value = (p * g) | {b}.r: conv(3, k=1, bias=true)""", lambda b, x: squeeze_excite(conv, b, x))
    net.custom("""p = image | {b}.p: conv(7, k=1, bias=true)
                  q = p | {b}.q: conv(7, k=3, pad=1, bias=true) | sigmoid
                  value = (p * q) + p""", lambda b, x: gated(conv, b, x))
    net.custom("""p = image | {b}.p: conv(6, k=1, bias=true) | tanh
                  q = p | {b}.q: conv(6, k=3, pad=1, bias=true)
                  r = tanh(q + p)
                  s = r | {b}.r: conv(6, k=1, bias=true)
                  value = r + s + p + p""", lambda b, x: skip_adds(conv, b, x))
    return net


def conv_concat(conv, b, x):
    p = conv(b, "p", 5, x)
    q = conv(b, "q", 3, p, 3, 1).tanh()
    r = conv(b, "r", 17, p)
    return conv(b, "s", 6, torch.cat([q, p, r, q], 1), 3)


def vector_concat(net, conv, b, x):
    p, q = conv(b, "p", 5, x).flatten(1), conv(b, "q", 3, x, 3).tanh().flatten(1)
    return net.layer_linear(f"{b}.r", {"c": 9}, torch.cat([p, q, p], 1)).tanh()


def squeeze_excite(conv, b, x):
    p = conv(b, "p", 10, x)
    return conv(b, "r", 3, p * conv(b, "q", 10, p.mean((2, 3), keepdim=True)).sigmoid())


def gated(conv, b, x):
    p = conv(b, "p", 7, x)
    return p * conv(b, "q", 7, p, 3, 1).sigmoid() + p


def skip_adds(conv, b, x):
    p = conv(b, "p", 6, x).tanh()
    r = (conv(b, "q", 6, p, 3, 1) + p).tanh()
    return r + conv(b, "r", 6, r) + p + p


def cases():
    yield "conv_17x19", convolutions(3, 17, 19, 24, 1)
    yield "conv_8x8", convolutions(8, 8, 8, 24, 2)
    yield "conv_5x3", convolutions(1, 5, 3, 20, 3)
    yield "conv_1x1", convolutions(5, 1, 1, 12, 4)
    yield "conv_kernel_by_stride", every_kernel_size()
    yield "conv_large_23x26", large(23, 26)
    yield "narrow_conv_large_23x26", large(23, 26)
    yield "batch_norm", normalised(3, 9, 8)
    yield "winograd_18x21", winograd(18, 21)
    yield "winograd_9x7", winograd(9, 7)
    yield "winograd_4x3", winograd(4, 3)
    yield "winograd_dilated", dilated_winograd(16, 20)
    # The level below the machine's own has other vectors and tiles.
    yield "narrow_winograd_9x7", winograd(9, 7)
    yield "narrow_conv_8x8", convolutions(8, 8, 8, 12, 6)
    yield "wide_7x6", wide(7, 6)
    yield "pool", pools()
    yield "pool_2x3", clipped_pools()
    for height, width in ((18, 21), (7, 7), (5, 9), (4, 5)):
        yield f"pooled_on_store_{height}x{width}", pooled_on_store(height, width)
    yield "narrow_pooled_on_store_7x10", pooled_on_store(7, 10)
    yield "pooled_on_load_13x10", pooled_on_load(13, 10)
    yield "pooled_on_load_4x7", pooled_on_load(4, 7)
    yield "pointwise", pointwise()
    yield "lrn", norms_over_channels()
    yield "shapes", shapes()
    yield "operators", operator_nets.operators()
    yield "frozen", operator_nets.frozen()
    yield "functions", operator_nets.functions()
    yield "sequences", axis_nets.sequences()
    yield "products", axis_nets.products()
    yield "narrow_products", axis_nets.products()
    yield "attentions", axis_nets.attentions()
    yield "narrow_attentions", axis_nets.attentions()
    yield "rows_and_groups", axis_nets.rows_and_groups()
    yield "larger", axis_nets.larger()


def norm_error(found, wanted):
    wanted = wanted.detach().numpy()
    return float(numpy.linalg.norm(found - wanted) / max(numpy.linalg.norm(wanted), 1e-12))


def check(report, name, net):
    images = {batch: net.draw(batch, *net.image) for batch in (1, 3)}
    net.forward(images[3])  # draws the parameters
    narrow = name.startswith("narrow")
    if narrow and not cpu.narrower():
        return report.line("UNSUPPORTED", name, "this CPU has no level below its own")
    executable = Compiled.from_text(net.text(), options=["--cpu", cpu.narrower()] if narrow else [])
    weights = {key: value.detach().numpy().astype(numpy.float32) for key, value in {**net.parameters, **net.statistics}.items()}
    report.case(f"{name}/finite_differences", finite_differences, net, executable, weights, images[3])
    for batch, image in images.items():
        labels = torch.arange(batch) % net.classes
        inputs = {"input": image.numpy().astype(numpy.float32), "labels": labels.numpy()}
        report.case(f"{name}/batch_{batch}", against_reference, net, executable, weights, inputs, image, labels)
        report.case(f"{name}/batch_{batch}/threads", same_bits, executable, inputs)


def against_reference(net, executable, weights, inputs, image, labels):
    claims = [("inference output", norm_error(executable.run(weights, inputs)["output"], net.forward(image, False)), BOUND)]
    found = executable.run_again(inputs, train=True)
    for value in net.parameters.values():
        value.grad = None
    logits = net.forward(image)
    loss = torch.nn.functional.cross_entropy(logits, labels)
    loss.backward()
    claims += [("output", norm_error(found["output"], logits), BOUND), ("loss", norm_error(found["loss"], loss), BOUND)]
    scale = max(float(value.grad.norm()) for value in net.parameters.values())
    for key, value in net.parameters.items():
        # Against the largest where the gradient itself all but cancels (a bias before a batch norm).
        error = numpy.linalg.norm(found["grad." + key] - value.grad.numpy())
        claims.append(("grad." + describe(net, key), float(error / max(float(value.grad.norm()), 1e-3 * scale)), BOUND))
    claims += [(key, norm_error(found[key], value), BOUND) for key, value in net.updated.items()]
    return claims


def finite_differences(net, executable, weights, image):
    """Central differences of the loss, a branch at a time, along its gradient and a random direction as long: no reference
    but the executable's own loss, in float32, hence the bound."""
    random = numpy.random.default_rng(1)
    inputs = {"input": image.numpy().astype(numpy.float32), "labels": numpy.arange(len(image)) % net.classes}
    found = executable.run(weights, inputs, train=True)
    claims = []
    for branch, _ in net.branches:
        keys = [key for key in net.parameters if key.startswith(branch + ".")]
        gradient = {key: found["grad." + key].astype(numpy.float64) for key in keys}
        length = sum(float((g ** 2).sum()) for g in gradient.values()) ** 0.5
        noise = {key: random.standard_normal(g.shape) for key, g in gradient.items()}
        scale = length / sum(float((n ** 2).sum()) for n in noise.values()) ** 0.5
        direction = {key: gradient[key] + scale * noise[key] for key in keys}
        step = 5e-3 / length ** 2  # the loss changes by about 1e-2
        losses = []
        for sign in (1, -1):
            moved = {key: (weights[key] + sign * step * direction[key]).astype(numpy.float32) for key in keys}
            losses.append(float(executable.run({**weights, **moved}, inputs, train=True)["loss"][0]))
        expected = sum(float((gradient[key] * direction[key]).sum()) for key in keys)
        error = abs((losses[0] - losses[1]) / (2 * step) - expected) / length ** 2
        claims.append(("derivative of " + describe(net, branch + "."), error, DIFFERENCE))
    return claims


def in_precision(net, precision, options):
    """One step in tf32 or bf16: the loss and the direction of each gradient, by those of float64."""
    image, labels = net.draw(2, *net.image), torch.arange(2)
    loss = torch.nn.functional.cross_entropy(net.forward(image), labels)
    loss.backward()
    executable = Compiled.from_text(net.text(), options=[*options, "--precision", precision])
    weights = {key: value.detach().numpy().astype(numpy.float32) for key, value in {**net.parameters, **net.statistics}.items()}
    found = executable.run(weights, {"input": image.numpy().astype(numpy.float32), "labels": labels.numpy()}, train=True)
    wanted = {"loss": numpy.array([float(loss.detach())]), **{"grad." + key: value.grad.numpy() for key, value in net.parameters.items()}}
    return (tf32_claims if precision == "tf32" else bf16_claims)(found, wanted)


def describe(net, key):
    """The parameter with the line of its branch, so that a failure names the layer's arguments."""
    branch = key.split(".")[0]
    line = next((line.strip() for line in net.lines if line.strip().startswith(branch + " =")), "")
    return f"{key} [{line}]"


def same_bits(executable, inputs):
    runs = [executable.run_again(inputs, train=True, threads=threads) for threads in (1, 2, 3)]
    different = [key for key in runs[0] if any(run[key].tobytes() != runs[0][key].tobytes() for run in runs)]
    return [("tensors that differ between 1, 2 and 3 threads: " + " ".join(different[:3]), len(different), 0.5)]


def main():
    report = Report("kernels")
    if not torch:
        report.line("UNSUPPORTED", "all", WHY)
        report.close()
    torch.set_num_threads(THREADS)
    tasks = [(name, lambda name=name, net=net: check(report, name, net)) for name, net in cases()]
    tasks += [("pooled_bits", lambda: pooled_bits(report)), ("pooled_nan", lambda: pooled_nan(report)),
              ("groups", lambda: group_bits(report))]
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
