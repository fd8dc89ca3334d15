#!/usr/bin/python3
"""AVX-512 kernels on an emulated CPU: the cases of numeric/kernels.py against PyTorch in float64, and whole networks against the
kernels of the level below, which this machine runs. Not part of `make test`: minutes a case. See docs/reference/avx512-emulated.md.

usage: avx512.py --linux DIR [--cpu MODEL] [--seconds N] [WORD…]   DIR: an unpacked linux-image package; only cases with a WORD in their name
"""
import argparse
import json
import pathlib
import re
import shutil
import sys
import tempfile

import numpy
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "numeric"))
import kernels
import safetensors
from compiled import Compiled, call
from machine import Machine
from small_networks import NETWORKS
from report import Report

LEVEL, BELOW = "x86-64-v4", "x86-64-v3"
BATCHES = {1: 2, 3: 3}  # images, and the number of threads whose bits must be those of one
AGREEMENT = 2e-4  # between levels, in float32: relative by norm
# Every result with one thread, and again with more.
STEPS = "\n".join(f"""step {name}.{batch} {threads} --in in{batch}.st {more}""" for batch, threads in BATCHES.items()
                  for name, more in (("infer", ""), ("train", "--train")))
SCRIPT = """step() { name=$1; threads=$2; shift 2
  ./model run --weights w.st --out /out/$name --threads 1 "$@" || echo FAILED $case $name
  ./model run --weights w.st --out /tmp/again --threads $threads "$@" && cmp /out/$name /tmp/again && echo SAME-BITS $case $name
}
"""


class Layers:
    """A case of numeric/kernels.py."""

    def __init__(self, name, net):
        self.name, self.net = name, net

    def prepare(self, folder):
        self.images = {batch: self.net.draw(batch, *self.net.image) for batch in BATCHES}
        self.net.forward(self.images[3])  # draws the parameters
        compile_to(folder / "model", self.net.text())
        save(folder, {**self.net.parameters, **self.net.statistics})
        self.inputs = {batch: {"input": image.numpy().astype(numpy.float32), "labels": (torch.arange(batch) % self.net.classes).numpy()}
                       for batch, image in self.images.items()}
        for batch, inputs in self.inputs.items():
            safetensors.save(folder / f"in{batch}.st", inputs)
        return STEPS

    def check(self, report, outputs):
        for batch, image in self.images.items():
            report.case(f"{self.name}/batch_{batch}", kernels.against_reference, self.net, Replayed(outputs, batch), None,
                        self.inputs[batch], image, torch.arange(batch) % self.net.classes)


class Replayed:
    """What the emulated machine has computed, in the place of an executable."""

    def __init__(self, outputs, batch):
        self.outputs, self.batch = outputs, batch

    def run(self, weights, inputs):
        return self.outputs[f"infer.{self.batch}"]

    def run_again(self, inputs, train):
        return self.outputs[f"train.{self.batch}"]


