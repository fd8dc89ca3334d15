#!/usr/bin/python3
"""What compiled models refuse: batches without a variance, weights that give no result, numbers in the environment that are none."""
import os
import pathlib
import subprocess
import sys

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import safetensors
from compiled import Compiled
from report import Report

NET = """net 1
model small {
  input image: [3, 8, 8]
  return image | conv(8, k=3, pad=1) | bn | relu | flatten | linear(8) | bn | linear(10)
}
"""


def said(compiled, *words, **environment):
    done = subprocess.run([str(word) for word in (compiled.executable, *words)], capture_output=True, text=True, env={**os.environ, **environment})
    return done.returncode, done.stderr


def refused(code, text, part):
    return [(f"exit code {code}, expected 1", abs(code - 1), 0.5), (f"no '{part}' in: {text}", int(part not in text), 0.5)]


class Small:
    def __init__(self):
        self.compiled = Compiled.from_text(NET)
        self.out = self.compiled.path / "out"
        self.weights = self.compiled.path / "changed.safetensors"
        code, text = said(self.compiled, "train", "--data", "synthetic:64", "--epochs", 1, "--batch", 32, "--out", self.out)
        assert code == 0, text

    def train(self, images, batch):
        return said(self.compiled, "train", "--data", f"synthetic:{images}", "--epochs", 1, "--batch", batch, "--out", self.compiled.path / "other")

    def one_value_per_channel(self):
        code, text = self.train(64, 1)
        claims = refused(code, text, "batch norm bn2 would have one value per channel")
        code, text = self.train(65, 32)
        claims += refused(code, text, "65 images in batches of 32 leave a batch of 1: choose another --batch or --limit")
        code, text = self.train(66, 32)
        return claims + [(f"two images in the last batch are refused: {text}", code, 0.5)]

    def one_value_in_run_and_gradcheck(self):
        tensors = {"input": numpy.zeros((1, 3, 8, 8), numpy.float32), "labels": numpy.zeros(1, numpy.int64)}
        safetensors.save(self.compiled.path / "in", tensors)
        words = ["run", "--weights", self.out, "--in", self.compiled.path / "in", "--out", self.compiled.path / "result"]
        code, text = said(self.compiled, *words, "--train")
        claims = refused(code, text, "batch norm bn2 would have one value per channel")
        code, text = said(self.compiled, *words)
        claims.append((f"inference of one image: {text}", code, 0.5))
        code, text = said(self.compiled, "gradcheck", "--batch", 1)
        return claims + refused(code, text, "--batch 1: batch norm bn2")

    def evaluate_with(self, name, value, count=1):
        tensors = {key: numpy.array(tensor) for key, tensor in safetensors.load(self.out / "model.safetensors").items()}
        tensors[name].flat[:count] = value
        safetensors.save(self.weights, tensors)
        return said(self.compiled, "eval", "--data", "synthetic:64", "--weights", self.weights)

    def weights_without_a_result(self):
        """Also where a ReLU behind it would make a number of it."""
        claims = refused(*self.evaluate_with("conv1.weight", numpy.nan), "conv1.weight holds nan")
        claims += refused(*self.evaluate_with("bn1.running_var", -1), "bn1.running_var holds -1: a variance is not negative")
        return claims + refused(*self.evaluate_with("linear2.weight", 3e38, 8), "are not finite: values overflow")


def simulator_numbers():
    compiled = Compiled.from_text(NET, options=["--target", "sim"])
    claims = []
    for name, value in (("NETC_SIM_THREADS", "-1"), ("NETC_SIM_THREADS", "1000000"), ("NETC_SIM_THREADS", ""), ("NETC_SIM_THREADS", "2.5"),
                        ("NETC_SIM_SEED", "-1"), ("NETC_SIM_CHIP", "4294967376")):
        code, text = said(compiled, "bench", "--batch", 1, "--iterations", 1, **{name: value})
        claims += refused(code, text, f"{name}={value}: expected a whole number from 0 to ")
    return claims


def main():
    report = Report("refusals")
    small = Small()
    for case in (small.one_value_per_channel, small.one_value_in_run_and_gradcheck, small.weights_without_a_result):
        report.case(case.__name__.replace("_", " "), case)
    report.case("simulator's numbers", simulator_numbers)
    report.close()


if __name__ == "__main__":
    main()
