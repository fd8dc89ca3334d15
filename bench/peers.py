#!/usr/bin/python3
"""netc beside what users would take instead: PyTorch, ONNX Runtime, OpenVINO and IREE.

    bench/peers.py --setup                                   # Python environments from PyPI, one a peer, some GB
    bench/peers.py --model resnet50 --batch 1
    bench/peers.py --model resnet18 --batch 8 --train --markdown table.md --json table.json
    bench/peers.py --table --markdown table.md                # all of docs/figures/performance.md's rows: an hour
    bench/peers.py --precision int8 --model resnet50          # or bf16: each contestant in its best setting of that precision

All run on the same threads with the same weights and input, and inference in f32 must give the same logits. In other precisions the table
has the share of 32 drawn images on which the top-1 is that of f32, and the largest error of a logit; int8 is calibrated on the same pictures with other grain. Each peer is a warm process in
an environment of its own; rounds alternate between the contestants, so that a drifting clock or a neighbour meets all of
them. A contestant's figures are the median and the least over the rounds' medians. A peer that cannot be had is named.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import machine

ROOT = pathlib.Path(__file__).resolve().parents[1]
ENVIRONMENTS = {"torch": [["torch", "numpy", "onnx", "onnxscript", "pillow"], ["--no-deps", "torchvision"]],
                "onnxruntime": [["onnxruntime", "numpy", "onnx"]], "openvino": [["openvino", "numpy", "nncf"]],
                "iree": [["iree-base-compiler[onnx]", "iree-base-runtime", "numpy"]]}
INFERENCE = {"f32": [("torch", "eager"), ("torch", "eager channels_last"), ("torch", "compile"), ("torch", "compile channels_last"),
                     ("torch", "frozen"), ("torch", "script"), ("onnxruntime", ""), ("openvino", ""), ("iree", "")],
             "bf16": [("torch", "bf16 eager channels_last"), ("torch", "bf16 compile channels_last"), ("torch", "bf16 frozen"),
                      ("torch", "bf16 frozen channels_last"), ("openvino", "bf16")],
             "int8": [("onnxruntime", "int8"), ("openvino", "int8"), ("openvino", "int8, the rest bf16")]}
TRAINING = {"f32": [("torch", "eager"), ("torch", "eager channels_last"), ("torch", "compile"), ("torch", "compile channels_last")],
            "bf16": [("torch", "bf16 eager"), ("torch", "bf16 eager channels_last"), ("torch", "bf16 compile"),
                     ("torch", "bf16 compile channels_last")]}
FILES = {"resnet18": "resnet.net", "resnet50": "resnet.net", "vgg16": "vgg.net", "alexnet": "alexnet.net", "resnet20": "resnet_cifar.net", "mobilenet_v2": "mobilenet_v2.net",
         "vit_b_16": "vit.net", "convnext_tiny": "convnext.net", "swin_t": "swin.net", "fcn_resnet50": "fcn.net"}
SIZES = {"fcn_resnet50": ["--set", "image=[3,256,256]"]}
AGREE = 1e-3  # of logits, by the largest
# Model, batch, training.
TABLE = [("resnet50", 1, False), ("resnet50", 16, False), ("resnet18", 1, False), ("resnet18", 16, False), ("vgg16", 1, False),
         ("vgg16", 8, False), ("alexnet", 1, False), ("alexnet", 16, False), ("resnet20", 128, True), ("resnet18", 8, True),
         ("resnet50", 8, True), ("resnet50", 16, True), ("vit_b_16", 1, False), ("convnext_tiny", 1, False), ("swin_t", 1, False),
         ("fcn_resnet50", 1, False), ("vit_b_16", 4, True), ("convnext_tiny", 4, True), ("swin_t", 4, True), ("fcn_resnet50", 2, True)]


def set_up(folder):
    for name, steps in ENVIRONMENTS.items():
        python = folder / name / "bin/python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", folder / name], check=True)
        for packages in steps:
            done = subprocess.run([python, "-m", "pip", "install", "--no-cache-dir", "--quiet", *packages])
            print(f"{name}: {'ready' if done.returncode == 0 else 'could not be installed'}", flush=True)


def load_tensors(path):
    """Read here, not above: --setup makes environments with a Python that may lack numpy."""
    harness = str(ROOT / "test/harness")
    if harness not in sys.path:
        sys.path.insert(0, harness)
    import safetensors
    return safetensors.load(path)


class Unavailable(Exception):
    pass


class Peer:
    """A warm process; its errors end in FOLDER/NAME.log."""
    agreement = None

    def __init__(self, options, folder, name, setting):
        python = options.environments / name / "bin/python"
        if not python.exists():
            raise Unavailable(f"no environment {options.environments / name}: bench/peers.py --setup")
        self.log = folder / f"{name} {setting}.log"
        command = [python, ROOT / "bench/peer.py", name, setting, options.model, folder, "--batch", options.batch, "--threads", options.threads]
        environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
        self.process = subprocess.Popen([str(word) for word in command + (["--train"] if options.train else [])], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=open(self.log, "w"), text=True, env=environment)
        self.version = self.read()["version"]

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.kill()
            last = self.log.read_text().strip().splitlines()[-1:] or ["it ended without a word"]
            raise Unavailable(last[0])
        return json.loads(line)

    def ask(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return self.read()

    def logits(self, given, path):
        self.ask(f"logits {given} {path}")
        return load_tensors(path)["output"]

    def round(self, iterations):
        return statistics.median(self.ask(f"run {iterations}")["ms"])

    def close(self):
        self.peak = self.ask("quit")["peak_rss_bytes"]
        self.process.wait()


class Netc:
    version, agreement = "", None

    def __init__(self, options, folder):
        self.options, self.folder, self.peak = options, folder, 0
        self.executable = folder / "netc-model"
        command = [options.netc, ROOT / "models" / FILES[options.model], "--model", options.model, "-o", self.executable,
                   "--precision", options.precision, *SIZES.get(options.model, [])]
        subprocess.run(command + ([] if options.train else ["--mode", "infer"]), check=True)
        self.weights = folder / "weights.safetensors"
        if options.precision == "int8":
            self.weights = folder / "int8.safetensors"
            self.call("calibrate", "--data", f"imagefolder:{folder / 'images'}", "--weights", folder / "weights.safetensors", "--out", self.weights)

    def call(self, *words):
        done = subprocess.run([str(word) for word in (self.executable, *words)], capture_output=True, text=True)
        if done.returncode != 0:
            raise Unavailable(done.stderr.strip())
        return done.stdout

    def logits(self, given, path):
        self.call("run", "--weights", self.weights, "--in", given, "--out", path, "--threads", self.options.threads)
        return load_tensors(path)["output"]

    def round(self, iterations):
        options = self.options
        # PyTorch's ResNet-20 is this project's own and names its layers otherwise; a step's time does not depend on weights.
        weights = [] if options.model == "resnet20" else ["--weights", self.weights]
        found = json.loads(self.call("bench", "--json", *weights, "--batch", options.batch, "--threads", options.threads, "--iterations",
                                     iterations, *(["--train"] if options.train else [])))
        self.peak = max(self.peak, found["peak_rss_bytes"])
        self.gflops, self.layers = found["gflops_per_s"], found["layers"]
        return found["ms_median"]

    def roofline_ms(self, peaks):
        """The least time if each launch took what its multiply-adds (of a direct algorithm) or its operands' bytes, each read or written
        once from memory, take at the machine's peaks, whichever is more."""
        return sum(max(row["gflops_per_s"] * row["ms"] / peaks["gflops"], row["operand_bytes"] / peaks["gb_per_s"] / 1e6) for row in self.layers)

    def close(self):
        pass


