#!/usr/bin/python3
"""Training curves of netc and of PyTorch over seeds: do both learn equally well from the same start?

For each seed, netc draws the initial weights and PyTorch takes the same; then both train by one recipe on Fashion-MNIST (crops
after 4 pixels of zeros, flips, SGD with momentum 0.9 and weight decay 1e-4, the rate divided by 10 at half and at three
quarters), each in an order of its own. The loss and error of the last epoch are compared over the seeds by a rank test (Wilcoxon
1945, Mann and Whitney 1947). Both sides must compute the same logits from the initial weights, else the script stops. Runs are kept in
--work, so a stopped comparison goes on there. Needs numpy, PyTorch and torchvision (bench/peers.py --setup makes an environment).

    bench/curves.py --netc build/bin/netc [--models resnet20 resnet56 mobilenet_v2] [--seeds 20] [--limit 8000] [--epochs 5]
"""
import argparse
import gzip
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

import chart
import machine

ROOT = pathlib.Path(__file__).resolve().parents[1]
SOURCE = pathlib.Path("/usr/share/datasets/fashion-mnist")
FILES = {"resnet20": "resnet_cifar.net", "resnet56": "resnet_cifar.net", "mobilenet_v2": "mobilenet_v2.net"}
# A recipe stands beside its model: the zoo's own for ImageNet would not fit here.
TEXT = """net 1
import "{file}"
model test(classes=10) = {model}(classes)
train test {{
  augment   random_crop(pad=4), hflip
  normalize(auto)
  loss      cross_entropy
  optimizer sgd(lr={rate}, momentum=0.9, weight_decay=1e-4)
  schedule  step(at=[0.5, 0.75], factor=0.1)
  batch     {batch}
  epochs    {epochs}
}}
"""


def run(*words):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}: exit code {done.returncode}")
    return done.stdout


def compile_model(options, model):
    executable = options.work / model
    if not executable.exists():
        source = options.work / f"{model}.net"
        source.write_text(TEXT.format(file=ROOT / "models" / FILES[model], model=model, rate=options.rate, batch=options.batch,
                                      epochs=options.epochs))
        run(options.netc, source, "--model", "test", "--set", "image=[1,28,28]", "-o", executable)
    return executable


def train_netc(options, executable, seed, out, start):
    """[training loss, training error in percent] of each epoch."""
    run(executable, "train", "--data", "fashion-mnist", "--val", "synthetic:16", "--weights", start, "--seed", seed, "--threads", options.threads,
        "--limit", options.limit, "--out", out, "--resume")
    epochs = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [[epoch["train_loss"], 100 - 100 * epoch["train_top1"]] for epoch in epochs]


def initial_weights(options, executable, seed, out):
    """What netc draws for the seed, as a file that both sides load."""
    if not (out / "model.safetensors").exists():
        run(executable, "train", "--data", "fashion-mnist", "--val", "synthetic:16", "--epochs", 0, "--seed", seed, "--limit", options.limit,
            "--out", out)
    return out / "model.safetensors"


def images(limit):
    """The first images of the training set, as netc's --limit takes them, normalised by their own mean and deviation; pixels, labels, zero."""
    import numpy
    import torch
    with gzip.open(SOURCE / "train-images-idx3-ubyte.gz") as file:
        pixels = numpy.frombuffer(file.read()[16:], numpy.uint8).reshape(-1, 1, 28, 28)[:limit]
    with gzip.open(SOURCE / "train-labels-idx1-ubyte.gz") as file:
        labels = numpy.frombuffer(file.read()[8:], numpy.uint8)[:limit]
    scaled = torch.from_numpy(pixels.astype(numpy.float32) / 255)
    mean, std = scaled.mean(), scaled.std(unbiased=False)
    return (scaled - mean) / std, torch.from_numpy(labels.astype(numpy.int64)), float(-mean / std)


