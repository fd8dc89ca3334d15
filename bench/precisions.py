#!/usr/bin/python3
"""netc's bf16 and int8 beside its f32 on the same machine, in turns: time and peak memory.

    bench/precisions.py                          # ResNet-50 and MobileNetV2 inference, steps
    bench/precisions.py --rounds 9 --threads 2 --only train

Medians over the rounds, of each round's median. With --cpu native on a machine with AVX512_BF16,
convolutions multiply bf16; elsewhere bf16 is what activations are stored as. int8 has rows of its
own: its speed does not depend on scales, which stay as they are drawn.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

import machine

ROOT = pathlib.Path(__file__).resolve().parents[1]
# title: file, model, batch, words of bench; "int8" in a title: the other precision
ROWS = {
    "ResNet-50 int8 infer, batch 1": ("resnet.net", "resnet50", 1, []),
    "ResNet-50 int8 infer, batch 16": ("resnet.net", "resnet50", 16, []),
    "MobileNetV2 int8 infer, batch 1": ("mobilenet_v2.net", "mobilenet_v2", 1, []),
    "ResNet-50 infer, batch 16": ("resnet.net", "resnet50", 16, []),
    "ResNet-50 train, batch 8": ("resnet.net", "resnet50", 8, ["--train"]),
    "ResNet-20 train, batch 128": ("resnet_cifar.net", "resnet20", 128, ["--train"]),
}


def call(*words):
    done = subprocess.run([str(word) for word in words], check=True, stdout=subprocess.PIPE)
    return done.stdout.decode()


def measure(options, executables, batch, words):
    """By precision: median ms, and bytes at the peak."""
    found = {precision: [] for precision in executables}
    for _ in range(options.rounds):
        for precision in executables:
            text = call(executables[precision], "bench", "--batch", batch, "--threads",
                        options.threads, "--iterations", options.iterations, "--json", *words)
            found[precision].append(json.loads(text))
    return {precision: (statistics.median(run["ms_median"] for run in runs),
                        max(run["peak_rss_bytes"] for run in runs))
            for precision, runs in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--netc", type=pathlib.Path, default=ROOT / "build/bin/netc")
    parser.add_argument("--cpu", default="native")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--only", default="", help="rows whose title holds this")
    options = parser.parse_args()
    print(f"{machine.sentence(machine.describe())}; {options.threads} threads, --cpu {options.cpu}\n")
    print("| | f32 ms | bf16 or int8 ms | times as fast | peak memory of f32's |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="netc-precisions-") as folder:
        for title, (file, model, batch, words) in ROWS.items():
            if options.only not in title:
                continue
            executables = {}
            for precision in ("f32", "int8" if "int8" in title else "bf16"):
                mode = "both" if words else "infer"
                path = pathlib.Path(folder) / f"{model}_{precision}_{mode}"
                if not path.exists():
                    call(options.netc, ROOT / "models" / file, "--model", model, "--cpu",
                         options.cpu, "--precision", precision, "--mode", mode, "-o", path)
                executables[precision] = path
            found = measure(options, executables, batch, words)
            (slow, most), (fast, less) = found.values()
            print(f"| {title} | {slow:.1f} | {fast:.1f} | {slow / fast:.2f} | {less / most:.2f} |",
                  flush=True)


if __name__ == "__main__":
    main()
