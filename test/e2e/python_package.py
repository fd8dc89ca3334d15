#!/usr/bin/python3
"""The package netc: compiling from Python, inference and training beside PyTorch, state dicts, errors with source lines, pickling, the wheel."""
import contextlib
import io
import json
import os
import pathlib
import pickle
import shutil
import re
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test" / "harness"), str(ROOT / "python")]
from compiled import NETC, call
from linked import compiler
from report import Report, Unsupported

os.environ["NETC"] = NETC
import netc
from netc._model import _array

try:
    import torch
except ImportError:
    torch = None

TEXT = """net 1
model small(classes=10) {
  input image: [3, 8, 8]
  return image | conv1: conv(8, k=3, pad=1) | bn1: bn | relu | flatten | fc: linear(classes)
}
train small { optimizer sgd(lr=0.1, momentum=0.9, weight_decay=1e-3) }
"""


def reference():
    torch.manual_seed(2)
    layers = torch.nn.Sequential()
    for name, module in (("conv1", torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)), ("bn1", torch.nn.BatchNorm2d(8)), ("relu", torch.nn.ReLU()),
                         ("flatten", torch.nn.Flatten()), ("fc", torch.nn.Linear(512, 10))):
        layers.add_module(name, module)
    return layers


def batch(seed=0):
    rng = numpy.random.default_rng(seed)
    return rng.standard_normal((6, 3, 8, 8)).astype(numpy.float32), rng.integers(0, 10, 6)


def like_pytorch():
    """The same logits, losses and weights over five steps with momentum and weight decay; tensors of PyTorch go in as they are."""
    if torch is None:
        raise Unsupported("no PyTorch")
    network = reference()
    model = netc.compile(TEXT, weights=network.state_dict(), threads=2)
    x, y = batch()
    network.eval()
    claims = [("logits", float(abs(model(torch.from_numpy(x)) - network(torch.from_numpy(x)).detach().numpy()).max()), 1e-5)]
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
    for _ in range(5):
        loss = torch.nn.functional.cross_entropy(network(torch.from_numpy(x)), torch.from_numpy(y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        claims.append(("loss", abs(model.step(x, y, lr=0.05) - loss.item()), 1e-4))
    for name, value in model.state_dict().items():
        claims.append((name, float(abs(network.state_dict()[name].numpy() - value).max()), 1e-4))
    network.load_state_dict({name: torch.from_numpy(value) for name, value in model.state_dict().items()}, strict=False)
    tensor, out = torch.from_numpy(x), model(x)
    claims.append(("a tensor is copied on its way in", int(_array(tensor, numpy.dtype("float32")).ctypes.data != tensor.data_ptr()), 0.5))
    claims.append(("a result is copied on its way out", int(torch.from_dlpack(out).data_ptr() != out.ctypes.data), 0.5))
    return claims


def gradients():
    """`forward_backward` leaves weights alone; the update applies its gradients."""
    model = netc.compile(TEXT, seed=3)
    x, y = batch()
    before = model.state_dict()
    model.forward_backward(x, y)
    found, same = model.gradients(), model.state_dict()
    changed = [name for name, _ in model.parameters() if (same[name] != before[name]).any()]
    model.update(0.5)
    after = model.state_dict()
    wrong = max(float(abs(after[name] - before[name] + 0.5 * (found[name] + 1e-3 * before[name])).max()) for name, _ in model.parameters())
    return [(f"changed: {changed}", len(changed), 0.5), ("update", wrong, 1e-5), ("names", int(set(found) != {n for n, _ in model.parameters()}), 0.5)]


def several():
    """Named inputs and outputs as tuples and as mappings."""
    model = netc.compile("net 1\nmodel pair {\n  input a: [4]\n  input b: [4]\n  return {sum: a + b, scaled: a * 2 + b}\n}\n", mode="infer")
    a, b = numpy.ones((2, 4), numpy.float32), numpy.arange(8, dtype=numpy.float64).reshape(2, 4)
    found, named = model(a, b), model({"b": b.tolist(), "a": a})
    return [("sum", float(abs(found["sum"] - a - b).max()), 1e-6), ("scaled", float(abs(found["scaled"] - 2 * a - b).max()), 1e-6),
            ("by name", int(any((found[name] != named[name]).any() for name in found)), 0.5)]


def kept():
    """A second compilation takes the library from the cache; another setting does not."""
    netc.compile(TEXT)
    start = time.perf_counter()
    netc.compile(TEXT)
    again = time.perf_counter() - start
    model = netc.compile(TEXT, set={"classes": 4, "image": [3, 4, 4]})
    out = model(numpy.zeros((2, 3, 4, 4), numpy.float32))
    text = repr(model)
    words = ["small", "[3, 4, 4]", "[4]"]
    return [("seconds of a cached one", again, 1.0), (f"shape {out.shape}", int(out.shape != (2, 4)), 0.5),
            (text, sum(word not in text for word in words), 0.5), ("rows in a notebook", int("<td>conv1</td>" not in model._repr_html_()), 0.5)]


def pickled():
    model = netc.compile(TEXT, seed=4)
    x, y = batch()
    model.step(x, y)
    other = pickle.loads(pickle.dumps(model))
    with tempfile.TemporaryDirectory() as folder:
        model.save(pathlib.Path(folder) / "w.safetensors")
        saved = netc.compile(TEXT, weights=pathlib.Path(folder) / "w.safetensors")
    # In another process, after the library went.
    state = pickle.dumps(model)
    shutil.rmtree(pathlib.Path(model._library.path).parent)
    words = "import pickle, sys; model, x = pickle.load(sys.stdin.buffer); sys.stdout.buffer.write(model(x).tobytes())"
    done = subprocess.run([sys.executable, "-c", words], input=pickle.dumps((pickle.loads(state), x)), capture_output=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "python")})
    return [("pickled", int(other(x).tobytes() != model(x).tobytes()), 0.5), (f"by another process {done.stderr[-300:]}", int(done.stdout != model(x).tobytes()), 0.5), ("saved", int(saved(x).tobytes() != model(x).tobytes()), 0.5)]


