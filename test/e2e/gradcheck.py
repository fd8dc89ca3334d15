#!/usr/bin/python3
"""`gradcheck` on models of the zoo, made small: every parameter's generated gradient against double precision."""
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from compiled import MODELS, Compiled, Failed
from small_networks import NETWORKS, network
from report import Report

# file, model, --set, --batch: at least about a hundred values a channel where batch norm takes its statistics
CASES = [("lenet.net", "lenet", [], 4),
         ("resnet_cifar.net", "resnet20", ["image=[3,16,16]"], 8)]

# Beyond image classification: several inputs and outputs, other ranks, losses by output.
OTHERS = {
    "two_inputs": """net 1
model m {
  input image: [3, 9, 7]
  input mask: [1, 9, 7]
  x = concat(image, mask) | conv(10, k=3, pad=1, bias=true) | tanh
  y = x | conv(3, k=3, pad=1, bias=true)
  return {map: y + image, depth: x | avgpool(global) | flatten | linear(4)}
}
train m { loss map: mse + 0.1 * l1, depth: 0.5 * l1 }
""",
    "class_map": """net 1
model m {
  input image: [3, 10, 8]
  x = image | conv(12, k=3, pad=1) | bn | relu
  aux(x | conv(5, k=1), weight=0.3)
  return x | conv(5, k=3, pad=1)
}
train m { loss cross_entropy(label_smoothing=0.1) }
""",
    "sequence": """net 1
model m {
  input tokens: [7, 12]
  input more: [7, 4]
  x = (tokens | linear(10) | silu) + (more | linear(10))
  return {classes: x | linear(5), vector: x | linear(9) | tanh | linear(2)}
}
train m { loss classes: cross_entropy, vector: 0.25 * mse }
""",
}

# One layer of each kind that came after the first edition of the language.
SECOND = network((3, 8, 8), """  x = image | conv(8, k=3, pad=1, standardized) | group_norm(2) | gelu
  y = x | conv_transpose(6, k=2, stride=2, pad=1) | elu(0.7) | layer_norm | channel_shuffle(3) | conv(8, k=3, stride=2, pad=1) | prelu
  z = concat(y | upsample(out=[8, 8], bilinear), (y | upsample(scale=2) | slice(1, 1, 9) | roll([1, 3]) | slice(2, 0, 8)), axis=0)
  t = concat(token: parameter([1, 8], init=normal(0, 1)), z | slice(0, 4, 12) | reshape([8, 64]) | permute([1, 0]), axis=0)
  t = t + positions: parameter([65, 8], init=normal(0, 1)) | layer_norm | mish
  q, k, v = t | linear(24) | split(3, axis=1)
  a = softmax(matmul(q, k, transpose_b) * 0.35) | matmul(v) | stochastic_depth(0.2)
  return mean(t + a * scale: parameter([8], init=0.5), 0) | hardsigmoid | gelu(tanh) | linear(classes)""")
OPERANDS = network((3, 12, 12), """  x = (image | conv(8, k=3, pad=1) | bn(frozen) | silu) * 0.5 + 0.25
  v = x | avgpool(global) | flatten | linear(8) | sigmoid
  y = (x * v + v) | conv(12, k=3, stride=2, pad=1) | bn | tanh
  return 2 + (y * (y | avgpool(global) | conv(12, k=1))) | conv(6, k=1) | bn(frozen) | flatten | linear(classes)""")
RECIPE = "train m { loss cross_entropy(label_smoothing=0.1) }\n"


def check(compiled, batch):
    done = subprocess.run([compiled.executable, "gradcheck", "--batch", str(batch), "--json"], capture_output=True, text=True)
    if done.returncode not in (0, 1) or not done.stdout:
        raise Failed(done.stderr)
    found = json.loads(done.stdout)
    worst = max(found["parameters"], key=lambda p: p["direction_error"])
    single = max(found["parameters"], key=lambda p: p["element_error"])
    return [(f"{worst['name']} by direction", worst["direction_error"], 1e-3),
            (f"{single['name']} by element", single["element_error"], 1e-2),
            ("loss", abs(found["loss"] - found["reference_loss"]), 1e-4), ("exit code", done.returncode, 0.5)]


def check_text(text, batch):
    return check(Compiled.from_text(text), batch)


def check_model(file, model, sets, batch):
    return check(Compiled(MODELS / file, model, sets), batch)


def main():
    report = Report("gradcheck")
    every_layer = next(text for name, text, *_ in NETWORKS if name == "every_layer")
    report.case("every_layer", check_text, every_layer + RECIPE, 16)
    for name, text in OTHERS.items():
        report.case(name, check_text, text, 16)
    report.case("second_edition", check_text, SECOND + RECIPE, 8)
    report.case("operands", check_text, OPERANDS + RECIPE, 8)
    for file, model, sets, batch in CASES:
        report.case(model, check_model, file, model, sets, batch)
    report.close()


if __name__ == "__main__":
    main()
