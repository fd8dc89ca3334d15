#!/usr/bin/python3
"""Fine-tuning: resnet20 learns five classes of Fashion-MNIST, then the other five from a few images.

Splits Fashion-MNIST by class into two tasks (T-shirt, Trouser, Pullover, Dress, Coat; Sandal, Shirt, Sneaker, Bag, Ankle
boot), pre-trains on the first, then trains on the second at equal steps, images and recipe: from scratch, and from
the pre-trained weights with the trunk frozen (only the last layer learns). Draws docs/figures/fine-tuning.svg, with the numbers in
docs/figures/fine-tuning.md.

    bench/fine_tune.py --netc build/bin/netc [--pretrain 30000] [--images 50] [--epochs 10] [--seeds 3]
    bench/fine_tune.py --from-imagenet [--keep DIR]

The second form trains MobileNetV2 on 1,000 images of Fashion-MNIST at 96x96, from scratch and from ImageNet's weights (see
bench/pretrained.py), at equal steps, and writes docs/figures/fine-tuning-imagenet.md and .svg.
"""
import argparse
import gzip
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import chart
import pretrained

ROOT = pathlib.Path(__file__).resolve().parents[1]
SOURCE = pathlib.Path("/usr/share/datasets/fashion-mnist")
NAMES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
TRUNK = ["conv1.*", "bn1.*", "layer*"]


def split(folder, classes):
    """The images of some classes, renumbered from 0, as IDX files."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "t10k"):
        with gzip.open(SOURCE / f"{part}-images-idx3-ubyte.gz") as file:
            images = file.read()[16:]
        with gzip.open(SOURCE / f"{part}-labels-idx1-ubyte.gz") as file:
            labels = file.read()[8:]
        chosen = [index for index, label in enumerate(labels) if label in classes]
        pixels = b"".join(images[784 * index:784 * (index + 1)] for index in chosen)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, len(chosen), 28, 28) + pixels)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, len(chosen)) + bytes(classes.index(labels[i]) for i in chosen))


def run(*words):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}: exit code {done.returncode}")
    return done.stdout


def train(executable, data, out, *more):
    """Test accuracy in percent after each epoch, with its step."""
    run(executable, "train", "--data", f"fashion-mnist:{data}", "--out", out, *more)
    epochs = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [(epoch["step"], 100 * epoch["val_top1"]) for epoch in epochs]


def from_imagenet(options):
    """MobileNetV2 with all layers learning, its head drawn anew."""
    epochs, images, seen, rate = 6, 1000, 2000, 0.01
    with tempfile.TemporaryDirectory(prefix="fine-tune-") as name:
        work = pathlib.Path(name)
        kept = (options.keep or work).resolve()
        kept.mkdir(parents=True, exist_ok=True)
        weights = pretrained.weights_of("mobilenet_v2", pretrained.NETWORKS["mobilenet_v2"][1], kept)
        executable = work / "mobilenet_v2"
        run(options.netc, ROOT / "models/mobilenet_v2.net", "--model", "mobilenet_v2", "--set", "image=[3,96,96]", "--set", "classes=10",
            "-o", executable)
        scratch, tuned = [], []
        for seed in range(options.seeds):
            same = ["--limit", images, "--val-limit", seen, "--epochs", epochs, "--batch", 32, "--lr", rate, "--seed", seed,
                    "--threads", options.threads]
            scratch.append(train(executable, SOURCE, work / f"scratch{seed}", *same))
            tuned.append(train(executable, SOURCE, work / f"tuned{seed}", *same, "--weights", weights))
            print(f"seed {seed}: from scratch {scratch[-1][-1][1]:.2f}%, from ImageNet's weights {tuned[-1][-1][1]:.2f}%", flush=True)
    lines = {"from ImageNet's weights": mean(tuned), "from scratch": mean(scratch)}
    steps = [step for step, _ in lines["from scratch"]]
    chart.line_chart(options.docs / "fine-tuning-imagenet.svg", f"{images:,} images of Fashion-MNIST", "steps", "test accuracy, %", lines, [0, *steps])
    rows = "\n".join(f"| {name} | " + " | ".join(f"{accuracy:.1f}" for _, accuracy in curve) +
                     f" | {min(run[-1][1] for run in runs):.1f} to {max(run[-1][1] for run in runs):.1f} |"
                     for (name, curve), runs in zip(lines.items(), (tuned, scratch)))
    ahead = lines["from ImageNet's weights"][-1][1] - lines["from scratch"][-1][1]
    (options.docs / "fine-tuning-imagenet.md").write_text(f"""# Fine-tuning ImageNet's weights

`bench/fine_tune.py --from-imagenet`: MobileNetV2 (`models/mobilenet_v2.net`, `--set image=[3,96,96]`) learns the ten classes of Fashion-MNIST from
{images:,} images, scaled from 28x28: from scratch, and from torchvision's ImageNet weights (`train --weights mobilenet_v2.safetensors`; the head of
1,000 classes does not fit and starts anew). Both use the same images, steps, order and the zoo's recipe with batch 32 and rate {rate}.
At the end fine-tuning is **{ahead:.0f} points ahead**.

