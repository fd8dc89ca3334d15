#!/usr/bin/python3
"""One executable for several levels of the CPU: the best one runs, each can be asked for, and all agree to rounding."""
import os
import pathlib
import subprocess
import sys

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import safetensors
from compiled import Compiled, call
from cpu import LEVELS, flags, levels
from report import Report, Unsupported

TEXT = """net 1
model small(classes=10) {
  input image: [3, 20, 20]
  x = image | conv(24, k=3, pad=1) | bn | relu
  y = x | conv(24, k=3, pad=1, groups=6) | bn | relu | conv(24, k=3, pad=1) | bn
  return relu(x + y) | conv(33, k=3, stride=2) | bn | relu | avgpool(global) | flatten | fc: linear(classes)
}
train small {
  optimizer sgd(lr=0.1, momentum=0.9)
  batch 8
  epochs 2
}
"""
def run(executable, level, words):
    environment = dict(os.environ)
    environment.pop("NETC_CPU", None)
    if level:
        environment["NETC_CPU"] = level
    return subprocess.run([str(word) for word in (executable.executable, *words)], capture_output=True, text=True, env=environment)


def step(executable, level):
    """Everything that `run --train` writes, and the logits of inference."""
    results = {}
    for name, more in (("train", ["--train"]), ("infer", [])):
        out = executable.path / f"{name}.safetensors"
        done = run(executable, level, ["run", "--weights", executable.path / "w.safetensors", "--in", executable.path / "in.safetensors",
                                       "--out", out, *more])
        if done.returncode:
            raise AssertionError(f"{level}: exit code {done.returncode} (an illegal instruction is -4)\n{done.stderr}")
        results.update({f"{name}.{key}": value.copy() for key, value in safetensors.load(out).items()})
    return results


def prepare(executable):
    call([executable.executable, "train", "--data", "synthetic:32", "--epochs", 1, "--out", executable.path / "run"])
    weights = safetensors.load(executable.path / "run" / "model.safetensors")
    generator = numpy.random.default_rng(1)
    safetensors.save(executable.path / "w.safetensors", weights)
    safetensors.save(executable.path / "in.safetensors", {"input": generator.standard_normal((5, 3, 20, 20)).astype(numpy.float32),
                                                         "labels": generator.integers(0, 10, 5)})


def check_agreement(executable):
    have = levels()
    wanted = step(executable, "x86-64-v2")
    claims = []
    for level in have[1:]:
        found = step(executable, level)
        for name, value in wanted.items():
            # A sum of cancelling terms is judged by the largest of its tensor, and no finer than 1e-3 of a weight.
            size = max(float(numpy.abs(value).max()), 1e-3)
            claims.append((f"{level}: {name}", float(numpy.abs(found[name] - value).max()) / size, 2e-4))
    if not claims:
        raise Unsupported("this CPU runs x86-64-v2 only")
    return claims


def check_choice(executable):
    """The best level runs by itself: its bits are those of an executable for that level alone."""
    best = levels()[-1]
    alone = Compiled.from_text(TEXT, options=["--cpu", best])
    for file in ("w.safetensors", "in.safetensors"):
        (alone.path / file).write_bytes((executable.path / file).read_bytes())
    chosen, single = step(executable, None), step(alone, None)
    info = run(executable, None, ["info"]).stdout
    return [(f"tensors that differ from {best}'s", sum((chosen[n] != single[n]).any() for n in single), 0.5),
            (f"'cpu {best}' missing in info", int(f"target cpu {best}" not in info), 0.5)]


def check_refusals(executable):
    unknown = run(executable, "x86-64-v9", ["info"])
    claims = [("an unknown level is refused", int(unknown.returncode != 1 or unknown.stderr.strip() != "error: NETC_CPU is x86-64-v9, but "
               "this executable was compiled for x86-64-v4, x86-64-v3, x86-64-v2"), 0.5)]
    for level in (level for level in LEVELS if level not in levels()):
        done = run(executable, level, ["bench", "--batch", 1, "--iterations", 1])
        claims.append((f"{level} is refused with a sentence", int(done.returncode != 1 or "which this one lacks" not in done.stderr), 0.5))
    return claims


def plant_requirement(executable):
    """A copy whose best level needs FMA4, which only AMD's Bulldozer family has (2011 to 2015)."""
    data = executable.executable.read_bytes()
    start = data.index(b'"features":[')
    end = data.index(b"]", start)
    best = data[start:end]
    if b'"avx512f"' not in best:
        raise AssertionError(f"the first level in the executable needs {best.decode()}, expected that of x86-64-v4")
    copy = executable.path / "planted"
    copy.write_bytes(data[:start] + best.replace(b'"bmi2"', b'"fma4"') + data[end:])
    copy.chmod(0o755)
    return copy


def check_lacking(executable):
    """A level that this machine cannot run is refused by name and passed over without one, also on a machine that has them all."""
    if "fma4" in flags():
        raise Unsupported("this CPU has FMA4, which stands for what a CPU lacks")
    planted = plant_requirement(executable)

    def ask(level, *words):
        environment = {key: value for key, value in os.environ.items() if key != "NETC_CPU"} | ({"NETC_CPU": level} if level else {})
        return subprocess.run([str(planted), *words], capture_output=True, text=True, env=environment)

    refused = ask("x86-64-v4", "bench", "--batch", "1", "--iterations", "1")
    next_best = [level for level in levels() if level != "x86-64-v4"][-1]
    chosen = ask(None, "info").stdout
    return [(f"refused with a sentence: {refused.stderr.strip()}", int(refused.returncode != 1 or "fma4, which this one lacks" not in refused.stderr), 0.5),
            (f"'cpu {next_best}' missing in info", int(f"target cpu {next_best}" not in chosen), 0.5)]


def main():
    report = Report("levels")
    executable = Compiled.from_text(TEXT, options=["--cpu", ",".join(LEVELS)])
    prepare(executable)
    for name, function in (("agreement", check_agreement), ("choice", check_choice), ("refusals", check_refusals),
                           ("lacking", check_lacking)):
        report.case(name, function, executable)
    report.close()


if __name__ == "__main__":
    main()
