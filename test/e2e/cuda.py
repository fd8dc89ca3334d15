#!/usr/bin/python3
"""The command line of executables for a GPU: on the simulator everything works as on the CPU and gives its weights; without
a driver they say so."""
import ctypes
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import safetensors
from compiled import MODELS, NETC, Compiled, call
from report import Report, Unsupported

# Every optimizer program: AdamW, clipping by the norm, accumulation, a moving average, soft targets, dropout.
RECIPE = """net 1
model tiny(classes=10) {
  input image: [3, 12, 12]
  x = image | conv(12, k=3, pad=1) | bn | relu | maxpool(k=2) | conv(20, k=3, pad=1) | bn | relu
  return x | avgpool(global) | flatten | dropout(0.2) | linear(classes)
}
train tiny {
  augment hflip, mixup(0.2)
  loss cross_entropy(label_smoothing=0.1)
  optimizer adamw(lr=0.003, weight_decay=0.01)
  clip_norm 1.0
  accumulate 2
  ema 0.9
  batch 6
  epochs 2
}
"""

# The other optimizers on the same network, gradients of frozen parameters left out of the norm.
SGD = "sgd(lr=0.05, momentum=0.9, weight_decay=1e-3, nesterov)"
OPTIMIZERS = {
    "nesterov": (SGD, ["--clip-norm", "0.5", "--freeze", "conv1.*", "--accumulate", "3"]),
    "adam": ("adam(lr=0.003, weight_decay=0.01)", []),
    "lars": ("lars(lr=0.5, momentum=0.9, weight_decay=1e-3)", []),
}


def compiled(source, target, *options):
    options = ["--target", target, *options]
    return Compiled.from_text(source, options=options) if isinstance(source, str) else Compiled(source, options=options)


def trained(executable, *arguments, seed="1"):
    out = executable.path / "run"
    os.environ["NETC_SIM_SEED"] = seed
    call([executable.executable, "train", "--data", "synthetic:40", "--val", "synthetic:12", "--out", out, *arguments])
    return out


def furthest(one, other):
    a, b = (safetensors.load(folder / "model.safetensors") for folder in (one, other))
    return max(float(numpy.linalg.norm(a[key] - b[key]) / max(numpy.linalg.norm(b[key]), 1e-6)) for key in b)


def same_as_cpu(source, *arguments):
    """Two epochs, the last batch of each ragged."""
    cpu, sim = compiled(source, "cpu"), compiled(source, "sim")
    runs = [trained(executable, *arguments) for executable in (cpu, sim)]
    claims = [("weights", furthest(runs[1], runs[0]), 1e-4)]
    said = [call([executable.executable, "eval", "--data", "synthetic:20", "--weights", runs[0]]) for executable in (cpu, sim)]
    claims.append((f"eval says {said[1]!r}, the CPU {said[0]!r}", float(said[0] != said[1]), 0.5))
    return claims


def optimizer_as_on_cpu(name):
    text, arguments = OPTIMIZERS[name]
    source = re.sub("optimizer .*", "optimizer " + text, RECIPE).replace("  clip_norm 1.0\n", "").replace("  accumulate 2\n", "")
    return same_as_cpu(source, *arguments)


def leaner():
    """Less of the GPU's memory, the same bits; or what is missing."""
    sizes = ["--set", "depths=[2]", "--set", "width=16", "--set", "classes=10", "--set", "image=[3, 32, 32]"]
    executable = compiled(MODELS / "resnet.net", "sim", "--model", "deep_resnet", *sizes)

    def train(name, *budget):
        out = executable.path / name
        code, said = fails(executable.executable, "train", "--data", "synthetic:8", "--val", "synthetic:4", "--batch", "8", "--epochs", "1",
                           "--out", str(out), *budget)
        weights = out / "model.safetensors"
        return code, said, weights.read_bytes() if weights.exists() else b""

    code, said, wanted = train("free")
    claims = [(f"exit code {code}: {said}", code, 0.5)]
    code, said, _ = train("none", "--memory", "1MiB")
    claims.append(("exit code of a hopeless budget, off 1", abs(code - 1), 0.5))
    least = re.search(r"takes (\d+) bytes", said).group(1)
    code, said, found = train("lean", "--memory", least)
    return claims + [(f"exit code {code}: {said}", code, 0.5), ("no word of computing again", float("computed again" not in said), 0.5),
                     ("weights differ", float(found != wanted), 0.5)]


