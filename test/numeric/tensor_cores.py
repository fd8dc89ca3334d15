"""Convolutions in tf32 and bf16 against a float64 reference whose operands are rounded as the tensor cores' are; numpy alone."""
import numpy

BOUND = 1e-5
TIP = 8  # units in the last place of f32 that a sum on tensor cores may lie from float64's
CLASSES = numpy.array([1, 3])  # the two images' labels

# name: (channels, height, width, arguments of the convolution)
CASES = {
    "k3": (8, 10, 9, {"c": 20, "k": 3, "pad": 1}),
    "k1": (12, 7, 7, {"c": 64, "k": 1}),
    "k3_stride2": (16, 11, 11, {"c": 36, "k": 3, "stride": 2, "pad": 1}),
    "k7_odd_channels": (3, 19, 19, {"c": 17, "k": 7, "stride": 2, "pad": 3}),
    "many": (8, 34, 33, {"c": 132, "k": 3, "pad": 1}),
    "wide": (72, 17, 17, {"c": 136, "k": 1}),
    "groups": (32, 6, 6, {"c": 64, "k": 3, "pad": 1, "groups": 2}),
}


def text(name):
    """image | 1x1 to `channels` | the convolution | flatten. The cotangent of the output is known from the output."""
    channels, height, width, arguments = CASES[name]
    inside = ", ".join(f"{key}={value}" for key, value in arguments.items())
    return f"""net 1
model test() {{
  input image: [4, {height}, {width}]
  return image | a: conv({channels}, k=1, bias=false) | b: conv({inside}, bias=false) | flatten
}}
"""


