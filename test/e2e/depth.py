#!/usr/bin/python3
"""Very deep networks train, in the memory that `info --json` promises.

resnet1202 and preact1001: twenty steps on one fixed batch of 16 real images. The last five losses must lie below
the first five, and the peak of resident memory within 10% of the promise. Needs dataset-fashion-mnist.

The recipe has no augmentation, so that the batch is fixed and its loss comparable from step to step. Twenty steps are
the very beginning of a warm-up: resnet1202 diverges before it converges at the 0.01 that its paper ends the warm-up
with, so it gets a tenth. An epoch of 16 images is one step. A second network, `tiny`,
trained by the same command, tells what a process costs besides the model (executable, data set, loader).
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEPS, BATCH, THREADS = 20, 16, 2
CASES = {"resnet1202": ("resnet_cifar.net", 0.001), "preact1001": ("preact.net", 0.01)}  # file, learning rate

RECIPE = """
train {names} {{
  normalize(auto)
  loss       cross_entropy
  optimizer  sgd(lr={rate}, momentum=0.9, weight_decay=1e-4)
  batch      {batch}
  epochs     {steps}
}}
"""
TINY = """
model tiny(classes=10) {
  input image: [3, 32, 32]
  return image | conv(8, k=3, pad=1) | bn | relu | avgpool(global) | flatten | linear(classes)
}
"""


class Failed(Exception):
    pass


def call(words):
    """Runs a command; (its standard output, its peak of resident bytes)."""
    read, write = os.pipe()
    log = tempfile.TemporaryFile()
    process = subprocess.Popen([str(word) for word in words], stdout=write, stderr=log)
    os.close(write)
    with open(read) as stream:
        text = stream.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        log.seek(0)
        raise Failed(f"{' '.join(map(str, words))}: exit code {process.returncode}\n{log.read().decode()}")
    return text, 1024 * used.ru_maxrss


def without_recipes(text):
    return re.sub(r"^train [^{]*\{.*?^\}\n", "", text, flags=re.S | re.M)


def compile_models(options, folder, file, rate, model):
    source = folder / file
    text = without_recipes((ROOT / "models" / file).read_text())
    source.write_text(text + TINY + RECIPE.format(names=f"{model}, tiny", batch=BATCH, steps=STEPS, rate=rate))
    for name in (model, "tiny"):
        call([options.netc, source, "--model", name, "-o", folder / name])


def train(folder, model):
    out = folder / f"{model}-run"
    _, peak = call([folder / model, "train", "--data", "fashion-mnist", "--val", f"synthetic:{BATCH}", "--limit", BATCH,
                    "--threads", THREADS, "--out", out])
    return [json.loads(line)["train_loss"] for line in (out / "metrics.jsonl").read_text().splitlines()], peak


def promised(info):
    """Bytes for one batch: the arena; weights, gradients, momentum and packed weights, each of all parameters."""
    return info["arena_bytes_per_image"] * BATCH + info["arena_bytes_fixed"] + 4 * 4 * info["parameters"]


def check(options, model, file, rate):
    with tempfile.TemporaryDirectory(prefix="depth-") as name:
        folder = pathlib.Path(name)
        compile_models(options, folder, file, rate, model)
        info, tiny = (json.loads(call([folder / m, "info", "--json"])[0]) for m in (model, "tiny"))
        losses, peak = train(folder, model)
        _, base = train(folder, "tiny")
    yield (f"{model}-trains", max(losses[-5:]) < min(losses[:5]) and len(losses) == STEPS,
           f"first losses {' '.join(f'{v:.3f}' for v in losses[:5])}, last {' '.join(f'{v:.3f}' for v in losses[-5:])}")
    measured, promise = peak - base, promised(info) - promised(tiny)
    yield (f"{model}-memory", abs(measured - promise) <= 0.1 * promise,
           f"{measured / 2**20:.0f} MiB measured, {promise / 2**20:.0f} MiB promised "
           f"({100 * measured / promise - 100:+.1f}%), without {base / 2**20:.0f} MiB of the process itself")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--netc", type=pathlib.Path, default=pathlib.Path(os.environ.get("NETC", ROOT / "build/bin/netc")))
    parser.add_argument("models", nargs="*", default=list(CASES))
    options = parser.parse_args()
    passed = failed = 0
    if not pathlib.Path("/usr/share/datasets/fashion-mnist").exists():
        for model in options.models:
            print(f"UNSUPPORTED depth/{model}: dataset-fashion-mnist is not installed")
        options.models = []
    for model in options.models:
        try:
            results = list(check(options, model, *CASES[model]))
        except Failed as error:
            results = [(model, False, str(error))]
        for name, good, detail in results:
            print(f"{'PASS' if good else 'FAIL'} depth/{name}: {detail}", flush=True)
            passed, failed = passed + good, failed + (not good)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
