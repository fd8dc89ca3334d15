#!/usr/bin/python3
"""`netc import` of ONNX: operators against PyTorch's, models that PyTorch exports, errors that name the node, files that are damaged. `netc export`:
back through import, and by ONNX Runtime where bench/peers.py --setup has made an environment for it."""
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import onnx_file
import safetensors
from compiled import MODELS, NETC, ROOT, THREADS, call
from onnx_file import node
from onnx_package import checked, evaluated
from report import Report, Unsupported

try:
    import torch
    import torch.nn.functional as F
    torch.set_num_threads(THREADS)
except ImportError:
    torch = None

IMAGE = {"image": ["batch", 6, 9, 9]}


def attempt(data, folder, name="model"):
    """Exit code and what `netc import` said."""
    path = pathlib.Path(folder) / f"{name}.onnx"
    path.write_bytes(data)
    done = subprocess.run([NETC, "import", path, "-o", pathlib.Path(folder) / name], capture_output=True, text=True, errors="replace")
    return done.returncode, done.stderr


def require_import():
    with tempfile.TemporaryDirectory() as folder:
        data = onnx_file.model([node("Relu", ["image"], ["y"])], IMAGE, {"y": ["batch", 6, 9, 9]})
        code, said = attempt(data, folder)
        if "built without ONNX" in said:
            raise Unsupported("netc was built without libonnx-dev")
        if code:
            raise AssertionError(said)
    if torch is None:
        raise Unsupported("no PyTorch")


def outputs_of(data, inputs):
    """Imports, compiles and runs in one go."""
    with tempfile.TemporaryDirectory(prefix="netc-onnx-") as folder:
        folder = pathlib.Path(folder)
        (folder / "model.onnx").write_bytes(data)
        call([NETC, folder / "model.onnx", "-o", folder / "model", "--mode", "infer"])
        safetensors.save(folder / "in", inputs)
        call([folder / "model", "run", "--weights", folder / "model.safetensors", "--in", folder / "in", "--out", folder / "out"])
        return safetensors.load(folder / "out"), (folder / "model.net").read_text()


class Cases:
    """Nodes, each an output of one model, beside what PyTorch computes."""

    def __init__(self, inputs):
        self.inputs, self.nodes, self.constants, self.wanted = inputs, [], {}, {}
        self.values = {name: torch.from_numpy(value) for name, value in inputs.items()}

    def constant(self, name, value):
        self.constants[name] = numpy.asarray(value)
        return torch.from_numpy(self.constants[name])

    def add(self, name, value, *nodes):
        """`nodes`: (op, inputs, attributes); the last one's output is `name`, those before are called name.0, name.1, …"""
        for index, (op, inputs, attributes) in enumerate(nodes):
            last = index + 1 == len(nodes)
            self.nodes.append(node(op, inputs, [name if last else f"{name}.{index}"], **attributes))
        self.wanted[name] = value.detach().numpy()

    def claims(self, opset):
        ports = {name: ["batch", *value.shape[1:]] for name, value in self.inputs.items()}
        results = {name: ["batch", *value.shape[1:]] for name, value in self.wanted.items()}
        found, text = outputs_of(onnx_file.model(self.nodes, ports, results, self.constants, opset), self.inputs)
        claims = []
        for name, wanted in self.wanted.items():
            have = found[name]
            error = float(abs(have - wanted).max() / max(1, abs(wanted).max())) if have.shape == wanted.shape else numpy.inf
            claims.append((f"{name} {have.shape} {wanted.shape}", error, 2e-5))
        return claims


def image_cases():
    rng = numpy.random.default_rng(5)
    cases = Cases({"image": rng.standard_normal((3, 6, 9, 9)).astype(numpy.float32)})

    def draw(*shape):
        return (rng.standard_normal(shape) * 0.3).astype(numpy.float32)
    return cases, cases.values["image"], draw


def convolutions():
    cases, x, draw = image_cases()
    w, b = cases.constant("stem.weight", draw(8, 6, 3, 3)), cases.constant("stem.bias", draw(8))
    g = cases.constant("grouped.weight", draw(12, 2, 3, 2))
    names = ["image", "stem.weight", "stem.bias"]
    cases.add("plain", F.conv2d(x, w, b), ("Conv", names, {}))
    cases.add("strided", F.conv2d(x, w, stride=2, padding=(1, 2)), ("Conv", names[:2], {"strides": [2, 2], "pads": [1, 2, 1, 2]}))
    cases.add("dilated", F.conv2d(x, w, b, dilation=2, padding=2), ("Conv", names, {"dilations": [2, 2], "pads": [2, 2, 2, 2]}))
    cases.add("grouped", F.conv2d(x, g, groups=3), ("Conv", ["image", "grouped.weight"], {"group": 3, "kernel_shape": [3, 2]}))
    cases.add("uneven", F.conv2d(F.pad(x, (0, 1, 2, 0)), w, b), ("Conv", names, {"pads": [2, 0, 0, 1]}))
    cases.add("same_upper", F.conv2d(F.pad(x, (1, 1, 1, 1)), w, b, stride=2), ("Conv", names, {"auto_pad": "SAME_UPPER", "strides": [2, 2]}))
    norm = [cases.constant(f"norm.{name}", value) for name, value in
            (("weight", draw(8)), ("bias", draw(8)), ("mean", draw(8)), ("var", numpy.exp(draw(8))))]
    cases.add("normalised", F.batch_norm(F.conv2d(x, w, b), norm[2], norm[3], norm[0], norm[1], eps=1e-3), ("Conv", names, {}),
              ("BatchNormalization", ["normalised.0", "norm.weight", "norm.bias", "norm.mean", "norm.var"], {"epsilon": 1e-3}))
    return cases.claims(opset=13)


