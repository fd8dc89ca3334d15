"""What the GPU kit is made of: each network once, and which executables of it travel. Read when the kit is made."""
import dataclasses
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "harness"))
sys.path.insert(0, str(ROOT / "test" / "numeric"))
import cuda_kernels
import cuda_step
import parity
import tensor_cores

MODELS = ROOT / "models"
PRECISIONS = ("f32", "tf32", "bf16")  # of kernels and training on a GPU; a precision that netc gains is a word here and in `agreement`
WITHOUT_BF16 = ("f32", "tf32")

WORD = {
    "residual": """net 1
model residual(classes=10) {
  input image: [3, 20, 20]
  x = image | conv(16, k=3, pad=1) | bn | relu
  y = x | conv(16, k=3, pad=1) | bn | relu | conv(16, k=3, pad=1) | bn
  x = relu(x + y)
  y = x | conv(32, k=3, stride=2, pad=1) | bn | relu | conv(32, k=3, pad=1) | bn
  s = x | conv(32, k=1, stride=2) | bn
  return relu(y + s) | avgpool(global) | flatten | linear(classes)
}
""",
    "classic": """net 1
model classic(classes=10) {
  input image: [3, 35, 35]
  x = image | conv(12, k=7, stride=2, pad=2) | relu | lrn | maxpool(k=3, stride=2)
            | conv(20, k=5, pad=2, groups=2) | relu | maxpool(k=3, stride=2, round=up)
  return x | flatten | linear(48) | relu | dropout(0.5) | linear(classes)
}
""",
    "inverted": """net 1
model inverted(classes=10) {
  input image: [3, 24, 24]
  x = image | conv(8, k=3, stride=2, pad=1) | bn | relu6
  y = x | conv(32, k=1) | bn | relu6 | conv(32, k=3, pad=1, groups=32) | bn | relu6 | conv(8, k=1) | bn
  x = x + y
  x = x | conv(40, k=1) | bn | hardswish | conv(40, k=5, stride=2, pad=2, groups=40) | bn | hardswish | conv(16, k=1) | bn
  return x | avgpool(global) | flatten | dropout(0.2) | linear(classes)
}
""",
    "branches": """net 1
model branches(classes=10) {
  input image: [3, 17, 19]
  x = image | conv(16, k=3, pad=1) | bn | relu | maxpool(k=3, stride=2, pad=1)
  a = x | conv(12, k=1) | bn | relu
  b = x | conv(8, k=1) | bn | relu | conv(20, k=3, pad=1) | bn | relu
  c = x | conv(4, k=1) | bn | relu | conv(9, k=5, pad=2) | bn | relu
  d = x | maxpool(k=3, stride=1, pad=1) | conv(7, k=1) | bn | relu
  return concat(a, b, c, d) | avgpool(k=2) | flatten | linear(classes)
}
""",
    "gates": """net 1
model gates(classes=10) {
  input image: [4, 16, 12]
  x = image | conv(24, k=3, pad=1, bias=true) | silu
  g = x | avgpool(global) | conv(24, k=1, bias=true) | sigmoid
  x = (x * g) | conv(33, k=3, dilation=2, pad=2, bias=true) | tanh
  x = x | pad([1, 2]) | conv(20, k=[3, 1], stride=[2, 1]) | leaky_relu
  return x | subsample(2) | flatten | linear(classes)
}
""",
}


# ResNet-20 with a recipe for a few thousand images. Training amplifies rounding: a rate that falls to zero over many small steps lets
# two builds end alike, where the paper's recipe, cut to two epochs, leaves them in the middle of its steep part.
STEADY = """
model steady20(classes=10) = cifar(residual, 3, classes)

train steady20 {
  normalize(auto)
  loss       cross_entropy
  optimizer  sgd(lr=0.02, momentum=0.9, weight_decay=1e-4)
  schedule   warmup(0.25), linear
  batch      32
  epochs     2
}
"""


