#!/usr/bin/python3
"""The zoo to the last parameter and multiply-add, and the arena within 5% of the peak of live bytes."""
import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from compiled import MODELS, NETC, call
from report import Report

# model: (file, --set, parameters); torchvision's and the papers' counts
PARAMETERS = {
    "resnet18": ("resnet.net", [], 11_689_512), "resnet34": ("resnet.net", [], 21_797_672),
    "resnet50": ("resnet.net", [], 25_557_032), "resnet101": ("resnet.net", [], 44_549_160),
    "resnet152": ("resnet.net", [], 60_192_808), "wide_resnet50_2": ("resnet.net", [], 68_883_240),
    "resnext50_32x4d": ("resnet.net", [], 25_028_904), "resnet20": ("resnet_cifar.net", [], 269_722),
    "alexnet2012": ("alexnet.net", [], 60_965_224), "alexnet": ("alexnet.net", [], 61_100_840),
    "vgg11": ("vgg.net", [], 132_863_336), "vgg16": ("vgg.net", [], 138_357_544), "vgg19": ("vgg.net", [], 143_667_240),
    "vgg11_bn": ("vgg.net", [], 132_868_840), "googlenet": ("googlenet.net", [], 13_004_888),
    "googlenet_without_heads": ("googlenet.net", ["heads=false"], 6_624_904),
    "squeezenet1_1": ("squeezenet.net", [], 1_235_496), "mobilenet_v2": ("mobilenet_v2.net", [], 3_504_872),
}
# model: (file, --set, multiply-adds of one image, of which the last digit given is exact)
MULTIPLY_ADDS = {
    "vgg16": ("vgg.net", [], 15_470_264_320, 1), "vgg19": ("vgg.net", [], 19_632_062_464, 1),
    "resnet18": ("resnet.net", [], 1_814_000_000, 1e6), "resnet34": ("resnet.net", [], 3_664_000_000, 1e6),
    "resnet50": ("resnet.net", ["stride_at=1"], 3_858_000_000, 1e6),
    "resnet101": ("resnet.net", ["stride_at=1"], 7_570_000_000, 1e6),
    "resnet152": ("resnet.net", ["stride_at=1"], 11_282_000_000, 1e6),
}
PLANNED = {"resnet18": "resnet.net", "resnet50": "resnet.net", "resnet20": "resnet_cifar.net", "resnet110": "resnet_cifar.net",
           "googlenet": "googlenet.net", "mobilenet_v2": "mobilenet_v2.net", "lenet": "lenet.net"}


def emit(kind, file, model, sets, *options):
    words = [NETC, MODELS / file, "--model", model, "--emit", kind, "-o", "-", *options]
    for value in sets:
        words += ["--set", value]
    return call(words)


def parameters(name, file, sets, expected):
    model = json.loads(emit("json", file, name.replace("_without_heads", ""), sets))
    found = sum(layer["parameters"] for layer in model["layers"])
    return [(f"{found} parameters; difference to {expected}", abs(found - expected), 0.5)]


def multiply_adds(name, file, sets, expected, unit):
    found = json.loads(emit("json", file, name, sets))["flops_per_image"] / 2
    return [(f"{found:.0f} multiply-adds; difference to {expected}", abs(found - expected), unit / 2)]


def plan(name, file):
    """Function attributes of the planned module, training and inference."""
    text = emit("kern", file, name, [])
    claims = []
    for function, attributes in re.findall(r"func\.func @(\w+)\(\) attributes \{(.*)\} \{\n", text):
        numbers = {key: int(value) for key, value in re.findall(r"(\w+) = (\d+) : i64", attributes)}
        for space in ("per_image", "fixed"):
            arena, peak = numbers["arena_bytes_" + space], numbers["peak_bytes_" + space]
            claims.append((f"@{function}: {arena} bytes {space} over a peak of {peak}", arena / max(peak, 1) - 1, 0.05))
    claims.append(("functions without a plan", max(0, 4 - len(claims) // 2), 0.5))
    return claims


def main():
    report = Report("zoo")
    for name, (file, sets, expected) in PARAMETERS.items():
        report.case(f"parameters/{name}", parameters, name, file, sets, expected)
    for name, (file, sets, expected, unit) in MULTIPLY_ADDS.items():
        report.case(f"multiply_adds/{name}", multiply_adds, name, file, sets, expected, unit)
    for name, file in PLANNED.items():
        report.case(f"plan/{name}", plan, name, file)
    report.close()


if __name__ == "__main__":
    main()
