"""Networks of kernels.py: sums and products with numbers and with a value per channel, and frozen batch norm."""
import torch
from layers import Net


def pre(channels):
    return ("conv", {"c": channels, "k": 1, "bias": "true"})


def operators():
    """Numbers and values per channel in every place: before and after convolutions, norms and pools, alone, on vectors."""
    net = Net(3, 9, 7, seed=16)

    def conv(name, part, c, x, kernel=1, pad=0):
        return net.layer_conv(f"{name}.{part}", {"c": c, "k": kernel, "pad": pad, "bias": "true"}, x)

    def numbers(b, x):
        p = conv(b, "p", 10, x) * 0.5 + 3
        q = net.layer_bn(f"{b}.n", {}, net.layer_conv(f"{b}.q", {"c": 33, "k": 3, "pad": 1}, 2 + -0.25 * p))
        return conv(b, "r", 3, torch.nn.functional.avg_pool2d((q * 2).tanh() * 0.1, 2))

    def of_vectors(b, x):
        v = net.layer_linear(f"{b}.p", {"c": 13}, x.flatten(1))
        return net.layer_linear(f"{b}.q", {"c": 5}, (v * 0.3 + 1).tanh() * v + v * 1)

    def per_channel(b, x):
        p = conv(b, "p", 17, x)
        v = net.layer_linear(f"{b}.v", {"c": 17}, p.mean((2, 3)))[:, :, None, None]
        w = conv(b, "w", 17, p.mean((2, 3), keepdim=True))
        return conv(b, "r", 3, (v.sigmoid() * p + v + (w + p) * w).tanh())

    def before_norm(b, x):
        p = net.layer_conv(f"{b}.p", {"c": 12, "k": 3, "pad": 1}, x)
        v = net.layer_linear(f"{b}.v", {"c": 12}, x.mean((2, 3)))[:, :, None, None]
        q = torch.nn.functional.silu(net.layer_bn(f"{b}.n", {}, p * v + v))
        return net.layer_conv(f"{b}.q", {"c": 20, "k": 3, "stride": 2, "pad": 1, "bias": "true"}, q * v)

    def of_one_pixel(b, x):
        w = conv(b, "w", 6, x.mean((2, 3), keepdim=True))
        v = net.layer_linear(f"{b}.v", {"c": 6}, w.flatten(1))[:, :, None, None]
        return (w * v + v).tanh()

    net.custom("""p = (image | {b}.p: conv(10, k=1, bias=true)) * 0.5 + 3
                  q = 2 + -0.25 * p | {b}.q: conv(33, k=3, pad=1, bias=false) | {b}.n: bn
                  value = tanh(q * 2) * 0.1 | avgpool(k=2) | {b}.r: conv(3, k=1, bias=true)""", numbers)
    net.custom("""v = image | flatten | {b}.p: linear(13)
                  value = tanh(v * 0.3 + 1) * v + v * 1 | {b}.q: linear(5)""", of_vectors)
    net.custom("""p = image | {b}.p: conv(17, k=1, bias=true)
                  v = p | avgpool(global) | flatten | {b}.v: linear(17)
                  w = p | avgpool(global) | {b}.w: conv(17, k=1, bias=true)
                  value = sigmoid(v) * p + v + (w + p) * w | tanh | {b}.r: conv(3, k=1, bias=true)""", per_channel)
    net.custom("""p = image | {b}.p: conv(12, k=3, pad=1, bias=false)
                  v = image | avgpool(global) | flatten | {b}.v: linear(12)
                  q = p * v + v | {b}.n: bn | silu
                  value = q * v | {b}.q: conv(20, k=3, stride=2, pad=1, bias=true)""", before_norm)
    net.custom("""w = image | avgpool(global) | {b}.w: conv(6, k=1, bias=true)
                  v = w | flatten | {b}.v: linear(6)
                  value = tanh(w * v + v)""", of_one_pixel)
    return net


