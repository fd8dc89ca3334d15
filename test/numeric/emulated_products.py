#!/usr/bin/python3
"""Products by AMX (tdpbf16ps, tdpbusd) and AVX-VNNI (vpdpbusd), emulated where this machine lacks them: bytes to the bit, bf16 as in
bf16_products.py. Shapes have tiles of few rows and of few bytes, reductions that are no whole number of tiles, pieces, strides and groups.
"""
import pathlib
import subprocess
import sys

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import emulation
from agreement import difference
from compiled import THREADS, Compiled
from report import Report, Unsupported

try:
    import torch
    import bf16_products
    import int8
except ImportError as missing:
    torch = None
    WHY = f"python3-torch is needed: {missing}"

# Height, width, input channels, the convolution.
BYTES = [(5, 7, 70, {"c": 34, "k": 3, "stride": 2, "pad": 1}), (3, 19, 3, {"c": 20, "k": [1, 7], "pad": [0, 3]}), (2, 21, 138, {"c": 50, "k": [3, 1], "pad": [1, 0]}),
         (6, 35, 30, {"c": 60, "k": 3, "pad": 1, "groups": 3}), (9, 9, 272, {"c": 17, "k": 3, "dilation": 2})]
BF16 = [(5, 7, 34, {"c": 34, "k": 3, "stride": 2, "pad": 1}), (2, 20, 70, {"c": 18, "k": [3, 1], "pad": [1, 0]}), (4, 18, 3, {"c": 40, "k": [1, 5], "pad": [0, 2]}),
        (3, 5, 280, {"c": 33, "k": 3, "pad": 1}), (5, 6, 30, {"c": 24, "k": 3, "pad": 1, "groups": 3})]


def check_bytes(emulator, level, product, height, width, inputs, arguments, seed):
    text, given, image, wanted = int8.model_of(inputs, arguments, height, width, seed)
    model = emulated(emulator, level)(text, options=["--precision", "int8", "--mode", "infer"])
    found = model.run(given, {"input": image}, threads=1)["output"]
    claims = model.executed(*product)
    again = model.run_again({"input": image}, threads=3)["output"]
    return [*claims, ("outputs that differ", int((found != wanted[True]).sum()), 0.5), ("bits at 3 threads", int((found != again).sum()), 0.5)]


def emulated(emulator, level):
    if not emulation.supports(level):
        raise Unsupported(f"this CPU lacks what {level} needs beside what is emulated")
    return lambda text, options: emulation.Emulated.from_text(text, emulator=emulator, level=level, options=options)


def check_bf16(emulator, height, width, inputs, arguments, seed):
    models = []

    def compiled(text, options):
        models.append(emulated(emulator, "x86-64-v4+amx")(text, options))
        return models[0]
    claims = bf16_products.check(inputs, arguments, height, width, seed, ["--precision", "bf16"], compiled)
    return claims + models[0].executed("ldtilecfg", "tdpbf16ps", "tilerelease")


NETWORK = """net 1
model test(classes=4) {
  input image: [5, 9, 11]
  x = image | a: conv(40, k=3, pad=1) | b: bn | r: relu
  y = x | c: conv(40, k=3, pad=1) | g: bn
  return x + y | s: relu | d: conv(72, k=1, bias=true) | t: relu | e: conv(24, k=3, stride=2, bias=true) | flatten | f: linear(classes)
}
train test { loss cross_entropy }
"""


def check_network(emulator, precision):
    """Epilogues: skip-adds, batch norm's sums, gradients by residue. Bytes are those of vectors, to the bit; a step in bf16 rounds sums of another order."""
    options = ["--precision", precision] + (["--mode", "infer"] if precision == "int8" else [])
    model = emulated(emulator, "x86-64-v4+amx")(NETWORK, options)
    vectors = Compiled.from_text(NETWORK, options=[*options, "--cpu", "x86-64-v4+vnni" if precision == "int8" else "x86-64-v4+bf16"])
    random = numpy.random.default_rng(1)
    shapes = {"a.weight": (40, 5, 3, 3), "c.weight": (40, 40, 3, 3), "d.weight": (72, 40, 1, 1), "d.bias": (72,), "e.weight": (24, 72, 3, 3),
              "e.bias": (24,), "f.weight": (4, 24 * 4 * 5), "f.bias": (4,)}
    weights = {name: 0.2 * random.standard_normal(shape, numpy.float32) for name, shape in shapes.items()}
    for norm in "bg":
        weights |= {f"{norm}.{name}": numpy.full(40, value, numpy.float32)
                    for name, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1))}
    weights |= {f"{name}.activation_scale": numpy.array([0.02], numpy.float32) for name in ("image", "r", "s", "t", "e")}
    given, train = {"input": random.standard_normal((3, 5, 9, 11), numpy.float32), "labels": numpy.arange(3)}, precision == "bf16"
    if not train:
        del given["labels"]
    wanted, found = vectors.run(weights, given, train=train), model.run(weights, given, train=train)
    bound = 1e-3 if train else 1e-12
    return [(name, difference(found[name], value), bound) for name, value in wanted.items() if numpy.linalg.norm(value)]


def check_choice():
    """Where the CPU lacks AMX, no instruction of it is executed: the level below runs, and the level by itself is refused with a sentence."""
    if emulation.FLAGS["amx-tile"] in emulation.cpu.flags():
        raise Unsupported("this CPU has AMX")
    text = "net 1\nmodel test(classes=3) {\n  input image: [4, 5, 5]\n  return image | conv(20, k=3) | relu | flatten | linear(classes)\n}\n"
    both = Compiled.from_text(text, options=["--precision", "bf16", "--mode", "infer", "--cpu", "x86-64-v2,x86-64-v4+amx"])
    alone = Compiled.from_text(text, options=["--precision", "bf16", "--mode", "infer", "--cpu", "x86-64-v4+amx"])
    words = ["bench", "--batch", "1", "--iterations", "1"]
    done = subprocess.run([both.executable, *words], capture_output=True, text=True)
    refused = subprocess.run([alone.executable, *words], capture_output=True, text=True)
    return [(f"exit code where another level is there: {done.stderr}", abs(done.returncode), 0.5),
            (f"refusal: {refused.returncode} {refused.stderr.strip()}", int(refused.returncode != 1 or "amx-tile" not in refused.stderr), 0.5)]


def main():
    report = Report("emulated_products")
    if not torch:
        report.line("UNSUPPORTED", "all", WHY)
        report.close()
    torch.set_num_threads(THREADS)
    emulator = emulation.Emulator()
    report.case("choice", check_choice)
    for precision in ("int8", "bf16"):
        report.case(f"amx_network_{precision}", check_network, emulator, precision)
    for seed, case in enumerate(BYTES):
        report.case(f"amx_bytes_{seed}", check_bytes, emulator, "x86-64-v4+amx", ("ldtilecfg", "tdpbusd", "tilerelease"), *case, seed)
        if seed < 2:  # an emulated instruction for 32 products takes its time
            report.case(f"avxvnni_bytes_{seed}", check_bytes, emulator, "x86-64-v3+vnni", ("vpdpbusd",), *case, seed)
    for seed, case in enumerate(BF16):
        report.case(f"amx_bf16_{seed}", check_bf16, emulator, *case, seed)
    report.close()


if __name__ == "__main__":
    main()
