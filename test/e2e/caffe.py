#!/usr/bin/python3
"""`netc import` of Caffe and Darknet: layers against PyTorch's, published networks at full size by their shapes and parameters, older forms of the files,
errors that name the line, files that are damaged."""
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import caffe_file
import safetensors
from caffe_file import darknet_conv, layer, section
from compiled import NETC, THREADS, call
from report import Report

try:
    import torch
    import torch.nn.functional as F
    torch.set_num_threads(THREADS)
except ImportError:
    torch = None


def draw(seed):
    rng = numpy.random.default_rng(seed)
    return lambda *shape: (rng.standard_normal(shape) * 0.3).astype(numpy.float32)


def imported(folder, file, text, weights=None, options=()):
    """Exit code and what was said; weights lie beside the file."""
    path = pathlib.Path(folder) / file
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    beside = path.with_suffix(".caffemodel" if path.suffix == ".prototxt" else ".weights")
    beside.unlink(missing_ok=True)
    if weights is not None:
        beside.write_bytes(weights)
    done = subprocess.run([NETC, "import", path, "-o", path.with_suffix(""), *options], capture_output=True, text=True, errors="replace")
    return done.returncode, done.stderr


def claim(found, wanted):
    found, wanted = found["output"], wanted.detach().numpy()
    if found.shape != wanted.shape:
        return [(f"shape {found.shape} {wanted.shape}", 1, 0.5)]
    return [(f"logits {found.shape}", float(abs(found - wanted).max() / abs(wanted).max()), 2e-5)]


def logits_of(file, text, weights, image):
    """Compiles the file in one go."""
    with tempfile.TemporaryDirectory(prefix="netc-caffe-") as folder:
        folder = pathlib.Path(folder)
        (folder / file).write_text(text)
        (folder / file).with_suffix(".caffemodel" if file.endswith("prototxt") else ".weights").write_bytes(weights)
        call([NETC, folder / file, "-o", folder / "exe", "--mode", "infer"])
        safetensors.save(folder / "in", {"input": image})
        call([folder / "exe", "run", "--weights", folder / "exe.safetensors", "--in", folder / "in", "--out", folder / "out"])
        return safetensors.load(folder / "out")


def small_net(old=False):
    """Each kind of layer once; layers that only the newer format has are left out of the older."""
    net = caffe_file.Deploy("small", 19, old)
    net.conv("conv1", "data", 8, 5, "relu1", stride=2, pad=1)
    net.add("norm1", "LRN", "conv1", lrn_param={"local_size": 3, "alpha": 0.2, "beta": 0.7, "k": 1.5})
    net.pool("pool1", "norm1", 2, 2)
    net.conv("part/1x1", "pool1", 6, 1)
    net.add("leak", "ReLU", "part/1x1", "part/1x1", relu_param={"negative_slope": 0.2})
    net.conv("part/grouped", "pool1", 6, 3, pad=1, group=2, bias_term=False)
    net.add("sum", "Eltwise", ["part/1x1", "part/grouped"], eltwise_param={"operation": "SUM", "coeff": [1, -0.5]})
    net.add("gate", "Eltwise", ["part/1x1", "sum"], eltwise_param={"operation": "PROD"})
    net.add("joined", "Concat", ["sum", "gate", "pool1"])
    net.add("cut", "Slice", "joined", ["cut1", "cut2"], slice_param={"slice_point": 9})
    net.pool("average", "cut1", 3, 2, "AVE", pad=1)
    net.pool("wide", "cut2", 3, 2, pad=1)
    net.add("moved", "Power", "wide", power_param={"scale": 0.5, "shift": 2})
    net.add("last", "Concat", ["average", "moved"])
    bottom = "last"
    if not old:
        net.conv("normed", "last", 10, 3, bias_term=False, stride=2)
        net.add("bn", "BatchNorm", "normed", "normed", batch_norm_param={"eps": 0.001})
        net.add("scale", "Scale", "normed", "normed", scale_param={"bias_term": True})
        net.add("alone", "BatchNorm", "normed")
        net.add("act", "PReLU", "alone", "alone")
        net.add("factor", "Scale", "alone", scale_param={"bias_term": True})
        net.add("global", "Pooling", "factor", pooling_param={"pool": "AVE", "global_pooling": True})
        net.add("elu", "ELU", "global", "global", elu_param={"alpha": 0.7})
        bottom = "global"
    net.add("fc1", "InnerProduct", bottom, inner_product_param={"num_output": 12})
    net.add("drop", "Dropout", "fc1", "fc1", dropout_param={"dropout_ratio": 0.3})
    net.add("fc2", "InnerProduct", "fc1", inner_product_param={"num_output": 7, "bias_term": False})
    net.add("prob", "Softmax", "fc2")
    return net.text


