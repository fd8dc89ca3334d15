#!/usr/bin/python3
"""int8 from training to evaluation: calibrate, compare, eval, what they refuse, and the accuracy of ResNet-20 on Fashion-MNIST."""
import json
import pathlib
import sys

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import safetensors
from compiled import MODELS, NETC, Compiled, Failed, call
from onnx_package import checked, evaluated
from report import Report

INT8 = ["--precision", "int8", "--mode", "infer"]
# Skip-adds, a concatenation, depthwise and grouped convolutions, both kinds of pooling, a gate.
TEXT = """net 1
model small(classes=5) {
  input image: [3, 16, 16]
  x = image | stem: conv(12, k=3, pad=1) | bn | first: relu | maxpool(k=3, stride=2, pad=1)
  y = x | wide: conv(24, k=1) | bn | relu6 | deep: conv(24, k=3, pad=1, groups=24) | bn | relu6 | thin: conv(12, k=1) | bn
  z = x + y
  g = z | avgpool(global) | squeeze: conv(4, k=1) | relu | excite: conv(12, k=1) | sigmoid
  u = z * g
  v = concat(u | side: conv(6, k=3, pad=1, groups=2) | relu, z)
  return v | last: conv(20, k=3, stride=2) | bn | silu | avgpool(global) | flatten | fc: linear(classes)
}
train small {
  optimizer sgd(lr=0.05, momentum=0.9)
  batch 16
  epochs 2
}
"""
BELOW_F32 = 0.15  # points of top-1 that int8 may lose


def scales_of(path):
    return {name: value for name, value in safetensors.load(path).items() if name.endswith(".activation_scale")}


def refusal(command, expected):
    """Whether a command fails with these words."""
    try:
        call(command)
    except Failed as failed:
        return [(f"says '{expected}'", 0 if expected in str(failed) else 1, 0.5)]
    return [("is refused", 1, 0.5)]


class Small:
    """The model in f32 and in int8, trained weights and a calibrated file."""

    def __init__(self):
        self.f32, self.int8 = Compiled.from_text(TEXT), Compiled.from_text(TEXT, options=INT8)
        self.weights, self.calibrated = self.f32.path / "run", self.int8.path / "q.safetensors"
        call([self.f32.executable, "train", "--data", "synthetic:320", "--out", self.weights])
        self.calibrate()

    def calibrate(self, *options, out=None):
        return call([self.int8.executable, "calibrate", "--data", "synthetic:320", "--weights", self.weights, "--out", out or self.calibrated, *options])

    def eval(self, executable, weights):
        return json.loads(call([executable, "eval", "--data", "synthetic:200", "--weights", weights, "--json"]))


def calibrates(small):
    rows = []
    for method in ("minmax", "percentile", "mse"):
        out = small.int8.path / f"{method}.safetensors"
        small.calibrate("--method", method, "--images", "64", out=out)
        again = small.int8.path / "again.safetensors"
        small.calibrate("--method", method, "--images", "64", "--threads", "1", "--batch", "16", out=again)
        scales = scales_of(out)
        rows += [(f"{method}: scales that are not positive", sum(not value[0] > 0 for value in scales.values()), 0.5),
                 (f"{method}: no scales", int(not scales), 0.5), (f"{method}: bytes at one thread", int(out.read_bytes() != again.read_bytes()), 0.5)]
    kept = [name for name, value in safetensors.load(small.weights / "model.safetensors").items()
            if not numpy.array_equal(safetensors.load(small.calibrated)[name], value)]
    return rows + [("weights that changed", len(kept), 0.5)]


def evaluates(small):
    f32, int8 = small.eval(small.f32.executable, small.weights), small.eval(small.int8.executable, small.calibrated)
    return [("top-1 lost", f32["top1"] - int8["top1"], 0.02), ("f32 with the calibrated file", abs(f32["loss"] - small.eval(small.f32.executable, small.calibrated)["loss"]), 1e-9)]


def compares(small):
    command = [small.int8.executable, "compare", "--data", "synthetic:200", "--weights", small.calibrated, "--images", "96"]
    found = json.loads(call([*command, "--json"]))
    ratios = {row["name"]: row["signal_to_noise_db"] for row in found["layers"]}
    missing = [name for name in ("image", "first") if name not in ratios]
    return [("images", abs(found["images"] - 96), 0.5), ("top-1 that differ", 1 - found["top1_agreement"], 0.05), ("layers missing", len(missing), 0.5),
            ("noise of a layer, dB below 15", 15 - min(ratios.values()), 0.5), ("noise of the output, dB below 15", 15 - found["outputs"][0]["signal_to_noise_db"], 0.5),
            ("table", int("signal to noise" not in call(command)), 0.5)]


