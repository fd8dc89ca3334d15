#!/usr/bin/python3
"""Latency of netc-lsp: from a keystroke to its diagnostics, and of a hover; the most memory that the server held.

    bench/language_server.py [--file models/resnet.net] [--keystrokes 300]

Each keystroke inserts or deletes a character inside of a model; the time runs until the messages about that version are published.
The file is the whole of models/resnet.net: nine models up to ResNet-152, all of which are elaborated. Goals: diagnostics 50 ms at the
95th percentile, hover 20 ms, 150 MiB.
"""
import argparse
import pathlib
import random
import re
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "test" / "harness"))
from compiled import NETC
from language_server import LanguageServer, OpenText


def percentile(times, share):
    return sorted(times)[min(len(times) - 1, int(share * len(times)))] * 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=pathlib.Path, default=ROOT / "models" / "resnet.net")
    parser.add_argument("--keystrokes", type=int, default=300)
    options = parser.parse_args()
    server = LanguageServer([pathlib.Path(NETC).parent / "netc-lsp"])
    start = time.perf_counter()
    text = OpenText(server, options.file.resolve(), options.file.read_text())
    text.messages()
    print(f"first diagnostics {1e3 * (time.perf_counter() - start):.1f} ms")
    draw = random.Random(1)
    places = [match.start() for match in re.finditer(r"\w", text.text) if match.start() > text.text.index("block")]
    typed, hovered = [], []
    for _ in range(options.keystrokes // 2):
        at = draw.choice(places)
        for begin, end, fresh in ((at, at, "a"), (at, at + 1, "")):
            start = time.perf_counter()
            text.edit(begin, end, fresh)
            text.messages()
            typed.append(time.perf_counter() - start)
        start = time.perf_counter()
        text.ask("hover", at)
        hovered.append(time.perf_counter() - start)
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    peak = int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024
    for name, times in (("diagnostics", typed), ("hover", hovered)):
        print(f"{name:12} median {percentile(times, 0.5):6.1f} ms, 95th percentile {percentile(times, 0.95):6.1f} ms")
    print(f"memory       {peak:.0f} MiB")
    server.close()


if __name__ == "__main__":
    main()
