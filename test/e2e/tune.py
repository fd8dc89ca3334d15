#!/usr/bin/python3
"""netc --tune times candidates once: the choice is kept, shown, used again, and changes no result beyond rounding."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import safetensors
from compiled import NETC, call
from report import Report

TEXT = """net 1
model small(classes=10) {
  input image: [16, 14, 14]
  x = image | conv(32, k=3, pad=1) | bn | relu | conv(64, k=3, stride=2, pad=1) | bn | relu
  return x | conv(48, k=1) | bn | relu | avgpool(global) | flatten | fc: linear(classes)
}
train small {
  optimizer sgd(lr=0.1)
  batch 8
  epochs 1
}
"""

# Shapes enough that timing takes longer than noticing that it has begun.
MANY = """net 1
model many(classes=10) {
  input image: [8, 10, 10]
  x = image
  for i in 1..16 { x = x | conv(8 + 8 * i, k=3, pad=1) | relu }
  return x | avgpool(global) | flatten | fc: linear(classes)
}
"""


class Bench:
    """A model file, a cache folder, and netc with both."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="netc-tune-")
        self.path = pathlib.Path(self.folder.name)
        self.file = self.path / "small.net"
        self.file.write_text(TEXT)
        self.many = self.path / "many.net"
        self.many.write_text(MANY)
        self.cache = self.path / "cache"

    def netc(self, *words, file=None):
        return subprocess.run([str(word) for word in (NETC, file or self.file, *words)], capture_output=True, text=True,
                              env={**os.environ, "NETC_CACHE": str(self.cache)})

    def start_many(self, cache):
        """netc at work on many shapes, with the empty folder `cache`, once it has kept its first choice."""
        self.cache = self.path / cache
        process = subprocess.Popen([NETC, self.many, "--tune", "--mode", "infer", "-o", self.path / "many"], stderr=subprocess.DEVNULL,
                                   env={**os.environ, "NETC_CACHE": str(self.cache)})
        while not list(self.cache.glob("schedules-*.json")):
            assert process.poll() is None, "it ended without a choice in the cache"
            time.sleep(0.002)
        return process

    def cached(self):
        files = list(self.cache.glob("schedules-*.json"))
        assert len(files) == 1, f"{len(files)} files in the cache"
        return files[0]


def outputs(executable, weights, inputs):
    files = [executable.parent / name for name in ("w.safetensors", "in.safetensors", "out.safetensors")]
    safetensors.save(files[0], weights)
    safetensors.save(files[1], inputs)
    result = {}
    for more in ([], ["--train"]):
        call([executable, "run", "--weights", files[0], "--in", files[1], "--out", files[2], *more])
        result.update({f"{name}{'.train' if more else ''}": value.copy() for name, value in safetensors.load(files[2]).items()})
    return result


def check_choice(bench):
    """Timed choices are written, and the second time nothing is timed: the file keeps its bytes."""
    first = bench.netc("--tune", "-o", bench.path / "tuned", "--explain")
    assert first.returncode == 0, first.stderr
    before = bench.cached().read_bytes()
    choices = json.loads(before)["choices"]
    changed = bench.cached().stat().st_mtime_ns
    second = bench.netc("--tune", "-o", bench.path / "again")
    assert second.returncode == 0, second.stderr
    same = (bench.path / "tuned").read_bytes() == (bench.path / "again").read_bytes()
    # Three convolutions, the first without an input gradient, forward for inference and training.
    return [("missing choices", 9 - len(choices) if len(choices) < 9 else 0, 0.5),
            ("--explain is silent", int("were timed on this machine" not in first.stdout), 0.5),
            ("the file was written again", int(bench.cached().stat().st_mtime_ns != changed), 0.5),
            ("the same choices, other executables", int(not same), 0.5)]


def check_results(bench):
    call([NETC, bench.file, "-o", bench.path / "plain"])
    generator = numpy.random.default_rng(2)
    call([bench.path / "plain", "train", "--data", "synthetic:32", "--epochs", 1, "--out", bench.path / "run"])
    weights = safetensors.load(bench.path / "run" / "model.safetensors")
    inputs = {"input": generator.standard_normal((9, 16, 14, 14)).astype(numpy.float32), "labels": generator.integers(0, 10, 9)}
    plain, tuned = (outputs(bench.path / name, weights, inputs) for name in ("plain", "tuned"))
    return [(name, float(numpy.abs(tuned[name] - value).max() / max(numpy.abs(value).max(), 1e-3)), 2e-4) for name, value in plain.items()]


