"""How near to a corner the values of a parity case come: the seeds in parity.py are chosen by this.

usage: corners.py CASE SEED...

For each ReLU, ReLU6 and max pooling: the smallest distance of a value to a corner (of a window's two largest to each
other), in units of the rounding noise there, which is the difference between PyTorch's float32 and float64. Below 5 a
float32 implementation may well land on the other side. Prints the smallest of the model. Uses PyTorch alone.
"""
import copy
import pathlib
import sys

import torch
from torch import nn
from torch.nn import functional

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import parity
import torch_models


class Recorder:
    """Replaces the functions with corners by ones that keep what they read."""

    def __init__(self):
        self.seen = []

    def relu(self, x, inplace=False):
        self.seen.append(("relu", x.detach(), None))
        return x.clamp(min=0)

    def relu6(self, x, inplace=False):
        self.seen.append(("relu6", x.detach(), None))
        return x.clamp(0, 6)

    def pool(self, module, x):
        self.seen.append(("pool", x.detach(), module))
        return functional.max_pool2d(x, module.kernel_size, module.stride, module.padding, ceil_mode=module.ceil_mode)

    def record(self, model, images):
        self.seen = []
        saved = functional.relu, torch.relu, nn.ReLU.forward, nn.ReLU6.forward, nn.MaxPool2d.forward
        functional.relu = torch.relu = self.relu
        nn.ReLU.forward = lambda module, x: self.relu(x)
        nn.ReLU6.forward = lambda module, x: self.relu6(x)
        nn.MaxPool2d.forward = lambda module, x: self.pool(module, x)
        with torch.no_grad():
            model.train()(images)
        functional.relu, torch.relu, nn.ReLU.forward, nn.ReLU6.forward, nn.MaxPool2d.forward = saved
        return self.seen


def window_gaps(x, module):
    kernel, stride, pad = module.kernel_size, module.stride or module.kernel_size, module.padding
    rows, columns = functional.max_pool2d(x, kernel, stride, pad, ceil_mode=module.ceil_mode).shape[2:]
    right = (columns - 1) * stride + kernel - pad - x.shape[3]
    bottom = (rows - 1) * stride + kernel - pad - x.shape[2]
    padded = functional.pad(x, (pad, max(right, 0), pad, max(bottom, 0)), value=-1e30)
    windows = functional.unfold(padded, kernel, stride=stride).view(*x.shape[:2], kernel * kernel, -1)
    best = windows.topk(2, dim=2).values
    gaps = best[:, :, 0] - best[:, :, 1]
    return gaps[(best[:, :, 0] > 0) & (gaps > 0)]  # zeros of a ReLU tie without harm


def margin(name, seed):
    file, model_name, side, batch, classes, _ = parity.CASES[name]
    model, images, _ = parity.draw_case(name, seed, off_corners=True)
    single = copy.deepcopy(model).float()
    wide = list(Recorder().record(model.double(), images))
    narrow = list(Recorder().record(single, images.float()))
    worst = (float("inf"), "")
    for index, ((kind, x, module), (_, rounded, _)) in enumerate(zip(wide, narrow)):
        noise = float((x - rounded).pow(2).mean().sqrt())
        if noise == 0:
            continue
        if kind == "pool":
            gaps = window_gaps(x, module)
            distance = float(gaps.min()) / 1.4 if gaps.numel() else float("inf")
        else:
            distance = float(min(x.abs().min(), (x - 6).abs().min()) if kind == "relu6" else x.abs().min())
        worst = min(worst, (distance / noise, f"{kind} {index}"))
    return worst


if __name__ == "__main__":
    for word in sys.argv[2:]:
        found, where = margin(sys.argv[1], int(word))
        print(f"{sys.argv[1]} seed {word}: {found:.1f} at {where}", flush=True)
