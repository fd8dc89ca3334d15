#!/usr/bin/python3
"""The zoo to the last parameter and multiply-add, and the arena within 5% of the peak of live bytes."""
import json
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from compiled import MODELS, NETC, call
from report import Report, Unsupported

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
    "efficientnet_b0": ("efficientnet.net", [], 5_288_548), "efficientnet_b1": ("efficientnet.net", [], 7_794_184),
    "efficientnet_b2": ("efficientnet.net", [], 9_109_994), "efficientnet_b3": ("efficientnet.net", [], 12_233_232),
    "efficientnet_b4": ("efficientnet.net", [], 19_341_616), "efficientnet_b5": ("efficientnet.net", [], 30_389_784),
    "efficientnet_b6": ("efficientnet.net", [], 43_040_704), "efficientnet_b7": ("efficientnet.net", [], 66_347_960),
    "mobilenet_v3_small": ("mobilenet_v3.net", [], 2_542_856), "mobilenet_v3_large": ("mobilenet_v3.net", [], 5_483_032),
    "regnet_y_400mf": ("regnet.net", [], 4_344_144), "regnet_y_8gf": ("regnet.net", [], 39_381_472),
    "densenet121": ("densenet.net", [], 7_978_856), "densenet169": ("densenet.net", [], 14_149_480),
    "shufflenet_v2_x0_5": ("shufflenet_v2.net", [], 1_366_792), "shufflenet_v2_x1_0": ("shufflenet_v2.net", [], 2_278_604),
    "mnasnet1_0": ("mnasnet.net", [], 4_383_312), "resnet50d": ("resnet_variants.net", [], 25_576_264),
    "seresnet50": ("resnet_variants.net", [], 28_088_024), "resnetrs50": ("resnet_variants.net", [], 35_691_912),
    "efficientnet_lite0": ("efficientnet_lite.net", [], 4_652_008), "vit_small_r26_s32": ("hybrid.net", [], 36_431_912),
    "swin_t": ("swin.net", [], 28_288_354),
    "convnext_tiny": ("convnext.net", [], 28_589_128),
    "convnext_small": ("convnext.net", [], 50_223_688), "convnext_base": ("convnext.net", [], 88_591_464),
    "vit_b_16": ("vit.net", [], 86_567_656), "deit_tiny": ("vit.net", [], 5_717_416), "deit_small": ("vit.net", [], 22_050_664),
    "bit_r50x1": ("bit.net", [], 25_549_352), "fcn_resnet50": ("fcn.net", [], 35_322_218),
    "deeplabv3_resnet50": ("fcn.net", [], 42_004_074), "unet": ("unet.net", [], 31_037_698),
}
# model: (file, --set, multiply-adds of one image, of which the last digit given is exact)
MULTIPLY_ADDS = {
    "vgg16": ("vgg.net", [], 15_470_264_320, 1), "vgg19": ("vgg.net", [], 19_632_062_464, 1),
    "resnet18": ("resnet.net", [], 1_814_000_000, 1e6), "resnet34": ("resnet.net", [], 3_664_000_000, 1e6),
    "resnet50": ("resnet.net", ["stride_at=1"], 3_858_000_000, 1e6),
    "resnet101": ("resnet.net", ["stride_at=1"], 7_570_000_000, 1e6),
    "resnet152": ("resnet.net", ["stride_at=1"], 11_282_000_000, 1e6),
}
# model: (file, parameters as the paper rounds them, unit of the last digit). He et al. 2016 count no batch norm.
ROUNDED = {
    "resnet110": ("resnet_cifar.net", 1_700_000, 1e5), "resnet1202": ("resnet_cifar.net", 19_400_000, 1e5),
    "preact1001": ("preact.net", 10_200_000, 1e5), "preact164": ("preact.net", 1_700_000, 1e5),
    "darknet53": ("darknet53.net", 41_600_000, 1e5),
}
# Everything that the files must hold, by name.
NAMES = {
    "alexnet.net": "alexnet2012 alexnet", "vgg.net": "vgg11 vgg13 vgg16 vgg19 vgg11_bn vgg13_bn vgg16_bn vgg19_bn",
    "googlenet.net": "googlenet", "resnet_cifar.net": "resnet20 resnet32 resnet44 resnet56 resnet110 resnet1202 plain20 plain32 "
    "plain44 plain56", "resnet.net": "resnet18 resnet34 resnet50 resnet101 resnet152 wide_resnet50_2 resnext50_32x4d plain18 plain34",
    "preact.net": "preact110 preact164 preact1001", "squeezenet.net": "squeezenet1_1", "mobilenet_v2.net": "mobilenet_v2",
    "darknet53.net": "darknet53", "relu_vs_tanh.net": "with_relu with_tanh", "lenet.net": "lenet",
    "efficientnet.net": "efficientnet_b0 efficientnet_b7", "mobilenet_v3.net": "mobilenet_v3_large mobilenet_v3_small",
    "regnet.net": "regnet_y_400mf", "densenet.net": "densenet121", "shufflenet_v2.net": "shufflenet_v2_x0_5 shufflenet_v2_x1_0",
    "mnasnet.net": "mnasnet1_0", "resnet_variants.net": "resnet50d seresnet50 resnetrs50",
    "efficientnet_lite.net": "efficientnet_lite0", "hybrid.net": "vit_small_r26_s32", "swin.net": "swin_t",
    "convnext.net": "convnext_tiny", "vit.net": "vit_b_16 deit_tiny", "bit.net": "bit_r50x1", "fcn.net": "fcn_resnet50 deeplabv3_resnet50",
    "unet.net": "unet",
}
DRAWN = {"resnet18": "resnet.net", "googlenet": "googlenet.net", "mobilenet_v2": "mobilenet_v2.net", "lenet": "lenet.net"}
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