def pools():
    cases, x, _ = image_cases()
    cases.add("max", F.max_pool2d(x, 3, 2), ("MaxPool", ["image"], {"kernel_shape": [3, 3], "strides": [2, 2]}))
    cases.add("max_by_one", F.max_pool2d(x, 2, 1), ("MaxPool", ["image"], {"kernel_shape": [2, 2]}))
    cases.add("max_up", F.max_pool2d(x, 2, 2, ceil_mode=True), ("MaxPool", ["image"], {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}))
    cases.add("max_padded", F.max_pool2d(x, 3, 2, 1), ("MaxPool", ["image"], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}))
    cases.add("average", F.avg_pool2d(x, 3, 3), ("AveragePool", ["image"], {"kernel_shape": [3, 3], "strides": [3, 3]}))
    cases.add("average_padded", F.avg_pool2d(x, 3, 2, 1),
              ("AveragePool", ["image"], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1}))
    cases.add("global", x.mean((2, 3), keepdim=True), ("GlobalAveragePool", ["image"], {}))
    cases.add("global_max", x.amax((2, 3), keepdim=True), ("GlobalMaxPool", ["image"], {}))
    cases.add("mean", x.mean((2, 3)), ("ReduceMean", ["image"], {"axes": [2, -1], "keepdims": 0}))
    cases.add("lrn", F.local_response_norm(x, 5, alpha=2e-2, beta=0.7, k=1.5), ("LRN", ["image"], {"size": 5, "alpha": 2e-2, "beta": 0.7, "bias": 1.5}))
    return cases.claims(opset=12)


def elementwise():
    cases, x, draw = image_cases()
    for name, op, function, attributes in (
            ("relu", "Relu", F.relu, {}), ("tanh", "Tanh", torch.tanh, {}), ("sigmoid", "Sigmoid", torch.sigmoid, {}),
            ("leaky", "LeakyRelu", lambda v: F.leaky_relu(v, 0.2), {"alpha": 0.2}), ("hardswish", "HardSwish", F.hardswish, {}),
            ("hardsigmoid", "HardSigmoid", F.hardsigmoid, {"alpha": 1 / 6}), ("dropout", "Dropout", lambda v: v, {}),
            ("identity", "Identity", lambda v: v, {})):
        cases.add(name, function(x), (op, ["image"], attributes))
    cases.add("silu", F.silu(x), ("Sigmoid", ["image"], {}), ("Mul", ["image", "silu.0"], {}))
    cases.constant("zero", numpy.float32(0))
    cases.constant("six", numpy.float32(6))
    cases.constant("two", numpy.array([2.0], numpy.float32))
    cases.add("relu6", F.relu6(x), ("Clip", ["image", "zero", "six"], {}))
    cases.add("only_zero", F.relu(x), ("Clip", ["image", "zero"], {}))
    cases.add("sum", x + torch.tanh(x), ("Tanh", ["image"], {}), ("Add", ["image", "sum.0"], {}))
    cases.add("scaled", (x - 2) / 6 + 2, ("Sub", ["image", "two"], {}), ("Div", ["scaled.0", "six"], {}), ("Add", ["two", "scaled.1"], {}))
    cases.add("gate", x * torch.sigmoid(x.mean((2, 3), keepdim=True)), ("GlobalAveragePool", ["image"], {}), ("Sigmoid", ["gate.0"], {}),
              ("Mul", ["gate.1", "image"], {}))
    cases.add("joined", torch.cat([x, torch.tanh(x)], 1), ("Tanh", ["image"], {}), ("Concat", ["image", "joined.0"], {"axis": -3}))
    cases.constant("pads", numpy.array([0, 0, 1, 2, 0, 3, 0, 1]))
    cases.add("padded", F.pad(x, (2, 1, 1, 0, 0, 3)), ("Pad", ["image", "pads"], {}))
    # As PyTorch computes them since opset 11: pairs from the last axis on, whose rows are reversed.
    for name, value in (("pairs", [2, 1, 1, 0, 0, 3]), ("none", [0, 0]), ("two", [-1, 2]), ("flat", [-1]), ("last", [-1]), ("first", [-2**63]), ("rows", [0])):
        cases.constant(f"pad.{name}", numpy.array(value))
    cases.add("reversed", F.pad(x, (2, 1, 1, 0, 0, 3)), ("Concat", ["pad.pairs", "pad.none"], {"axis": 0}), ("Reshape", ["reversed.0", "pad.two"], {}),
              ("Slice", ["reversed.1", "pad.last", "pad.first", "pad.rows", "pad.last"], {}), ("Transpose", ["reversed.2"], {"perm": [1, 0]}),
              ("Reshape", ["reversed.3", "pad.flat"], {}), ("Pad", ["image", "reversed.4"], {}))
    return cases.claims(opset=18)


def vectors():
    """Matrices, and flattens as exporters write them: by arithmetic on the input's shape."""
    rng = numpy.random.default_rng(6)
    cases = Cases({"image": rng.standard_normal((3, 2, 4, 4)).astype(numpy.float32)})
    x = cases.values["image"]
    flat = x.reshape(3, -1)
    w = cases.constant("fc.weight", rng.standard_normal((5, 32)).astype(numpy.float32))
    m = cases.constant("matrix", rng.standard_normal((32, 4)).astype(numpy.float32))
    b = cases.constant("fc.bias", rng.standard_normal(5).astype(numpy.float32))
    c = cases.constant("row", rng.standard_normal((1, 4)).astype(numpy.float32))
    cases.constant("index", numpy.array(0))
    cases.constant("all", numpy.array([-1]))
    cases.constant("axes", numpy.array([0]))
    cases.constant("sizes", numpy.array([0, 32]))
    cases.add("gemm", F.linear(flat, w, b), ("Flatten", ["image"], {}), ("Gemm", ["gemm.0", "fc.weight", "fc.bias"], {"transB": 1}))
    cases.add("scaled", 0.5 * F.linear(flat, w) + 2 * b, ("Flatten", ["image"], {}),
              ("Gemm", ["scaled.0", "fc.weight", "fc.bias"], {"transB": 1, "alpha": 0.5, "beta": 2.0}))
    cases.add("matmul", flat @ m, ("Reshape", ["image", "sizes"], {}), ("MatMul", ["matmul.0", "matrix"], {}))
    cases.add("biased", torch.relu(flat @ m + c), ("Flatten", ["image"], {}), ("MatMul", ["biased.0", "matrix"], {}), ("Add", ["row", "biased.1"], {}),
              ("Relu", ["biased.2"], {}))
    cases.add("computed", flat, ("Shape", ["image"], {}), ("Gather", ["computed.0", "index"], {}), ("Unsqueeze", ["computed.1", "axes"], {}),
              ("Concat", ["computed.2", "all"], {"axis": 0}), ("Reshape", ["image", "computed.3"], {}))
    cases.add("softmax", F.softmax(flat, 1), ("Flatten", ["image"], {}), ("Softmax", ["softmax.0"], {"axis": 1}))
    return cases.claims(opset=13)