def open_contestants(options, folder):
    """(name, contestant) of those that can be had, and why the others cannot."""
    found, missing = [("netc", Netc(options, folder))], {}
    for name, setting in (TRAINING if options.train else INFERENCE)[options.precision]:
        title = f"{name} {setting}".strip()
        if options.peers and not any(word in title for word in options.peers):
            continue
        try:
            found.append((title, Peer(options, folder, name, setting)))
        except Unavailable as why:
            missing[title] = str(why)
    if options.train:
        return found, missing
    given = folder / ("input.safetensors" if options.precision == "f32" else "images.safetensors")
    wanted = load_tensors(given)["logits"]
    for title, contestant in list(found):
        logits = contestant.logits(given, folder / "output.safetensors")
        error = float(abs(logits - wanted).max() / abs(wanted).max())
        contestant.agreement = {"top1": float((logits.argmax(1) == wanted.argmax(1)).mean()), "error": error}
        if options.precision == "f32" and not error <= AGREE:
            found.remove((title, contestant))
            missing[title] = f"its logits differ by {error:.1e} of the largest"
    return found, missing


def measure(options, contestants):
    rounds = {title: [] for title, _ in contestants}
    for number in range(options.rounds + 1):
        for title, contestant in contestants:
            ms = contestant.round(options.iterations)
            if number:  # the first round warms up
                rounds[title].append(ms)
    return rounds


