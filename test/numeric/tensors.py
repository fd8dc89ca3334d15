#!/usr/bin/python3
"""Models beyond one image in and one class vector out: several inputs and outputs, other ranks, other losses, against PyTorch."""
import pathlib
import sys

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from compiled import Compiled, Failed
from report import Report, Unsupported

try:
    import torch
    from torch.nn import functional
except ImportError:
    torch = None

BATCH = 5


class Reference:
    """Parameters drawn as the model asks for them, in float64."""

    def __init__(self):
        self.generator = torch.Generator().manual_seed(3)
        self.parameters = {}

    def draw(self, *shape, scale=1.0):
        return (scale * torch.randn(*shape, generator=self.generator, dtype=torch.float64)).float().double()

    def parameter(self, name, *shape):
        if name not in self.parameters:
            fan = int(numpy.prod(shape[1:])) or 1
            self.parameters[name] = self.draw(*shape, scale=fan ** -0.5).requires_grad_()
        return self.parameters[name]

    def conv(self, name, x, channels, kernel):
        weight = self.parameter(name + ".weight", channels, x.shape[1], kernel, kernel)
        return functional.conv2d(x, weight, self.parameter(name + ".bias", channels), padding=kernel // 2)

    def linear(self, name, x, features):
        return functional.linear(x, self.parameter(name + ".weight", features, x.shape[-1]), self.parameter(name + ".bias", features))


def two_inputs(r):
    """An image-to-image network with two inputs and two outputs, both trained."""
    text = """net 1
model test {
  input image: [3, 9, 7]
  input mask: [1, 9, 7]
  x = concat(image, mask) | a: conv(10, k=3, pad=1, bias=true) | tanh
  x = x + (image | b: conv(10, k=1, bias=true))
  m = x | c: conv(3, k=3, pad=1, bias=true)
  return {map: m + image, depth: x | avgpool(global) | flatten | fc: linear(4)}
}
train test { loss map: mse + 0.1 * l1, depth: 0.5 * l1 }
"""
    inputs = {"image": r.draw(BATCH, 3, 9, 7), "mask": r.draw(BATCH, 1, 9, 7)}
    targets = {"targets.map": r.draw(BATCH, 3, 9, 7), "targets.depth": r.draw(BATCH, 4)}

    def forward(image, mask):
        x = r.conv("a", torch.cat([image, mask], 1), 10, 3).tanh()
        x = x + r.conv("b", image, 10, 1)
        return {"map": r.conv("c", x, 3, 3) + image, "depth": r.linear("fc", x.mean((2, 3)), 4)}

    def loss(out):
        return (functional.mse_loss(out["map"], targets["targets.map"]) + 0.1 * functional.l1_loss(out["map"], targets["targets.map"])
                + 0.5 * functional.l1_loss(out["depth"], targets["targets.depth"]))
    return text, inputs, targets, forward, loss


def image_out(r):
    """One image in, one out, with batch norm; 33 channels are no multiple of a vector."""
    text = """net 1
model test {
  input image: [2, 11, 5]
  return image | a: conv(33, k=3, pad=1) | n: bn | relu | b: conv(1, k=3, pad=1, bias=true)
}
train test { loss mse }
"""
    inputs, targets = {"input": r.draw(BATCH, 2, 11, 5)}, {"targets": r.draw(BATCH, 1, 11, 5)}

    def forward(input):
        weight = r.parameter("a.weight", 33, 2, 3, 3)
        x = functional.conv2d(input, weight, padding=1)
        scale, shift = r.parameter("n.weight", 33), r.parameter("n.bias", 33)
        return {"output": r.conv("b", functional.batch_norm(x, None, None, scale, shift, True).relu(), 1, 3)}

    return text, inputs, targets, forward, lambda out: functional.mse_loss(out["output"], targets["targets"])


def class_map(r):
    """A map of class scores: cross entropy is the mean over pixels."""
    text = """net 1
model test {
  input image: [3, 6, 5]
  return image | a: conv(9, k=3, pad=1, bias=true) | relu | b: conv(4, k=1, bias=true)
}
train test { loss cross_entropy(label_smoothing=0.1) }
"""
    inputs = {"image": r.draw(BATCH, 3, 6, 5)}
    targets = {"labels": torch.randint(0, 4, (BATCH, 6, 5), generator=r.generator)}

    def forward(image):
        return {"output": r.conv("b", r.conv("a", image, 9, 3).relu(), 4, 1)}

    return text, inputs, targets, forward, lambda out: functional.cross_entropy(out["output"], targets["labels"], label_smoothing=0.1)


def with_ignored(labels, ignored):
    """Every third label is one that does not count."""
    labels.view(-1)[::3] = ignored
    return labels


def ignored_map(r):
    """Of a map the label 255 counts nowhere, and no recipe has to say so: the mean is over the other pixels of the batch."""
    text, inputs, targets, forward, _ = class_map(r)
    with_ignored(targets["labels"], 255)[0] = 255  # an image without a label
    return text, inputs, targets, forward, lambda out: functional.cross_entropy(out["output"], targets["labels"], ignore_index=255,
                                                                                label_smoothing=0.1)


def dice_of(scores, labels, smooth, ignored=None):
    """1 - the mean over images and classes of (2 sum p t + smooth) / (sum p + sum t + smooth)."""
    counted = (labels != ignored)[:, None].double() if ignored is not None else torch.ones_like(labels)[:, None].double()
    p = scores.softmax(1) * counted
    t = functional.one_hot(labels.where(counted[:, 0] > 0, torch.zeros_like(labels)), scores.shape[1]).movedim(-1, 1) * counted
    axes = tuple(range(2, scores.dim()))
    return 1 - ((2 * (p * t).sum(axes) + smooth) / ((p + t).sum(axes) + smooth)).mean()


def dice_map(r):
    """cross_entropy + 0.5 * dice on a map, with a label of the recipe's that is ignored."""
    text, inputs, targets, forward, _ = class_map(r)
    text = text.replace("cross_entropy(label_smoothing=0.1)", "cross_entropy(ignore=9) + 0.5 * dice(smooth=0.3, ignore=9)")
    labels = with_ignored(targets["labels"], 9)
    return text, inputs, targets, forward, lambda out: (functional.cross_entropy(out["output"], labels, ignore_index=9)
                                                        + 0.5 * dice_of(out["output"], labels, 0.3, 9))


def dice_alone(r):
    """dice on a map of 33 classes, no multiple of a vector, most of which no label has."""
    text = """net 1
model test {
  input image: [3, 6, 5]
  return image | a: conv(33, k=3, pad=1, bias=true)
}
train test { loss dice }
"""
    inputs = {"image": r.draw(BATCH, 3, 6, 5)}
    targets = {"labels": torch.randint(0, 4, (BATCH, 6, 5), generator=r.generator)}
    return text, inputs, targets, lambda image: {"output": r.conv("a", image, 33, 3)}, lambda out: dice_of(out["output"], targets["labels"], 1)


def each_class(r):
    """bce of several classes at once: targets are smoothed, then cut at the threshold, as timm's."""
    text = """net 1
model test {
  input x: [6]
  return x | a: linear(20) | silu | b: linear(9)
}
train test { loss bce(label_smoothing=0.2, threshold=0.3) }
"""
    inputs, targets = {"x": r.draw(BATCH, 6)}, {"targets": torch.rand(BATCH, 9, generator=r.generator).double().float().double()}

    def loss(out):
        smoothed = targets["targets"] * 0.8 + 0.2 / 9
        return functional.binary_cross_entropy_with_logits(out["output"], (smoothed > 0.3).double())
    return text, inputs, targets, lambda x: {"output": r.linear("b", functional.silu(r.linear("a", x, 20)), 9)}, loss


def each_class_of_labels(r):
    """bce where an image has one label: the class is 1, all others are 0."""
    text, inputs, _, forward, _ = each_class(r)
    text = text.replace("bce(label_smoothing=0.2, threshold=0.3)", "bce(label_smoothing=0.2)")
    targets = {"labels": torch.randint(0, 9, (BATCH,), generator=r.generator)}

    def loss(out):
        smoothed = functional.one_hot(targets["labels"], 9) * 0.8 + 0.2 / 9
        return functional.binary_cross_entropy_with_logits(out["output"], smoothed.double())
    return text, inputs, targets, forward, loss


def each_pixel(r):
    """bce of a map, logits far from zero."""
    text = """net 1
model test {
  input image: [3, 9, 7]
  return (image | a: conv(2, k=3, pad=1, bias=true)) * 40
}
train test { loss bce }
"""
    inputs, targets = {"image": r.draw(BATCH, 3, 9, 7)}, {"targets": (r.draw(BATCH, 2, 9, 7) > 0).double()}
    return text, inputs, targets, lambda image: {"output": r.conv("a", image, 2, 3) * 40}, lambda out: functional.binary_cross_entropy_with_logits(
        out["output"], targets["targets"])


def sequence(r):
    """`linear` on the last axis, pointwise layers, and class scores of each token."""
    text = """net 1
model test {
  input x: [7, 12]
  y = x | a: linear(20) | silu | b: linear(12)
  z = (x + y) * y
  return {scores: z | c: linear(5, bias=false), flat: z | flatten | fc: linear(3)}
}
train test { loss scores: cross_entropy, flat: 2 * mse }
"""
    inputs = {"x": r.draw(BATCH, 7, 12)}
    targets = {"labels": torch.randint(0, 5, (BATCH, 7), generator=r.generator), "targets": r.draw(BATCH, 3)}

    def forward(x):
        y = r.linear("b", functional.silu(r.linear("a", x, 20)), 12)
        z = (x + y) * y
        scores = functional.linear(z, r.parameter("c.weight", 5, 12))
        return {"scores": scores, "flat": r.linear("fc", z.flatten(1), 3)}

    def loss(out):
        return (functional.cross_entropy(out["scores"].transpose(1, 2), targets["labels"])
                + 2 * functional.mse_loss(out["flat"], targets["targets"]))
    return text, inputs, targets, forward, loss


def value_per_feature(r):
    """A vector beside a sequence holds for every token, and numbers for every element."""
    text = """net 1
model test {
  input x: [7, 12]
  input c: [5]
  g = c | g: linear(12) | sigmoid
  return (x | a: linear(12)) * g + (g + 0.5 * x) | b: linear(3)
}
train test { loss mse }
"""
    inputs, targets = {"x": r.draw(BATCH, 7, 12), "c": r.draw(BATCH, 5)}, {"targets": r.draw(BATCH, 7, 3)}

    def forward(x, c):
        g = r.linear("g", c, 12).sigmoid()[:, None]
        return {"output": r.linear("b", r.linear("a", x, 12) * g + (g + 0.5 * x), 3)}

    return text, inputs, targets, forward, lambda out: functional.mse_loss(out["output"], targets["targets"])


def four_sizes(r):
    """Pointwise layers and flatten of four sizes, beside an image."""
    text = """net 1
model test {
  input w: [2, 3, 4, 5]
  input image: [3, 8, 6]
  return {big: w * sigmoid(w) | hardswish, head: (w | flatten | a: linear(6)) + (image | flatten | b: linear(6)), image: image}
}
train test { loss head: l1 }
"""
    inputs = {"w": r.draw(BATCH, 2, 3, 4, 5), "image": r.draw(BATCH, 3, 8, 6)}
    targets = {"targets": r.draw(BATCH, 6)}

    def forward(w, image):
        return {"big": functional.hardswish(w * w.sigmoid()), "image": image,
                "head": r.linear("a", w.flatten(1), 6) + r.linear("b", image.flatten(1), 6)}

    return text, inputs, targets, forward, lambda out: functional.l1_loss(out["head"], targets["targets"])


def difference(found, wanted):
    wanted = wanted.detach().numpy()
    if found.shape != wanted.shape:
        return float("inf")
    return float(numpy.abs(found - wanted).max() / max(numpy.abs(wanted).max(), 1e-9))


def single(tensor):
    return tensor.detach().numpy().astype(numpy.int64 if tensor.dtype == torch.int64 else numpy.float32)


def compare(make, options):
    if torch is None:
        raise Unsupported("PyTorch is not installed")
    r = Reference()
    text, inputs, targets, forward, loss = make(r)
    model = Compiled.from_text(text, options=options)
    out = forward(**inputs)
    total = loss(out)
    total.backward()
    weights = {name: single(value) for name, value in r.parameters.items()}
    statistics = {name: shape for name, shape in (("n.running_mean", 33), ("n.running_var", 33)) if "n.weight" in weights}
    weights.update({name: numpy.ones(size, numpy.float32) for name, size in statistics.items()})
    given = {name: single(value) for name, value in {**inputs, **targets, "more": inputs[next(iter(inputs))]}.items()}
    found = model.run(weights, given, train=True)
    claims = [("loss", difference(found["loss"], total.reshape(1)), 1e-5)]
    claims += [(f"output {name}", difference(found[name], value), 1e-5) for name, value in out.items()]
    claims += [(f"gradient of {name}", difference(found["grad." + name], value.grad), 5e-5) for name, value in r.parameters.items()]
    same = model.run_again(given, train=True, threads=1)
    claims.append(("tensors that one thread computes otherwise", sum(bool((same[name] != found[name]).any()) for name in found), 0.5))
    if not statistics:  # else inference is another function
        plain = model.run_again(given)
        claims += [(f"inference {name}", difference(plain[name], value), 1e-5) for name, value in out.items()]
        claims.append(("tensors beside the outputs", len(set(plain) ^ set(out)), 0.5))
    return claims


def refuses():
    """A missing or misshapen tensor is an error that names it and what was expected."""
    model = Compiled.from_text("net 1\nmodel test {\n  input image: [1, 4, 4]\n  input mask: [1, 4, 4]\n"
                               "  return image + mask | conv(1, k=1)\n}\ntrain test { loss mse }\n")
    weights = {"conv1.weight": numpy.ones((1, 1, 1, 1), numpy.float32), "conv1.bias": numpy.ones(1, numpy.float32)}
    image = numpy.zeros((2, 1, 4, 4), numpy.float32)

    def message(inputs, train=False):
        try:
            model.run(weights, inputs, train)
        except Failed as error:
            return str(error)
        return ""
    cases = [("no tensor 'mask', expected mask [N, 1, 4, 4] of type F32; the file has image", {"image": image}, False),
             ("tensor 'mask' has shape [3, 1, 4, 4], expected [2, 1, 4, 4]", {"image": image, "mask": image[[0, 1, 1]]}, False),
             ("no tensor 'targets', expected targets [N, 1, 4, 4] of type F32", {"image": image, "mask": image}, True),
             ("tensor 'targets' has shape [2, 4, 4], expected [2, 1, 4, 4]", {"image": image, "mask": image, "targets": image[:, 0]}, True)]
    return [(f"no word of: {text}", int(text not in message(inputs, train)), 0.5) for text, inputs, train in cases]


def tells():
    """`info --json` lists inputs and outputs."""
    model = Compiled.from_text("net 1\nmodel test {\n  input image: [1, 4, 6]\n  input x: [3]\n"
                               "  return {map: image | conv(2, k=1), scores: x | linear(5)}\n}\n"
                               "train test { loss map: mse, scores: cross_entropy }\n")
    info = model.info()
    wanted = {"inputs": [{"name": "image", "shape": [1, 4, 6], "type": "f32"}, {"name": "x", "shape": [3], "type": "f32"}],
              "outputs": [{"name": "map", "shape": [2, 4, 6], "type": "f32"}, {"name": "scores", "shape": [5], "type": "f32"}]}
    return [(f"{key} are {info.get(key)}", int(info.get(key) != value), 0.5) for key, value in wanted.items()]


def main():
    report = Report("tensors")
    for make in (two_inputs, image_out, class_map, ignored_map, dice_map, dice_alone, each_class, each_class_of_labels, each_pixel, sequence,
                 value_per_feature, four_sizes):
        report.case(make.__name__, compare, make, ())
    for make in (two_inputs, sequence, value_per_feature, dice_map, each_class):
        report.case(make.__name__ + "-sim", compare, make, ("--target", "sim"))
    report.case("refuses", refuses)
    report.case("tells", tells)
    report.close()


if __name__ == "__main__":
    main()
