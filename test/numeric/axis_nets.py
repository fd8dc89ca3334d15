"""Networks of kernels.py: tensors of any rank, products of activations, norms of rows and groups, learned values, larger images."""
import torch
from layers import Net
from torch.nn import functional


def pre(channels):
    return ("conv", {"c": channels, "k": 1, "bias": "true"})


def conv(net, name, c, x, kernel=1, pad=0):
    return net.layer_conv(name, {"c": c, "k": kernel, "pad": pad, "bias": "true"}, x)


def sequences():
    """Permutations, slices, joins, means and rolls on each axis, of sequences, images and four sizes."""
    net = Net(3, 6, 5, seed=21)

    def tokens(b, x):
        t = conv(net, f"{b}.p", 12, x).flatten(2).transpose(1, 2)  # [30, 12]
        q, k, v = net.layer_linear(f"{b}.q", {"c": 21}, t).split(7, 2)
        t = torch.cat([q * 0.5, k[:, 3:17].tanh(), v[:, :2]], 1)  # [46, 7]
        return torch.cat([t.mean(1, keepdim=True), t.roll(5, 1)], 1)[..., :6]

    net.custom("""t = image | {b}.p: conv(12, k=1, bias=true) | reshape([12, 30]) | permute([1, 0])
                  q, k, v = t | {b}.q: linear(21) | {b}.split: split(3, axis=1)
                  u = concat(q * 0.5, k | slice(0, 3, 17) | tanh, v | slice(axis=0, begin=0, end=2), axis=0)
                  value = concat(u | mean(0) | reshape([1, 7]), u | roll(5)) | slice(-1, 0, -1)""", tokens)

    def windows(b, x):
        y = conv(net, f"{b}.p", 8, x).permute(0, 2, 3, 1)
        w = y.reshape(-1, 3, 2, 5, 8).permute(0, 1, 3, 2, 4)
        w = net.layer_linear(f"{b}.q", {"c": 4}, functional.silu(w) + w)  # [3, 5, 2, 4]
        u = w.roll((1, 0, 1, 2), (1, 2, 3, 4))[:, :, 1:4, :1].flatten(2, 3)  # [3, 3, 4]
        w = torch.cat([w.mean(2), u], 2)  # [3, 2 + 3, 4]
        return conv(net, f"{b}.r", 6, w.permute(0, 3, 1, 2), 3, 1)

    net.custom("""y = image | {b}.p: conv(8, k=1, bias=true) | permute([1, 2, 0])
                  w = y | reshape([3, 2, 5, 8]) | permute([0, 2, 1, 3])
                  w = silu(w) + w | {b}.q: linear(4)
                  u = w | roll([1, 0, 1, 2]) | slice(1, 1, 4) | slice(2, 0, 1) | reshape([3, 3, 4])
                  value = concat(w | mean(1), u, axis=1) | permute([2, 0, 1]) | {b}.r: conv(6, k=3, pad=1, bias=true)""", windows)

    def single(b, x):
        y = conv(net, f"{b}.p", 8, x).reshape(-1, 4, 2, 1, 30).permute(0, 1, 3, 2, 4)
        return net.layer_linear(f"{b}.q", {"c": 5}, torch.cat([y, y.tanh()], 2).reshape(-1, 16, 30))

    net.custom("""y = image | {b}.p: conv(8, k=1, bias=true) | reshape([4, 2, 1, 30]) | permute([0, 2, 1, 3])
                  value = concat(y, tanh(y), axis=1) | reshape([16, 30]) | {b}.q: linear(5)""", single)

    def images(b, x):
        y = conv(net, f"{b}.p", 10, x)
        y = torch.cat([y[:, :, 1:4], y.roll((2, -1), (2, 3))], 2)  # [10, 9, 5]
        y = y.reshape(-1, 2, 5, 9, 5).transpose(1, 2).flatten(1, 2)
        y = y.softmax(1) + y.softmax(2) * y.softmax(3)
        return conv(net, f"{b}.r", 4, y.mean(3, keepdim=True).expand(-1, -1, -1, 2) + y[:, :, :, 3:])

    net.custom("""y = image | {b}.p: conv(10, k=1, bias=true)
                  y = concat(y | slice(1, 1, 4), y | roll([2, -1]), axis=1) | channel_shuffle(2)
                  y = softmax(y, axis=0) + softmax(y, axis=1) * softmax(y)
                  m = y | mean(2) | reshape([10, 9, 1])
                  value = concat(m, m, axis=2) + (y | slice(2, 3, 5)) | {b}.r: conv(4, k=1, bias=true)""", images)
    return net