class Network:
    def __init__(self, name, text, gradcheck=0, train=False):
        self.name, self.text, self.gradcheck, self.train = name, text, gradcheck, train

    def prepare(self, folder):
        compile_to(folder / "model", self.text)
        self.host = Compiled.from_text(self.text, options=["--cpu", BELOW])
        words = ["train", "--data", "synthetic:16", "--batch", 4, "--epochs", 1]
        call([self.host.executable, *words, "--out", self.host.path / "run"])
        self.trained = safetensors.load(self.host.path / "run" / "model.safetensors")
        shutil.copy(self.host.path / "run" / "model.safetensors", folder / "w.st")
        layers = json.loads(call([self.host.executable, "info", "--json"]))["layers"]
        shape, classes = re.search(r"input image: (\[.*?\])", self.text).group(1), int(re.search(r"classes=(\d+)", self.text).group(1))
        random = numpy.random.default_rng(len(layers))
        self.inputs = {batch: {"input": random.standard_normal((batch, *json.loads(shape)), numpy.float32),
                               "labels": random.integers(0, classes, batch)} for batch in BATCHES}
        for batch, inputs in self.inputs.items():
            safetensors.save(folder / f"in{batch}.st", inputs)
        script = STEPS
        if self.gradcheck:
            script += f"\n./model gradcheck --json --batch {self.gradcheck} --threads 1 >/out/gradcheck; echo GRADCHECK $case $?"
        if self.train:
            for threads in (1, 2):
                script += f"\n./model {' '.join(map(str, words))} --threads {threads} --out /tmp/run{threads} >/tmp/log || cat /tmp/log"
            script += "\ncmp /tmp/run1/model.safetensors /tmp/run2/model.safetensors && echo SAME-BITS $case trained"
            script += "\ncp /tmp/run1/model.safetensors /out/trained; rm -rf /tmp/run1 /tmp/run2"
        return script

    def check(self, report, outputs):
        for batch, inputs in self.inputs.items():
            for kind, more in (("infer", False), ("train", True)):
                wanted = self.host.run(self.trained, inputs, train=more, threads=1)
                report.check(f"{self.name}/{kind}_{batch}", agreement(outputs[f"{kind}.{batch}"], wanted))
        if self.gradcheck:
            found = json.loads(outputs["gradcheck"])
            report.check(f"{self.name}/gradcheck", [(f"{p['name']} {kind}", p[kind], bound) for p in found["parameters"]
                                                    for kind, bound in (("direction_error", 1e-3), ("element_error", 1e-2))])
        if self.train:
            report.check(f"{self.name}/trained", agreement(outputs["trained"], self.trained))


def agreement(found, wanted):
    scale = max(float(numpy.linalg.norm(value)) for key, value in wanted.items() if key.startswith("grad.")) if "loss" in wanted else 0
    return [(key, float(numpy.linalg.norm(found[key] - value)) / max(float(numpy.linalg.norm(value)), 1e-3 * scale, 1e-6), AGREEMENT)
            for key, value in wanted.items()]


def compile_to(path, text):
    compiled = Compiled.from_text(text, options=["--cpu", LEVEL])
    shutil.copy(compiled.executable, path)


def save(folder, weights):
    safetensors.save(folder / "w.st", {key: value.detach().numpy().astype(numpy.float32) for key, value in weights.items()})


def cases(words):
    every = [Layers(name, net) for name, net in kernels.cases() if not name.startswith("avx2")] + [Network(*entry) for entry in NETWORKS]
    return [case for case in every if not words or any(word in case.name for word in words)]


def decode(files):
    with tempfile.NamedTemporaryFile() as file:
        for name, data in files.items():
            if name == "gradcheck":
                yield name, data
                continue
            pathlib.Path(file.name).write_bytes(data)
            yield name, safetensors.load(file.name)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--linux", type=pathlib.Path, required=True)
    parser.add_argument("--cpu", default="corei7_skylake_x")
    parser.add_argument("--seconds", type=int, default=7200)
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    report = Report("avx512")
    torch.set_num_threads(2)
    chosen = cases(options.words)
    with tempfile.TemporaryDirectory(prefix="netc-emulated-") as name:
        folder = pathlib.Path(name)
        files = folder / "files"
        script = SCRIPT
        for case in chosen:
            (files / case.name).mkdir(parents=True)
            script += f"case={case.name}; cd /work/$case; ./model info | head -1\n{case.prepare(files / case.name)}\nkeep $case\n"
        print(f"{len(chosen)} cases compiled; booting", flush=True)
        text, results = Machine(folder, options.linux, options.cpu).run(files, script, options.seconds)
        print(text, flush=True)
        for case in chosen:
            if case.name not in results:
                report.line("FAIL", case.name, "did not end")
                continue
            report.case(case.name, case.check, report, dict(decode(results[case.name])))
            runs = len(BATCHES) * 2 + getattr(case, "train", False)
            report.check(f"{case.name}/threads", [("runs that differ from one thread's", runs - text.count(f"SAME-BITS {case.name} "), 0.5)])
    report.close()


if __name__ == "__main__":
    main()
