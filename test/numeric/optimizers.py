#!/usr/bin/python3
"""Ten updates of each optimizer, and of what surrounds it, against float64 references.

A small smooth network trains on one fixed batch of images in an IDX file. SGD, Nesterov, Adam and AdamW are compared with
torch.optim, clipping with torch.nn.utils.clip_grad_norm_; LARS (You et al. 2017, algorithm 1), accumulation and the moving
average with formulas in this file.
"""
import pathlib
import struct
import sys

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import safetensors
from compiled import Compiled, Failed, call
from report import Report

try:
    import torch
except ImportError as missing:
    torch = None
    WHY = f"python3-torch is needed: {missing}"

IMAGES, SIDE, CLASSES, STEPS, BOUND = 12, 28, 10, 10, 1e-5
NETWORK = """net 1
model test {{
  input image: [1, 28, 28]
  return image | conv(5, k=3, stride=2) | {norm} tanh | conv(6, k=3, stride=3) | tanh | flatten | fc: linear(10)
}}
train test {{
  {augment}
  loss cross_entropy{smoothing}
  optimizer {optimizer}
  {clauses}
  batch {batch}
  epochs {epochs}
}}
"""


def write_idx(folder, images, labels):
    folder.mkdir(exist_ok=True)
    for split in ("train", "t10k"):
        (folder / f"{split}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, *images.shape) + images.tobytes())
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, len(labels)) + labels.tobytes())


def draw_data():
    generator = numpy.random.default_rng(3)
    images = generator.integers(0, 256, (IMAGES, SIDE, SIDE), dtype=numpy.uint8)
    return images, generator.integers(0, CLASSES, IMAGES, dtype=numpy.uint8)


class Reference(torch.nn.Module if torch else object):
    def __init__(self, norm):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 5, 3, stride=2, bias=not norm)
        if norm:
            self.bn1 = torch.nn.BatchNorm2d(5)
        self.norm = norm
        self.conv2 = torch.nn.Conv2d(5, 6, 3, stride=3)
        self.fc = torch.nn.Linear(6 * 16, CLASSES)

    def forward(self, x):
        x = self.conv1(x)
        x = torch.tanh(self.bn1(x) if self.norm else x)
        return self.fc(torch.tanh(self.conv2(x)).flatten(1))


class Lars:
    """Algorithm 1 of You, Gitman, Ginsburg 2017; the ratio is 1 where a norm is zero or `adapts` says no."""

    def __init__(self, parameters, lr, momentum, weight_decay, trust, adapts):
        self.parameters = [(p, torch.zeros_like(p), adapts(p)) for p in parameters]
        self.lr, self.momentum, self.decay, self.trust = lr, momentum, weight_decay, trust

    def step(self):
        with torch.no_grad():
            for p, v, adapts in self.parameters:
                decay = self.decay if adapts else 0.0
                g, w = p.grad.norm(), p.norm()
                ratio = self.trust * w / (g + decay * w) if adapts and g > 0 and w > 0 else 1.0
                v.mul_(self.momentum).add_(self.lr * ratio * (p.grad + decay * p))
                p.sub_(v)


class Lamb:
    """Algorithm 2 of You et al. 2020 with Adam's bias correction; the ratio is 1 where a norm is zero or `adapts` says no."""

    def __init__(self, parameters, lr, betas, eps, weight_decay, adapts):
        self.parameters = [(p, torch.zeros_like(p), torch.zeros_like(p), adapts(p)) for p in parameters]
        self.lr, self.betas, self.eps, self.decay, self.steps = lr, betas, eps, weight_decay, 0

    def step(self):
        self.steps += 1
        first, second = (1 - beta ** self.steps for beta in self.betas)
        with torch.no_grad():
            for p, m, v, adapts in self.parameters:
                m.mul_(self.betas[0]).add_((1 - self.betas[0]) * p.grad)
                v.mul_(self.betas[1]).add_((1 - self.betas[1]) * p.grad ** 2)
                r = m / first / ((v / second).sqrt() + self.eps) + (self.decay if adapts else 0.0) * p
                ratio = p.norm() / r.norm() if adapts and p.norm() > 0 and r.norm() > 0 else 1.0
                p.sub_(self.lr * ratio * r)