@dataclasses.dataclass
class Network:
    """`source` is a file or a text; `forms` the executables besides the CPU's: precisions, `f32-ptx`, without machine code, and
    `bf16-hopper`, for sm_90a."""
    source: object
    options: tuple = ()
    group: str = "small"
    forms: tuple = PRECISIONS
    cpu: bool = True
    sim: bool = False  # also for the simulator: what `check.py --sim` runs


def zoo(file, model, group, *options, **others):
    return Network(MODELS / file, ("--model", model, *options), group, **others)


def of_kernels():
    """(name, network, the Net that it is made from, or None)."""
    for name, net in cuda_kernels.cases():
        yield "kernels/" + name, Network(net.text(), group="kernels", forms=WITHOUT_BF16, sim=name in ("lrn", "shapes")), net
    for precision in ("tf32", "bf16"):
        for name in tensor_cores.CASES:
            yield (f"kernels/{precision}_{name}",
                   Network(tensor_cores.text(name), group="kernels", forms=(precision,), cpu=False, sim=name == "k3"), None)


    # What sm_90a alone has: wgmma and TMA. Other chips run the code of sm_80 that lies beside it.
    yield "kernels/hopper_wide", Network(tensor_cores.text("wide"), group="kernels", forms=("bf16-hopper",), cpu=False), None


def of_whole_steps():
    """(name, network, what PyTorch needs to draw the same one)."""
    for name in ("resnet20", "resnet18_64", "mobilenet_v2", "googlenet"):
        file, model, side, images, classes, seed = parity.CASES[name]
        sizes = ("--set", f"classes={classes}", "--set", f"image=[3,{side},{side}]")
        forms = WITHOUT_BF16 if name == "googlenet" else PRECISIONS
        yield "steps/" + name, zoo(file, model, "steps", *sizes, forms=forms), {"model": model, "side": side, "images": images, "classes": classes, "seed": seed}
    for name, side in (("alexnet_small", 35), ("bottleneck_small", 64)):
        source, options, _ = cuda_step.CASES[name]
        yield ("steps/" + name, Network(source, tuple(options), "steps", sim=name == "alexnet_small"),
               {"model": name, "side": side, "images": 8, "classes": 10, "seed": 1})


def of_the_word():
    lenet = zoo("lenet.net", "lenet", "small", sim=True, forms=("f32", "f32-ptx", "tf32", "bf16"))
    yield "lenet", lenet
    for name, text in WORD.items():
        yield "word/" + name, Network(text, sim=name == "residual")


def of_the_end():
    text = (MODELS / "resnet_cifar.net").read_text() + STEADY
    yield "end/resnet20", Network(text, ("--model", "steady20", "--set", "image=[1,28,28]"))


# Rows of the step "speed", the most telling first: (model, training, batches, of which the largest that fits counts where it trains)
SPEED = [("resnet50", True, [256, 128, 64]), ("resnet50", False, [256]), ("resnet18", True, [256, 128, 64]), ("resnet50", False, [1, 32]),
         ("vgg16", True, [256, 128, 64]), ("mobilenet_v2", True, [256, 128, 64]), ("alexnet", True, [256, 128, 64]), ("resnet20", True, [128]),
         ("resnet18", False, [1, 32, 256]), ("vgg16", False, [1, 32, 256]), ("mobilenet_v2", False, [1, 32, 256]), ("alexnet", False, [1, 32, 256])]


def of_speed():
    for model, file in (("resnet50", "resnet.net"), ("resnet18", "resnet.net"), ("alexnet", "alexnet.net"), ("vgg16", "vgg.net"),
                        ("mobilenet_v2", "mobilenet_v2.net"), ("resnet20", "resnet_cifar.net")):
        forms = PRECISIONS if model == "resnet50" else ("tf32", "bf16")  # f32's rows come last, and time is short
        yield "speed/" + model, zoo(file, model, "speed", forms=forms)