def small_weights(old=False):
    d = draw(3)
    weights = {"conv1": [d(8, 3, 5, 5), d(8)], "part/1x1": [d(6, 8, 1, 1), d(6)], "part/grouped": [d(6, 4, 3, 3)]}
    positive = numpy.exp(d(10))
    rest = {"normed": [d(10, 20, 3, 3)], "bn": [d(10), positive * 2, numpy.array([2.0])], "scale": [d(10), d(10)], "alone": [d(10), positive, numpy.array([1.0])],
            "act": [d(10)], "factor": [d(10), d(10)]}
    weights.update({} if old else rest)
    weights.update({"fc1": [d(12, 180 if old else 10), d(12)], "fc2": [d(7, 12)]})
    return weights


def caffe_layers():
    weights = small_weights()
    image = draw(4)(2, 3, 19, 19)
    w = {name: [torch.from_numpy(numpy.asarray(each, numpy.float32)) for each in arrays] for name, arrays in weights.items()}
    x = F.relu(F.conv2d(torch.from_numpy(image), *w["conv1"], stride=2, padding=1))
    pool = F.max_pool2d(F.local_response_norm(x, 3, alpha=0.2, beta=0.7, k=1.5), 2, 2, ceil_mode=True)
    one = F.leaky_relu(F.conv2d(pool, *w["part/1x1"]), 0.2)
    total = one - 0.5 * F.conv2d(pool, *w["part/grouped"], padding=1, groups=2)
    joined = torch.cat([total, one * total, pool], 1)
    average = F.avg_pool2d(joined[:, :9], 3, 2, 1, ceil_mode=True)
    wide = F.max_pool2d(joined[:, 9:], 3, 2, 1, ceil_mode=True) * 0.5 + 2
    x = F.conv2d(torch.cat([average, wide], 1), *w["normed"], stride=2)
    bn = w["bn"]
    x = F.batch_norm(x, bn[0] / bn[2], bn[1] / bn[2], *w["scale"], eps=1e-3)
    x = F.prelu(F.batch_norm(x, *w["alone"][:2]), w["act"][0])
    x = x * w["factor"][0].reshape(-1, 1, 1) + w["factor"][1].reshape(-1, 1, 1)
    x = F.linear(F.elu(x.mean((2, 3)), 0.7), *w["fc1"])
    return claim(logits_of("small.prototxt", small_net(), caffe_file.caffemodel(weights), image), F.linear(x, *w["fc2"]))


def caffe_forms():
    """`input` lines and Input layers, `layers` of the older format, weights of both: the same model."""
    weights = small_weights(old=True)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        newer = small_net(old=True).replace("layers {", "layer {")
        for old, new in ((old, new) for new, old in caffe_file.V1.items()):
            newer = newer.replace(f"type: {old}\n", f"type: \"{new}\"\n")
        shaped = newer.replace("input_dim: 10\ninput_dim: 3\ninput_dim: 19\ninput_dim: 19\n", "input_shape { dim: 10 dim: 3 dim: 19 dim: 19 }\n")
        train = newer + "layer { name: \"loss\" type: \"SoftmaxWithLoss\" bottom: \"fc2\" bottom: \"label\" include { phase: TRAIN } }\n"
        for text, old in ((small_net(old=True), True), (small_net(old=True), False), (newer, True), (shaped, False), (train, False)):
            code, said = imported(folder, "model.prototxt", text, caffe_file.caffemodel(weights, old))
            found.append((code, said, *((pathlib.Path(folder) / f"model.{end}").read_bytes() for end in ("net", "safetensors"))) if code == 0 else (code, said))
    return [(f"form {i}: {each[:2]}", int(each[0] != 0 or each != found[0]), 0.5) for i, each in enumerate(found)]