def report(options, about, contestants, missing, rounds):
    ours = statistics.median(rounds["netc"])
    what = "training step" if options.train else "inference"
    lines = [f"{options.model}, batch {options.batch}, {what}, {options.precision}, {options.threads} threads; {machine.sentence(about)}; "
             f"{options.rounds} interleaved rounds of {options.iterations}", "",
             "| | median ms | least ms | time against netc | peak memory, MiB |", "|---|---|---|---|---|"]
    shows_agreement = options.precision != "f32" and not options.train
    if shows_agreement:
        lines[-2:] = [lines[-2] + " top-1 as f32 | largest error |", lines[-1] + "---|---|"]
    result = {"model": options.model, "precision": options.precision, "batch": options.batch, "what": what, "threads": options.threads, "machine": about,
              "rounds": options.rounds, "iterations": options.iterations, "contestants": {}, "missing": missing}
    for title, contestant in contestants:
        values = rounds[title]
        median = statistics.median(values)
        lines.append(f"| {title} {contestant.version} | {median:.2f} | {min(values):.2f} | {median / ours:.2f}x | {contestant.peak / 2**20:.0f} |")
        if shows_agreement:
            lines[-1] += f" {100 * contestant.agreement['top1']:.0f}% | {contestant.agreement['error']:.3f} |"
        result["contestants"][title] = {"agreement": contestant.agreement, "version": contestant.version, "median_ms": median, "min_ms": min(values), "rounds_ms": values,
                                        "ratio": median / ours, "peak_rss_bytes": contestant.peak}
    netc = dict(contestants)["netc"]
    result["netc_gflops_per_s"] = netc.gflops
    if options.peaks and options.precision == "f32":
        least = netc.roofline_ms(options.peaks)
        result.update(peaks=options.peaks, roofline_ms=least, of_roofline=least / ours)
        lines += ["", f"netc reaches {100 * least / ours:.0f}% of the roofline, {least:.2f} ms at {options.peaks['gflops']:.0f} GFLOP/s and "
                  f"{options.peaks['gb_per_s']:.1f} GB/s, each launch by itself (Winograd's multiply less, caches spare bytes: more than 100% is possible)."]
    if options.peaks and options.peaks.get(options.precision):
        peak = options.peaks[options.precision]
        lines += ["", f"netc computes {netc.gflops:.0f} GFLOP/s of a direct algorithm's, {100 * netc.gflops / peak:.0f}% of the {peak:.0f} that the machine has in "
                  f"{options.precision} products."]
        result.update(peaks=options.peaks, of_peak=netc.gflops / peak)
    lines += ["", *(f"Not to be had: {title}: {why}" for title, why in missing.items())]
    return "\n".join(lines).strip() + "\n", result


