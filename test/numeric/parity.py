#!/usr/bin/python3
"""Whole models against PyTorch: logits, loss, every gradient, running statistics.

Gradients of a deep ReLU network in float32 differ from themselves under reordering, so they are compared with a float64
reference whose batch-norm biases are drawn from +-4 (no value near a ReLU's corner), with at least 100 values a channel.
Ordinary weights are a second run with a wider bound.
"""
import functools
import pathlib
import sys

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from compiled import MODELS, THREADS, Compiled
from report import Report, Unsupported

try:
    import torch
    import torch_models
except ImportError as missing:
    torch = None
    WHY = f"python3-torch and python3-torchvision are needed: {missing}"

LOGITS, LOSS, RUNNING = 1e-4, 1e-5, 1e-4
GRADIENT, GRADIENT_ORDINARY = 1e-3, 0.1
VANISHING, VANISHED = 1e-9, 1e-5
INFERENCE_IMAGES = 3  # at most: with running statistics images do not depend on each other

# name: (file, model, side of the image, images, classes, seed). Max pooling has corners too, where the two largest
# values of a window are nearly equal: each seed is one for which PyTorch's float32 agrees with its float64 to 1e-4.
CASES = {
    "resnet20": ("resnet_cifar.net", "resnet20", 32, 4, 10, 1),
    "resnet18_64": ("resnet.net", "resnet18", 64, 25, 100, 4),
    "resnet18_224": ("resnet.net", "resnet18", 224, 3, 100, 2),
    "alexnet": ("alexnet.net", "alexnet", 67, 4, 20, 1),
    "vgg11_bn": ("vgg.net", "vgg", 64, 7, 20, 2),
    "googlenet": ("googlenet.net", "googlenet", 64, 25, 20, 8),
    "resnet50": ("resnet.net", "resnet50", 64, 25, 20, 9),
    "resnext": ("resnet.net", "deep_resnet", 64, 25, 20, 3),
    "squeezenet1_1": ("squeezenet.net", "squeezenet1_1", 64, 8, 20, 1),
    "mobilenet_v2": ("mobilenet_v2.net", "mobilenet_v2", 64, 25, 20, 5),
    "convnext": ("convnext.net", "convnext", 64, 3, 20, 1),
    "vit": ("vit.net", "vit", 40, 3, 20, 1),
    "mobilenet_v3_small": ("mobilenet_v3.net", "mobilenet_v3_small", 64, 25, 20, 1),
    "efficientnet": ("efficientnet.net", "efficientnet", 64, 25, 20, 1),
    "mnasnet": ("mnasnet.net", "mnasnet", 64, 25, 20, 2),
    "regnet_y": ("regnet.net", "regnet_y", 64, 25, 20, 1),
    "densenet": ("densenet.net", "densenet", 64, 25, 20, 1),
    "shufflenet_v2": ("shufflenet_v2.net", "shufflenet_v2", 64, 25, 20, 1),
    "swin": ("swin.net", "swin", 64, 3, 20, 1),
    "bit": ("bit.net", "bit", 64, 4, 20, 1),
    "seresnet": ("resnet_variants.net", "seresnet50", 64, 25, 20, 1),
    "resnetrs": ("resnet_variants.net", "resnetrs50", 64, 25, 20, 1),
    "hybrid": ("hybrid.net", "hybrid", 64, 4, 20, 1),
    "fcn": ("fcn.net", "fcn", 64, 2, 5, 1),
    "deeplabv3": ("fcn.net", "deeplabv3", 32, 7, 5, 2),
    "unet": ("unet.net", "unet", 64, 2, 5, 1),
}