def is_weight(parameter):
    return parameter.dim() > 1


def groups(model, decay):
    """`decay_weights_only`: biases and normalisations are left out."""
    return [{"params": [p for p in model.parameters() if is_weight(p)], "weight_decay": decay},
            {"params": [p for p in model.parameters() if not is_weight(p)], "weight_decay": 0.0}]


def decays(model, weights, norm, bias):
    """`decay(norm=…, bias=…)`: normalisations and biases have a weight decay of their own."""
    of_norm = list(model.bn1.parameters())
    kinds = {"norm": of_norm, "bias": [model.conv1.bias, model.conv2.bias, model.fc.bias], "weights": []}
    known = {id(p) for p in kinds["norm"] + kinds["bias"] if p is not None}
    kinds["weights"] = [p for p in model.parameters() if id(p) not in known]
    kinds["bias"] = [p for p in kinds["bias"] if p is not None]
    return [{"params": kinds[kind], "weight_decay": decay} for kind, decay in (("weights", weights), ("norm", norm), ("bias", bias))]


def reference(model, images, labels, optimizer, clip=0.0, smoothing=0.0, average=0.0, after=None):
    x = torch.from_numpy(images.astype(numpy.float64) / 255)[:, None]
    y = torch.from_numpy(labels.astype(numpy.int64))
    averaged = {name: value.clone() for name, value in model.state_dict().items()}
    for step in range(STEPS):
        for p in model.parameters():
            p.grad = None
        torch.nn.functional.cross_entropy(model(x), y, label_smoothing=smoothing).backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        decay = min(average, (step + 1) / (step + 10))
        for name, value in model.state_dict().items():
            if value.dtype.is_floating_point:
                averaged[name].mul_(decay).add_((1 - decay) * value)
    return averaged if average else model.state_dict()