def transposed():
    """Transposes and reshapes that move the batch, slices, joins and products as attention has them."""
    rng = numpy.random.default_rng(9)
    cases = Cases({"x": rng.standard_normal((3, 5, 8)).astype(numpy.float32), "image": rng.standard_normal((3, 4, 6, 6)).astype(numpy.float32)})
    x, image = cases.values["x"], cases.values["image"]
    ints = {"heads": [5, -1, 4], "back": [5, -1, 8], "rows": [0, 0, 2, 4], "first": 0, "some": [1, 2], "zero": [0], "three": [3], "two": [2], "minus": [-1],
            "most": [2**62], "parts": [3, 5], "four": [0, 2, 2, 6, 6], "all": [0, -1], "axes": [1], "twice": [1.0, 1, 2, 2], "sizes": [3, 4, 9, 9]}
    for name, value in ints.items():
        cases.constant(name, numpy.array(value, numpy.float32 if name == "twice" else numpy.int64))
    w = cases.constant("fc.weight", rng.standard_normal((8, 6)).astype(numpy.float32))
    token, place = cases.constant("token", rng.standard_normal((1, 1, 8)).astype(numpy.float32)), cases.constant("place", rng.standard_normal((1, 5, 8)).astype(numpy.float32))
    scale = cases.constant("scale", rng.standard_normal((4, 1, 1)).astype(numpy.float32))
    column = cases.constant("column", rng.standard_normal((5, 1)).astype(numpy.float32))
    cases.add("turned", x.transpose(1, 2), ("Transpose", ["x"], {"perm": [0, 2, 1]}))
    cases.add("outside", (x.transpose(0, 1) @ w).transpose(0, 1), ("Transpose", ["x"], {"perm": [1, 0, 2]}), ("MatMul", ["outside.0", "fc.weight"], {}),
              ("Transpose", ["outside.1"], {"perm": [1, 0, 2]}))
    q = x.transpose(0, 1).reshape(5, 6, 4).transpose(0, 1)
    attention = (torch.softmax(q @ q.transpose(1, 2), -1) @ q).transpose(0, 1).reshape(5, 3, 8).transpose(0, 1)
    cases.add("attention", attention, ("Transpose", ["x"], {"perm": [1, 0, 2]}), ("Reshape", ["attention.0", "heads"], {}), ("Transpose", ["attention.1"], {"perm": [1, 0, 2]}),
              ("Transpose", ["attention.2"], {"perm": [0, 2, 1]}), ("MatMul", ["attention.2", "attention.3"], {}), ("Softmax", ["attention.4"], {"axis": -1}),
              ("MatMul", ["attention.5", "attention.2"], {}), ("Transpose", ["attention.6"], {"perm": [1, 0, 2]}), ("Reshape", ["attention.7", "back"], {}),
              ("Transpose", ["attention.8"], {"perm": [1, 0, 2]}))
    rows = x.reshape(3, 5, 2, 4).permute(0, 2, 1, 3)
    cases.add("by_head", rows, ("Reshape", ["x", "rows"], {}), ("Transpose", ["by_head.0"], {"perm": [0, 2, 1, 3]}))
    cases.add("first_token", x[:, 0], ("Gather", ["x", "first"], {"axis": 1}))
    cases.add("run", x[:, :, 1:3], ("Gather", ["x", "some"], {"axis": -1}))
    cases.add("sliced", x[:, 2:4], ("Slice", ["x", "two", "minus", "axes"], {}))
    cases.add("opened", x.unsqueeze(1), ("Unsqueeze", ["x", "axes"], {}))
    cases.nodes.append(node("Split", ["x", "parts"], ["left", "right"], axis=2))
    cases.wanted.update(left=x[:, :, :3].numpy(), right=x[:, :, 3:].numpy())
    cases.add("token_first", torch.cat([token.expand(3, 1, 8), x], 1), ("Concat", ["token", "x"], {"axis": 1}))
    cases.add("placed", x + place, ("Add", ["x", "place"], {}))
    cases.add("scaled", image * scale, ("Mul", ["scale", "image"], {}))
    cases.add("by_token", x * column, ("Mul", ["x", "column"], {}))
    cases.add("joined", torch.cat([image, image], 3), ("Concat", ["image", "image"], {"axis": -1}))
    cases.add("shuffled", image.reshape(3, 2, 2, 6, 6).transpose(1, 2).reshape(3, 4, 6, 6), ("Reshape", ["image", "four"], {}),
              ("Transpose", ["shuffled.0"], {"perm": [0, 2, 1, 3, 4]}), ("Shape", ["image"], {}), ("Reshape", ["shuffled.1", "shuffled.2"], {}))
    cases.add("row_mean", image.mean(3), ("ReduceMean", ["image", "minus"], {"keepdims": 0}))
    cases.add("token_sum", x.sum(1, keepdim=True), ("ReduceSum", ["x", "axes"], {}))
    cases.add("over_channels", torch.softmax(image, 1), ("Softmax", ["image"], {"axis": 1}))
    cases.add("larger", F.interpolate(image, scale_factor=2), ("Resize", ["image", "", "twice"], {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}))
    cases.add("smooth", F.interpolate(image, size=(9, 9), mode="bilinear"), ("Resize", ["image", "", "", "sizes"], {"mode": "linear"}))
    return cases.claims(opset=18)