def darknet_layers():
    text = section("net", height=21, width=21, channels=3) + darknet_conv(6, 3, 2)  # 0
    text += section("maxpool", size=2, stride=2)  # 1: 6x6
    text += darknet_conv(8, 3, groups=2, activation="relu")  # 2
    text += darknet_conv(4, 1, 2, activation="linear")  # 3: 3x3
    text += section("shortcut", **{"from": -2}, activation="leaky")  # 4: 8 channels at 6x6 to 4 at 3x3
    text += darknet_conv(9, 1, normed=False, activation="logistic")  # 5
    text += section("shortcut", **{"from": 1}, activation="linear")  # 6: 6 channels at 6x6 to 9 at 3x3
    text += section("maxpool", size=3, stride=1)  # 7: of the same size
    text += section("route", layers="-1, 4")  # 8
    text += section("dropout", probability=".5") + section("connected", output=11, activation="swish")  # 9, 10
    text += section("connected", output=5, batch_normalize=1, activation="linear") + section("softmax", groups=1) + section("cost", type="sse")
    d = draw(6)

    def norm(n):
        return [d(n), d(n), d(n), numpy.exp(d(n))]  # bias, scale, mean, variance
    arrays = [*norm(6), d(6, 3, 3, 3), *norm(8), d(8, 3, 3, 3), *norm(4), d(4, 8, 1, 1), d(9), d(9, 4, 1, 1), d(11), d(11, 117), d(5), d(5, 11), *norm(5)[1:]]
    image = d(2, 3, 21, 21)
    t = [torch.from_numpy(each) for each in arrays]

    def batch_norm(x, bias, scale, mean, variance):
        return F.batch_norm(x, mean, variance, scale, bias)
    x = F.leaky_relu(batch_norm(F.conv2d(torch.from_numpy(image), t[4], stride=2, padding=1), *t[0:4]), 0.1)
    pool = F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=-numpy.inf), 2, 2)
    wide = F.relu(batch_norm(F.conv2d(pool, t[9], padding=1, groups=2), *t[5:9]))
    x = batch_norm(F.conv2d(wide, t[14], stride=2), *t[10:14])
    small = F.leaky_relu(x + wide[:, :4, ::2, ::2], 0.1)
    x = torch.sigmoid(F.conv2d(small, t[16], t[15]))
    x = x + F.pad(pool[:, :, ::2, ::2], (0, 0, 0, 0, 0, 3))
    x = F.max_pool2d(x, 3, 1, 1)
    x = F.silu(F.linear(torch.cat([x, small], 1).flatten(1), t[18], t[17]))
    wanted = batch_norm(F.linear(x, t[20]), t[19], *t[21:24])
    claims = claim(logits_of("small.cfg", text, caffe_file.darknet_weights(arrays), image), wanted)
    turned = list(arrays)
    turned[18], turned[20] = turned[18].T, turned[20].T
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for each, version in ((arrays, (0, 2, 0)), (arrays, (0, 1, 0)), (arrays, (0, 2, 5)), (turned, (1001, 0, 0))):
            claims.append((f"version {version}: {(done := imported(folder, 'm.cfg', text, caffe_file.darknet_weights(each, version)))}", done[0], 0.5))
            found = safetensors.load(pathlib.Path(folder) / "m.safetensors")
            files.append(b"".join(found[name].tobytes() for name in sorted(found)))
        claims.append(("versions of the header", len(set(files)) - 1, 0.5))
    return claims


