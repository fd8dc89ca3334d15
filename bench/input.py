#!/usr/bin/python3
"""Does decoding JPEGs hold the training step back? resnet18 at 224 x 224 from a folder of JPEGs that this script makes.

Three measurements on the same threads: the step alone (`bench --train`), decoding and augmentation alone (`bench --data`),
and training from the folder. Training should cost no more than the first two together (the cores are shared, so that is
the least it can cost) and 5% of the step. Needs Pillow and numpy.

    bench/input.py --netc build/bin/netc [--images 192] [--batch 32] [--docs docs/figures]
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy
from PIL import Image

import machine

ROOT = pathlib.Path(__file__).resolve().parents[1]


def make_images(folder, count, classes=4):
    """Photograph-like JPEGs, 500 x 375 as ImageNet's: smooth structure, edges, sensor noise; quality 90."""
    random = numpy.random.default_rng(0)
    for index in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=numpy.uint8)).resize((500, 375), Image.BICUBIC)
        edges = Image.fromarray(random.integers(0, 2, (47, 63, 1), dtype=numpy.uint8).repeat(3, 2) * 60).resize((500, 375), Image.NEAREST)
        pixels = numpy.asarray(coarse, numpy.float32) * 0.7 + numpy.asarray(edges, numpy.float32) + random.normal(0, 6, (375, 500, 3))
        path = folder / f"class{index % classes}" / f"{index:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(numpy.uint8)).save(path, quality=90)
    return sum(path.stat().st_size for path in folder.rglob("*.jpg")) / count


def call(*words):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--netc", type=pathlib.Path, default=ROOT / "build" / "bin" / "netc")
    parser.add_argument("--images", type=int, default=192)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=machine.describe()["cores"])
    parser.add_argument("--work", type=pathlib.Path, help="folder for images and the executable; kept and used again")
    parser.add_argument("--docs", type=pathlib.Path, help="folder to write input.md to")
    arguments = parser.parse_args()
    here = machine.describe()
    with tempfile.TemporaryDirectory(prefix="input-") as temporary:
        work = arguments.work or pathlib.Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        images, model = work / f"images{arguments.images}", work / "resnet18"
        if not images.exists():
            make_images(images / "train", arguments.images)
            make_images(images / "val", 4)  # next to nothing: validation is not measured
        if not model.exists():
            call(arguments.netc, ROOT / "models" / "resnet.net", "--model", "resnet18", "--set", "classes=4", "-o", model)
        common = ["--batch", arguments.batch, "--threads", arguments.threads]
        data = f"imagefolder:{images}"
        def measure_step():
            return 1e3 / json.loads(call(model, "bench", "--train", *common, "--iterations", 4, "--json"))["images_per_s"]

        # Before and after: other work on the machine would else look like a gain or a loss.
        steps = [measure_step()]
        decode = json.loads(call(model, "bench", "--data", data, *common, "--json"))
        call(model, "train", "--data", data, *common, "--epochs", 2, "--lr", 0, "--workers", arguments.threads, "--out", work / "run")
        steps.append(measure_step())  # the second epoch counts: the first one meets fresh memory, as the warm-up of `bench` does
        epoch = json.loads((work / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    alone = min(steps)  # ms per image
    decoding = 1e3 / decode["images_per_s"]
    together = 1e3 / epoch["images_per_s"]
    over = (together - decoding - alone) / alone
    lines = ["| | ms per image |", "|---|---|",
             f"| training step alone (`bench --train`; before and after: {steps[0]:.2f}, {steps[1]:.2f}) | {alone:.2f} |",
             f"| decoding and augmentation alone (`bench --data`) | {decoding:.2f} |",
             f"| training from the folder | {together:.2f} |",
             f"| more than the sum of both | {together - decoding - alone:+.2f} ({over:+.1%} of the step) |"]
    print("\n".join(lines))
    if arguments.docs:
        (arguments.docs / "input.md").write_text(f"""# Input beside the training step

`bench/input.py`: resnet18 at 224 x 224, batch {arguments.batch}, from {arguments.images} JPEGs of 500 x 375 (the recipe of `models/resnet.net`:
random resized crop, flip, PCA jitter), on {arguments.threads} threads of a {machine.sentence(here)}. The same cores run the step
and decode, so training takes at least the sum of both; the goal is at most 5% of the step more.

""" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