def compare(options):
    """One model, batch and program: all contestants in one interleaved run."""
    about = machine.describe()
    with tempfile.TemporaryDirectory(prefix="peers-") as name:
        folder = pathlib.Path(name)
        python = options.environments / "torch/bin/python"
        if not python.exists():
            sys.exit(f"{python} is missing: weights are drawn with PyTorch; bench/peers.py --setup")
        drawn = subprocess.run([str(word) for word in (python, ROOT / "bench/peer.py", "draw", "-", options.model, folder, "--batch", options.batch,
                                                       "--precision", options.precision)] + (["--train"] if options.train else []), stderr=subprocess.PIPE, text=True)
        if drawn.returncode != 0:
            sys.exit(f"the weights could not be drawn: {drawn.stderr.strip().splitlines()[-1]}")
        contestants, missing = open_contestants(options, folder)
        rounds = measure(options, contestants)
        for _, contestant in contestants:
            contestant.close()
        return report(options, about, contestants, missing, rounds)


def summary(results):
    """A row a case: netc, the best of PyTorch's settings and the best of the others."""
    def best(result, is_torch):
        found = [(values["median_ms"], title, values) for title, values in result["contestants"].items()
                 if title != "netc" and title.startswith("torch") == is_torch]
        return f"{min(found)[0]:.1f}, {min(found)[1].removeprefix('torch ')}: {min(found)[2]['ratio']:.2f}x" if found else "–"
    lines = ["| | netc, ms | of the roofline | PyTorch's best setting | best of the others | peak memory, MiB: netc, PyTorch |",
             "|---|---|---|---|---|---|"]
    for result in results:
        mine = result["contestants"]["netc"]
        torch = min((v["peak_rss_bytes"] for t, v in result["contestants"].items() if t.startswith("torch")), default=0)
        share = f"{100 * result['of_roofline']:.0f}%" if "of_roofline" in result else "–"
        lines.append(f"| {result['model']}, batch {result['batch']}, {result['what']} | {mine['median_ms']:.1f} | {share} | {best(result, True)} | "
                     f"{best(result, False)} | {mine['peak_rss_bytes'] / 2**20:.0f}, {torch / 2**20:.0f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setup", action="store_true", help="make the environments and end")
    parser.add_argument("--environments", type=pathlib.Path, default=ROOT / "build/peers", help="folder of the Python environments")
    parser.add_argument("--netc", type=pathlib.Path, default=ROOT / "build/bin/netc")
    parser.add_argument("--model", choices=FILES, default="resnet50")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--precision", choices=INFERENCE, default="f32")
    parser.add_argument("--table", action="store_true", help="all rows of docs/figures/performance.md in turn; --model, --batch and --train do not count")
    parser.add_argument("--peers", nargs="*", help="only those whose title holds one of these words")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--markdown", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    if options.setup:
        return set_up(options.environments)
    if options.precision == "int8" and options.train:
        parser.error("--precision int8 is for inference")
    if options.precision != "f32" and not options.train and options.model in ("resnet20", "fcn_resnet50"):
        parser.error(f"--precision {options.precision} draws images for classifiers at 224x224")
    cases = TABLE if options.table else [(options.model, options.batch, options.train)]
    options.peaks = machine.peaks(options.threads)
    texts, results = [], []
    for options.model, options.batch, options.train in cases:
        text, result = compare(options)
        print(text, flush=True)
        texts.append(text)
        results.append(result)
    if options.table:
        texts.insert(0, summary(results))
        print(texts[0])
    if options.markdown:
        options.markdown.write_text("\n".join(texts))
    if options.json:
        options.json.write_text(json.dumps(results if options.table else results[0], indent=2) + "\n")


if __name__ == "__main__":
    main()