def normalised():
    cases, x, draw = image_cases()
    rng = numpy.random.default_rng(3)
    weight, bias = cases.constant("norm.weight", draw(6)), cases.constant("norm.bias", draw(6))
    wide, slope = cases.constant("wide.weight", draw(9)), cases.constant("act.weight", draw(6, 1, 1))
    up, upper = cases.constant("up.weight", draw(6, 4, 3, 3)), cases.constant("up.bias", draw(8))
    for name, value in (("low", -0.5), ("high", 0.7), ("two", 2)):
        cases.constant(name, numpy.float32(value))
    cases.add("group", F.group_norm(x, 3, weight, bias, 1e-3), ("GroupNormalization", ["image", "norm.weight", "norm.bias"], {"num_groups": 3, "epsilon": 1e-3}))
    cases.add("instance", F.instance_norm(x, weight=weight, bias=bias), ("InstanceNormalization", ["image", "norm.weight", "norm.bias"], {}))
    cases.add("layer", F.layer_norm(x, (9,), wide, None, 1e-6), ("LayerNormalization", ["image", "wide.weight"], {"epsilon": 1e-6}))
    channels = F.layer_norm(x.permute(0, 2, 3, 1), (6,), weight, bias).permute(0, 3, 1, 2)
    cases.add("channels", channels, ("Transpose", ["image"], {"perm": [0, 2, 3, 1]}), ("LayerNormalization", ["channels.0", "norm.weight", "norm.bias"], {}),
              ("Transpose", ["channels.1"], {"perm": [0, 3, 1, 2]}))
    matrix = cases.constant("matrix", rng.standard_normal((6, 5)).astype(numpy.float32))
    cases.add("pixels", (x.permute(0, 2, 3, 1) @ matrix).permute(0, 3, 1, 2), ("Transpose", ["image"], {"perm": [0, 2, 3, 1]}), ("MatMul", ["pixels.0", "matrix"], {}),
              ("Transpose", ["pixels.1"], {"perm": [0, 3, 1, 2]}))
    cases.add("up", F.conv_transpose2d(x, up, upper, stride=2, padding=1, output_padding=1, groups=2),
              ("ConvTranspose", ["image", "up.weight", "up.bias"], {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1], "group": 2}))
    cases.add("gelu", F.gelu(x), ("Gelu", ["image"], {}))
    cases.add("gelu_tanh", F.gelu(x, approximate="tanh"), ("Gelu", ["image"], {"approximate": "tanh"}))
    cases.add("mish", F.mish(x), ("Mish", ["image"], {}))
    cases.add("elu", F.elu(x, 0.7), ("Elu", ["image"], {"alpha": 0.7}))
    cases.add("prelu", F.prelu(x, slope.flatten()), ("PRelu", ["image", "act.weight"], {}))
    cases.add("clip", x.clamp(-0.5, 0.7), ("Clip", ["image", "low", "high"], {}))
    cases.add("clip_low", x.clamp(min=-0.5), ("Clip", ["image", "low"], {}))
    cases.add("clip_high", x.clamp(max=0.7), ("Clip", ["image", "", "high"], {}))
    cases.add("hard", (0.2 * x + 0.5).clamp(0, 1), ("HardSigmoid", ["image"], {}))
    cases.add("square", -(x ** 2), ("Pow", ["image", "two"], {}), ("Neg", ["square.0"], {}))
    cases.add("minus", x - torch.tanh(x), ("Tanh", ["image"], {}), ("Sub", ["image", "minus.0"], {}))
    cases.add("from_two", 2 - x, ("Sub", ["two", "image"], {}))
    return cases.claims(opset=21)


def small_vit():
    from torchvision.models.vision_transformer import VisionTransformer
    network = VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=10)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network


class Mixed(torch.nn.Module if torch else object):
    """Group norm, as PyTorch exports it, and attention of its own class."""

    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 16, 3, 2)
        self.norm = torch.nn.GroupNorm(4, 16)
        self.attention = torch.nn.MultiheadAttention(16, 4, batch_first=True)
        self.head = torch.nn.Linear(16, 5)

    def forward(self, x):
        x = torch.nn.functional.gelu(self.norm(self.stem(x)), approximate="none").flatten(2).transpose(1, 2)
        return self.head((x + self.attention(x, x, x, need_weights=False)[0]).mean(1))


def exported(name, size, opset=13):
    """A torchvision model, or one made here, as PyTorch's exporter writes it: parameters keep their names, logits agree."""
    import io
    import warnings

    import torchvision
    torch.manual_seed(3)
    made = {"small_vit": small_vit, "mixed": Mixed}
    network = (made[name]() if name in made else getattr(torchvision.models, name)(weights=None)).eval()
    x = torch.randn(2, 3, size, size)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, x, file, opset_version=opset, dynamic_axes={"input": {0: "batch"}}, input_names=["input"], output_names=["scores"])
    found, text = outputs_of(file.getvalue(), {"input": x.numpy()})
    wanted = network(x).detach().numpy()
    unnamed = re.findall(r"onnx\S*: \w+", text)
    return [("logits", float(abs(found["output"] - wanted).max() / abs(wanted).max()), 1e-4), (f"layers without names {unnamed[:3]}", len(unnamed), 0.5)]


