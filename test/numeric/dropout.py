#!/usr/bin/python3
"""Dropout in training, seen through one step: with zero weights and a learning rate of 1, the weights of the linear layer
after the step are its input times a number a class, so the mask can be read off them.
"""
import pathlib
import sys
import tempfile

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import safetensors
from compiled import Compiled, call
from linked import compile_object, link
from report import Report

P = 0.3
TEXT = """net 1
model test(p=0.0) {{
  input image: [3, 24, 24]
  return image | {before} dropout(p) | {after} flatten | fc: linear(10, init=constant(0), bias_init=0)
}}
train test {{
  loss       cross_entropy
  optimizer  sgd(lr=1, momentum=0, weight_decay=0)
  batch      1
  epochs     1
}}
"""
# Alone, in a convolution's epilogue, and in the prologue of the next one.
PLACES = {
    "alone": ("", ""),
    "after_conv": ("conv(5, k=3, init=constant(0.1), bias_init=0.2) |", ""),
    "between_convs": ("conv(5, k=1, init=constant(0.1), bias_init=0.2) | tanh |", "conv(1, k=1, init=constant(0.1), bias_init=0) |"),
}


def trained(executable, seed, threads, steps=1):
    """fc.weight after `steps` steps on one synthetic image."""
    out = executable.path / f"run-{seed}-{threads}-{steps}"
    call([executable.executable, "train", "--data", "synthetic:1", "--val", "synthetic:1", "--seed", seed, "--threads", threads,
          "--epochs", steps, "--out", out])
    return safetensors.load(out / "model.safetensors")["fc.weight"].astype(numpy.float64)


def mask(place):
    before, after = PLACES[place]
    text = TEXT.format(before=before, after=after)
    with_dropout = Compiled.from_text(text, sets=[f"p={P}"])
    without = Compiled.from_text(text)
    kept = trained(with_dropout, 7, 2)
    ratio = kept / trained(without, 7, 2)
    other = trained(with_dropout, 8, 2) / trained(without, 8, 2)
    claims = [("bits differ between 1 and 3 threads", int((trained(with_dropout, 7, 1) != trained(with_dropout, 7, 3)).any()), 0.5)]
    if after:  # a pixel's value is a mean over masked channels: only its average is known
        return claims + [("mean of what is left, off 1", abs(float(ratio[0].mean()) - 1), 0.05)]
    share = float((ratio[0] == 0).mean())
    survivors = ratio[ratio != 0]
    return claims + [
        ("share dropped, off p", abs(share - P), 4 * (P * (1 - P) / ratio.shape[1]) ** 0.5),
        ("scale of the others, off 1 / (1 - p)", float(abs(survivors * (1 - P) - 1).max()), 1e-5),
        ("the same mask for two seeds, share off chance", abs(float(((ratio[0] == 0) == (other[0] == 0)).mean()) - (P * P + (1 - P) ** 2)), 0.06),
    ]


# The logits of images FIRST .. FIRST + N - 1 of a batch, from a step that has only those and takes them for PLACE on.
STEP = """
#include "runtime/exec/Executor.h"
#include <cmath>
#include <cstdio>
#include <cstdlib>
extern "C" const NetcModel netc_test_model;
int main(int, char **arguments) {
  using namespace netc::runtime;
  int64_t first = std::atoll(arguments[1]), n = std::atoll(arguments[2]);
  ModelInfo info = readModel(netc_test_model);
  ThreadPool pool(2);
  Executor executor(netc_test_model, info, pool);
  executor.reserve(n, true);
  for (const ParameterInfo &parameter : info.parameters)
    for (int64_t i = 0; i < parameter.elements(); ++i)
      executor.parameter(parameter)[i] = std::sin(float(i) + 1);
  for (int64_t i = 0; i < n * info.inputElements(); ++i)
    executor.at<float>(NETC_SPACE_INPUT)[i] = std::cos(float(first * info.inputElements() + i));
  executor.hyper().dropout = 1;
  executor.hyper().seed_lo = 7;
  executor.hyper().step = 3;
  executor.hyper().first_image = uint32_t(std::atoll(arguments[3]));
  executor.run(Program::Step, n);
  for (int64_t i = 0; i < n * info.classes; ++i)
    std::printf("%a\\n", double(executor.at<float>(NETC_SPACE_OUTPUT)[i]));
}
"""


def parts(place):
    """A batch in two parts drops what the whole batch drops: numbers are drawn by the image's place in the batch of all processes."""
    before, after = PLACES[place]
    with tempfile.TemporaryDirectory(prefix="netc-dropout-") as folder:
        path = pathlib.Path(folder)
        model = compile_object(TEXT.format(before=before, after=after), path / "test.o", ["--set", f"p={P}"])
        program = link(STEP, [model], path / "step")
        whole, first, second, elsewhere = (call([program, *words]).split() for words in ((0, 5, 0), (0, 2, 0), (2, 3, 2), (2, 3, 0)))
    return [("logits that differ in two parts", sum(a != b for a, b in zip(whole, first + second)), 0.5),
            ("logits of both parts, missing", abs(len(whole) - len(first + second)), 0.5),
            ("the place changes nothing", int(elsewhere == second), 0.5)]


def main():
    report = Report("dropout")
    for place in PLACES:
        report.case(place, mask, place)
        report.case(f"parts/{place}", parts, place)
    report.close()


if __name__ == "__main__":
    main()
