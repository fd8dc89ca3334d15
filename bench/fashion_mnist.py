#!/usr/bin/python3
"""ResNet-20 on Fashion-MNIST, its paper's recipe scaled to 30 epochs: accuracy and curve.

Compiles, trains (a quarter of an hour on two quiet AVX-512 cores) and writes docs/figures/fashion-mnist.md and .svg. `--run` takes
the folder of a run that is done.

    bench/fashion_mnist.py
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile

import chart

ROOT = pathlib.Path(__file__).resolve().parents[1]
COMPILE = ["models/resnet_cifar.net", "--model", "resnet20", "--set", "image=[1,28,28]", "-o", "resnet20"]
TRAIN = ["train", "--data", "fashion-mnist", "--epochs", "30", "--out", "run"]
PAGE = """# ResNet-20 on Fashion-MNIST, 30 epochs

```
netc {compile}
./resnet20 {train}
```

The recipe is that of the model file: crops of padded images, mirrored at random, SGD with momentum 0.9 and weight decay 1e-4, batch 128, learning
rate 0.1 divided by ten at half and at three quarters, here epochs 15 and 22.5 of 30. Seed 0, 269,434 parameters.

**{last:.2f} %** of the 10,000 test images after the last epoch, {best:.2f} % after epoch {best_epoch}, the best. Training error {error:.2f} %.

![error against epochs](fashion-mnist.svg)

`bench/fashion_mnist.py` repeats it. With the same instruction set the results are the same to the bit; another one rounds differently and ends a few tenths of a percent away.
"""


def train(netc, folder):
    subprocess.run([netc, *COMPILE[:-1], folder / "resnet20"], cwd=ROOT, check=True)
    subprocess.run([folder / "resnet20", *TRAIN[:-1], folder / "run"], check=True)
    return folder / "run"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--netc", type=pathlib.Path, default=pathlib.Path(os.environ.get("NETC", ROOT / "build/bin/netc")))
    parser.add_argument("--run", type=pathlib.Path)
    parser.add_argument("--docs", type=pathlib.Path, default=ROOT / "docs" / "figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fashion-mnist-") as folder:
        run = options.run or train(options.netc.resolve(), pathlib.Path(folder))
        epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    error = {"training": [(e["epoch"], 100 * (1 - e["train_top1"])) for e in epochs],
             "test": [(e["epoch"], 100 * (1 - e["val_top1"])) for e in epochs]}
    chart.line_chart(options.docs / "fashion-mnist.svg", "ResNet-20 on Fashion-MNIST", "epoch", "error, %", error,
                     list(range(0, len(epochs) + 1, 5)))
    best = max(epochs, key=lambda e: e["val_top1"])
    (options.docs / "fashion-mnist.md").write_text(PAGE.format(
        compile=" ".join(COMPILE).replace("image=[1,28,28]", "'image=[1,28,28]'"), train=" ".join(TRAIN), last=100 * epochs[-1]["val_top1"],
        best=100 * best["val_top1"], best_epoch=best["epoch"], error=100 * (1 - epochs[-1]["train_top1"])))


if __name__ == "__main__":
    main()