def torch_model(name, weights):
    sys.path.insert(0, str(ROOT / "test" / "numeric"))
    sys.path.insert(0, str(ROOT / "test" / "harness"))
    import safetensors
    import torch
    import torchvision
    from torch_models import CifarResNet
    if name == "mobilenet_v2":
        model = torchvision.models.mobilenet_v2(num_classes=10)
        model.features[0][0] = torch.nn.Conv2d(1, 32, 3, 2, 1, bias=False)
    else:
        model = CifarResNet((int(name.removeprefix("resnet")) - 2) // 6)
        model.conv1 = torch.nn.Conv2d(1, 16, 3, 1, 1, bias=False)
    model.load_state_dict({key: torch.from_numpy(value.copy()) for key, value in safetensors.load(weights).items()}, strict=False)
    return model


def require_twins(executable, model, weights, x, folder):
    import numpy
    import safetensors
    import torch
    safetensors.save(folder / "in.safetensors", {"input": x.numpy()})
    run(executable, "run", "--weights", weights, "--in", folder / "in.safetensors", "--out", folder / "out.safetensors")
    with torch.no_grad():
        wanted = model.eval()(x).numpy()
    found = safetensors.load(folder / "out.safetensors")["output"]
    error = float(numpy.abs(found - wanted).max() / numpy.abs(wanted).max())
    if not error < 1e-3:
        sys.exit(f"{executable}: logits differ from PyTorch's by {error:.2g} of the largest: the comparison would mean nothing")


def augmented(batch, zero, generator):
    """Random crops of the image with 4 pixels of zeros around it, and flips, image by image."""
    import torch
    padded = torch.nn.functional.pad(batch, (4, 4, 4, 4), value=zero)
    at = torch.randint(0, 9, (len(batch), 2), generator=generator).tolist()
    flips = torch.rand(len(batch), generator=generator) < 0.5
    crops = torch.stack([image[:, top:top + 28, left:left + 28] for image, (top, left) in zip(padded, at)])
    return torch.where(flips[:, None, None, None], crops.flip(3), crops)


def train_torch(options, model, data, seed):
    """As train_netc."""
    import torch
    x, labels, zero = data
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=options.rate, momentum=0.9, weight_decay=1e-4)
    per_epoch = -(-len(x) // options.batch)
    total, step, results = per_epoch * options.epochs, 0, []
    torch.manual_seed(seed)  # dropout of MobileNetV2
    model.train()
    for _ in range(options.epochs):
        loss_sum = wrong = 0
        for chosen in torch.randperm(len(x), generator=generator).split(options.batch):
            for group in optimizer.param_groups:
                group["lr"] = options.rate * 0.1 ** sum(step >= share * total for share in (0.5, 0.75))
            logits = model(augmented(x[chosen], zero, generator))
            loss = torch.nn.functional.cross_entropy(logits, labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += float(loss) * len(chosen)
            wrong += int((logits.argmax(1) != labels[chosen]).sum())
            step += 1
        results.append([loss_sum / len(x), 100 * wrong / len(x)])
    return results


def rank_test(a, b, draws=100000):
    """How often a random division of all values has rank sums as far apart, both sides: the p of the rank test, by permutation."""
    values = sorted(a + b)
    rank = {value: statistics.mean(i for i, other in enumerate(values) if other == value) for value in set(values)}
    ranks = [rank[value] for value in a + b]
    middle = len(a) * sum(ranks) / len(ranks)
    distance = abs(sum(ranks[:len(a)]) - middle)
    generator, count = random.Random(0), 0
    for _ in range(draws):
        count += abs(sum(generator.sample(ranks, len(a))) - middle) >= distance - 1e-9
    return (count + 1) / (draws + 1)


def compare(options, name):
    import torch
    torch.set_num_threads(options.threads)
    executable, data = compile_model(options, name), images(options.limit)
    runs = {"netc": [], "PyTorch": []}
    for seed in range(options.seeds):
        start = initial_weights(options, executable, seed, options.work / f"{name}-start{seed}")
        if seed == 0:
            require_twins(executable, torch_model(name, start), start, data[0][:16].contiguous(), options.work)
        runs["netc"].append(train_netc(options, executable, seed, options.work / f"{name}-run{seed}", start))
        kept = options.work / f"{name}-torch{seed}.json"
        if not kept.exists():
            kept.write_text(json.dumps(train_torch(options, torch_model(name, start), data, seed)))
        runs["PyTorch"].append(json.loads(kept.read_text()))
        print(f"{name}, seed {seed}: training error of the last epoch: netc {runs['netc'][-1][-1][1]:.2f} %, "
              f"PyTorch {runs['PyTorch'][-1][-1][1]:.2f} %", flush=True)
    return runs


def rows(name, runs):
    """The table's rows: median and range of both measures, and the test."""
    lines = []
    for measure, title in ((0, "loss"), (1, "error, %")):
        last = {side: [run[-1][measure] for run in curves] for side, curves in runs.items()}
        cells = [f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})" for values in last.values()]
        lines.append(f"| {name} | {title} | {' | '.join(cells)} | {rank_test(*last.values()):.2f} |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--netc", type=pathlib.Path, default=ROOT / "build/bin/netc")
    parser.add_argument("--models", nargs="+", choices=list(FILES), default=list(FILES))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--limit", type=int, default=8000, help="training images")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=pathlib.Path, help="folder of executables and runs, for one choice of options; a stopped comparison goes on there")
    parser.add_argument("--docs", type=pathlib.Path, help="folder to write curves.md and curves.svg to")
    options = parser.parse_args()
    temporary = tempfile.TemporaryDirectory(prefix="curves-")
    options.work = (options.work or pathlib.Path(temporary.name)).resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    results = {name: compare(options, name) for name in options.models}
    table = ["| network | of the last epoch | netc: median (range) | PyTorch: median (range) | p |", "|---|---|---|---|---|"]
    for name, runs in results.items():
        table += rows(name, runs)
    print("\n".join(table))
    if not options.docs:
        return
    middle = lambda curves, epoch: statistics.median(run[epoch][1] for run in curves)
    lines = {f"{name}, {side}": [(epoch + 1, middle(curves, epoch)) for epoch in range(options.epochs)]
             for name, runs in results.items() for side, curves in runs.items()}
    chart.line_chart(options.docs / "curves.svg", "Training error on Fashion-MNIST, median of the seeds", "epoch", "training error, %", lines,
                     list(range(1, options.epochs + 1)), dashed=[name for name in lines if name.endswith("PyTorch")])
    import torch
    (options.docs / "curves.md").write_text(f"""# Training curves beside PyTorch's

`bench/curves.py` with PyTorch {torch.__version__}: both start from the same weights for each of {options.seeds} seeds and train by one recipe on
{options.limit:,} images of Fashion-MNIST ({options.epochs} epochs, batch {options.batch}, rate {options.rate}); each has an order and crops of its own. Training loss and error
are means over the last epoch, on augmented images. p: how often a random division of the runs in two differs as much (rank test, both
sides). A p above 0.05 means that these runs prove no difference, not that there is none.

![median training error against epochs](curves.svg)

{chr(10).join(table)}

Machine: {machine.sentence(machine.describe())}.
""")


if __name__ == "__main__":
    main()