def frozen():
    """Batch norms that keep their running statistics, beside others, in each place where one is fused or stands alone."""
    net = Net(3, 9, 8, seed=17)
    for c, kernel, stride in ((17, 3, 1), (5, 1, 2), (33, 3, 2), (10, 5, 1)):
        net.branch([("conv", {"c": c, "k": 1}), ("bn", {"frozen": "true"}), ("silu", {}),
                    ("conv", {"c": c + 1, "k": kernel, "stride": stride, "pad": kernel // 2}), ("bn", {"eps": 1e-3, "momentum": 0.3}), ("tanh", {}),
                    ("conv", {"c": 9, "k": 3, "pad": 1}), ("bn", {"eps": 1e-3, "frozen": "true"}), ("hardswish", {})])
    net.branch([("bn", {"frozen": "true"}), pre(4), ("tanh", {})])
    net.branch([pre(12), ("silu", {}), ("bn", {"frozen": "true"}), ("maxpool", {"k": 3, "stride": 2, "pad": 1}), pre(3)])
    net.branch([pre(4), ("flatten", {}), ("linear", {"c": 11}), ("bn", {"frozen": "true"}), ("tanh", {}), ("linear", {"c": 6})])
    net.branch([("conv", {"c": 24, "k": 3, "pad": 1, "groups": 3}), ("bn", {"frozen": "true"}), ("conv", {"c": 24, "k": 3, "pad": 1, "groups": 24}),
                ("bn", {"frozen": "true"}), ("tanh", {})])
    return net


def functions():
    """Functions of one and two numbers, and sizes of 1 that are repeated. Values that a comparison or a rounding could turn are none of random numbers."""
    net = Net(3, 5, 4, seed=18)

    def conv(b, part, c, x):
        return net.layer_conv(f"{b}.{part}", {"c": c, "k": 1, "bias": "true"}, x)

    def of_one(b, x):
        p = conv(b, "p", 9, x)
        q = torch.nn.functional.softplus(p) + 0.5
        parts = [p.abs(), (p * 0.5).exp(), q.log(), q.sqrt(), q.reciprocal(), p.sin(), p.cos(), p.atan(), p.erf(),
                 p.floor() + p.ceil() * 2 + p.round() * 3 + p.sign() * 4]
        return conv(b, "r", 3, torch.cat(parts, 1))

    def of_two(b, x):
        p, q, r = (conv(b, name, 7, x) for name in "pqr")
        s = q.exp()
        parts = [p / s, s ** r, torch.maximum(p, q), torch.minimum(p, q), torch.where(r > 0, p, 0 * p), (p < q) * r, (p.sign() == q.sign()) * r]
        return conv(b, "t", 3, torch.cat(parts, 1))

    def repeated(b, x):
        v = net.layer_linear(f"{b}.v", {"c": 12}, x.flatten(1))
        whole = v.reshape(-1, 3, 1, 4).expand(-1, 3, 5, 4) + v.reshape(-1, 12)[:, :3].reshape(-1, 3, 1, 1).expand(-1, 3, 5, 4)
        return (x * whole).tanh()

    net.custom("""p = image | {b}.p: conv(9, k=1, bias=true)
                  q = softplus(p) + 0.5
                  whole = floor(p) + ceil(p) * 2 + round(p) * 3 + sign(p) * 4
                  parts = concat(abs(p), exp(p * 0.5), log(q), sqrt(q), reciprocal(q), sin(p), cos(p), atan(p), erf(p), whole)
                  value = parts | {b}.r: conv(3, k=1, bias=true)""", of_one)
    net.custom("""p = image | {b}.p: conv(7, k=1, bias=true)
                  q = image | {b}.q: conv(7, k=1, bias=true)
                  r = image | {b}.r: conv(7, k=1, bias=true)
                  s = exp(q)
                  chosen = mask(p, less(r * 0.0, r))
                  parts = concat(divide(p, s), power(s, r), maximum(p, q), minimum(p, q), chosen, less(p, q) * r, equal(sign(p), sign(q)) * r)
                  value = parts | {b}.t: conv(3, k=1, bias=true)""", of_two)
    net.custom("""v = image | flatten | {b}.v: linear(12)
                  row = v | reshape([3, 1, 4]) | expand([3, 5, 4])
                  one = v | slice(0, 0, 3) | reshape([3, 1, 1]) | expand([3, 5, 4])
                  value = tanh(image * (row + one))""", repeated)
    return net


def one_of_each():
    """Each layer once or twice, as small as shows it: what other precisions store and read."""
    net = Net(3, 9, 8, seed=27)
    net.branch([("conv", {"c": 12, "k": 3, "pad": 1}), ("bn", {}), ("silu", {}), ("conv", {"c": 12, "k": 3, "pad": 1, "groups": 12}), ("bn", {"frozen": "true"}), ("tanh", {})])
    net.branch([pre(12), ("group_norm", {"groups": 3}), ("gelu", {}), ("conv", {"c": 5, "k": 3, "standardized": "true"}), ("layer_norm", {}), ("mish", {}), pre(4)])
    net.branch([pre(7), ("layer_norm", {}), ("conv_transpose", {"c": 8, "k": 3, "stride": 2, "pad": 1, "out_pad": 1, "bias": "false"}), ("elu", {}), ("upsample", {"out": [9, 13], "bilinear": "true"}), pre(3)])
    net.branch([pre(8), ("upsample", {"scale": 2}), ("prelu", {}), ("maxpool", {"k": 3, "stride": 2, "pad": 1}), ("lrn", {"alpha": 0.3}), ("avgpool", {"out": [3, 4]}), ("tanh", {})])
    net.branch([pre(5), ("pad", {"pad": [0, 1, 2, 3]}), ("hardswish", {}), ("subsample", {"stride": 2}), ("pad_channels", {"c": 9}), ("sigmoid", {}), pre(3)])
    net.branch([pre(4), ("flatten", {}), ("linear", {"c": 21}), ("gelu", {"tanh": "true"}), ("linear", {"c": 8}), ("softmax", {}), ("linear", {"c": 4})])

    def moved(b, x):
        y = net.layer_conv(f"{b}.p", {"c": 12, "k": 1, "bias": "true"}, x)
        y = torch.cat([y[:, :, 1:4], y.roll((2, -1), (2, 3))], 2).reshape(-1, 2, 6, 12, 8).transpose(1, 2).flatten(1, 2)
        t = (y.softmax(1) * y).flatten(2).transpose(1, 2) * net.parameter(f"{b}.s", 12)
        q, k, v = net.layer_linear(f"{b}.q", {"c": 21}, t).split(7, 2)
        t = torch.cat([(q @ k.transpose(1, 2) * 0.1).tanh() @ v, t.roll(5, 1)[..., :7]], 1)
        return torch.cat([t.mean(1, keepdim=True), t[:, 3:9]], 1)

    def functions(b, x):
        p, q = (net.layer_conv(f"{b}.{name}", {"c": 6, "k": 1, "bias": "true"}, x) for name in "pq")
        s = torch.nn.functional.softplus(p) + 0.5
        parts = [p.abs(), (p * 0.5).exp(), s.log(), s.sqrt(), s.reciprocal(), p.sin(), p.cos(), p.atan(), p.erf(), q / s, s ** q, torch.maximum(p, q),
                 torch.minimum(p, q), torch.where(q > 0, p, 0 * p)]
        return net.layer_conv(f"{b}.r", {"c": 3, "k": 1, "bias": "true"}, torch.cat(parts, 1))

    net.custom("""y = image | {b}.p: conv(12, k=1, bias=true)
                  y = concat(y | slice(1, 1, 4), y | roll([2, -1]), axis=1) | channel_shuffle(2)
                  t = softmax(y, axis=0) * y | reshape([12, 96]) | permute([1, 0])
                  t = t * {b}.s: parameter([12])
                  q, k, v = t | {b}.q: linear(21) | {b}.split: split(3, axis=1)
                  t = concat(tanh(matmul(q, k, transpose_b) * 0.1) | matmul(v), t | roll(5) | slice(1, 0, 7), axis=0)
                  value = concat(t | mean(0) | reshape([1, 7]), t | slice(0, 3, 9), axis=0)""", moved)
    net.custom("""p = image | {b}.p: conv(6, k=1, bias=true)
                  q = image | {b}.q: conv(6, k=1, bias=true)
                  s = softplus(p) + 0.5
                  one = concat(abs(p), exp(p * 0.5), log(s), sqrt(s), reciprocal(s), sin(p), cos(p), atan(p), erf(p))
                  two = concat(divide(q, s), power(s, q), maximum(p, q), minimum(p, q), mask(p, less(q * 0.0, q)))
                  value = concat(one, two) | {b}.r: conv(3, k=1, bias=true)""", functions)
    return net