def published(name, file, text, parameters, layers):
    """`parameters`: that are learned, as the literature counts them; `layers`: shapes of some."""
    with tempfile.TemporaryDirectory() as folder:
        code, said = imported(folder, file, text)
        if code:
            return [(said, 1, 0.5)]
        path = pathlib.Path(folder) / file
        info = json.loads(call([NETC, path.with_suffix(".net"), "--emit", "json", "--mode", "infer"]))
        no_weights = not path.with_suffix(".safetensors").exists() and "--weights" in said
    learned = sum(int(numpy.prod(each["shape"])) for each in info["parameters"] if "running_" not in each["name"])
    shapes = {each["name"]: each["shape"] for each in info["parameters"]}
    claims = [(f"{name}: {learned} parameters", abs(learned - parameters), 0.5), ("a note that there are no weights", int(not no_weights), 0.5)]
    return claims + [(f"{key}: {shapes.get(key)}", int(shapes.get(key) != shape), 0.5) for key, shape in layers.items()]


def errors():
    claims = []
    data = layer("data", "Input", [], input_param={"shape": {"dim": [1, 3, 8, 8]}})

    def expect(name, file, text, *words, weights=None, options=()):
        with tempfile.TemporaryDirectory() as folder:
            code, said = imported(folder, file, text, weights, options)
            written = (pathlib.Path(folder) / file).with_suffix(".net").exists()
        missing = [word for word in words if word not in said]
        claims.append((f"{name}: {said[:300]}", int(code != 1 or written) + len(missing), 0.5))

    def caffe(name, text, *words, **more):
        expect(name, "m.prototxt", text, *words, **more)

    caffe("unknown layers, both", data + layer("a", "MVN", "data") + layer("b", "SPP", "data"), "line 14: layer 'a' (MVN)", "layer 'b' (SPP)", "deploy file")
    caffe("misspelled", data + layer("p", "Pooling", "data", pooling_param={"kernal_size": 2}), "line 20:16", "kernal_size")
    caffe("no text format", "layer { name: 7", "line 1:")
    caffe("an old type as text", "layers { name: \"a\" type: \"conv\" }", "line 1:")
    caffe("a later blob", data + layer("r", "ReLU", "later"), "layer 'r'", "'later'")
    caffe("two of a name", data + layer("r", "ReLU", "data") + layer("r", "ReLU", "r"), "same name")
    caffe("no kernel", data + layer("c", "Convolution", "data", convolution_param={"num_output": 4}), "kernel_size")
    caffe("a window too large", data + layer("p", "Pooling", "data", pooling_param={"kernel_size": 20}), "larger than its input")
    caffe("groups", data + layer("c", "Convolution", "data", convolution_param={"num_output": 4, "kernel_size": 1, "group": 2}), "2 groups", "3 channels")
    caffe("a maximum", data + layer("e", "Eltwise", ["data", "data"], eltwise_param={"operation": "MAX"}), "SUM or PROD")
    caffe("within channels", data + layer("n", "LRN", "data", lrn_param={"norm_region": "WITHIN_CHANNEL"}), "ACROSS_CHANNELS")
    huge = layer("f", "InnerProduct", "data", inner_product_param={"num_output": 2000000000})
    caffe("too many parameters", data + huge, "more than 268435456")
    one = data + layer("f", "InnerProduct", "data", inner_product_param={"num_output": 2, "bias_term": False})
    caffe("weights of another size", one, "weight", "[2, 5]", "[2, 192]", weights=caffe_file.caffemodel({"f": [numpy.zeros((2, 5))]}))
    caffe("weights of another network", one, "no weight of this layer", weights=caffe_file.caffemodel({"g": [numpy.zeros((2, 192))]}))
    caffe("no caffemodel", one, "no .caffemodel", weights=b"net 1\n" * 9)
    caffe("weights that are not there", one, "elsewhere.caffemodel", options=("--weights", "elsewhere.caffemodel"))

    def darknet(name, text, *words, **more):
        expect(name, "m.cfg", section("net", height=8, width=8, channels=3) + text, *words, **more)

    darknet("unknown kinds, both", section("yolo") + section("lstm"), "line 6: layer 0 [yolo]", "layer 1 [lstm]")
    darknet("an unknown option", section("convolutional", filters=2, size=1, xnor=1), "'xnor' (line 9)")
    darknet("no number", section("convolutional", filters="many"), "filters=many")
    darknet("a later layer", section("route", layers="-1,3"), "layers=-1,3")
    darknet("an activation", section("convolutional", filters=2, activation="plse"), "plse", "leaky")
    darknet("no option", "[convolutional]\nfilters 3\n", "line 7", "option=value")
    darknet("a shortcut of other size", darknet_conv(3, 3, 3) + darknet_conv(3, 3, 2) + section("shortcut", **{"from": 0}), "layer 2 [shortcut]", "[3, 3, 3]")
    plain = section("connected", output=2, activation="linear")
    darknet("weights that end", plain, "ends", "384", weights=caffe_file.darknet_weights([numpy.zeros(20)]))
    darknet("weights of another network", plain, "another network", weights=caffe_file.darknet_weights([numpy.zeros(387)]))
    darknet("no weights", plain, "no weights of Darknet", weights=b"net 1\n")
    expect("no net", "m.cfg", section("convolutional"), "[net]")
    return claims