def products():
    """Attention in one head and in several, with a learned token, positions and a scale; matrices missing in one side."""
    net = Net(3, 5, 7, seed=22)

    def attention(b, x):
        t = conv(net, f"{b}.p", 24, x).flatten(2).transpose(1, 2)
        t = torch.cat([net.parameter(f"{b}.token", 1, 24).expand(len(x), -1, -1), t], 1)
        t = t + net.parameter(f"{b}.positions", 36, 24)
        n = net.layer_layer_norm(f"{b}.n", {}, t)
        q, k, v = (net.layer_linear(f"{b}.{name}", {"c": 24}, n).reshape(-1, 36, 3, 8).transpose(1, 2) for name in "qkv")
        a = (q @ k.transpose(2, 3) * 0.35).softmax(3) @ v
        t = t + net.layer_linear(f"{b}.o", {"c": 24}, a.transpose(1, 2).flatten(2)) * net.parameter(f"{b}.scale", 24)
        return net.layer_layer_norm(f"{b}.m", {"eps": 1e-6}, functional.gelu(t))

    net.custom("""t = image | {b}.p: conv(24, k=1, bias=true) | reshape([24, 35]) | permute([1, 0])
                  t = concat({b}.token: parameter([1, 24], init=normal(0, 1)), t, axis=0)
                  t = t + {b}.positions: parameter([36, 24])
                  n = t | {b}.n: layer_norm
                  q = n | {b}.q: linear(24) | reshape([36, 3, 8]) | permute([1, 0, 2])
                  k = n | {b}.k: linear(24) | reshape([36, 3, 8]) | permute([1, 0, 2])
                  v = n | {b}.v: linear(24) | reshape([36, 3, 8]) | permute([1, 0, 2])
                  a = softmax(matmul(q, k, transpose_b) * 0.35) | matmul(v) | permute([1, 0, 2]) | reshape([36, 24])
                  t = t + (a | {b}.o: linear(24)) * {b}.scale: parameter([24], init=1)
                  value = t | gelu | {b}.m: layer_norm(1e-6)""", attention)

    def missing(b, x):
        y = conv(net, f"{b}.p", 9, x)  # [9, 5, 7]
        u = y @ net.parameter(f"{b}.u", 7, 20)
        w = net.parameter(f"{b}.w", 3, 5) @ y
        z = conv(net, f"{b}.q", 4, x).mean(1)[:, None] @ y.transpose(2, 3)  # [9, 5, 5]
        return net.layer_linear(f"{b}.r", {"c": 5}, torch.cat([torch.cat([u, z], 3).tanh().flatten(1), w.flatten(1)], 1))

    net.custom("""y = image | {b}.p: conv(9, k=1, bias=true)
                  u = matmul(y, {b}.u: parameter([7, 20]))
                  w = matmul({b}.w: parameter([3, 5]), y)
                  z = image | {b}.q: conv(4, k=1, bias=true) | mean(0) | matmul(y, transpose_b)
                  value = concat(concat(u, z, axis=2) | tanh | flatten, w | flatten) | {b}.r: linear(5)""", missing)

    def tall(b, x):
        t = conv(net, f"{b}.p", 133, x).flatten(2)  # [133, 35]
        t = t + net.parameter(f"{b}.s", 1, 133, 35)
        return net.layer_linear(f"{b}.q", {"c": 3}, (t @ t.transpose(1, 2) * 0.1).tanh() @ t @ net.parameter(f"{b}.w", 9, 35).T)

    net.custom("""t = image | {b}.p: conv(133, k=1, bias=true) | reshape([133, 35])
                  t = t + ({b}.s: parameter([1, 133, 35]) | reshape([133, 35]))
                  w = {b}.w: parameter([9, 35])
                  value = tanh(matmul(t, t, transpose_b) * 0.1) | matmul(t) | matmul(w, transpose_b) | {b}.q: linear(3)""", tall)
    return net