def threads():
    """Models in four threads, each of its own."""
    x, _ = batch()
    wanted, wrong = netc.compile(TEXT, seed=5, threads=1)(x), []

    def work():
        model = netc.compile(TEXT, seed=5, threads=1)
        wrong.extend(index for index in range(20) if model(x).tobytes() != wanted.tobytes())
    started = [threading.Thread(target=work) for _ in range(4)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return [("answers that differ", len(wrong), 0.5)]


def errors():
    claims = []

    def expect(name, kind, action, *words):
        try:
            action()
            claims.append((f"{name}: no error", 1, 0.5))
        except kind as error:
            text = str(error)
            claims.append((f"{name}: {text[:200]}", sum(word not in text for word in words), 0.5))
            return error

    refused = expect("layer", netc.CompileError, lambda: netc.compile("net 1\nmodel m {\n  input x: [3, 8, 8]\n  return x | cnov(8, k=3)\n}\n"), "cnov", "conv")
    claims.append((f"line {refused and refused.line}", abs((refused.line if refused else 0) - 4), 0.5))
    expect("file", FileNotFoundError, lambda: netc.compile("none.net"), "none.net")
    model = netc.compile(TEXT)
    x, y = batch()
    expect("shape", ValueError, lambda: model(x[:, :2]), "image", "[n, 3, 8, 8]")
    expect("number of inputs", ValueError, lambda: model(x, x), "1 input")
    expect("counts", ValueError, lambda: model.step(x, y[:3]), "6 inputs but 3 targets")
    expect("labels", netc.Error, lambda: model.step(x, y + 10), "labels", "0 to 9")
    expect("no gradients", netc.Error, lambda: model.update(0.1), "step")
    expect("weights", netc.Error, lambda: netc.compile(TEXT, weights="/nowhere.safetensors"), "/nowhere.safetensors")
    state = model.state_dict()
    expect("a name", KeyError, lambda: model.load_state_dict({**state, "fc.wight": state["fc.weight"]}), "fc.wight")
    expect("a shape", ValueError, lambda: model.load_state_dict({**state, "fc.weight": state["fc.bias"]}), "fc.weight", "[10, 512]")
    expect("an image", netc.Error, lambda: model.image(b"no image"), "image in memory")
    return claims


def fitted():
    """A run over arrays and over batches: losses fall, the same seed gives the same bits, a function sets the rate, progress is one line."""
    rng = numpy.random.default_rng(4)
    labels = rng.integers(0, 10, 96)
    images = (rng.standard_normal((96, 3, 8, 8)) * 0.3 + labels[:, None, None, None] * 0.2).astype(numpy.float32)

    def run(*data, **more):
        model = netc.compile(TEXT, seed=1, threads=2)
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            history = model.fit(*data, **more)
        return model, history, said.getvalue()
    model, history, said = run(images, labels, epochs=4, batch_size=20, lr=0.05, validation=(images, labels), progress=True)
    again, _, silent = run(images, labels, epochs=4, batch_size=20, lr=0.05)
    same = all((value == again.state_dict()[name]).all() for name, value in model.state_dict().items())
    rates = []
    batches = [(images[:48], labels[:48]), (images[48:], labels[48:])]
    _, other, _ = run(batches, epochs=2, lr=lambda share: rates.append(share) or 0.05)
    claims = [("loss at the end, of the first", history[-1]["loss"], history[0]["loss"]), ("wrong at the end", 1 - history[-1]["accuracy"], 0.6),
              ("another run's weights", int(not same), 0.5), (f"rates {rates}", int(rates != [0, 0.25, 0.5, 0.75]), 0.5), ("epochs", abs(len(other) - 2), 0.5),
              (f"progress {said[-80:]!r}, {silent!r}", int("epoch 4/4 loss" not in said or "images/s" not in said or silent != ""), 0.5)]
    for words, arguments, more in (("iterator", (iter(batches),), {"epochs": 2}), ("96 inputs but 95", (images, labels[1:]), {}), ("0 epochs", (images, labels), {"epochs": 0}),
                                   ("no batches", ([],), {})):
        try:
            model.fit(*arguments, **more)
            claims.append((f"no error about {words}", 1, 0.5))
        except ValueError as error:
            claims.append((str(error), int(words not in str(error)), 0.5))
    return claims


def notebook():
    """The notebook of the manual runs, plots aside, and learns."""
    if not pathlib.Path("/usr/share/datasets/fashion-mnist").exists():
        raise Unsupported("no dataset-fashion-mnist")
    cells = json.loads((ROOT / "docs" / "reference" / "training.ipynb").read_text())["cells"]
    names = {}
    for cell in cells:
        text = "".join(cell["source"])
        if cell["cell_type"] == "code" and "matplotlib" not in text:
            exec(text, names)  # the manual's own code
    return [("wrong after the last epoch", 1 - names["history"][-1]["accuracy"], 0.3)]


def drawn():
    """The graph as SVG: well-formed, a box for each operation, an arc for a shortcut."""
    model = netc.compile("net 1\nmodel a {\n  input i: [1, 8, 8]\n  x = i | conv(4, k=3, pad=1) | relu\n  return x + (x | conv(4, k=1)) | flatten | linear(3)\n}")
    root = xml.etree.ElementTree.fromstring(model.svg())
    boxes, arcs = len(root.findall(".//{*}rect")), sum("C" in path.get("d") for path in root.findall(".//{*}path"))
    nodes = sum(node["op"] != "get_parameter" for node in model.description["graph"]["nodes"])
    return [(f"{boxes} boxes for {nodes} operations", abs(boxes - nodes - 1), 0.5), (f"{arcs} arcs", abs(arcs - 1), 0.5), ("in the notebook", int("<svg" not in model._repr_html_()), 0.5)]


def overhead():
    """What a call costs beside the network: a model that does next to nothing. bench/python_calls.py measures it."""
    model = netc.compile("net 1\nmodel tiny {\n  input x: [1]\n  return x | relu\n}\n", mode="infer", threads=1)
    x, times = numpy.ones((1, 1), numpy.float32), []
    for _ in range(2000):
        start = time.perf_counter()
        model(x)
        times.append(time.perf_counter() - start)
    return [("microseconds of a call", 1e6 * sorted(times)[len(times) // 10], 20)]


def wheel():
    """A fresh environment takes the wheel and compiles with the binary in it, without LLVM on the machine: its folder is hidden where the kernel lets us."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        made = call(["/usr/bin/python3", ROOT / "tools" / "make-wheel.py", "--store", pathlib.Path(NETC).parents[1], path / "dist"]).strip()
        created = subprocess.run(["/usr/bin/python3", "-m", "venv", "--system-site-packages", path / "env"], capture_output=True, text=True)
        if created.returncode:
            raise Unsupported("no venv: " + created.stderr.strip()[-200:])
        python = path / "env" / "bin" / "python"
        call([python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", made])
        (path / "small.net").write_text(TEXT)
        words = "import netc, numpy; print(netc.__file__, netc.compile('small.net', mode='infer')(numpy.zeros((1, 3, 8, 8), 'f4')).shape)"
        environment = {name: value for name, value in os.environ.items() if name not in ("NETC", "PYTHONPATH", "LD_LIBRARY_PATH")}
        binary = next((path / "env").rglob("netc/bin/netc"))
        needed = subprocess.run(["ldd", binary], env=environment, capture_output=True, text=True).stdout
        outside = [line for line in needed.splitlines() if re.search("LLVM|MLIR|z3|protobuf", line) and str(path / "env") not in line]
        hidden, lines = "/usr/lib/llvm-22", []
        if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode == 0 and pathlib.Path(hidden).is_dir() and shutil.which("g++"):
            lines = ["unshare", "-rm", "sh", "-c", f"mount -t tmpfs none {hidden} && exec \"$@\"", "sh"]
            environment["NETC_LINKER"] = "g++"
        done = subprocess.run([*lines, python, "-c", words], cwd=path, env=environment, capture_output=True, text=True)
    return [(f"{done.stdout}{done.stderr}", int(str(path / "env") not in done.stdout or "(1, 10)" not in done.stdout), 0.5),
            (f"libraries from elsewhere: {outside}", len(outside) + int("libLLVM" not in needed), 0.5)]


def main():
    report = Report("python_package")
    with tempfile.TemporaryDirectory(prefix="netc-python-") as folder:
        # Libraries of this test alone; kernels may come from the user's cache.
        kernels = pathlib.Path(os.environ.get("NETC_CACHE") or pathlib.Path.home() / ".cache" / "netc") / "kernels"
        os.environ["NETC_CACHE"] = folder
        if kernels.is_dir():
            (pathlib.Path(folder) / "kernels").symlink_to(kernels)
        try:
            compiler()
        except Unsupported as why:
            report.line("UNSUPPORTED", "package", str(why))
            report.close()
        for case in (like_pytorch, gradients, several, kept, pickled, threads, fitted, drawn, notebook, errors, overhead, wheel):
            report.case(case.__name__, case)
    report.close()


if __name__ == "__main__":
    main()
