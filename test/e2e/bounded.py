#!/usr/bin/python3
"""Compiling takes bounded time and memory, training step and all, whatever the window, the stride, the width and the channels are.

What large windows compute is tested by numeric/kernels.py.
"""
import pathlib
import resource
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from compiled import NETC, Failed, call_measured
from report import Report

SECONDS, BYTES = 60, 1 << 30  # of processor time; resident
LAYERS = {  # name: (image, layers)
    "window_999": ("[1, 28, 28]", "conv(8, k=999, pad=500)"),
    "window_1999": ("[1, 2000, 2000]", "conv(8, k=1999)"),
    "window_63": ("[1, 300, 300]", "conv(8, k=63, pad=31)"),
    "row_2048": ("[3, 8, 2048]", "conv(2, k=3, pad=1)"),
    "row_65536": ("[5, 8, 65536]", "conv(4, k=[1, 3], pad=same)"),
    "inner_window": ("[3, 90, 90]", "conv(17, k=3) | conv(8, k=65, pad=30)"),
    "stride": ("[3, 256, 256]", "conv(8, k=3, pad=1) | conv(8, k=64, stride=64)"),
    "window_over_stride": ("[3, 200, 200]", "conv(8, k=3, pad=1) | conv(8, k=90, stride=40, pad=20)"),
    "depthwise": ("[64, 100, 100]", "conv(64, k=63, pad=31, groups=64)"),
    "groups": ("[64, 60, 60]", "conv(64, k=31, pad=15, groups=4)"),
    "dilation": ("[3, 200, 200]", "conv(8, k=3) | conv(8, k=15, dilation=9)"),
    "channels": ("[4096, 4, 4]", "conv(16384, k=3, pad=1)"),
    "pools": ("[8, 300, 300]", "conv(8, k=3, pad=1) | maxpool(k=99, stride=3) | avgpool(k=50, stride=17)"),
    "response_norm": ("[512, 20, 20]", "conv(512, k=1) | lrn(size=255)"),
    "pool_of_row": ("[3, 16, 8192]", "conv(8, k=3, pad=1) | maxpool(2)"),
}


def limit():
    """A compiler that goes far beyond ends before the machine does."""
    resource.setrlimit(resource.RLIMIT_AS, (6 * BYTES, 6 * BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS + 10, SECONDS + 10))


def compiled(image, layers, options):
    """Claims on seconds and MiB of one compilation."""
    with tempfile.TemporaryDirectory(prefix="netc-bounded-") as folder:
        path = pathlib.Path(folder)
        (path / "m.net").write_text(f"net 1\nmodel m(classes=3) {{\n  input image: {image}\n"
                                    f"  return image | {layers} | avgpool(global) | flatten | fc: linear(classes)\n}}\n")
        done = call_measured([NETC, path / "m.net", "--no-kernel-cache", *options], cwd=path, preexec_fn=limit)
    if done.code != 0:
        raise Failed(f"{layers}: exit code {done.code}\n{(done.out + done.log)[-2000:]}")
    return [("seconds", done.seconds, SECONDS), ("MiB", done.peak / 2**20, BYTES >> 20)]


def main():
    report = Report("bounded")
    cases = [(f"{name}_{target}", image, layers, options) for name, (image, layers) in LAYERS.items()
             for target, options in (("cpu", ["-o", "model"]), ("gpu", ["--target", "sim", "--emit", "ptx", "-o", "m.ptx"]))]
    for name, *arguments in report.share(cases):
        report.case(name, compiled, *arguments)
    report.close()


if __name__ == "__main__":
    main()