def attentions():
    """More queries and keys than a block of the kernel has of each, in odd numbers: of a sequence itself, and of another one; with a bias that
    windows share and, as more features of queries and keys, a mask that each has of its own."""
    net = Net(3, 15, 11, seed=25)
    # A bias of keys would add the same to all scores of a query: its gradient is rounding alone.

    def itself(b, x):
        t = conv(net, f"{b}.p", 14, x).flatten(2).transpose(1, 2)
        q, k, v = (net.layer_linear(f"{b}.{name}", {"c": 14, "bias": "false" if name == "k" else "true"}, t).reshape(-1, 165, 2, 7).transpose(1, 2) for name in "qkv")
        a = (q @ k.transpose(2, 3)).softmax(3) @ v
        return net.layer_linear(f"{b}.o", {"c": 3}, a.transpose(1, 2).flatten(2).tanh())

    net.custom("""t = image | {b}.p: conv(14, k=1, bias=true) | reshape([14, 165]) | permute([1, 0])
                  q = t | {b}.q: linear(14) | reshape([165, 2, 7]) | permute([1, 0, 2])
                  k = t | {b}.k: linear(14, bias=false) | reshape([165, 2, 7]) | permute([1, 0, 2])
                  v = t | {b}.v: linear(14) | reshape([165, 2, 7]) | permute([1, 0, 2])
                  a = softmax(matmul(q, k, transpose_b)) | matmul(v) | permute([1, 0, 2]) | reshape([165, 14])
                  value = tanh(a) | {b}.o: linear(3)""", itself)

    def other(b, x):
        t = conv(net, f"{b}.p", 20, x).flatten(2).transpose(1, 2)
        q, k = net.layer_linear(f"{b}.q", {"c": 18}, t[:, :73]), net.layer_linear(f"{b}.k", {"c": 18, "bias": "false"}, t[:, 36:])
        a = (q @ k.transpose(1, 2) * 0.5).softmax(2) @ net.layer_linear(f"{b}.v", {"c": 33}, t[:, 36:])
        return net.layer_linear(f"{b}.o", {"c": 3}, a.tanh())

    net.custom("""t = image | {b}.p: conv(20, k=1, bias=true) | reshape([20, 165]) | permute([1, 0])
                  q = t | slice(0, 0, 73) | {b}.q: linear(18)
                  rest = t | slice(0, 36, 165)
                  a = softmax(matmul(q, rest | {b}.k: linear(18, bias=false), transpose_b) * 0.5) | matmul(rest | {b}.v: linear(33))
                  value = tanh(a) | {b}.o: linear(3)""", other)

    def windows(b, x):
        t = conv(net, f"{b}.p", 64, x).flatten(2).transpose(1, 2)
        y = net.layer_linear(f"{b}.qkv", {"c": 192, "bias": "false"}, t).reshape(-1, 3, 55, 6, 32).transpose(2, 3)
        q, k, v = y.split(2, 2)
        marks = [net.parameter(f"{b}.{name}", 3, 2, 55, 4).expand(len(x), -1, -1, -1, -1) for name in ("mq", "mk")]
        q, k = torch.cat([q * 0.2, marks[0]], 4), torch.cat([k, marks[1]], 4)
        bias = net.parameter(f"{b}.bias", 2, 3025).reshape(2, 55, 55)
        a = (q @ k.transpose(3, 4) + bias).softmax(4) @ v
        return net.layer_linear(f"{b}.o", {"c": 3}, a.transpose(2, 3).flatten(3).tanh())

    net.custom("""t = image | {b}.p: conv(64, k=1, bias=true) | reshape([64, 165]) | permute([1, 0])
                  y = t | {b}.qkv: linear(192, bias=false) | reshape([3, 55, 6, 32]) | permute([0, 2, 1, 3])
                  q, k, v = y | {b}.split: split(3, axis=1)
                  q = concat(q * 0.2, {b}.mq: parameter([3, 2, 55, 4]), axis=3)
                  k = concat(k, {b}.mk: parameter([3, 2, 55, 4]), axis=3)
                  s = matmul(q, k, transpose_b) | reshape([3, 6050])
                  a = s + ({b}.bias: parameter([2, 3025]) | flatten) | reshape([3, 2, 55, 55]) | softmax | matmul(v)
                  value = a | permute([0, 2, 1, 3]) | reshape([165, 64]) | tanh | {b}.o: linear(3)""", windows)

    def wide(b, x):
        t = conv(net, f"{b}.p", 16, x).flatten(2).transpose(1, 2)
        q, k, v = (net.layer_linear(f"{b}.{name}", {"c": 64, "bias": "false"}, t[:, first:last]) for name, first, last in (("q", 0, 67), ("k", 64, 165), ("v", 64, 165)))
        a = (q @ k.transpose(1, 2) * 0.1).softmax(2) @ v
        return net.layer_linear(f"{b}.o", {"c": 3}, a.tanh())

    net.custom("""t = image | {b}.p: conv(16, k=1, bias=true) | reshape([16, 165]) | permute([1, 0])
                  rest = t | slice(0, 64, 165)
                  q = t | slice(0, 0, 67) | {b}.q: linear(64, bias=false)
                  k = rest | {b}.k: linear(64, bias=false)
                  a = softmax(matmul(q, k, transpose_b) * 0.1) | matmul(rest | {b}.v: linear(64, bias=false))
                  value = tanh(a) | {b}.o: linear(3)""", wide)
    return net


