#!/usr/bin/python3
"""Single layers beside oneDNN and the machine's peak, in GFLOP/s.

    bench/layers.py                                   # ResNet-50's shapes, batch 1, one thread
    bench/layers.py --batch 16 --threads 2 --json layers.json

Each shape is a network of one convolution or linear layer with bias and ReLU, compiled by netc; `bench --per-layer` times that kernel
alone. oneDNN is asked through PyTorch's mkldnn_convolution on tensors and weights in oneDNN's own order (to_mkldnn, so that nothing is
reordered), bias within and ReLU in place. GFLOP/s count a direct algorithm's multiply-adds: Winograd's may pass the peak.
The peak is measured by independent fused multiply-adds in registers. Run it with the Python of the environment that bench/peers.py --setup
makes (build/peers/torch/bin/python) for a new oneDNN, or with Debian's python3-torch.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import machine

ROOT = pathlib.Path(__file__).resolve().parents[1]
# name: input channels, output channels, image side, kernel, stride; side 1 and kernel 1: a linear layer
SHAPES = {"stem 7x7/2 3-64@224": (3, 64, 224, 7, 2), "1x1 64-256@56": (64, 256, 56, 1, 1), "1x1 256-64@56": (256, 64, 56, 1, 1),
          "3x3 64-64@56": (64, 64, 56, 3, 1), "3x3/2 128-128@56": (128, 128, 56, 3, 2), "1x1/2 256-512@56": (256, 512, 56, 1, 2),
          "3x3 128-128@28": (128, 128, 28, 3, 1), "1x1 512-128@28": (512, 128, 28, 1, 1), "3x3 256-256@14": (256, 256, 14, 3, 1),
          "1x1 1024-256@14": (1024, 256, 14, 1, 1), "1x1/2 1024-2048@14": (1024, 2048, 14, 1, 2), "3x3 512-512@7": (512, 512, 7, 3, 1),
          "1x1 512-2048@7": (512, 2048, 7, 1, 1), "1x1 2048-512@7": (2048, 512, 7, 1, 1), "linear 4096-4096": (4096, 4096, 1, 1, 1)}


def sizes(shape):
    inputs, outputs, side, kernel, stride = shape
    out = (side + 2 * (kernel // 2) - kernel) // stride + 1
    return out, 2.0 * inputs * outputs * kernel * kernel * out * out


def compile_layer(options, folder, shape):
    inputs, outputs, side, kernel, stride = shape
    layer = f"layer: linear({outputs})" if side == 1 else f"layer: conv({outputs}, k={kernel}, stride={stride}, pad={kernel // 2}, bias=true)"
    flatten = "flatten | " if side == 1 else ""
    text = f"net 1\nmodel one() {{\n  input image: [{inputs}, {side}, {side}]\n  x = image | {flatten}{layer} | relu\n"
    text += "  return x\n}\n" if side == 1 else "  return x | avgpool(global) | flatten\n}\n"
    file, executable = folder / "one.net", folder / "one"
    file.write_text(text)
    subprocess.run([options.netc, file, "--mode", "infer", "-o", executable], check=True)
    return executable


def time_netc(options, executable):
    done = subprocess.run([str(w) for w in (executable, "bench", "--json", "--batch", options.batch, "--threads", options.threads,
                                            "--iterations", options.iterations)], check=True, capture_output=True, text=True)
    return max(row["ms"] for row in json.loads(done.stdout)["layers"] if row["name"] == "layer" and row["gflops_per_s"] > 0)


def onednn(options, shape):
    """A function that times one layer, in ms."""
    import torch
    from torch.utils import mkldnn
    torch.set_num_threads(options.threads)
    inputs, outputs, side, kernel, stride = shape
    if side == 1:
        layer, x = torch.nn.Linear(inputs, outputs), torch.randn(options.batch, inputs)
    else:
        layer, x = torch.nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2), torch.randn(options.batch, inputs, side, side)
    layer, x = mkldnn.to_mkldnn(layer.eval()), x.to_mkldnn()

    def run():
        times = []
        with torch.no_grad():
            for _ in range(options.iterations):
                start = time.perf_counter()
                torch.relu_(layer(x))
                times.append(1e3 * (time.perf_counter() - start))
        return statistics.median(times)
    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--netc", type=pathlib.Path, default=ROOT / "build/bin/netc")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--only", default="", help="shapes whose name holds this")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    try:
        import torch
    except ImportError:
        sys.exit("PyTorch is missing: bench/peers.py --setup, then build/peers/torch/bin/python bench/layers.py")
    about, rows = machine.describe(), {}
    with tempfile.TemporaryDirectory(prefix="layers-") as name:
        folder = pathlib.Path(name)
        peak = machine.peaks(options.threads)
        peak = peak and peak["gflops"]
        print(f"batch {options.batch}, {options.threads} threads; PyTorch {torch.__version__}'s oneDNN; {machine.sentence(about)}; "
              f"peak {f'{peak:.0f} GFLOP/s' if peak else 'not measured: no clang++'}\n")
        print("| layer | netc GFLOP/s | of the peak | oneDNN GFLOP/s | time against netc |\n|---|---|---|---|---|")
        for title, shape in SHAPES.items():
            if options.only not in title:
                continue
            executable, other = compile_layer(options, folder, shape), onednn(options, shape)
            other()
            ours, theirs = [], []
            for _ in range(options.rounds):
                ours.append(time_netc(options, executable))
                theirs.append(other())
            mine, his = statistics.median(ours), statistics.median(theirs)
            flops = sizes(shape)[1] * options.batch
            rate = flops / mine / 1e6
            rows[title] = {"netc_ms": mine, "onednn_ms": his, "netc_gflops": rate, "onednn_gflops": flops / his / 1e6, "ratio": his / mine}
            print(f"| {title} | {rate:.0f} | {f'{100 * rate / peak:.0f}%' if peak else '–'} | {flops / his / 1e6:.0f} | {his / mine:.2f}x |", flush=True)
    if options.json:
        options.json.write_text(json.dumps({"machine": about, "peak_gflops": peak, "batch": options.batch, "threads": options.threads,
                                            "torch": torch.__version__, "layers": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