def keeps_f32(small):
    """All layers in f32: there is nothing to calibrate. Some: no scale of what only they read."""
    names = ("wide", "deep", "thin", "s*", "excite", "last", "fc")
    whole = Compiled.from_text(TEXT, options=[*INT8, *(word for name in names for word in ("--keep-f32", name))])
    nothing = refusal([whole.executable, "calibrate", "--data", "synthetic:8", "--weights", small.weights, "--out", whole.path / "q"], "stays in f32")
    loss = abs(small.eval(whole.executable, small.weights)["loss"] - small.eval(small.f32.executable, small.weights)["loss"])
    part = Compiled.from_text(TEXT, options=[*INT8, "--keep-f32", "fc", "--keep-f32", "squeeze"])
    q = part.path / "q.safetensors"
    call([part.executable, "calibrate", "--data", "synthetic:64", "--weights", small.weights, "--out", q])
    fewer = set(scales_of(small.calibrated)) - set(scales_of(q))
    return nothing + [("loss with all layers in f32", loss, 1e-6), ("no scale less", int(not fewer), 0.5)]


def informs(small):
    """`info` says of each layer what its products are of and which scale its result has."""
    kept = Compiled.from_text(TEXT, options=[*INT8, "--keep-f32", "fc"])
    layers = {layer["name"]: layer for layer in kept.info()["layers"]}
    wanted = {"stem": "int8", "deep": "int8", "fc": "f32", "first": None}
    wrong = [name for name, products in wanted.items() if layers[name].get("products") != products]
    table = call([kept.executable, "info"])
    return [("layers with other products", len(wrong), 0.5), ("scale of a ReLU", int(layers["first"].get("scale") != "first.activation_scale"), 0.5),
            ("columns", int("products  stored as" not in table or "u8, scaled" not in table), 0.5)]


def same_bits(small):
    image = numpy.random.default_rng(1).standard_normal((5, 3, 16, 16)).astype(numpy.float32)
    weights = safetensors.load(small.calibrated)
    first = small.int8.run(weights, {"input": image}, threads=1)["output"]
    return [(f"outputs that differ at {threads} threads", int((small.int8.run_again({"input": image}, threads=threads)["output"] != first).sum()), 0.5)
            for threads in (2, 3)]


def refuses(small):
    weights = small.weights / "model.safetensors"
    return (refusal([small.int8.executable, "eval", "--data", "synthetic:8", "--weights", weights], "calibrate --data DATA --weights")
            + refusal([small.int8.executable, "compare", "--data", "synthetic:8", "--weights", weights], "scales of activations")
            + refusal([small.f32.executable, "calibrate", "--data", "synthetic:8", "--weights", weights, "--out", "/dev/null"], "--precision f32")
            + refusal([small.int8.executable, "train", "--data", "synthetic:8", "--out", small.int8.path / "no"], "--mode infer")
            + refusal([small.int8.executable, "calibrate", "--data", "synthetic:8", "--weights", weights, "--out", small.int8.path / "none/q"], "none/q"))


def noise(found, wanted):
    """Of `found` against the signal, in decibels; the more, the better."""
    return float(10 * numpy.log10((wanted ** 2).sum() / max(1e-30, ((found - wanted) ** 2).sum())))


def ranges(model, calibrated):
    """What an exported model says of its bytes against the file of scales: claims."""
    from onnx import numpy_helper
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    scales, weights = scales_of(calibrated), safetensors.load(calibrated)
    layers = {node.name.removesuffix("/quantized"): node for node in model.graph.node if node.op_type == "QuantizeLinear"}
    differ = [name for name, node in layers.items() if held[node.input[1]] != scales[name + ".activation_scale"][0] or held[node.input[2]] != 0]
    types = {name: held[node.input[2]].dtype for name, node in layers.items()}
    claims = [(f"scales that no value has {set(scales) - {name + '.activation_scale' for name in layers}}", abs(len(scales) - len(layers)), 0.5),
              (f"scales that differ {differ}", len(differ), 0.5), ("opset", abs(model.opset_import[0].version - 18), 0.5)]
    claims += [(f"type of {name}", int(types[name] != wanted), 0.5) for name, wanted in (("image", "int8"), ("first", "uint8")) if name in types]
    found = 0
    for node in model.graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in held:
            continue
        integers, scale, wanted = held[node.input[0]], held[node.input[1]], weights[node.input[0]]
        largest = abs(wanted).reshape(len(wanted), -1).max(1)
        error = abs(integers * scale.reshape(-1, *[1] * (integers.ndim - 1)) - wanted).max() / largest.max()
        claims += [(f"{node.input[0]}: a scale for each channel", abs(len(scale) - len(wanted)) + int(integers.dtype != "int8"), 0.5),
                   (f"{node.input[0]}: scale", float(abs(scale * 127 - largest).max() / largest.max()), 1e-6), (f"{node.input[0]}: rounding", error, 0.5 / 126)]
        found += 1
    return claims + [("no weights in bytes", int(found == 0), 0.5)]