# Label smoothing of a recipe.
SMOOTHING = {"efficientnet_b0": 0.1, "resnetrs": 0.1}
# Further --set of models that are made small.
SMALL = {
    "vgg11_bn": ["depths=[1,1,2,2,2]", "norm=true", "hidden=256"],
    "resnext": ["depths=[1,1,1,1]", "groups=32", "width=4"],
    "convnext": ["depths=[1,1,2,1]", "widths=[24,48,96,192]", "drop=0.0"],
    "vit": ["c=192", "depth=2", "count=3", "patch=8", "side=40"],
    "efficientnet": ["width=5", "depth=5", "side=64", "drop=0.0"],
    "mnasnet": ["widths=[16,8,16,24,40,48,96,160]"],
    "regnet_y": ["stages=[[16,1],[32,1],[48,2],[80,1]]", "group=8"],
    "densenet": ["growth=8", "depths=[2,3,2,2]", "start=16"],
    "shufflenet_v2": ["widths=[32,64,128,256]", "repeats=[2,3,2]"],
    "swin": ["c=32", "depths=[2,2,2]", "counts=[1,2,4]", "drop=0.0", "w=4", "image_side=64"],
    "bit": ["depths=[1,2,1,1]", "width=32"],
    "seresnet": ["depths=[1,2,1,1]", "width=16"],
    "resnetrs": ["depths=[1,2,1,1]", "width=16"],
    "hybrid": ["depths=[1,1]", "width=32", "c=128", "depth=2", "count=2", "side=64"],
    "fcn": ["depths=[1,1,1,1]"], "deeplabv3": ["depths=[1,1,1,1]"],
    "unet": ["width=12", "levels=3"],
}
# Images whose classes are of pixels.
MAPS = ("fcn", "deeplabv3", "unet")


def keep_off_corners(model, live):
    """Batch-norm biases of +-4; before ReLU6, whose second corner is at 6, of +3 and -4.

    The sign belongs to the channel's index: where branches meet in an addition, equal signs keep the sum off the
    corner, opposite ones would put it there. Weights of 0.75 to 1.5 let some values through: a network that is all
    but linear has gradients that cancel. Before ReLU6 the corners lie at three standard deviations and more: with a hundred
    values a channel in the last layers, a single one on the other side shows, and +4 would have one in forty beyond 6.
    """
    signs = 2.0 * (torch.rand(4096) < live) - 1.0
    bounded = any(isinstance(module, torch.nn.ReLU6) for module in model.modules())
    low, high = (0.5, 1.0) if bounded else (0.75, 1.5)
    biases = torch.where(signs > 0, 3.0, -4.0) if bounded else 4.0 * signs
    for module in model.modules():
        if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.GroupNorm)):
            torch.nn.init.uniform_(module.weight, low, high)
            module.bias.data = biases[:len(module.bias)].clone()


def draw_statistics(model):
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0.0, 0.5)
            module.running_var.uniform_(0.5, 2.0)


def restore(model, weights):
    """Gives the running statistics, which a step changes, their values in `weights`."""
    statistics = {name: torch.from_numpy(value).double() for name, value in weights.items() if "running_" in name}
    model.load_state_dict(statistics, strict=False)


def weights_of(model):
    return {name: value.detach().numpy().astype(numpy.float32)
            for name, value in model.state_dict().items() if "num_batches_tracked" not in name}


def step(model, images, labels, smoothing=0.0):
    """Logits, loss and gradients of one training step; auxiliary heads weigh 0.3, those of segmentation 0.5."""
    model.train()
    model.zero_grad()
    found = model(images)
    loss_of = functools.partial(torch.nn.functional.cross_entropy, label_smoothing=smoothing)
    if isinstance(found, dict):
        logits, loss = found["out"], loss_of(found["out"], labels) + 0.5 * loss_of(found["aux"], labels)
    elif isinstance(found, tuple):
        logits = found.logits
        loss = loss_of(logits, labels) + 0.3 * (loss_of(found.aux_logits1, labels) + loss_of(found.aux_logits2, labels))
    else:
        logits, loss = found, loss_of(found, labels)
    loss.backward()
    return logits, loss


def relative(found, wanted):
    """Largest difference by the largest value."""
    wanted = wanted.detach().numpy() if torch.is_tensor(wanted) else wanted
    return float(numpy.abs(found - wanted).max() / max(numpy.abs(wanted).max(), 1e-30))