# name: (recipe's optimizer, torch's, what else)
CASES = {
    "sgd": ("sgd(lr=0.05, momentum=0.9, weight_decay=1e-3)",
            lambda m: torch.optim.SGD(m.parameters(), 0.05, 0.9, weight_decay=1e-3), {}),
    "nesterov": ("sgd(lr=0.05, momentum=0.9, weight_decay=1e-3, nesterov)",
                 lambda m: torch.optim.SGD(m.parameters(), 0.05, 0.9, weight_decay=1e-3, nesterov=True), {}),
    "sgd_decay_weights_only": ("sgd(lr=0.05, momentum=0.9, weight_decay=0.1, decay_weights_only)",
                               lambda m: torch.optim.SGD(groups(m, 0.1), 0.05, 0.9), {}),
    "adam": ("adam(lr=0.003, weight_decay=1e-2)",
             lambda m: torch.optim.Adam(m.parameters(), 0.003, weight_decay=1e-2), {}),
    "adam_betas": ("adam(lr=0.003, beta1=0.8, beta2=0.95, eps=1e-4)",
                   lambda m: torch.optim.Adam(m.parameters(), 0.003, betas=(0.8, 0.95), eps=1e-4), {}),
    "adamw": ("adamw(lr=0.003, weight_decay=0.1)",
              lambda m: torch.optim.AdamW(m.parameters(), 0.003, weight_decay=0.1), {}),
    "adamw_decay_weights_only": ("adamw(lr=0.003, weight_decay=0.1, decay_weights_only)",
                                 lambda m: torch.optim.AdamW(groups(m, 0.1), 0.003), {}),
    "lars": ("lars(lr=3.0, momentum=0.9, weight_decay=1e-3, trust=0.01)",
             lambda m: Lars(m.parameters(), 3.0, 0.9, 1e-3, 0.01, lambda p: True), {}),
    "lars_decay_weights_only": ("lars(lr=0.1, momentum=0.9, weight_decay=1e-3, trust=0.3, decay_weights_only)",
                                lambda m: Lars(m.parameters(), 0.1, 0.9, 1e-3, 0.3, is_weight), {}),
    "lamb": ("lamb(lr=0.02, weight_decay=0.05)", lambda m: Lamb(m.parameters(), 0.02, (0.9, 0.999), 1e-6, 0.05, lambda p: True), {}),
    "lamb_decay_weights_only": ("lamb(lr=0.02, beta1=0.8, beta2=0.95, eps=1e-4, weight_decay=0.05, decay_weights_only)",
                                lambda m: Lamb(m.parameters(), 0.02, (0.8, 0.95), 1e-4, 0.05, is_weight), {"clip": 0.3}),
    "lamb_ema": ("lamb(lr=0.02)", lambda m: Lamb(m.parameters(), 0.02, (0.9, 0.999), 1e-6, 0.01, lambda p: True), {"average": 0.4}),
    "rmsprop": ("rmsprop(lr=0.003, alpha=0.9, momentum=0.9, eps=1e-3, weight_decay=1e-2)",
                lambda m: torch.optim.RMSprop(m.parameters(), 0.003, 0.9, 1e-3, 1e-2, 0.9), {}),
    "rmsprop_plain": ("rmsprop(lr=0.003)", lambda m: torch.optim.RMSprop(m.parameters(), 0.003), {}),
    "decay": ("sgd(lr=0.05, momentum=0.9, weight_decay=0.1), decay(norm=0, bias=0.02)",
              lambda m: torch.optim.SGD(decays(m, 0.1, 0.0, 0.02), 0.05, 0.9), {}),
    "decay_inside": ("adamw(lr=0.003, weight_decay=0.1, decay(bias=0))",
                     lambda m: torch.optim.AdamW(decays(m, 0.1, 0.1, 0.0), 0.003), {}),
    "clip_norm": ("sgd(lr=0.05, momentum=0.9, weight_decay=1e-3)",
                  lambda m: torch.optim.SGD(m.parameters(), 0.05, 0.9, weight_decay=1e-3), {"clip": 0.3}),
    "label_smoothing": ("sgd(lr=0.05, momentum=0.9)", lambda m: torch.optim.SGD(m.parameters(), 0.05, 0.9), {"smoothing": 0.1}),
    "ema": ("adam(lr=0.003)", lambda m: torch.optim.Adam(m.parameters(), 0.003), {"average": 0.4}),
    "accumulate": ("sgd(lr=0.05, momentum=0.9, weight_decay=1e-3)",
                   lambda m: torch.optim.SGD(m.parameters(), 0.05, 0.9, weight_decay=1e-3), {"accumulate": 3, "norm": False}),
    "accumulate_ragged": ("adam(lr=0.003)", lambda m: torch.optim.Adam(m.parameters(), 0.003),
                          {"accumulate": 3, "norm": False, "batch": 5, "clip": 0.2}),
}


def text_of(optimizer, accumulate=1, batch=IMAGES, norm=True, clip=0.0, smoothing=0.0, average=0.0, augment=""):
    clauses = [f"clip_norm {clip}"] * bool(clip) + [f"ema {average}"] * bool(average)
    clauses += [f"accumulate {accumulate}"] * (accumulate > 1)
    return NETWORK.format(norm="bn |" if norm else "", optimizer=optimizer, clauses="\n  ".join(clauses), batch=batch,
                          epochs=STEPS, augment=augment, smoothing=f"(label_smoothing={smoothing})" if smoothing else "")


def train(executable, name, weights, data, *options):
    initial = executable.path / "initial.safetensors"
    safetensors.save(initial, weights)
    out = executable.path / name
    call([executable.executable, "train", "--data", f"mnist:{data}", "--weights", initial, "--out", out, *options])
    return safetensors.load(out / "model.safetensors")