def exports(small):
    """As QuantizeLinear and DequantizeLinear: what ONNX says and computes, and the way back, in bytes and as the file says."""
    folder = small.int8.path
    source = folder / "small.net"
    source.write_text(TEXT)
    call([NETC, "export", source, "--weights", small.calibrated, "-o", folder / "small.onnx"])
    model = checked(folder / "small.onnx")
    image = numpy.random.default_rng(2).standard_normal((6, 3, 16, 16)).astype(numpy.float32)
    wanted = small.int8.run(safetensors.load(small.calibrated), {"input": image})["output"]
    rounded = evaluated(model, {"image": image})["output"]
    claims = ranges(model, small.calibrated) + [("dB below 25 against the executable", 25 - noise(rounded, wanted), 0.5)]
    safetensors.save(folder / "in", {"image": image})
    found = {}
    for name, options in (("bytes", INT8), ("f32", ["--mode", "infer"])):
        back = folder / f"back_{name}"
        call([NETC, folder / "small.onnx", "-o", back, *options])
        call([back, "run", "--weights", f"{back}.safetensors", "--in", folder / "in", "--out", folder / "out"])
        found[name] = safetensors.load(folder / "out")["output"]
    # In bytes a value half way between two integers may go to the other one; in f32 the rounding is the file's.
    claims += [("dB below 35 of the imported model in bytes", 35 - noise(found["bytes"], wanted), 0.5),
               ("imported, as the file says", float(abs(found["f32"] - rounded).max() / abs(rounded).max()), 1e-5)]
    names = set(scales_of(folder / "back_bytes.safetensors"))
    return claims + [(f"{len(names)} scales come back", abs(len(names) - len(scales_of(small.calibrated))), 0.5)]


def resnet20():
    """Accuracy after calibration on 512 images of the training set."""
    arguments = {"model": "resnet20", "sets": ["image=[1,28,28]"]}
    f32, int8 = Compiled(MODELS / "resnet_cifar.net", **arguments), Compiled(MODELS / "resnet_cifar.net", **arguments, options=INT8)
    call([f32.executable, "train", "--data", "fashion-mnist", "--epochs", 2, "--limit", 3000, "--val-limit", 100, "--out", f32.path / "run"])
    q = f32.path / "q.safetensors"
    call([int8.executable, "calibrate", "--data", "fashion-mnist", "--weights", f32.path / "run", "--out", q])

    def top1(model, weights):
        return json.loads(call([model.executable, "eval", "--data", "fashion-mnist", "--weights", weights, "--json"]))["top1"]
    claims = [("points of top-1 lost", 100 * (top1(f32, f32.path / "run") - top1(int8, q)), BELOW_F32)]
    call([NETC, "export", MODELS / "resnet_cifar.net", "--model", "resnet20", "--set", "image=[1,28,28]", "--weights", q, "-o", f32.path / "model.onnx"])
    model = checked(f32.path / "model.onnx")
    image = numpy.random.default_rng(3).random((4, 1, 28, 28)).astype(numpy.float32)
    wanted = int8.run(safetensors.load(q), {"input": image})["output"]
    return claims + ranges(model, q) + [("dB below 25 of the exported model", 25 - noise(evaluated(model, {"image": image})["output"], wanted), 0.5)]


def main():
    report = Report("int8_inference")
    small = Small()
    for case in (calibrates, evaluates, compares, keeps_f32, informs, same_bits, exports, refuses):
        report.case(case.__name__, case, small)
    report.case("resnet20", resnet20)
    report.close()


if __name__ == "__main__":
    main()