def gradient_claims(found, model, bound):
    norms = {name: float(parameter.grad.norm()) for name, parameter in model.named_parameters()}
    largest = max(norms.values())
    claims = []
    for name, parameter in model.named_parameters():
        gradient = found["grad." + name].astype(numpy.float64)
        if norms[name] < VANISHING * largest:
            claims.append((f"||grad.{name}|| by the largest", float(numpy.linalg.norm(gradient)) / largest, VANISHED))
            continue
        difference = float(numpy.linalg.norm(gradient - parameter.grad.numpy()))
        claims.append((f"grad.{name}", difference / norms[name], bound))
    return claims


def compare(executable, model, images, labels, bound, smoothing=0.0):
    weights = weights_of(model)
    inputs = {"input": images.numpy().astype(numpy.float32), "labels": labels.numpy()}
    model.double()
    model.eval()
    few = {name: values[:INFERENCE_IMAGES] for name, values in inputs.items()}
    with torch.no_grad():
        wanted = model(images[:INFERENCE_IMAGES])
        wanted = wanted["out"] if isinstance(wanted, dict) else wanted
    claims = [("inference logits", relative(executable.run(weights, few)["output"], wanted), LOGITS)]
    found = executable.run_again(inputs, train=True)
    logits, loss = step(model, images, labels, smoothing)
    claims += [("training logits", relative(found["output"], logits), LOGITS),
               ("loss", abs(float(found["loss"][0]) - float(loss)) / abs(float(loss)), LOSS)]
    claims += gradient_claims(found, model, bound)
    # Running statistics by the largest of their tensor.
    claims += [(name, relative(found[name], value), RUNNING) for name, value in model.state_dict().items()
               if name.endswith(("running_mean", "running_var"))]
    expected = {"output", "loss"} | {"grad." + name for name, _ in model.named_parameters()}
    expected |= {name for name in weights if "running_" in name}
    claims.append(("missing or unexpected tensors", len(expected ^ set(found)), 0.5))
    return claims


def draw(model_name, side, batch, classes, seed, off_corners):
    """The model, images and labels of a case, in float64 but representable in float32."""
    torch.manual_seed(seed)
    model = torch_models.build(model_name, classes)
    if off_corners:
        # Where there is much pooling: fewer channels above zero mean fewer windows that could be undecided.
        keep_off_corners(model, live=0.125 if model_name in ("googlenet", "vgg") else 0.5)
    draw_statistics(model)
    images = torch.randn(batch, 3, side, side).double()
    labels = torch.randint(0, classes, (batch, side, side) if model_name in MAPS else (batch,))
    return torch_models.without_dropout(model), images, labels


def draw_case(name, seed, off_corners):
    _, model_name, side, batch, classes, _ = CASES[name]
    return draw(model_name, side, batch, classes, seed, off_corners)


def run(report, name):
    if not torch:
        raise Unsupported(WHY)
    file, model_name, side, _, classes, seed = CASES[name]
    executable = Compiled(MODELS / file, model_name, [f"classes={classes}", f"image=[3,{side},{side}]", *SMALL.get(name, [])])
    for kind, bound in (("off_corners", GRADIENT), ("ordinary", GRADIENT_ORDINARY)):
        model, images, labels = draw_case(name, seed, kind == "off_corners")
        report.case(f"{name}/{kind}", compare, executable, model, images, labels, bound, SMOOTHING.get(name, 0.0))


def main():
    report = Report("parity")
    if torch:
        torch.set_num_threads(THREADS)
    for name in report.share(sys.argv[1:] or CASES):
        before = report.failed
        try:
            run(report, name)
        except Exception as error:
            report.line("UNSUPPORTED" if isinstance(error, Unsupported) else "FAIL", name, str(error).replace("\n", "\n    "))
    report.close()


if __name__ == "__main__":
    main()