def errors():
    claims = []

    def expect(name, data, *words):
        with tempfile.TemporaryDirectory() as folder:
            code, said = attempt(data, folder)
            written = (pathlib.Path(folder) / "model.net").exists()
        missing = [word for word in words if word not in said]
        claims.append((f"{name}: {said[:300]}", int(code != 1 or written) + len(missing), 0.5))

    def model(nodes, constants=None, inputs=IMAGE, **more):
        return onnx_file.model(nodes, inputs, {"y": ["batch", 6, 9, 9]}, constants, **more)

    expect("unknown operator", model([node("Det", ["image"], ["y"], name="mixer")]), "node 'mixer' (Det)", "there is no layer")
    expect("two at once", model([node("Unique", ["image"], ["a"]), node("Det", ["image"], ["b"]), node("Add", ["a", "b"], ["y"])]), "Unique", "Det")
    expect("domain", model([node("Relu", ["image"], ["y"], domain="com.example")]), "com.example")
    expect("sizes that vary", model([node("Relu", ["image"], ["y"])], inputs={"image": ["batch", 3, "height", 9]}), "'image'", "height", "fixed sizes")
    expect("opset", model([node("Relu", ["image"], ["y"])], opset=99), "opset 99", "6 to 23")
    expect("order", model([node("Relu", ["later"], ["y"]), node("Relu", ["image"], ["later"])]), "'later'", "nothing before it")
    expect("output", model([node("Relu", ["image"], ["z"])]), "output 'y'")
    expect("weights that do not fit", model([node("Conv", ["image", "w"], ["y"])], {"w": numpy.zeros((4, 5, 3, 3), numpy.float32)}), "[4, 5, 3, 3]", "6 channels")
    expect("a window too large", model([node("MaxPool", ["image"], ["y"], kernel_shape=[40, 40])]), "larger than its input")
    expect("shapes", model([node("MaxPool", ["image"], ["a"], kernel_shape=[2, 2]), node("Add", ["image", "a"], ["y"])]), "[6, 9, 9]", "[6, 8, 8]")
    huge = onnx_file.number(1, 1 << 40) + onnx_file.number(1, 1 << 40) + onnx_file.number(2, 1) + onnx_file.blob(8, "w")
    graph = onnx_file.blob(1, node("Relu", ["image"], ["y"])) + onnx_file.blob(5, huge) + onnx_file.blob(11, onnx_file.port("image", ["n", 3]))
    expect("a tensor of 2^80 elements", onnx_file.blob(7, graph) + onnx_file.blob(8, onnx_file.number(2, 18)), "tensor 'w'", "impossible size")
    outside = huge[:0] + onnx_file.number(1, 4) + onnx_file.number(2, 1) + onnx_file.blob(8, "w") + onnx_file.number(14, 1) + \
        onnx_file.blob(13, onnx_file.blob(1, "location") + onnx_file.blob(2, "../../etc/passwd"))
    graph = onnx_file.blob(1, node("Relu", ["image"], ["y"])) + onnx_file.blob(5, outside) + onnx_file.blob(11, onnx_file.port("image", ["n", 3]))
    expect("data elsewhere", onnx_file.blob(7, graph) + onnx_file.blob(8, onnx_file.number(2, 18)), "../../etc/passwd", "model's folder")
    expect("no protobuf", b"net 1\n" * 20, "no ONNX model")
    expect("nothing", b"", "no ONNX model")
    return claims


def external_data():
    """Weights in a file beside the model, as exporters write large models."""
    weights = numpy.arange(24, dtype=numpy.float32).reshape(4, 6) / 7
    entries = {"location": "weights.bin", "offset": "8", "length": str(weights.nbytes)}
    tensor = onnx_file.number(1, 4) + onnx_file.number(1, 6) + onnx_file.number(2, 1) + onnx_file.blob(8, "fc.weight") + onnx_file.number(14, 1)
    tensor += b"".join(onnx_file.blob(13, onnx_file.blob(1, key) + onnx_file.blob(2, value)) for key, value in entries.items())
    graph = onnx_file.blob(1, node("Gemm", ["x", "fc.weight"], ["y"], transB=1)) + onnx_file.blob(5, tensor)
    graph += onnx_file.blob(11, onnx_file.port("x", ["n", 6])) + onnx_file.blob(12, onnx_file.port("y", ["n", 4]))
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "weights.bin").write_bytes(b"\0" * 8 + weights.tobytes())
        data = onnx_file.blob(7, graph) + onnx_file.blob(8, onnx_file.number(2, 18))
        code, said = attempt(data, folder)
        found = safetensors.load(pathlib.Path(folder) / "model.safetensors") if code == 0 else {}
        (pathlib.Path(folder) / "weights.bin").write_bytes(b"\0" * 8)
        short, why = attempt(data, folder)
    return [(f"import: {said}", code, 0.5), ("weights", int("fc.weight" not in found or (found["fc.weight"] != weights).any()), 0.5),
            (f"a file that ends early: {why}", int(short != 1 or "weights.bin" not in why), 0.5)]


def named_by_modules():
    """Weights that the exporter numbered, or that equal ones share, are called after the module of their node; modules that repeat are a block."""
    nodes, constants, last = [], {"norm.weight": numpy.ones(6, numpy.float32)}, "x"
    for index in range(3):
        module = f"layers.{index}"
        constants[f"val_{index}"] = numpy.eye(6, dtype=numpy.float32) * (index + 1)
        nodes += [node("LayerNormalization", [last, "norm.weight"], [f"n{index}"], module=f"{module}.norm"),
                  node("MatMul", [f"n{index}", f"val_{index}"], [f"m{index}"], module=f"{module}.fc"), node("Relu", [f"m{index}"], [f"y{index}"], module=module)]
        last = f"y{index}"
    data = onnx_file.model(nodes, {"x": ["batch", 4, 6]}, {last: ["batch", 4, 6]}, constants)
    with tempfile.TemporaryDirectory() as folder:
        code, said = attempt(data, folder)
        found = set(safetensors.load(pathlib.Path(folder) / "model.safetensors")) if code == 0 else set()
        text = (pathlib.Path(folder) / "model.net").read_text() if code == 0 else said
    wanted = {f"layers.{index}.{part}" for index in range(3) for part in ("norm.weight", "norm.bias", "fc.weight")}
    return [(f"names {sorted(found ^ wanted)}: {text}", len(found ^ wanted), 0.5), ("blocks", abs(text.count("\nblock ") - 1), 0.5)]


def written_files():
    """A model file that somebody wrote is not replaced; an imported one is."""
    data = onnx_file.model([node("Relu", ["image"], ["y"])], IMAGE, {"y": ["batch", 6, 9, 9]})
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.net"
        path.write_text("net 1\n# by hand\n")
        code, said = attempt(data, folder)
        kept = path.read_text()
        path.unlink()
        again = [attempt(data, folder)[0] for _ in range(2)]
    return [(f"replaced: {said}", int(code != 1 or "by hand" not in kept or "-o" not in said), 0.5), ("imported twice", sum(again), 0.5)]