def rows_and_groups():
    """Layer norm of images, vectors and sequences, group norm, standardized filters, learned values on images."""
    net = Net(3, 7, 6, seed=23)
    for channels in (1, 5, 33):
        net.branch([pre(channels), ("layer_norm", {}), ("silu", {}), pre(3)])
    for channels, groups in ((12, 3), (5, 5), (34, 1), (32, 16)):
        net.branch([pre(channels), ("group_norm", {"groups": groups, "eps": 1e-3}), ("silu", {}), ("conv", {"c": 4, "k": 3, "pad": 1})])
    for arguments in ({"c": 10, "k": 3, "pad": 1}, {"c": 12, "k": 3, "stride": 2, "groups": 4}, {"c": 7, "k": [1, 5], "pad": 2, "bias": "true"}):
        net.branch([pre(8), ("conv", {**arguments, "standardized": "true"}), ("bn", {}), ("tanh", {}), pre(3)])
    net.branch([pre(4), ("flatten", {}), ("linear", {"c": 19}), ("layer_norm", {"eps": 1e-3}), ("tanh", {}), ("linear", {"c": 5})])

    def twice(b, x):
        w = net.parameter(f"{b}.w", 5, 9)
        y = (x.flatten(1).reshape(-1, 14, 9) @ w.T) * 0.1
        y = torch.cat([y, torch.cat([w, w]).T[None, :, :5].expand(len(x), -1, -1)], 1)
        return net.layer_linear(f"{b}.q", {"c": 4}, y.tanh())

    net.custom("""w = {b}.w: parameter([5, 9])
                  y = matmul(image | reshape([14, 9]), w, transpose_b) * 0.1
                  y = concat(y, concat(w, w, axis=0) | permute([1, 0]) | slice(1, 0, 5), axis=0)
                  value = tanh(y) | {b}.q: linear(4)""", twice)

    def learned(b, x):
        y = conv(net, f"{b}.p", 10, x) * net.parameter(f"{b}.s", 10, 1, 1) + net.parameter(f"{b}.whole", 10, 7, 6)
        y = net.parameter(f"{b}.t", 10)[:, None, None] + y.tanh() * net.parameter(f"{b}.whole2", 10, 7, 6)
        v = net.layer_linear(f"{b}.q", {"c": 8}, y.mean((2, 3)))
        return v * net.parameter(f"{b}.v", 8) + net.parameter(f"{b}.one", 8) * net.parameter(f"{b}.two", 8)

    net.custom("""y = (image | {b}.p: conv(10, k=1, bias=true)) * {b}.s: parameter([10, 1, 1], init=1) + {b}.whole: parameter([10, 7, 6])
                  y = {b}.t: parameter([10]) + tanh(y) * {b}.whole2: parameter([10, 7, 6])
                  v = y | mean([1, 2]) | {b}.q: linear(8)
                  value = v * {b}.v: parameter([8]) + {b}.one: parameter([8]) * {b}.two: parameter([8])""", learned)
    return net


def larger():
    """Transposed convolutions and resampled images."""
    net = Net(3, 6, 5, seed=24)
    for inputs, arguments in ((5, {"c": 7, "k": 2, "stride": 2}), (8, {"c": 12, "k": 3, "stride": 2, "pad": 1, "out_pad": 1}),
                              (6, {"c": 4, "k": [3, 2], "stride": [3, 1], "pad": [1, 0], "groups": 2, "bias": "true"}), (17, {"c": 33, "k": 4, "stride": 2, "pad": 1}),
                              (4, {"c": 3, "k": 3})):
        net.branch([pre(inputs), ("silu", {}), ("conv_transpose", {"bias": "false", **arguments}), ("tanh", {}), pre(3)])
    net.branch([("conv", {"c": 6, "k": 1}), ("bn", {}), ("silu", {}), ("conv_transpose", {"c": 8, "k": 2, "stride": 2, "bias": "false"}), ("bn", {}), ("tanh", {})])
    for channels, arguments in ((5, {"scale": 2, "bilinear": "true"}), (33, {"scale": [3, 1], "bilinear": "true"}), (8, {"out": [13, 4], "bilinear": "true"}),
                                (4, {"out": [3, 5], "bilinear": "true"}), (5, {"nearest": "true"}), (17, {"scale": [2, 3]}), (8, {"out": [13, 3]})):
        net.branch([pre(channels), ("upsample", arguments), ("tanh", {}), pre(3)])
    return net