![test accuracy against steps](fine-tuning-imagenet.svg)

Accuracy in percent on {seen:,} test images, mean of {options.seeds} seeds; the last column is their range.

| | {" | ".join(f"step {step}" for step in steps)} | range at the end |
|---|{"---|" * (len(steps) + 1)}
{rows}
""")


def mean(lines):
    return [(points[0][0], sum(value for _, value in points) / len(points)) for points in zip(*lines)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--netc", type=pathlib.Path, default=ROOT / "build/bin/netc")
    parser.add_argument("--pretrain", type=int, default=30000, help="images of the first task")
    parser.add_argument("--pretrain-epochs", type=int, default=4)
    parser.add_argument("--images", type=int, default=50, help="training images of the second task")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=25)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--docs", type=pathlib.Path, default=ROOT / "docs" / "figures")
    parser.add_argument("--from-imagenet", action="store_true", help="MobileNetV2 from ImageNet's weights instead")
    parser.add_argument("--keep", type=pathlib.Path, help="with --from-imagenet: the folder of the downloaded weights, used again by the next run")
    options = parser.parse_args()
    if options.from_imagenet:
        return from_imagenet(options)
    with tempfile.TemporaryDirectory(prefix="fine-tune-") as name:
        work = pathlib.Path(name)
        first, second = list(range(5)), list(range(5, 10))
        split(work / "first", first)
        split(work / "second", second)
        executable = work / "resnet20"
        run(options.netc, ROOT / "models/resnet_cifar.net", "--model", "resnet20", "--set", "image=[1,28,28]", "--set", "classes=5", "-o", executable)
        threads = ["--threads", options.threads]
        before = train(executable, work / "first", work / "pretrained", "--limit", options.pretrain, "--epochs", options.pretrain_epochs, "--batch", 64, *threads)
        print(f"first task: {before[-1][1]:.2f}%", flush=True)
        scratch, tuned = [], []
        for seed in range(options.seeds):
            same = ["--limit", options.images, "--epochs", options.epochs, "--batch", options.batch, "--seed", seed, *threads]
            scratch.append(train(executable, work / "second", work / f"scratch{seed}", *same))
            frozen = [word for pattern in TRUNK for word in ("--freeze", pattern)]
            # The head of the first task means nothing here: it starts anew.
            tuned.append(train(executable, work / "second", work / f"tuned{seed}", *same, "--weights", without_head(work), *frozen))
            print(f"seed {seed}: from scratch {scratch[-1][-1][1]:.2f}%, fine-tuned {tuned[-1][-1][1]:.2f}%", flush=True)
    lines = {"frozen trunk": mean(tuned), "from scratch": mean(scratch)}
    steps = lines["from scratch"][-1][0]
    chart.line_chart(options.docs / "fine-tuning.svg", "Five new classes of Fashion-MNIST", "steps", "test accuracy, %", lines,
                     [round(steps * i / 5) for i in range(6)])
    rows = "\n".join(f"| {name} | " + " | ".join(f"{curve[at][1]:.1f}" for at in (0, len(curve) // 2 - 1, -1)) +
                     f" | {min(run[-1][1] for run in runs):.1f} to {max(run[-1][1] for run in runs):.1f} |"
                     for (name, curve), runs in zip(lines.items(), (tuned, scratch)))
    middle = lines["from scratch"][options.epochs // 2 - 1][0]
    (options.docs / "fine-tuning.md").write_text(f"""# Fine-tuning

`bench/fine_tune.py`: resnet20 (`models/resnet_cifar.net`) learns five classes of Fashion-MNIST ({', '.join(NAMES[:5])}) from
{options.pretrain:,} images in {options.pretrain_epochs} epochs ({before[-1][1]:.1f}% of the test images of these classes), then the other five
({', '.join(NAMES[5:])}) from {options.images} images: from scratch, and from those weights with the trunk frozen
(`--weights … --freeze 'conv1.*' --freeze 'bn1.*' --freeze 'layer*'`: only the new head is trained). Both use the same steps, images, batch ({options.batch}),
order and recipe.

![test accuracy against steps](fine-tuning.svg)

Test accuracy in percent on the 5,000 images of the new classes, mean of {options.seeds} seeds; the last column is their range.

| | step {lines['from scratch'][0][0]} | step {middle} | step {steps} | range at the end |
|---|---|---|---|---|
{rows}
""")


def without_head(work):
    """The pre-trained weights without `fc`, as a file of their own."""
    target = work / "trunk.safetensors"
    if not target.exists():
        data = (work / "pretrained" / "model.safetensors").read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8:8 + length])
        kept, body = {}, b""
        for name, entry in header.items():
            if name != "__metadata__" and not name.startswith("fc."):
                begin, end = entry["data_offsets"]
                kept[name] = {**entry, "data_offsets": [len(body), len(body) + end - begin]}
                body += data[8 + length + begin:8 + length + end]
        text = json.dumps(kept).encode()
        target.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return target


if __name__ == "__main__":
    main()