def damaged():
    """Cut and changed files give an error or a model, and nothing else."""
    constants = {"w": numpy.ones((4, 6, 3, 3), numpy.float32), "sizes": numpy.array([-1, 196])}
    nodes = [node("Conv", ["image", "w"], ["a"], pads=[0, 0, 0, 0], strides=[1, 1]), node("MaxPool", ["a"], ["b"], kernel_shape=[1, 1]),
             node("Shape", ["b"], ["s"]), node("Reshape", ["b", "sizes"], ["c"]), node("Softmax", ["c"], ["y"], axis=1)]
    data = onnx_file.model(nodes, IMAGE, {"y": ["batch", 196]}, constants)
    return damage(data, random.Random(11), 200, before=260, behind=120) + damage(damaged_views(), random.Random(12), 200, before=900, behind=60)


def damaged_views():
    """Transposes, reshapes, slices and patterns: what keeps books of sizes."""
    constants = {"sizes": numpy.array([9, -1, 27]), "back": numpy.array([-1, 2, 27, 27]), "w": numpy.ones(9, numpy.float32), "half": numpy.float32(0.5),
                 "one": numpy.float32(1), "root": numpy.float32(2 ** 0.5), "two": numpy.array([2]), "five": numpy.array([5])}
    nodes = [node("Transpose", ["image"], ["a"], perm=[3, 0, 1, 2]), node("Reshape", ["a", "sizes"], ["b"]), node("Transpose", ["b"], ["c"], perm=[1, 2, 0]),
             node("MatMul", ["c", "b2"], ["d"]), node("Softmax", ["d"], ["s"], axis=-1), node("Reshape", ["s", "back"], ["e"]), node("Split", ["image"], ["f", "g"], axis=1),
             node("Slice", ["f", "two", "five", "two"], ["h"]), node("LayerNormalization", ["image", "w"], ["i"]), node("Div", ["i", "root"], ["j"]), node("Erf", ["j"], ["k"]),
             node("Add", ["k", "one"], ["l"]), node("Mul", ["i", "l"], ["m"]), node("Mul", ["m", "half"], ["y"]), node("ReduceMean", ["h"], ["z"], axes=[1], keepdims=0)]
    nodes.insert(3, node("Transpose", ["c"], ["b2"], perm=[0, 2, 1]))
    return onnx_file.model(nodes, IMAGE, {"y": ["batch", 6, 9, 9], "z": ["batch", 3, 9], "e": ["batch", 2, 27, 27]}, constants, 13)


def damage(data, draw, times, before, behind):
    bad = []
    with tempfile.TemporaryDirectory() as folder:
        for index in range(times):
            changed = bytearray(data[:draw.randrange(len(data))] if index % 3 == 0 else data)
            for _ in range(draw.randrange(1, 4) if index % 3 else 0):
                # Most of the file are weights: change what is before and behind them.
                at = draw.choice([draw.randrange(before), len(changed) - 1 - draw.randrange(behind)])
                changed[at] = draw.randrange(256)
            code, said = attempt(bytes(changed), folder)
            if code not in (0, 1) or (code == 1 and "error" not in said):
                bad.append((index, code, said[-200:]))
    return [(f"crashes: {bad[:2]}", len(bad), 0.5)]


# Layers that import knows as well as export; outputs that several layers read.
EXPORTED = """net 1
model all(classes=7) {
  input image: [4, 12, 12]
  a = image | conv(8, k=3, stride=2, pad=[1, 0, 0, 1]) | bn(eps=1e-3) | relu
  b = a | conv(8, k=3, pad=2, dilation=2, groups=2, bias=false) | bn(momentum=0.2) | leaky_relu(0.2)
  c = a + b | relu6
  gate = c | avgpool(global) | conv(8, k=1) | sigmoid
  d = c * gate | hardswish | lrn(size=3, alpha=0.1, beta=0.7, k=1.5)
  pooled = concat(d | maxpool(k=3, stride=2, round=up), d | avgpool(k=3, stride=2, pad=1), d | avgpool(out=3) | tanh)
  e = c * 0.5 + 2 | silu | flatten | linear(16, bias=false)
  scores = (pooled | flatten | dropout(0.3) | linear(16)) + e | linear(classes)
  return {scores: scores, soft: scores | softmax, gate: gate, padded: a | pad_channels(9) | pad([1, 0, 0, 1])}
}
"""
# Values of any rank, learned ones among them.
TOKENS = """net 1
model tokens {
  input tokens: [6, 8]
  input grid: [2, 3, 4, 6]
  x = concat(cls: parameter([1, 8], init=normal(0, 1)), tokens, axis=0) + place: parameter([7, 8], init=normal(0, 1))
  qkv = x | layer_norm(eps=1e-6) | qkv: linear(24) | reshape([7, 3, 2, 4]) | permute([1, 2, 0, 3]) | split(3, axis=0)
  q = qkv[0] | reshape([2, 7, 4])
  k = qkv[1] | reshape([2, 7, 4])
  v = qkv[2] | reshape([2, 7, 4])
  y = matmul(matmul(q, k, transpose_b) * 0.5 | softmax, v) | permute([1, 0, 2]) | reshape([7, 8])
  z = x + y * scale: parameter([8], init=normal(0, 1))
  f = z | fc1: linear(16) | gelu | fc2: linear(8, bias=false)
  square = matmul(z | mean(axis=1) | reshape([7, 1]), parameter([1, 7], init=normal(0, 1)))
  return {first: z | slice(axis=0, begin=0, end=1) | flatten | linear(3), features: f + (f | gelu(tanh)), square: square,
          repeated: tokens | mean(axis=0) | reshape([1, 8]) | expand([5, 8]), rolled: z | roll([2, 3]), all: z | mean(axis=[0, 1]),
          shared: matmul(matrix: parameter([5, 6], init=normal(0, 1)), grid | reshape([6, 4, 6]) | permute([0, 2, 1])), norm: grid | layer_norm,
          softened: grid | softmax(axis=1), lines: grid | linear(5), slope: z | prelu(init=normal(0.2, 0.1))}
}
"""
# Functions of one and two numbers, and what images have beside the layers above.
IMAGES = """net 1
model images {
  input image: [4, 7, 7]
  u = image | abs
  v = u * 0.7 + 0.2
  a = (image | elu(alpha=0.6)) + (image | mish) + (image | hardsigmoid) + (image | erf) + (image | atan) + (image | softplus)
  b = (v | log) + (v | sqrt) + (v | reciprocal) + (image | exp) + (image | sin) + (image | cos)
  c = (image * 3 | floor) + (image * 3 | ceil) + (image * 3 | round) + (image | sign)
  d = divide(image, v) + power(v, image) + maximum(image, v) + minimum(image, v) + less(image, v) + equal(image, u) + mask(v, image | relu)
  norms = (image | layer_norm) + (image | group_norm(groups=2)) + (image | prelu(init=normal(0.3, 0.1)))
  return {one: a + b, steps: c, two: d, norms: norms, up: image | conv_transpose(6, k=3, stride=2, pad=1, out_pad=1, groups=2),
          wide: image | upsample(scale=2, nearest), smooth: image | upsample(out=[9, 14], bilinear), small: image | upsample(out=[4, 5], nearest),
          standard: image | conv(4, k=3, groups=2, standardized), mixed: image | channel_shuffle(groups=2) | roll([1, 2]),
          beyond: image | avgpool(k=3, stride=2, pad=1, round=up), apart: image | avgpool(k=2, stride=1, dilation=2), uneven: image | avgpool(out=[3, 2]),
          holes: image | maxpool(k=2, stride=2, dilation=3, pad=1, round=up), largest: image | maxpool(global), over: image | softmax(axis=0)}
}
"""
# Those that only export knows.
BESIDE = """net 1
model beside {
  input image: [4, 9, 9]
  input row: [4]
  input tokens: [3, 5]
  return {wide: image * row + row, small: image | subsample(4), mapped: tokens | linear(6) | relu, plain: tokens | linear(2, bias=false)}
}
"""