def difference(found, wanted):
    wanted = wanted.detach().numpy()
    return float(numpy.abs(found - wanted).max() / numpy.abs(wanted).max())


def start(norm):
    torch.manual_seed(5)
    model = Reference(norm).double()
    for parameter in model.parameters():
        parameter.data = parameter.data.float().double()
    return model, {name: value.numpy().astype(numpy.float32) for name, value in model.state_dict().items()
                   if value.dtype.is_floating_point}


def check(optimizer, build, extra, data, target="cpu"):
    extra = dict(extra)
    if extra.get("accumulate"):
        extra.setdefault("batch", IMAGES // extra["accumulate"])
    executable = Compiled.from_text(text_of(optimizer, **extra), options=["--target", target])
    model, weights = start(extra.get("norm", True))
    if "smoothing" in extra:  # the command line says the same as the recipe
        plain = Compiled.from_text(text_of(optimizer))
        overridden = train(plain, "set", weights, data, "--label-smoothing", extra["smoothing"])
    found = train(executable, "run", weights, data, "--threads", 2)
    other = train(executable, "other", weights, data, "--threads", 1)
    for key in ("accumulate", "norm", "batch"):
        extra.pop(key, None)
    wanted = reference(model, *draw_data(), build(model), **extra)
    claims = [(name, difference(found[name], value), BOUND) for name, value in wanted.items() if value.dtype.is_floating_point]
    moved = max(difference(weights[name], value) for name, value in wanted.items() if name in weights)
    if "smoothing" in extra:
        claims.append(("tensors that differ with --label-smoothing", sum((found[n] != overridden[n]).any() for n in found), 0.5))
    claims.append(("tensors that differ between 1 and 2 threads", sum((found[n] != other[n]).any() for n in found), 0.5))
    claims.append(("1 / the largest change of a tensor", 1 / max(moved, 1e-9), 100))
    return claims


def check_own_rates(data):
    """--freeze and --lr-for, with a clipped norm to which frozen parameters do not count."""
    executable = Compiled.from_text(text_of("sgd(lr=0.05, momentum=0.9, weight_decay=1e-3)", clip=0.1))
    model, weights = start(True)
    found = train(executable, "run", weights, data, "--freeze", "conv1.*", "--freeze", "bn?.weight", "--lr-for", "fc.*=0.2")
    frozen = [name for name in weights if name.startswith("conv1.") or name == "bn1.weight"]
    trained = {"fc": [], "rest": []}
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name not in frozen
        if name not in frozen:
            trained["fc" if name.startswith("fc.") else "rest"].append(parameter)
    optimizer = torch.optim.SGD([{"params": trained["fc"], "lr": 0.2}, {"params": trained["rest"], "lr": 0.05}], 0.05, 0.9,
                                weight_decay=1e-3)
    wanted = reference(model, *draw_data(), optimizer, clip=0.1)
    claims = [(name, difference(found[name], value), BOUND) for name, value in wanted.items() if value.dtype.is_floating_point]
    claims.append(("frozen tensors that moved", sum((found[name] != weights[name]).any() for name in frozen), 0.5))
    return claims


def check_frozen_statistics(data, target):
    """--freeze-bn and bn(frozen): running statistics normalise and stay; weight and bias are trained. In PyTorch the module is in eval()."""
    text = text_of("sgd(lr=0.05, momentum=0.9, weight_decay=1e-3)")
    model, weights = start(True)
    with torch.no_grad():
        model.bn1.running_mean.copy_(torch.tensor([0.3, -0.2, 0.1, 0.0, -0.4]))
        model.bn1.running_var.copy_(torch.tensor([0.5, 2.0, 0.25, 1.0, 0.125]))
    weights |= {name: value.numpy().astype(numpy.float32) for name, value in model.bn1.named_buffers(prefix="bn1") if value.dim()}
    model.bn1.eval()
    wanted = reference(model, *draw_data(), torch.optim.SGD(model.parameters(), 0.05, 0.9, weight_decay=1e-3))
    switched = Compiled.from_text(text, options=["--target", target])
    claims = []
    for way, found in (("--freeze-bn", train(switched, "run", weights, data, "--freeze-bn", "b*1")),
                       ("bn(frozen)", train(Compiled.from_text(text.replace("bn |", "bn(frozen) |"), options=["--target", target]), "run", weights, data))):
        claims += [(f"{way}: {name}", difference(found[name], value), BOUND) for name, value in wanted.items() if value.dtype.is_floating_point]
        claims.append((f"{way}: statistics that moved", sum((found[f"bn1.running_{name}"] != weights[f"bn1.running_{name}"]).any() for name in ("mean", "var")), 0.5))
    try:
        train(switched, "none", weights, data, "--freeze-bn", "conv*")
        message = "no error"
    except Failed as error:
        message = str(error)
    expected = "--freeze-bn 'conv*' matches no batch norm of test (such as bn1)"
    return claims + [(f"no word of: {expected}; found {message}", int(expected not in message), 0.5)]


def check_soft_targets(data):
    """With mixup in its recipe a model compares with distributions; `run --train` gives it one-hot ones."""
    images, labels = draw_data()
    inputs = {"input": (images / 255).astype(numpy.float32)[:, None], "labels": labels.astype(numpy.int64)}
    _, weights = start(True)
    results = []
    for augment in ("", "augment mixup(0.2)", "augment cutmix(1.0)"):
        executable = Compiled.from_text(text_of("sgd(lr=0.1)", smoothing=0.1, augment=augment))
        results.append(executable.run(weights, inputs, train=True))
    hard, *soft = results
    return [(name, float(numpy.abs(hard[name] - other[name]).max() / numpy.abs(hard[name]).max()), 1e-6)
            for other in soft for name in hard]


def check_mixing(data):
    """Mixup trains, by the seed alone, and otherwise than without."""
    _, weights = start(True)
    plain = train(Compiled.from_text(text_of("sgd(lr=0.05)")), "run", weights, data)
    claims = []
    for augment in ("mixup(0.8)", "cutmix(1.0)", "mixup(0.2), cutmix(1.0)"):
        executable = Compiled.from_text(text_of("sgd(lr=0.05)", augment=f"augment {augment}"))
        one, two = (train(executable, f"run{t}", weights, data, "--threads", t) for t in (1, 2))
        moved = float(numpy.abs(one["fc.weight"] - plain["fc.weight"]).max())
        claims += [(f"{augment}: tensors that differ by threads", sum((one[n] != two[n]).any() for n in one), 0.5),
                   (f"{augment}: 1 / the difference it makes", 1 / max(moved, 1e-9), 1e4)]
    return claims


def main():
    report = Report("optimizers")
    if not torch:
        report.line("UNSUPPORTED", "all", WHY)
        report.close()
    import tempfile
    with tempfile.TemporaryDirectory(prefix="netc-optimizers-") as folder:
        data = pathlib.Path(folder) / "data"
        write_idx(data, *draw_data())
        wanted = sys.argv[1:]
        for name, (optimizer, build, extra) in CASES.items():
            if not wanted or name in wanted:
                report.case(name, check, optimizer, build, extra, data)
        for name, function in (("own_rates", check_own_rates), ("soft_targets", check_soft_targets), ("mixing", check_mixing)):
            if not wanted or name in wanted:
                report.case(name, function, data)
        for name in ("lamb_decay_weights_only", "rmsprop"):
            if not wanted or name in wanted:
                report.case(f"{name}/sim", check, *CASES[name], data, "sim")
        for target in ("cpu", "sim"):
            if not wanted or "frozen_statistics" in wanted:
                report.case(f"frozen_statistics/{target}", check_frozen_statistics, data, target)
    report.close()


if __name__ == "__main__":
    main()