# fault: (what stands in the PTX, the same length in its place, what the simulator must find)
PLANTED = {
    "barriers": (rb"bar\.sync( *\t*)0;", lambda m: b" " * len(m.group()), ["race in shared memory", "cp.async not waited for"]),
    "waits": (rb"cp\.async\.wait_group( *\t*)\d;", lambda m: b" " * len(m.group()), ["cp.async not waited for"]),
    "stores": (rb"st\.shared\.v4\.b32( *\t*)\[[^;]*;", lambda m: b" " * len(m.group()), ["read of unwritten shared memory"]),
    "alignment": (rb"mul\.wide\.u32( *\t*%rd\d+, %r\d+), 4;", lambda m: b"mul.wide.u32" + m.group(1) + b", 6;", ["misaligned access"]),
    "bounds": (rb"mul\.wide\.u32( *\t*%rd\d+, %r\d+), 4;", lambda m: b"mul.wide.u32" + m.group(1) + b", 8;", ["out of bounds"]),
}
PLANTED_IN = """net 1
model planted() {
  input image: [4, 16, 16]
  x = image | conv(32, k=3, pad=1)
            | bn | relu
            | conv(40, k=3, pad=1)
  return x | maxpool(k=2) | avgpool(global) | flatten | linear(10)
}
"""


# The same in PTX for sm_90a.
PLANTED_IN_HOPPER = """net 1
model planted() {
  input image: [4, 17, 17]
  x = image | conv(72, k=1)
            | conv(136, k=1)
  return x | maxpool(k=2) | avgpool(global) | flatten | linear(10)
}
"""
HOPPER = {
    "wgmma_fence": (rb"wgmma\.fence\.sync\.aligned;", lambda m: b" " * len(m.group()), ["wgmma.fence missing"]),
    "wgmma_wait": (rb"wgmma\.wait_group\.sync\.aligned 0;", lambda m: b" " * len(m.group()), ["wgmma not waited for"]),
    "mbarrier_wait": (rb"@!p bra WAIT;", lambda m: b" " * len(m.group()), ["race", "cp.async not waited for", "mbarrier", "unwritten"]),
    "mbarrier_init": (rb"fence\.mbarrier_init\.release\.cluster;", lambda m: b" " * len(m.group()), ["race on an mbarrier"]),
    "bytes": (rb"32768;", lambda m: b"32752;", ["mbarrier deadlock"]),
}


def planted_in_hopper():
    """Faults in one executable's wgmma kernels, one after the other."""
    executable = compiled(PLANTED_IN_HOPPER, "sim", "--precision", "bf16", "--chip", "sm_90a")
    words = ("bench", "--train", "--batch", "2", "--iterations", "1")
    done = subprocess.run([str(executable.executable), *words], capture_output=True, text=True, env={**os.environ, "NETC_SIM_CHIP": "90"})
    claims = [(f"exit code {done.returncode}: {done.stderr}", done.returncode, 0.5),
              (f"does not say what it runs: {done.stdout}", float("kernels of sm_90a" not in done.stdout), 0.5)]
    program = executable.executable.read_bytes()
    for name, (pattern, replacement, wanted) in HOPPER.items():
        changed, count = re.subn(pattern, replacement, program)
        executable.executable.write_bytes(changed)
        code, said = fails(executable.executable, *words, NETC_SIM_CHIP="90")
        claims += [(f"{name}: {count} places changed", float(count == 0), 0.5), (f"{name}: exit code {code}", abs(code - 1), 0.5),
                   (f"{name}: says {said!r}", float(not any(kind in said for kind in wanted)), 0.5)]
    return claims