class Exported:
    """A model with drawn weights, noise for it, its outputs, and the ONNX file of it."""

    def __init__(self, folder, file, options=()):
        self.folder = pathlib.Path(folder)
        info = json.loads(call([NETC, file, "--emit", "json", "--mode", "infer", *options]))
        rng = numpy.random.default_rng(8)
        self.weights = {}
        for parameter in info["parameters"]:
            values = rng.standard_normal(parameter["shape"]) * 0.2
            is_variance = parameter["name"].endswith("running_var")
            self.weights[parameter["name"]] = (numpy.exp(values) if is_variance else values).astype(numpy.float32)
        safetensors.save(self.folder / "weights", self.weights)
        call([NETC, file, "-o", self.folder / "original", "--mode", "infer", *options])
        described = json.loads(call([self.folder / "original", "info", "--json"]))
        self.inputs = {port["name"]: rng.standard_normal((3, *port["shape"])).astype(numpy.float32) for port in described["inputs"]}
        self.outputs = self.run(self.folder / "original", self.folder / "weights", self.inputs)
        call([NETC, "export", file, "--weights", self.folder / "weights", "-o", self.folder / "model.onnx", *options])

    def run(self, executable, weights, inputs):
        safetensors.save(self.folder / "in", inputs)
        call([executable, "run", "--weights", weights, "--in", self.folder / "in", "--out", self.folder / "out"])
        return safetensors.load(self.folder / "out")

    def compare(self, found):
        claims = [(f"outputs {list(found)}", int(set(found) != set(self.outputs)), 0.5)]
        for name, wanted in self.outputs.items():
            same = name in found and found[name].shape == wanted.shape
            claims.append((name, float(abs(found[name] - wanted).max() / max(1, abs(wanted).max())) if same else numpy.inf, 1e-5))
        return claims


def kernels(file, options=()):
    """What inference runs, in its order, with all shapes, fused layers and schedules, without names of layers and places of weights."""
    text = call([NETC, file, "--emit", "kern", "--mode", "infer", *options])
    body = text[text.index("func.func @infer"):].split("\n  }\n")[0]
    body = re.sub(r'net\.(layer|observed|loaded) = (\[[^\]]*\]|"[^"]*")(, )?|%\w+', "", body)
    return [line for line in body.splitlines()[1:] if "kern.buffer" not in line]


def modules(name, options=()):
    """Modules of the zoo that repeat are blocks again, with the names and the values of the exported model."""
    with tempfile.TemporaryDirectory(prefix="netc-onnx-") as folder:
        original = Exported(folder, MODELS / f"{name}.net", options)
        folder = original.folder
        call([NETC, folder / "model.onnx", "-o", folder / "back", "--mode", "infer"])
        text = (folder / "back.net").read_text()
        blocks, calls = text.count("\nblock "), len(re.findall(r": \w+_block", text))
        renamed = set(safetensors.load(folder / "back.safetensors")) ^ set(original.weights)
        found = original.run(folder / "back", folder / "back.safetensors", original.inputs)
        layers = [json.loads(call([folder / each, "info", "--json"]))["flops_per_image"] for each in ("original", "back")]
        same = kernels(MODELS / f"{name}.net", options), kernels(folder / "back.net")
        differ = [pair for pair in zip(*same) if pair[0] != pair[1]]
    return [(f"kernels of {len(same[0])} lines that differ: {differ[:1]}", len(differ) + abs(len(same[0]) - len(same[1])), 0.5), ("no kernels", int(len(same[0]) < 20), 0.5),
            (f"{blocks} blocks in {calls} calls", int(not 1 <= blocks < calls), 0.5), (f"names {sorted(renamed)[:3]}", len(renamed), 0.5),
            ("multiply-adds that differ", abs(layers[0] - layers[1]), 0.5), *original.compare(found)]


