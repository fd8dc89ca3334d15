"""Layers of the language with a PyTorch reference: one description makes the .net text and the float64 function."""
import torch
from torch.nn import functional


def bracket(value):
    return "[" + ", ".join(str(v) for v in value) + "]" if isinstance(value, (list, tuple)) else str(value)


def pair(value):
    return list(value) if isinstance(value, (list, tuple)) else [value, value]


def four(pad):
    """[top, left, bottom, right] of an integer, [height, width] or all four."""
    pad = pair(pad)
    return pad if len(pad) == 4 else pad + pad


def same_padding(size, extent, stride):
    """Output ceil(size / stride), the odd pixel at the end."""
    total = max((-(-size // stride) - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


def pad_image(x, pad, value=0.0):
    top, left, bottom, right = pad
    return functional.pad(x, (left, right, top, bottom), value=value)


class Net:
    """Builds the text of a model and, on `forward`, its value in PyTorch from the same description."""

    def __init__(self, channels, height, width, classes=3, seed=0):
        self.image = (channels, height, width)
        self.classes = classes
        self.lines, self.branches = [], []
        self.parameters, self.statistics = {}, {}
        self.drawn = {}  # how each of both was drawn: {"shape", "scale", "shift", "squared"}
        self.generator = torch.Generator().manual_seed(seed)

    def draw(self, *shape, scale=1.0):
        return (scale * torch.randn(*shape, generator=self.generator, dtype=torch.float64)).float().double()

    def parameter(self, name, *shape, scale=1.0, shift=0.0):
        if name not in self.parameters:
            self.parameters[name] = (shift + self.draw(*shape, scale=scale)).requires_grad_()
            self.drawn[name] = {"shape": list(shape), "scale": scale, "shift": shift, "squared": False}
        return self.parameters[name]

    def branch(self, layers):
        """`layers`: (kind, arguments) from the image to a linear head; heads are added to the logits."""
        name = f"b{len(self.branches)}"
        text = "image"
        # Whether a convolution has a bias is always said: its default depends on who reads it.
        layers = [(kind, {"bias": "false", **arguments} if kind == "conv" else arguments) for kind, arguments in layers]
        for index, (kind, arguments) in enumerate(layers):
            inside = ", ".join(f"{key}={bracket(value)}" for key, value in arguments.items())
            inside = inside.replace("global=true", "global")
            text += f" | {name}.l{index}: {kind}({inside})"
        self.lines.append(f"  {name} = {text} | flatten | {name}.head: linear({self.classes})")
        self.branches.append((name, lambda x: self.chain(name, layers, x)))

    def custom(self, text, function):
        """Lines that bind `value` from `image`, with a reference; `{b}` in them is the branch's name."""
        name = f"b{len(self.branches)}"
        for line in text.strip().splitlines():
            self.lines.append("  " + line.strip().replace("{b}", name))
        self.lines.append(f"  {name} = value | flatten | {name}.head: linear({self.classes})")
        self.branches.append((name, lambda x: function(name, x)))

    def text(self):
        channels, height, width = self.image
        total = " + ".join(name for name, _ in self.branches)
        return "\n".join(["net 1", "", "model test() {", f"  input image: [{channels}, {height}, {width}]", *self.lines,
                          f"  return {total}", "}", ""])

    def head(self, name, x):
        x = x.flatten(1)
        weight = self.parameter(f"{name}.head.weight", self.classes, x.shape[1], scale=(x.shape[1] * len(self.branches)) ** -0.5)
        return functional.linear(x, weight, self.parameter(f"{name}.head.bias", self.classes, scale=0.1))

    def forward(self, x, training=True):
        self.training = training
        self.updated = {}
        return sum(self.head(name, function(x)) for name, function in self.branches)

    def chain(self, name, layers, x):
        for index, (kind, arguments) in enumerate(layers):
            x = self.layer(f"{name}.l{index}", kind, arguments, x)
        return x

    def layer(self, name, kind, a, x):
        return getattr(self, "layer_" + kind)(name, a, x)

    def layer_conv(self, name, a, x):
        groups, kernel = a.get("groups", 1), pair(a["k"])
        stride, dilation = pair(a.get("stride", 1)), pair(a.get("dilation", 1))
        pad = a.get("pad", 0)
        if pad == "same":
            rows, columns = (same_padding(x.shape[2 + i], (kernel[i] - 1) * dilation[i] + 1, stride[i]) for i in (0, 1))
            pad = [rows[0], columns[0], rows[1], columns[1]]
        inputs = x.shape[1] // groups
        weight = self.parameter(name + ".weight", a["c"], inputs, *kernel, scale=(inputs * kernel[0] * kernel[1]) ** -0.5)
        bias = self.parameter(name + ".bias", a["c"], scale=0.5) if a.get("bias") == "true" else None
        if "standardized" in a:
            mean, var = weight.mean((1, 2, 3), keepdim=True), weight.var((1, 2, 3), unbiased=False, keepdim=True)
            weight = (weight - mean) / (var + 1e-10).sqrt()
        return functional.conv2d(pad_image(x, four(pad)), weight, bias, stride, 0, dilation, groups)

    def layer_conv_transpose(self, name, a, x):
        groups, kernel, inputs = a.get("groups", 1), pair(a["k"]), x.shape[1]
        weight = self.parameter(name + ".weight", inputs, a["c"] // groups, *kernel, scale=(inputs * kernel[0] * kernel[1]) ** -0.5)
        bias = self.parameter(name + ".bias", a["c"], scale=0.5) if a.get("bias") == "true" else None
        return functional.conv_transpose2d(x, weight, bias, pair(a.get("stride", 1)), pair(a.get("pad", 0)), pair(a.get("out_pad", 0)), groups)

    def layer_upsample(self, name, a, x):
        size = pair(a["out"]) if "out" in a else [s * f for s, f in zip(x.shape[2:], pair(a.get("scale", 2)))]
        if "bilinear" in a:
            return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)
        return functional.interpolate(x, size=size, mode="nearest")

    def layer_linear(self, name, a, x):
        weight = self.parameter(name + ".weight", a["c"], x.shape[-1], scale=x.shape[-1] ** -0.5)
        bias = self.parameter(name + ".bias", a["c"], scale=0.5) if a.get("bias", "true") == "true" else None
        return functional.linear(x, weight, bias)

    def scale_and_shift(self, name, c):
        return self.parameter(name + ".weight", c, scale=0.3, shift=1.0), self.parameter(name + ".bias", c, scale=0.3)

    def layer_layer_norm(self, name, a, x):
        if x.dim() == 4:  # over the channels of each pixel
            return self.layer_layer_norm(name, a, x.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(x.shape)
        return functional.layer_norm(x, x.shape[-1:], *self.scale_and_shift(name, x.shape[-1]), a.get("eps", 1e-5))

    def layer_group_norm(self, name, a, x):
        return functional.group_norm(x, a["groups"], *self.scale_and_shift(name, x.shape[1]), a.get("eps", 1e-5))

    def layer_bn(self, name, a, x):
        c = x.shape[1]
        weight = self.parameter(name + ".weight", c, scale=0.3, shift=1.0)
        bias = self.parameter(name + ".bias", c, scale=0.3)
        mean, var = name + ".running_mean", name + ".running_var"
        if mean not in self.statistics:
            self.statistics[mean] = self.draw(c, scale=0.3)
            self.statistics[var] = (0.5 + self.draw(c) ** 2).float().double()
            self.drawn[mean] = {"shape": [c], "scale": 0.3, "shift": 0.0, "squared": False}
            self.drawn[var] = {"shape": [c], "scale": 1.0, "shift": 0.5, "squared": True}
        running_mean, running_var = self.statistics[mean].clone(), self.statistics[var].clone()
        own = self.training and "frozen" not in a  # statistics of the batch
        y = functional.batch_norm(x, running_mean, running_var, weight, bias, own, a.get("momentum", 0.1), a.get("eps", 1e-5))
        self.updated[mean], self.updated[var] = running_mean, running_var
        return y

    def layer_maxpool(self, name, a, x):
        if "global" in a:
            return x.amax((2, 3), keepdim=True)
        kernel, up = pair(a["k"]), a.get("round") == "up"
        stride, pad = pair(a.get("stride", kernel)), pair(a.get("pad", 0))
        if "dilation" in a:  # PyTorch allows less padding with a dilation
            x, pad = pad_image(x, four(pad), -torch.inf), 0
        return functional.max_pool2d(x, kernel, stride, pad, dilation=pair(a.get("dilation", 1)), ceil_mode=up)

    def layer_avgpool(self, name, a, x):
        if "global" in a:
            return x.mean((2, 3), keepdim=True)
        if "out" in a:
            return functional.adaptive_avg_pool2d(x, tuple(pair(a["out"])))
        kernel, up = pair(a["k"]), a.get("round") == "up"
        stride, pad = pair(a.get("stride", kernel)), pair(a.get("pad", 0))
        if "dilation" in a:  # each channel with a kernel of equal weights
            weight = torch.full((x.shape[1], 1, *kernel), 1 / (kernel[0] * kernel[1]), dtype=x.dtype)
            return functional.conv2d(pad_image(x, four(pad)), weight, None, stride, 0, pair(a["dilation"]), x.shape[1])
        return functional.avg_pool2d(x, kernel, stride, pad, ceil_mode=up)

    def layer_lrn(self, name, a, x):
        size, alpha = a.get("size", 5), a.get("alpha", 1e-4)
        # The language's alpha multiplies the plain sum; PyTorch divides it by the size.
        return functional.local_response_norm(x, size, alpha * size, a.get("beta", 0.75), a.get("k", 2.0))

    def layer_softmax(self, name, a, x):
        return x.softmax(1)

    def layer_relu(self, name, a, x):
        return x.relu()

    def layer_relu6(self, name, a, x):
        return functional.relu6(x)

    def layer_leaky_relu(self, name, a, x):
        return functional.leaky_relu(x, a.get("slope", 0.01))

    def layer_tanh(self, name, a, x):
        return x.tanh()

    def layer_sigmoid(self, name, a, x):
        return x.sigmoid()

    def layer_silu(self, name, a, x):
        return functional.silu(x)

    def layer_hardswish(self, name, a, x):
        return functional.hardswish(x)

    def layer_gelu(self, name, a, x):
        return functional.gelu(x, approximate="tanh" if "tanh" in a else "none")

    def layer_elu(self, name, a, x):
        return functional.elu(x, a.get("alpha", 1.0))

    def layer_mish(self, name, a, x):
        return functional.mish(x)

    def layer_hardsigmoid(self, name, a, x):
        return functional.hardsigmoid(x)

    def layer_prelu(self, name, a, x):
        return functional.prelu(x, self.parameter(name + ".weight", x.shape[1], scale=0.3, shift=0.25))

    def layer_stochastic_depth(self, name, a, x):
        return x  # `run` switches it off

    def layer_dropout(self, name, a, x):
        return x  # `run` switches it off

    def layer_identity(self, name, a, x):
        return x

    def layer_flatten(self, name, a, x):
        return x.flatten(1)

    def layer_pad(self, name, a, x):
        return pad_image(x, four(a["pad"]))

    def layer_subsample(self, name, a, x):
        rows, columns = pair(a["stride"])
        return x[:, :, ::rows, ::columns]

    def layer_pad_channels(self, name, a, x):
        return functional.pad(x, (0, 0, 0, 0, 0, a["c"] - x.shape[1]))