def rounded(name, file, expected, unit):
    layers = json.loads(emit("json", file, name, []))["layers"]
    found = sum(layer["parameters"] for layer in layers if file != "preact.net" or layer["kind"] != "bn")
    return [(f"{found} parameters; difference to {expected}", abs(found - expected), unit / 2)]


def complete(file, names):
    """Every model of a file goes through the whole compiler but for code generation, with a recipe and a paper's name."""
    text = (MODELS / file).read_text()
    claims = [("lines that name a source", int(not re.search(r"^# .*\b(19|20)\d\d\b", text, re.M)), 0.5)]
    for name in names.split():
        recipe = json.loads(emit("json", file, name, []))["recipe"]
        claims.append((f"{name} without a recipe", int(not recipe["written"]), 0.5))
        emit("kern", file, name, [])
    return claims


def drawn(name, file):
    """Graphviz draws what `--emit dot` writes, without a word, with a node a layer."""
    if not shutil.which("dot"):
        raise Unsupported("graphviz is not installed")
    text = emit("dot", file, name, [])
    done = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, text=True)
    layers = len(json.loads(emit("json", file, name, []))["layers"])
    nodes = len(set(re.findall(r'<g id="node\d+" class="node">', done.stdout)))
    return [("exit code of dot", abs(done.returncode), 0.5), (f"warnings: {done.stderr[:200]}", len(done.stderr), 0.5),
            (f"{nodes} nodes for {layers} layers", int(nodes < layers), 0.5)]


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
    for name, (file, expected, unit) in ROUNDED.items():
        report.case(f"parameters/{name}", rounded, name, file, expected, unit)
    for name, file in DRAWN.items():
        report.case(f"drawn/{name}", drawn, name, file)
    for file, names in NAMES.items():
        report.case(f"complete/{file}", complete, file, names)
    for name, file in PLANNED.items():
        report.case(f"plan/{name}", plan, name, file)
    report.close()


if __name__ == "__main__":
    main()