def round_trip(text):
    with tempfile.TemporaryDirectory(prefix="netc-onnx-") as folder:
        source = pathlib.Path(folder) / "all.net"
        source.write_text(text)
        model = Exported(folder, source)
        call([NETC, model.folder / "model.onnx", "-o", model.folder / "again", "--mode", "infer"])
        return model.compare(model.run(model.folder / "again", model.folder / "again.safetensors", model.inputs))


def names_survive():
    """Weights of the zoo's ResNet-20 come back under their own names, the same bits."""
    with tempfile.TemporaryDirectory(prefix="netc-onnx-") as folder:
        model = Exported(folder, MODELS / "resnet_cifar.net", ["--model", "resnet20"])
        call([NETC, "import", model.folder / "model.onnx", "-o", model.folder / "again"])
        found = safetensors.load(model.folder / "again.safetensors")
    different = [name for name, value in model.weights.items() if name not in found or found[name].tobytes() != value.tobytes()]
    return [(f"weights that differ {different[:3]}", len(different) + abs(len(found) - len(model.weights)), 0.5)]


RUN_IT = """
import sys, numpy, onnxruntime
data = dict(numpy.load(sys.argv[2]))
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
names = [output.name for output in session.get_outputs()]
numpy.savez(sys.argv[3], **dict(zip(names, session.run(names, data))))
"""


def by_reference(text):
    """The exported file, checked and evaluated by the onnx package."""
    with tempfile.TemporaryDirectory(prefix="netc-onnx-") as folder:
        source = pathlib.Path(folder) / "model.net"
        source.write_text(text)
        model = Exported(folder, source)
        written = checked(model.folder / "model.onnx")
        claims = [("opset", abs(written.opset_import[0].version - 18), 0.5)]
        return claims + model.compare(evaluated(written, model.inputs))


def by_onnx_runtime(text, file=None, options=()):
    python = pathlib.Path(os.environ.get("NETC_PEERS", ROOT / "build" / "peers")) / "onnxruntime" / "bin" / "python"
    if not python.exists():
        raise Unsupported(f"no ONNX Runtime in {python} (bench/peers.py --setup)")
    with tempfile.TemporaryDirectory(prefix="netc-onnx-") as folder:
        if text:
            file = pathlib.Path(folder) / "model.net"
            file.write_text(text)
        model = Exported(folder, file, options)
        numpy.savez(model.folder / "in.npz", **model.inputs)
        call([python, "-c", RUN_IT, model.folder / "model.onnx", model.folder / "in.npz", model.folder / "out.npz"])
        return model.compare(dict(numpy.load(model.folder / "out.npz")))


def export_errors():
    claims = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "m.net").write_text("net 1\nmodel m {\n  input x: [2, 5, 5]\n  return x | lrn(size=4) | flatten | fc: linear(3)\n}\n")
        (folder / "n.net").write_text("net 1\nmodel n {\n  input x: [4]\n  return x | fc: linear(3)\n}\n")
        good = {"fc.weight": numpy.zeros((3, 4), numpy.float32), "fc.bias": numpy.zeros(3, numpy.float32)}
        for name, weights, words in (("m", good, ["m.net:4:", "lrn", "even"]), ("n", {"fc.bias": good["fc.bias"]}, ["fc.weight"]),
                                     ("n", {**good, "fc.weight": numpy.zeros((4, 4), numpy.float32)}, ["fc.weight", "[4, 4]", "[3, 4]"])):
            safetensors.save(folder / "w", weights)
            done = subprocess.run([NETC, "export", folder / f"{name}.net", "--weights", folder / "w", "-o", folder / "out.onnx"], capture_output=True, text=True)
            missing = [word for word in words if word not in done.stderr]
            claims.append((done.stderr.strip(), int(done.returncode != 1 or (folder / "out.onnx").exists()) + len(missing), 0.5))
    return claims


def main():
    report = Report("onnx")
    try:
        require_import()
    except Unsupported as why:
        report.line("UNSUPPORTED", "import", str(why))
        report.close()
    for case in (convolutions, pools, elementwise, vectors, transposed, normalised, errors, external_data, named_by_modules, written_files, damaged):
        report.case(case.__name__, case)
    for case in (names_survive, export_errors):
        report.case(case.__name__, case)
    # The reference evaluator's LRN sums one channel less than its window has, and its ConvTranspose takes no groups (1.18.0); ONNX Runtime's do.
    plain = EXPORTED.replace(" | lrn(size=3, alpha=0.1, beta=0.7, k=1.5)", ""), IMAGES.replace("out_pad=1, groups=2", "out_pad=1")
    for name, text in (("layers", plain[0]), ("tokens", TOKENS), ("images", plain[1]), ("beside", BESIDE)):
        report.case(f"reference_{name}", by_reference, text)
    for name, text in (("layers", EXPORTED), ("tokens", TOKENS), ("images", IMAGES)):
        report.case(f"round_trip_{name}", round_trip, text)
    report.case("modules_resnet20", modules, "resnet_cifar", ["--model", "resnet20"])
    if "--all" in sys.argv:
        report.case("modules_resnet50", modules, "resnet", ["--model", "resnet50", "--set", "image=[3,64,64]"])
        report.case("modules_mobilenet_v2", modules, "mobilenet_v2", ["--set", "image=[3,64,64]"])
    report.case("onnx_runtime_layers", by_onnx_runtime, EXPORTED)
    report.case("onnx_runtime_beside", by_onnx_runtime, BESIDE)
    report.case("onnx_runtime_tokens", by_onnx_runtime, TOKENS)
    report.case("onnx_runtime_images", by_onnx_runtime, IMAGES)
    report.case("onnx_runtime_resnet20", by_onnx_runtime, None, MODELS / "resnet_cifar.net", ["--model", "resnet20"])
    for name, size in (("resnet18", 64), ("squeezenet1_1", 64), ("mobilenet_v3_small", 64), ("efficientnet_b0", 64), ("small_vit", 32), ("mixed", 16)):
        report.case(f"exported_{name}", exported, name, size)
    report.case("exported_small_vit_17", exported, "small_vit", 32, 17)
    report.close()


if __name__ == "__main__":
    main()
