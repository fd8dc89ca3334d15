#!/usr/bin/python3
"""The degradation experiment of He et al. (2015, figures 1 and 6) on Fashion-MNIST.

Trains plain20, plain56, resnet20 and resnet56 of models/resnet_cifar.net alike, each from the same seed, and draws
the training error of each epoch: docs/figures/degradation.svg, with the numbers in docs/figures/degradation.md. Training error is the
mean over the epoch, on augmented images, while the weights move.

    bench/degradation.py                        # 5 epochs of 8,000 images, batch 64
    bench/degradation.py --limit 0 --epochs 20  # all 60,000 images
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import chart

ROOT = pathlib.Path(__file__).resolve().parents[1]
MODELS = ["plain20", "plain56", "resnet20", "resnet56"]


def run(words):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}: exit code {done.returncode}")
    return done.stdout


def train(options, model):
    """Compiles and trains; [{epoch, train_loss, train_top1}], test error in percent."""
    executable, out = options.work / model, options.work / f"{model}-run"
    if not executable.exists():
        run([options.netc, ROOT / "models" / "resnet_cifar.net", "--model", model, "--set", "image=[1,28,28]", "-o", executable])
    # Validation after each epoch would cost as much as a third of the training: test once, at the end.
    words = [executable, "train", "--data", "fashion-mnist", "--val", "synthetic:16", "--epochs", options.epochs,
             "--batch", options.batch, "--seed", options.seed, "--threads", options.threads, "--out", out, "--resume"]
    run(words + (["--limit", options.limit] if options.limit else []))
    epochs = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    text = run([executable, "eval", "--data", "fashion-mnist", "--weights", out, "--threads", options.threads])
    return {"epochs": epochs, "test_error": 100 - float(re.search(r"top-1\D*([\d.]+)\s*%", text).group(1))}


def table(results):
    rows = ["| network | " + " | ".join(f"epoch {e['epoch']}" for e in results[MODELS[0]]["epochs"]) + " | test error |",
            "|---|" + "---|" * (len(results[MODELS[0]]["epochs"]) + 1)]
    for model in results:
        errors = [f"{100 - 100 * e['train_top1']:.2f}%" for e in results[model]["epochs"]]
        rows.append(f"| {model} | " + " | ".join(errors) + f" | {results[model]['test_error']:.2f}% |")
    return "\n".join(rows)


def seen(results):
    """What the numbers say, in both directions."""
    final = {m: 100 - 100 * results[m]["epochs"][-1]["train_top1"] for m in results}
    lines = []
    for kind, words in (("plain", "without shortcuts"), ("resnet", "with shortcuts")):
        shallow, deep = final[f"{kind}20"], final[f"{kind}56"]
        verdict = "higher" if deep > shallow else "lower"
        lines.append(f"- {words}, 56 layers end with a training error {abs(deep - shallow):.2f} points {verdict} than 20 "
                     f"({deep:.2f}% against {shallow:.2f}%)")
    plain, residual = final["plain56"] - final["plain20"], final["resnet56"] - final["resnet20"]
    if plain > 1 and residual <= 1:
        lines.append("\nDepth hurts the plain networks and not the residual ones, as in the paper.")
    elif plain > 1 and residual < plain:
        lines.append("\nDepth hurts the plain networks, as in the paper. Shortcuts narrow the gap but do not close it in a run of this\n"
                     "length, in which the deeper network is still learning: the paper's claim that ResNet-56 ends below ResNet-20\n"
                     "is neither shown nor refuted here.")
    else:
        lines.append("\nThe paper's pattern is not seen in this run.")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--netc", type=pathlib.Path, default=ROOT / "build/bin/netc")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--limit", type=int, default=8000, help="training images; 0: all 60,000")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=pathlib.Path, help="folder for executables and runs; a stopped run goes on there")
    parser.add_argument("--docs", type=pathlib.Path, default=ROOT / "docs" / "figures")
    options = parser.parse_args()
    temporary = tempfile.TemporaryDirectory(prefix="degradation-")
    options.work = options.work or pathlib.Path(temporary.name)
    options.work.mkdir(parents=True, exist_ok=True)

    results = {}
    for model in MODELS:
        results[model] = train(options, model)
        print(model, [round(100 - 100 * e["train_top1"], 2) for e in results[model]["epochs"]], flush=True)
    curves = {m: [(e["epoch"], 100 - 100 * e["train_top1"]) for e in r["epochs"]] for m, r in results.items()}
    chart.line_chart(options.docs / "degradation.svg", "Training error on Fashion-MNIST", "epoch", "training error, %",
                     curves, list(range(1, options.epochs + 1)), dashed=[m for m in MODELS if m.startswith("plain")])
    images = f"{options.limit:,} of 60,000" if options.limit else "all 60,000"
    (options.docs / "degradation.md").write_text(f"""# Degradation

He et al. (2015) found that a plain network of 56 layers trains worse than one of 20, on the training set itself, and
that identity shortcuts remove this effect (their figures 1 and 6). `bench/degradation.py` repeats the experiment on a smaller scale.

![training error against epochs](degradation.svg)

{options.epochs} epochs of {images} images of Fashion-MNIST, batch {options.batch}, seed {options.seed}, otherwise the recipe of
`models/resnet_cifar.net` (learning rate 0.1, divided by 10 at half and at three quarters of the run). Training error is
the mean over the epoch, on augmented images.

{table(results)}

{seen(results)}

This is one run with one seed, {options.epochs} epochs and a smaller task than CIFAR-10 for 64,000 iterations: it shows how optimisation starts,
not where it ends, and differences of a point or less mean nothing. Run it longer with
`bench/degradation.py --limit 0 --epochs 20`.
""")


if __name__ == "__main__":
    main()
