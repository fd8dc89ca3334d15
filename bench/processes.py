#!/usr/bin/python3
"""ResNet-20, MobileNetV2 at 64 pixels and AlexNet in 8 shards: are the bytes those of one process for 1, 2, 4 and 8, and through kill -9?

    bench/processes.py --netc build/bin/netc [--models resnet20 mobilenet_v2 alexnet2012] [--points 20] [--seed 1] [--shard-state]

Each network is trained with LARS and with LAMB, augmentation, mixup, clipping, accumulation and a moving average (AlexNet has dropout): by one process without a
launcher, then by 1, 2, 4 and 8 processes of one and of two threads. Then a process is killed at random points, and another number of processes goes on. All files
of a run are compared, its checkpoints too, and the records without their times. Prints a line per run and ends with exit code 1 where one differs. AlexNet of 8
processes takes about 15 GB of memory.
"""
import argparse
import pathlib
import random
import re
import shutil
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "test" / "e2e"), str(ROOT / "test" / "harness"), str(ROOT / "bench")]
import compiled
import mpi
from kill_points import kill
from runs import files_of

# file, pixels, epochs, data: the last batch is ragged
NETWORKS = {"resnet20": ("resnet_cifar.net", 32, 6, ["--data", "synthetic:90", "--val", "synthetic:20"]),
            "mobilenet_v2": ("mobilenet_v2.net", 64, 4, ["--data", "synthetic:72", "--val", "synthetic:20"]),
            "alexnet2012": ("alexnet.net", 227, 2, ["--data", "synthetic:24", "--val", "synthetic:8"])}
OPTIMIZERS = ["lars(lr=0.5)", "lamb(lr=0.01)"]
SIZES = [1, 2, 4, 8]
RECIPE = """
train NAME {
  augment    random_crop(PIXELS, pad=4), hflip, mixup(0.4)
  optimizer  OPTIMIZER
  schedule   cosine, warmup(0.2)
  clip_norm  1.0
  accumulate 2
  ema        0.9
  shards     8
  batch      16
  epochs     EPOCHS
}
"""


class Network:
    def __init__(self, name, optimizer):
        file, pixels, self.epochs, self.data = NETWORKS[name]
        text = re.sub(r"(?ms)^train .*?^}\n", "", (ROOT / "models" / file).read_text())
        recipe = RECIPE.replace("NAME", name).replace("PIXELS", str(pixels)).replace("OPTIMIZER", optimizer).replace("EPOCHS", str(self.epochs))
        self.name = f"{name} with {optimizer.split('(')[0]}"
        self.model = compiled.Compiled.from_text(text + recipe, model=name, sets=[f"image=[3,{pixels},{pixels}]", "classes=10"], options=["--comm", "mpi"])
        self.folder = pathlib.Path(self.model.folder.name)
        start = time.time()
        out = self.train("whole", 0, 2)
        self.seconds = (time.time() - start) / self.epochs
        self.whole = self.state(out)
        shutil.rmtree(out)

    def words(self, out, threads, options=()):
        return [self.model.executable, "train", *self.data, "--out", out, "--threads", threads, *options]

    def train(self, name, processes, threads, *options):
        mpi.run(processes, *self.words(self.folder / name, threads, options))
        return self.folder / name

    @staticmethod
    def state(out):
        return files_of(out), mpi.records(out)

    def report(self, what, out):
        """Prints whether a run is the whole one; removes it."""
        same = self.state(out) == self.whole
        shutil.rmtree(out)
        print(f"{self.name:24}  {what}: {'the same bytes' if same else 'OTHER BYTES'}", flush=True)
        return same


def every_number(network, state):
    """Whether all are the same."""
    found = []
    for processes in SIZES:
        for threads in (1, 2):
            start = time.time()
            out = network.train("run", processes, threads, *state)
            seconds = time.time() - start
            found.append(network.report(f"{processes} processes of {threads} threads, {seconds:.1f} s", out))
    return found


def killed(network, state, draw):
    first, then, threads = draw.choice(SIZES), draw.choice(SIZES), draw.choice([1, 2])
    out, after = network.folder / "killed", draw.randrange(network.epochs)
    seconds = kill(first, network.words(out, 1, state), out, after, network.seconds, draw)
    network.train("killed", then, threads, "--resume", *state)
    return network.report(f"{first} processes, one killed after epoch {after}, all ended in {seconds:.1f} s, {then} of {threads} threads went on", out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--netc", default=ROOT / "build" / "bin" / "netc", type=pathlib.Path)
    parser.add_argument("--models", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--points", default=20, type=int, help="kills, spread over all models")
    parser.add_argument("--seed", default=1, type=int)
    parser.add_argument("--shard-state", action="store_true", help="all processes divide the optimizer's state")
    options = parser.parse_args()
    compiled.NETC = str(options.netc)
    mpi.need_mpi()
    mpi.LIMIT = 1800
    draw, found = random.Random(options.seed), []
    state = ["--shard-state"] if options.shard_state else []
    pairs = [(name, optimizer) for name in options.models for optimizer in OPTIMIZERS]
    for index, (name, optimizer) in enumerate(pairs):
        network = Network(name, optimizer)
        found += every_number(network, state)
        for _ in range(index, options.points, len(pairs)):
            found.append(killed(network, state, draw))
    print(f"{sum(found)} of {len(found)} runs have the bytes of one process")
    sys.exit(0 if all(found) else 1)


if __name__ == "__main__":
    main()