def check_strange_choices(bench):
    """A choice in the file that is no candidate, here of tiles that no register file holds, is timed anew."""
    choices = json.loads(bench.cached().read_text())
    right = list(choices["choices"])
    choices["choices"] = [choice.replace("tile_pixels = ", "tile_pixels = 900") for choice in right]
    bench.cached().write_text(json.dumps(choices))
    done = bench.netc("--tune", "-o", bench.path / "tuned")
    left = json.loads(bench.cached().read_text())["choices"]
    return [("it ends in an error", abs(done.returncode), 0.5),
            ("none was planted", int("tile_pixels = 900" not in "".join(choices["choices"])), 0.5),
            ("strange choices left", sum("tile_pixels = 900" in choice for choice in left), 0.5),
            ("choices lost", len(right) - len(left), 0.5)]


def check_damage(bench):
    """A damaged cache is named, ignored and replaced; one that cannot be written is a warning."""
    bench.cached().write_text("[" * 100000)
    nested = bench.netc("--tune", "-o", bench.path / "tuned")
    bench.cached().write_text("{")
    damaged = bench.netc("--tune", "-o", bench.path / "tuned")
    replaced = json.loads(bench.cached().read_text())["choices"]
    bench.cache = bench.path / "small.net" / "cache"
    unwritten = bench.netc("--tune", "-o", bench.path / "tuned")
    bench.cache = bench.path / "cache"
    gpu = bench.netc("--tune", "--target", "cuda")
    return [("brackets without end end it", abs(nested.returncode), 0.5),
            ("damage ends it", abs(damaged.returncode), 0.5), ("damage is not named", int("holds no timed schedules" not in damaged.stderr), 0.5),
            ("not replaced", int(not replaced), 0.5), ("no place for the cache ends it", abs(unwritten.returncode), 0.5),
            ("no place for the cache is not named", int("cannot keep the timed schedules" not in unwritten.stderr), 0.5),
            ("--tune with a GPU", int(gpu.returncode != 1 or "--tune times kernels for the CPU" not in gpu.stderr), 0.5)]


def check_interruption(bench):
    """What was timed before Ctrl-C is kept, and not timed again."""
    folder = bench.cache
    process = bench.start_many("interrupted")
    process.send_signal(signal.SIGINT)
    code = process.wait()
    kept = json.loads(bench.cached().read_text())["choices"]
    again = bench.netc("--tune", "--mode", "infer", "-o", bench.path / "many", file=bench.many)
    left = json.loads(bench.cached().read_text())["choices"]
    bench.cache = folder
    return [("exit code of success", int(code == 0), 0.5), ("all was timed before the first was kept", int(len(kept) >= len(left)), 0.5),
            ("the next run fails", abs(again.returncode), 0.5), ("choices that were timed again", int(left[:len(kept)] != kept), 0.5)]


def check_side_by_side(bench):
    """Two netc with one cache: neither loses what the other has timed."""
    folder = bench.cache
    process = bench.start_many("shared")
    process.send_signal(signal.SIGSTOP)
    other = bench.netc("--tune", "--mode", "infer", "-o", bench.path / "other")
    process.send_signal(signal.SIGCONT)
    code = process.wait()
    left = json.loads(bench.cached().read_text())["choices"]
    bench.cache = folder
    others = [choice for choice in left if "ih = 14" in choice or "ih = 7" in choice]
    return [("exit codes", abs(code) + abs(other.returncode), 0.5), ("choices of the other that are lost", 3 - len(others), 0.5)]


def main():
    report = Report("tune")
    bench = Bench()
    for name, function in (("choice", check_choice), ("results", check_results), ("strange choices", check_strange_choices),
                           ("interruption", check_interruption), ("side by side", check_side_by_side), ("damage", check_damage)):
        report.case(name, function, bench)
    report.close()


if __name__ == "__main__":
    main()
