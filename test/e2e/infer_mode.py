#!/usr/bin/python3
"""--mode infer: what `info` lists and counts is inference alone, and weights of training load as they are, auxiliary heads included."""
import json
import pathlib
import sys

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import safetensors
from compiled import MODELS, NETC, Compiled, Failed, call
from report import Report

# The head stands between other layers, so that what is behind it gets other numbers.
TEXT = """net 1
model small(classes=5) {
  input image: [3, 16, 16]
  x = image | body: conv(8, k=3, pad=1) | norm: bn | relu
  x | head: conv(4, k=1) | head_norm: bn | relu | avgpool(global) | flatten | head_fc: linear(classes) | aux(weight=0.3)
  return x | tail: conv(8, k=3, stride=2) | relu | avgpool(global) | flatten | fc: linear(classes)
}
train small {
  optimizer sgd(lr=0.1)
  batch 4
  epochs 1
}
"""
HEAD = ("head", "head_norm", "head_fc")


def of_head(name):
    return name.split(".")[0] in HEAD


class Both:
    """The model with training and without, and weights of the former."""

    def __init__(self):
        self.whole, self.infer = Compiled.from_text(TEXT), Compiled.from_text(TEXT, options=["--mode", "infer"])
        out = self.whole.path / "run"
        call([self.whole.executable, "train", "--data", "synthetic:16", "--out", out])
        self.weights = {name: value.copy() for name, value in safetensors.load(out / "model.safetensors").items()}
        self.inputs = {"input": numpy.random.default_rng(5).standard_normal((3, 3, 16, 16)).astype(numpy.float32)}


def info_counts_inference(both):
    whole, infer = both.whole.info(), both.infer.info()
    head = sum(layer["parameters"] for layer in whole["layers"] if of_head(layer["name"]))
    trainable = sum(value.size for name, value in both.weights.items() if not of_head(name) and "running" not in name and "num_batches" not in name)
    text = call([both.infer.executable, "info"])
    return [
        ("parameters of inference, off", abs(infer["parameters"] - trainable), 0.5),
        ("parameters of both, off", abs(whole["parameters"] - trainable - head), 0.5),
        ("layers of the head listed", sum(of_head(layer["name"]) for layer in infer["layers"]), 0.5),
        ("sum over layers, off", abs(sum(layer["parameters"] for layer in infer["layers"]) - trainable), 0.5),
        ("FLOPs differ", abs(infer["flops_per_image"] - whole["flops_per_image"]), 0.5),
        ("sum of the layers' FLOPs, off", abs(sum(layer["flops"] for layer in infer["layers"]) - infer["flops_per_image"]), 0.5),
        ("bytes of weights that the head would need", int(infer["memory"]["parameter_bytes"] >= whole["memory"]["parameter_bytes"] - 4 * head), 0.5),
        ("the head is in the table", int("head" in text), 0.5),
        ("the table has no count", int(f"parameters       {trainable}\n" not in text), 0.5),
    ]


def weights_of_training_load(both):
    expected = both.whole.run(both.weights, both.inputs)["output"]
    found = both.infer.run(both.weights, both.inputs)["output"]
    without = both.infer.run({name: value for name, value in both.weights.items() if not of_head(name)}, both.inputs)["output"]
    claims = [("logits differ", int(found.tobytes() != expected.tobytes()), 0.5),
              ("logits without the head's weights differ", int(without.tobytes() != expected.tobytes()), 0.5)]
    for what, weights, word in (("one tensor more", {**both.weights, "stranger": numpy.zeros(3, numpy.float32)}, "1 unexpected: stranger"),
                                ("one tensor less", {name: value for name, value in both.weights.items() if name != "tail.weight"}, "1 missing: tail.weight")):
        try:
            both.infer.run(weights, both.inputs)
            claims.append((f"{what}: taken", 1, 0.5))
        except Failed as error:
            claims.append((f"{what}: no word of it", int(word not in str(error)), 0.5))
    return claims


def commands_name_their_layers(both):
    def rows(model):
        return {row["name"]: row["kind"] for row in json.loads(call([model.executable, "bench", "--json", "--iterations", "1", "--batch", "2"]))["layers"]}
    whole, infer = rows(both.whole), rows(both.infer)
    return [(f"layers differ: {whole} {infer}", int(whole != infer), 0.5), ("fc is missing", int("fc" not in infer), 0.5)]


def googlenet():
    """torchvision's count without auxiliary heads."""
    found = json.loads(call([NETC, MODELS / "googlenet.net", "--model", "googlenet", "--mode", "infer", "--emit", "json", "-o", "-"]))
    trainable = sum(int(numpy.prod(each["shape"])) for each in found["parameters"] if each["trainable"])
    return [("parameters, off", abs(trainable - 6_624_904), 0.5),
            ("parameters by layer, off", abs(sum(layer["parameters"] for layer in found["layers"]) - 6_624_904), 0.5),
            ("names of the heads' tensors, off", abs(len(found["left_out"]) - len([name for name in found["left_out"] if name.startswith("aux")])), 0.5),
            ("no names of the heads' tensors", int(not found["left_out"]), 0.5)]


def main():
    report = Report("infer_mode")
    report.case("googlenet", googlenet)
    both = Both()
    for case in (info_counts_inference, weights_of_training_load, commands_name_their_layers):
        report.case(case.__name__, case, both)
    report.close()


if __name__ == "__main__":
    main()