def draw(name):
    """(weights, inputs) of a case."""
    channels, height, width, arguments = CASES[name]
    rng = numpy.random.default_rng(1)
    normal = lambda *shape: rng.standard_normal(shape).astype(numpy.float32)
    kernel = arguments["k"]
    a = normal(channels, 4, 1, 1)
    b = normal(arguments["c"], channels // arguments.get("groups", 1), kernel, kernel) / numpy.float32(kernel * channels ** 0.5)
    return {"a.weight": a, "b.weight": b}, {"input": normal(2, 4, height, width), "labels": CLASSES}


DROPPED = {"tf32": 13, "bf16": 16}  # of f32's 23 bits of mantissa


def rounded(x, precision="tf32"):
    """To nearest; tf32: ties away from zero, bf16: ties to even."""
    bits = numpy.ascontiguousarray(x, numpy.float32).view(numpy.uint32)
    dropped = numpy.uint32(DROPPED[precision])
    half = numpy.uint32(1) << (dropped - numpy.uint32(1))
    if precision == "bf16":
        half = half - numpy.uint32(1) + ((bits >> dropped) & numpy.uint32(1))
    bits = (bits + half) >> dropped << dropped
    return bits.view(numpy.float32).astype(numpy.float64)


def tipping(x, precision="tf32"):
    """What of `x`, by norm, may round to the other neighbour where it is computed in f32: values next to a tie."""
    bits = numpy.ascontiguousarray(x, numpy.float32).view(numpy.uint32)
    dropped = DROPPED[precision]
    near = numpy.abs((bits & ((1 << dropped) - 1)).astype(numpy.int64) - (1 << (dropped - 1))) <= TIP
    step = numpy.exp2(numpy.floor(numpy.log2(numpy.maximum(numpy.abs(x), 1e-30))) - (23 - dropped))
    return float(numpy.linalg.norm(step[near]) / numpy.linalg.norm(x))


class Convolution:
    """A product of rounded operands, and what it passes back of a cotangent, which is rounded too.

    Tiles of bf16 take four channels at once; where channels don't divide, what is not stored as bf16 is rounded to tf32 instead.
    """

    def __init__(self, image, weight, stride=1, pad=0, groups=1, precision="tf32"):
        self.precision = precision
        self.stride, self.pad, self.groups = stride, pad, groups
        of_weights = [precision if channels % 4 == 0 else "tf32" for channels in (weight.shape[1], weight.shape[0] // groups)]
        self.weight, self.weight_of_input = (rounded(weight, one).reshape(groups, -1, *weight.shape[1:]) for one in of_weights)
        padded = numpy.pad(image, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        self.image = rounded(padded, of_weights[0])
        self.image_of_weights = rounded(padded, "tf32" if "tf32" in of_weights else precision)
        self.size = [(self.image.shape[2 + i] - weight.shape[2 + i]) // stride + 1 for i in (0, 1)]
        self.shape = (len(image), weight.shape[0], *self.size)

    def taps(self):
        """(row, column, the pixels of the padded image that this tap reads)."""
        for row in range(self.weight.shape[3]):
            for column in range(self.weight.shape[4]):
                yield row, column, tuple(slice(first, first + self.stride * (size - 1) + 1, self.stride)
                                         for first, size in zip((row, column), self.size))

    def pixels(self, rows, columns, image=None):
        image = self.image if image is None else image
        return image[:, :, rows, columns].reshape(len(image), self.groups, -1, *self.size)

    def forward(self):
        value = 0.0
        for row, column, place in self.taps():
            value = value + numpy.einsum("ngcyx,goc->ngoyx", self.pixels(*place), self.weight[..., row, column])
        return value.reshape(self.shape)

    def backward(self, cotangent):
        """(by the image, by the weight)."""
        cotangent = rounded(cotangent.reshape(self.shape), self.precision).reshape(len(self.image), self.groups, -1, *self.size)
        by_image, by_weight = numpy.zeros_like(self.image), numpy.zeros_like(self.weight)
        for row, column, place in self.taps():
            by_weight[..., row, column] = numpy.einsum("ngoyx,ngcyx->goc", cotangent, self.pixels(*place, self.image_of_weights))
            by_pixel = numpy.einsum("ngoyx,goc->ngcyx", cotangent, self.weight_of_input[..., row, column])
            by_image[:, :, place[0], place[1]] += by_pixel.reshape(len(self.image), -1, *self.size)
        height, width = self.image.shape[2:]
        by_image = by_image[:, :, self.pad:height - self.pad, self.pad:width - self.pad]
        return by_image, by_weight.reshape(-1, *self.weight.shape[2:])


def claims(name, weights, inputs, found, precision="tf32"):
    """`found` is what the executable's `run --train` gave. Operands that it computed may have rounded otherwise than float64's."""
    arguments = CASES[name][3]
    first = Convolution(inputs["input"], weights["a.weight"], precision=precision)
    between = first.forward()
    stored = rounded(between, precision) if precision == "bf16" else between
    second = Convolution(stored, weights["b.weight"], *(arguments.get(key, default) for key, default in
                                                                  (("stride", 1), ("pad", 0), ("groups", 1))),
                         precision=precision)
    n, output = len(CLASSES), found["output"].astype(numpy.float64)
    high = numpy.exp(output - output.max(1, keepdims=True))
    cotangent = high / high.sum(1, keepdims=True)
    cotangent[numpy.arange(n), CLASSES] -= 1
    to_first, to_b = second.backward(cotangent / n)
    _, to_a = first.backward(to_first)
    of_cotangent, of_output = tipping(cotangent, precision), tipping(between, precision)
    wanted = second.forward().reshape(n, -1)
    if precision == "bf16":  # what convolutions store is rounded too
        wanted, of_output = rounded(wanted, precision), of_output + tipping(wanted, precision)
    pairs = (("output", output, wanted, of_output),
             ("grad.b.weight", found["grad.b.weight"], to_b, tipping(between, precision) + of_cotangent),
             ("grad.a.weight", found["grad.a.weight"], to_a, tipping(to_first, precision) + of_cotangent))
    return [(what, float(numpy.linalg.norm(value - wanted) / numpy.linalg.norm(wanted)), BOUND + tips) for what, value, wanted, tips in pairs]