def planted(name):
    """A fault in the PTX that netc made is found and named down to the line of the model file."""
    pattern, replacement, wanted = PLANTED[name]
    executable = compiled(PLANTED_IN, "sim")
    code, said = fails(executable.executable, "bench", "--train", "--batch", "2", "--iterations", "1")
    if code:
        raise AssertionError("the kernels are at fault already: " + said)
    program, count = re.subn(pattern, replacement, executable.executable.read_bytes())
    executable.executable.write_bytes(program)
    code, said = fails(executable.executable, "bench", "--train", "--batch", "2", "--iterations", "1")
    place = re.search(r"in kernel (k\d+_\w+), block \(\d+, 0, 0\), thread \(\d+, 0, 0\)\n.*at PTX line \d+: .*\n.*from \S+\.net:(\d+)", said)
    claims = [(f"{count} places changed", float(count == 0), 0.5), (f"exit code {code}", abs(code - 1), 0.5),
              (f"says {said!r}", float(not any(kind in said for kind in wanted)), 0.5), (f"no place in {said!r}", float(not place), 0.5)]
    if place:
        line = PLANTED_IN.splitlines()[int(place.group(2)) - 1]
        claims.append((f"line {line!r}", float(not re.search("conv|bn|pool|linear", line)), 0.5))
    return claims


def resumed():
    """An epoch, then one more: the same bits as two at once, in another order of warps."""
    whole, parts = compiled(RECIPE, "sim"), compiled(RECIPE, "sim")
    one = trained(whole, "--epochs", "2")
    trained(parts, "--epochs", "1")
    two = trained(parts, "--epochs", "2", "--resume", seed="5")
    different = (one / "model.safetensors").read_bytes() != (two / "model.safetensors").read_bytes()
    return [("weights differ", float(different), 0.5)]


def fails(executable, *arguments, **environment):
    done = subprocess.run([str(executable), *arguments], capture_output=True, text=True, env={**os.environ, **environment})
    return done.returncode, done.stderr


def no_driver():
    try:
        ctypes.CDLL("libcuda.so.1")
        raise Unsupported("this machine has an NVIDIA driver")
    except OSError:
        pass
    executable = compiled(MODELS / "lenet.net", "cuda")
    info = executable.info()
    code, said = fails(executable.executable, "train", "--data", "synthetic:8")
    return [("target is not cuda", float(info["target"] != "cuda"), 0.5), (f"exit code {code}", abs(code - 1), 0.5),
            (f"says {said!r}", float("no NVIDIA driver" not in said or "--target cpu" not in said), 0.5)]


def limits():
    """Too old a chip, and a batch that does not fit."""
    executable = compiled(MODELS / "lenet.net", "sim")
    code, said = fails(executable.executable, "bench", "--batch", "1", NETC_SIM_CHIP="75")
    claims = [(f"old chip: exit code {code}", abs(code - 1), 0.5), (f"old chip: says {said!r}", float("too old" not in said or "--chip sm_75" not in said), 0.5)]
    code, said = fails(executable.executable, "bench", "--batch", "1000000")
    claims += [(f"memory: exit code {code}", abs(code - 1), 0.5),
               (f"memory: says {said!r}", float("batch 1000000 needs" not in said or "largest batch" not in said), 0.5)]
    return claims


def main():
    report = Report("cuda")
    report.case("lenet_as_on_cpu", same_as_cpu, MODELS / "lenet.net", "--batch", "16", "--epochs", "2")
    report.case("optimizers_as_on_cpu", same_as_cpu, RECIPE)
    for name in OPTIMIZERS:
        report.case(f"optimizers_as_on_cpu/{name}", optimizer_as_on_cpu, name)
    report.case("leaner", leaner)
    for name in PLANTED:
        report.case(f"planted/{name}", planted, name)
    report.case("planted/hopper", planted_in_hopper)
    report.case("resume", resumed)
    report.case("no_driver", no_driver)
    report.case("limits", limits)
    report.close()


if __name__ == "__main__":
    main()
