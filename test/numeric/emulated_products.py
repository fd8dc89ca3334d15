#!/usr/bin/python3
"""Products by AMX (tdpbf16ps, tdpbusd) and AVX-VNNI (vpdpbusd), emulated where this machine lacks them: bytes to the bit, bf16 as in
bf16_products.py. Shapes have tiles of few rows and of few bytes, reductions that are no whole number of tiles, pieces, strides and groups.
"""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import emulation
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
    for seed, case in enumerate(BYTES):
        report.case(f"amx_bytes_{seed}", check_bytes, emulator, "x86-64-v4+amx", ("ldtilecfg", "tdpbusd", "tilerelease"), *case, seed)
        if seed < 2:  # an emulated instruction for 32 products takes its time
            report.case(f"avxvnni_bytes_{seed}", check_bytes, emulator, "x86-64-v3+vnni", ("vpdpbusd",), *case, seed)
    for seed, case in enumerate(BF16):
        report.case(f"amx_bf16_{seed}", check_bf16, emulator, *case, seed)
    report.close()


if __name__ == "__main__":
    main()
