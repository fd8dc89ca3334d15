#!/usr/bin/python3
"""A training step, or inference, of netc beside PyTorch on the same machine in the same run.

Rounds alternate between the contestants, so that a drifting clock or a neighbour meets all of them; a contestant's
figure is the median over its rounds. PyTorch runs eager, in its own order of dimensions and channels_last.

    bench/train_step.py                                 # CIFAR ResNet-20, batch 128, training step
    bench/train_step.py --model resnet18                # ResNet-18 at 224x224, batch 8
    bench/train_step.py --model resnet18 --infer --batch 1
    bench/train_step.py --rounds 9 --json figures.json

A training step is forward, loss, backward and the SGD update with momentum. Needs python3-torch, and
libopenblas0-pthread: with Debian's default BLAS PyTorch is several times slower, which would prove nothing.
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
# name: file, default batch, input size, classes, multiply-adds' worth is netc's to tell
MODELS = {"resnet20": ("resnet_cifar.net", 128, 32, 10), "resnet18": ("resnet.net", 8, 224, 1000),
          "resnet50": ("resnet.net", 4, 224, 1000)}


def torch_resnet20():
    """ResNet-20 with option-A shortcuts, as models/resnet_cifar.net has it: 269,722 parameters."""
    from torch import nn
    from torch.nn import functional

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
            self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
            self.stride, self.more = stride, outputs - inputs

        def forward(self, x):
            y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)), inplace=True)))
            if self.more:
                x = functional.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, 0, self.more))
            return functional.relu(y + x, inplace=True)

    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
    channels = 16
    for outputs in (16, 32, 64):
        for i in range(3):
            layers.append(Block(channels, outputs, 2 if i == 0 and outputs > 16 else 1))
            channels = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def torch_round(options, channels_last):
    """A function that runs one step or inference of PyTorch."""
    import torch
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    if options.model == "resnet20":
        model = torch_resnet20()
    else:
        import torchvision
        model = getattr(torchvision.models, options.model)()
    _, _, size, classes = MODELS[options.model]
    x, labels = torch.randn(options.batch, 3, size, size), torch.randint(0, classes, (options.batch,))
    if channels_last:
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    if options.infer:
        model.eval()

        def infer():
            with torch.no_grad():
                model(x)
        return infer
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    loss_of = torch.nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss_of(model(x), labels).backward()
        optimizer.step()
    return step


def time_torch(step, iterations):
    times = []
    for _ in range(iterations):
        start = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def time_netc(options, executable):
    words = [executable, "bench", "--batch", options.batch, "--threads", options.threads, "--iterations", options.iterations, "--json"]
    words += [] if options.infer else ["--train"]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr.strip())
    return json.loads(done.stdout)


def measure(options, executable):
    """Medians over the rounds, in ms; the first round warms up and does not count."""
    contestants = {"PyTorch eager": torch_round(options, False), "PyTorch channels_last": torch_round(options, True)}
    rounds = {name: [] for name in ["netc", *contestants]}
    gflops = []
    for number in range(options.rounds + 1):
        figures = time_netc(options, executable)
        found = {"netc": figures["ms_median"]}
        for name, step in contestants.items():
            found[name] = time_torch(step, options.iterations)
        if number == 0:
            continue
        gflops.append(figures["gflops_per_s"])
        for name, ms in found.items():
            rounds[name].append(ms)
    return rounds, statistics.median(gflops)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--netc", type=pathlib.Path, default=ROOT / "build/bin/netc")
    parser.add_argument("--model", choices=MODELS, default="resnet20")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--infer", action="store_true", help="inference instead of a training step")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=5, help="steps a round and contestant")
    parser.add_argument("--json", type=pathlib.Path, help="write the figures here too")
    options = parser.parse_args()
    file, batch, size, _ = MODELS[options.model]
    options.batch = options.batch or batch
    try:
        import torch
    except ImportError:
        sys.exit("PyTorch is missing: apt-get install python3-torch python3-torchvision libopenblas0-pthread")
    about = machine.describe()
    with tempfile.TemporaryDirectory(prefix="train-step-") as folder:
        executable = pathlib.Path(folder) / options.model
        subprocess.run([options.netc, ROOT / "models" / file, "--model", options.model, "-o", executable], check=True)
        rounds, gflops = measure(options, executable)

    ours = statistics.median(rounds["netc"])
    what = "inference" if options.infer else "training step"
    print(f"{options.model} {size}x{size}, batch {options.batch}, {what}, {options.threads} threads, PyTorch {torch.__version__}; "
          f"{machine.sentence(about)}; median of {options.rounds} rounds of {options.iterations}\n")
    print("| | ms | images/s | time against netc |\n|---|---|---|---|")
    result = {"model": options.model, "size": size, "batch": options.batch, "what": what, "threads": options.threads,
              "machine": about, "torch": torch.__version__, "netc_gflops_per_s": gflops, "ms": {}}
    for name, values in rounds.items():
        ms = statistics.median(values)
        result["ms"][name] = {"median": ms, "rounds": values}
        print(f"| {name} | {ms:.1f} | {1e3 * options.batch / ms:.0f} | {ms / ours:.2f}x |")
    best = min(statistics.median(values) for name, values in rounds.items() if name != "netc")
    result["netc_over_eager"] = ours / statistics.median(rounds["PyTorch eager"])
    result["netc_over_best_torch"] = ours / best
    print(f"\nnetc takes {result['netc_over_eager']:.2f} times eager PyTorch's time and {result['netc_over_best_torch']:.2f} times "
          f"the better PyTorch's; {gflops:.1f} GFLOP/s")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