def damaged():
    """Cut and changed files give an error or a model, and nothing else."""
    chance, bad = random.Random(9), []
    weights = caffe_file.caffemodel(small_weights(), chance.random() < 0.5)
    cfg = section("net", height=8, width=8, channels=3) + darknet_conv(2, 3) + section("route", layers="-1, 0") + section("maxpool", size=2, stride=2)
    numbers = caffe_file.darknet_weights([numpy.ones(8), numpy.ones(54)])
    with tempfile.TemporaryDirectory() as folder:
        for index in range(80):
            file, text, more = ("m.prototxt", small_net().encode(), weights) if index % 2 else ("m.cfg", cfg.encode(), numbers)
            changes_text = index % 4 < 2
            changed = bytearray(text if changes_text else more)
            if index % 3 == 0:
                changed = changed[:chance.randrange(len(changed))]
            else:
                for _ in range(chance.randrange(1, 4)):
                    near = chance.randrange(min(len(changed), 4000))
                    changed[near] = chance.choice(b"0123456789{}[]=-.\n\"") if changes_text else chance.randrange(256)
            code, said = imported(folder, file, *((bytes(changed), more) if changes_text else (text, bytes(changed))))
            if code not in (0, 1) or (code == 1 and "error" not in said):
                bad.append((index, code, said[-200:]))
    return [(f"crashes: {bad[:2]}", len(bad), 0.5)]


def main():
    report = Report("caffe")
    with tempfile.TemporaryDirectory() as folder:
        if "without protobuf" in imported(folder, "m.prototxt", small_net())[1]:
            report.line("UNSUPPORTED", "import", "netc was built without libprotobuf-dev")
            report.close()
    if torch is None:
        report.line("UNSUPPORTED", "layers", "no PyTorch")
    else:
        report.case("caffe_layers", caffe_layers)
        report.case("darknet_layers", darknet_layers)
    report.case("alexnet", published, "AlexNet", "a.prototxt", caffe_file.alexnet(), 60965224, {"conv2.weight": [256, 48, 5, 5], "fc6.weight": [4096, 9216]})
    report.case("googlenet", published, "GoogLeNet", "g.prototxt", caffe_file.googlenet(), 6998552,
                {"inception_4d._5x5.weight": [64, 32, 5, 5], "loss3.classifier.weight": [1000, 1024]})
    report.case("resnet50", published, "ResNet-50", "r.prototxt", caffe_file.resnet(), 25557096,
                {"bn_conv1.running_var": [64], "res3a_branch1.weight": [512, 256, 1, 1], "fc1000.weight": [1000, 2048]})
    report.case("darknet53", published, "Darknet-53", "d.cfg", caffe_file.darknet53(), 41609928, {"conv0.weight": [32, 3, 3, 3], "conv76.weight": [1000, 1024, 1, 1]})
    # Without the convolutions of shortcuts.
    report.case("darknet_resnet50", published, "ResNet-50", "e.cfg", caffe_file.darknet_resnet50(), 25557032 - 2768896 - 7680, {"bn12.running_mean": [256]})
    for case in (caffe_forms, errors, damaged):
        report.case(case.__name__, case)
    report.close()


if __name__ == "__main__":
    main()
