#!/usr/bin/python3
"""`netc --emit lib`: the same bits as the executable of the same model, errors as codes with a text, only its own symbols, several models and
contexts in one program. The programs of examples/ are built and run, also under the address and the thread sanitizer."""
import ctypes
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import library
import safetensors
from compiled import Compiled, Failed, ROOT, call
from library import Library
from linked import compiler
from report import Report, Unsupported

EXAMPLES = ROOT / "examples"
TEXT = """net 1
model {name}(classes={classes}) {{
  input image: [3, 16, 16]
  return image | conv(8, k=3, pad=1) | bn | relu | maxpool(2) | flatten | fc: linear(classes)
}}
"""
SEVERAL = """net 1
model pair {
  input left: [4]
  input right: [6]
  a = left | linear(5)
  b = right | linear(5)
  return {sum: a + b, difference: a * 2 + b}
}
train pair { loss sum: mse, difference: 0.5 * l1 }
"""
SANITIZERS = {"plain": [], "address": ["-fsanitize=address,undefined", "-g1"], "thread": ["-fsanitize=thread", "-g1"]}


class Models:
    """A small model as executable and as library, with weights and an image."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="netc-library-")
        self.path = pathlib.Path(self.folder.name)
        self.lib = library.build(TEXT.format(name="small", classes=10), self.path / "lib", ["--cpu", "x86-64-v2,x86-64-v3"])
        self.executable = Compiled.from_text(TEXT.format(name="small", classes=10), options=["--cpu", "x86-64-v2,x86-64-v3"])
        call([self.executable.executable, "train", "--data", "synthetic:8", "--epochs", 0, "--out", self.path / "run"])
        self.weights = self.path / "run" / "model.safetensors"
        self.small = Library(self.lib, "small")
        rng = numpy.random.default_rng(3)
        self.inputs = [rng.standard_normal((4, 3, 16, 16)).astype(numpy.float32)]
        self.labels = [rng.integers(0, 10, 4)]

    def image(self, name="image.png"):
        call(["/usr/bin/python3", ROOT / "tools" / "fashion-mnist-image.py", 3, self.path / name])
        return self.path / name


def shapes(models):
    small = models.small
    status, image = small.tensor(small.input, 0)
    _, output = small.tensor(small.output, 0)
    _, labels = small.tensor(small.target, 0)
    context = small.open()[1]
    _, weight = small.tensor(lambda *more: small.parameter(context, *more), 0)
    found = [(t.name, t.type, list(t.shape[:t.rank]), t.elements) for t in (image, output, labels, weight)]
    wanted = [(b"image", 0, [3, 16, 16], 768), (b"output", 0, [10], 10), (b"labels", 2, [], 1), (b"conv1.weight", 0, [8, 3, 3, 3], 216)]
    small.destroy(context)
    return [(f"tensors {found}", int(found != wanted or status != library.OK), 0.5),
            ("an input that does not exist", abs(small.tensor(small.input, 1)[0] - library.ARGUMENT), 0.5),
            ("version", int(not re.fullmatch(rb"\d+\.\d+\.\d+", small.version())), 0.5)]


def same_bits(models):
    """Inference, gradients and running statistics are those of `run`, with any number of threads."""
    small, claims = models.small, []
    tensors = {"input": models.inputs[0], "labels": models.labels[0]}
    weights = safetensors.load(models.weights)
    infer, train = models.executable.run(weights, tensors), models.executable.run(weights, tensors, train=True)
    for threads in (1, 3):
        status, context = small.open(models.weights, threads)
        claims.append((f"status {small.last_error(context)}", status, 0.5))
        status, out = small.run(context, models.inputs)
        claims.append((f"{threads} threads: logits differ", int(status or out[0].tobytes() != infer["output"].tobytes()), 0.5))
        status, loss = small.train(context, models.inputs, models.labels)
        claims.append((f"loss {loss}", int(status or numpy.float32(loss) != train["loss"][0]), 0.5))
        for name, value in train.items():
            plain = name.removeprefix("grad.")
            if plain in weights:
                function = small.get_gradient if plain != name else small.get_parameter
                status, found = small.read(context, function, plain, value.shape)
                claims.append((f"{name} differs", int(status or found.tobytes() != value.tobytes()), 0.5))
        small.destroy(context)
    return claims


def updates(models):
    """Without a recipe the update is plain SGD; parameters go in and out; what is saved is what there is."""
    small = models.small
    _, context = small.open(models.weights, 2)
    shape = (10, 512)
    before = small.read(context, small.get_parameter, "fc.weight", shape)[1]
    claims = [("update without a step", abs(small.update(context, ctypes.c_double(0.1)) - library.ARGUMENT), 0.5)]
    small.train(context, models.inputs, models.labels)
    gradient = small.read(context, small.get_gradient, "fc.weight", shape)[1]
    claims.append(("update", small.update(context, ctypes.c_double(0.5)), 0.5))
    after = small.read(context, small.get_parameter, "fc.weight", shape)[1]
    recipe = re.search(rb'"momentum":([\d.e-]+)', small.description())
    decay = float(re.search(rb'"weight_decay":([\d.e-]+)', small.description()).group(1))
    wanted = before - 0.5 * (gradient + decay * before)
    claims.append((f"weights after the update (first step of momentum {recipe.group(1)})", float(numpy.abs(after - wanted).max()), 1e-6))
    old = small.run(context, models.inputs)[1][0]
    zeros = numpy.zeros(shape, numpy.float32)
    claims.append(("set", small.set_parameter(context, b"fc.weight", ctypes.c_void_p(zeros.ctypes.data), ctypes.c_size_t(zeros.size)), 0.5))
    new = small.run(context, models.inputs)[1][0]
    claims.append(("the same results with other weights", int(old.tobytes() == new.tobytes() or numpy.ptp(new, 0).max() > 0), 0.5))
    path = models.path / "saved.safetensors"
    claims.append(("save", small.save(context, str(path).encode()), 0.5))
    claims.append(("saved weights", int(safetensors.load(path)["fc.weight"].any()), 0.5))
    small.destroy(context)
    return claims


def errors(models):
    small, claims = models.small, []

    def expect(name, status, context, wanted, *words):
        text = (small.last_error(context) or b"").decode()
        missing = [word for word in words if word not in text]
        claims.append((f"{name}: status {status}, '{text}'", int(status != wanted or not text) + len(missing), 0.5))

    status, context = small.open(models.path / "none.safetensors")
    expect("no such file", status, context, library.FILE, "none.safetensors", "No such file")
    claims.append(("use of a context that could not be made", abs(small.update(context, ctypes.c_double(1)) - library.ARGUMENT), 0.5))
    expect("its error stays", status, context, library.FILE, "none.safetensors")
    small.destroy(context)

    data = models.weights.read_bytes()
    for name, bytes_, words in (("cut", data[:-8], ["bytes"]), ("empty", b"", ["0 bytes"]), ("noise", b"\x07" * 64, ["no safetensors"])):
        context = ctypes.c_void_p()
        status = small.create_from_memory(bytes_, ctypes.c_size_t(len(bytes_)), 1, ctypes.byref(context))
        expect(name, status, context, library.WEIGHTS, *words)
        small.destroy(context)
    other = models.path / "other.safetensors"
    safetensors.save(other, {"fc.weight": numpy.zeros((3, 3), numpy.float32)})
    status, context = small.open(other)
    expect("other weights", status, context, library.WEIGHTS, "missing", "conv1.weight")
    small.destroy(context)
    status, context = small.open(models.weights, 5000)
    expect("threads", status, context, library.ARGUMENT, "5000")
    small.destroy(context)

    _, context = small.open(models.weights)
    expect("a batch of none", small.run(context, models.inputs, 0)[0], context, library.ARGUMENT, "batch of 0")
    expect("a huge batch", small.infer(context, ctypes.c_int64(1 << 30), library.pointers(models.inputs), library.pointers(models.inputs)),
           context, library.MEMORY, "bytes")
    expect("a null input", small.infer(context, ctypes.c_int64(1), (ctypes.c_void_p * 1)(None), library.pointers(small.outputs(1))), context,
           library.ARGUMENT, "image", "null")
    expect("a label", small.train(context, models.inputs, [models.labels[0] + 7])[0], context, library.ARGUMENT, "labels", "0 to 9")
    expect("a name", small.read(context, small.get_parameter, "fc.wight", (3,))[0], context, library.ARGUMENT, "fc.wight")
    expect("a size", small.read(context, small.get_parameter, "fc.weight", (3,))[0], context, library.ARGUMENT, "[10, 512]", "3")
    expect("a statistic's gradient", small.read(context, small.get_gradient, "bn1.running_mean", (8,))[0], context, library.ARGUMENT, "gradient")
    expect("an image", small.read_image(context, str(models.weights).encode(), ctypes.c_void_p(models.inputs[0].ctypes.data)), context,
           library.FILE, "model.safetensors")
    expect("a folder that does not exist", small.save(context, b"/nowhere/at/all"), context, library.FILE, "/nowhere/at/all")
    nan = numpy.full_like(models.inputs[0], numpy.nan)
    expect("a loss that is no number", small.train(context, [nan], models.labels)[0], context, library.NUMBERS, "nan")
    status, _ = small.run(context, models.inputs)
    claims.append((f"after errors: '{small.last_error(context)}'", int(status or small.last_error(context) != b""), 0.5))
    small.destroy(context)
    small.destroy(None)
    return claims


def infer_only(models):
    folder = library.build(TEXT.format(name="frozen", classes=10), models.path / "frozen", ["--mode", "infer"])
    frozen = Library(folder, "frozen")
    _, context = frozen.open(models.weights)
    status, _ = frozen.train(context, models.inputs, models.labels)
    text = frozen.last_error(context).decode()
    good, out = frozen.run(context, models.inputs)
    _, full = models.small.open(models.weights)
    same = out[0].tobytes() == models.small.run(full, models.inputs)[1][0].tobytes()
    frozen.destroy(context)
    models.small.destroy(full)
    return [(f"step: {status} {text}", int(status != library.UNSUPPORTED or "--mode infer" not in text), 0.5), ("results", int(good or not same), 0.5)]


def several_tensors(models):
    """Inputs and outputs in their order; an output that is not wanted."""
    pair = Library(library.build(SEVERAL, models.path / "pair"), "pair")
    _, context = pair.open(seed=5)
    rng = numpy.random.default_rng(1)
    left, right = rng.standard_normal((3, 4)).astype(numpy.float32), rng.standard_normal((3, 6)).astype(numpy.float32)
    weights = [pair.read(context, pair.get_parameter, name, shape)[1].astype(numpy.float64) for name, shape in
               (("linear1.weight", (5, 4)), ("linear1.bias", (5,)), ("linear2.weight", (5, 6)), ("linear2.bias", (5,)))]
    a, b = left @ weights[0].T + weights[1], right @ weights[2].T + weights[3]
    status, out = pair.run(context, [left, right])
    claims = [("status", status, 0.5), ("sum", float(abs(out[0] - a - b).max()), 1e-5), ("difference", float(abs(out[1] - 2 * a - b).max()), 1e-5)]
    only = pair.outputs(3)
    pair.infer(context, ctypes.c_int64(3), library.pointers([left, right]), (ctypes.c_void_p * 2)(None, only[1].ctypes.data))
    claims.append(("one output alone", int(only[1].tobytes() != out[1].tobytes() or not numpy.isnan(only[0]).all()), 0.5))
    targets = [numpy.zeros((3, 5), numpy.float32), numpy.zeros((3, 5), numpy.float32)]
    status, loss = pair.train(context, [left, right], targets)
    wanted = ((a + b) ** 2).mean() + 0.5 * abs(2 * a + b).mean()
    claims.append((f"loss {loss}, {wanted}", abs(loss - wanted) / wanted + status, 1e-5))
    pair.destroy(context)
    return claims


def floating_point(models):
    """A call leaves the caller's denormals alone."""
    _, context = models.small.open(models.weights, 2)
    models.small.run(context, models.inputs)
    models.small.destroy(context)
    tiny = numpy.full(4, 1e-40, numpy.float32)
    return [("denormals that became zero", int((tiny * numpy.float32(0.5) == 0).sum()), 0.5)]


def symbols(models):
    listed = [line.split()[-1] for line in call(["nm", "-D", "--defined-only", models.lib / "libsmall.so"]).splitlines()]
    archive = [line.split()[-1] for line in call(["nm", "-g", "--defined-only", models.lib / "libsmall.a"]).splitlines() if " " in line]
    wanted = sorted(f"small_{name}" for name in library.FUNCTIONS)
    header = (models.lib / "small.h").read_text()
    declared = sorted(set(re.findall(r"^[^/\n]*\b(small_\w+)\(", header, re.M)))
    return [(f"shared: {sorted(set(listed) ^ set(wanted))}", int(sorted(listed) != wanted), 0.5),
            (f"archive: {sorted(set(archive) ^ set(wanted))}", int(sorted(archive) != wanted), 0.5),
            (f"header: {sorted(set(declared) ^ set(wanted))}", int(declared != wanted), 0.5)]


def headers(models):
    claims = []
    for language, standard in (("c", "c99"), ("c++", "c++11")):
        for name in ("small.h", "model.h"):
            done = subprocess.run([compiler(), "-x", language, f"-std={standard}", "-Wall", "-Wextra", "-pedantic", "-Werror", "-Wno-unknown-warning-option",
                                   "-Wno-pragma-once-outside-header", "-fsyntax-only", models.lib / name], capture_output=True, text=True)
            claims.append((f"{name} as {standard}: {done.stderr[:300]}", done.returncode, 0.5))
    return claims


CMAKE = """cmake_minimum_required(VERSION 3.16)
project(user C CXX)
find_package(small REQUIRED)
find_package(model REQUIRED)
add_executable(shared {examples}/classify.c)
target_link_libraries(shared PRIVATE model::model)
add_executable(static {examples}/classify.c)
target_link_libraries(static PRIVATE small::static)
set_target_properties(static PROPERTIES LINKER_LANGUAGE CXX)
"""


def packages(models):
    """CMake's package and pkg-config's file build the example that classifies."""
    claims, image = [], models.image()
    wanted = call([build_example(models, "classify.c", models.lib), models.weights, image])
    source, build = models.path / "user", models.path / "user-build"
    source.mkdir()
    (source / "CMakeLists.txt").write_text(CMAKE.format(examples=EXAMPLES))
    call(["cmake", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={models.lib}", "-DCMAKE_BUILD_TYPE=Release"])
    call(["cmake", "--build", build])
    for name in ("shared", "static"):
        claims.append((f"{name} of CMake", int(call([build / name, models.weights, image]) != wanted), 0.5))
    if shutil.which("pkg-config"):
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", models.lib / "model.pc"], capture_output=True, text=True, check=True).stdout.split()
        call([compiler_of("classify.c"), EXAMPLES / "classify.c", "-o", models.path / "pkg", *flags])
        claims.append(("pkg-config", int(call([models.path / "pkg", models.weights, image]) != wanted), 0.5))
    return claims


def compiler_of(source):
    for name in ("clang-22", "clang", "gcc", "cc") if source.endswith(".c") else ("clang++-22", "clang++", "g++", "c++"):
        if shutil.which(name):
            return name
    raise Unsupported("no C compiler")


def build_example(models, source, folder, libraries=("model",), sanitizer="plain"):
    """With the address sanitizer the archives are linked: library and program then have one allocator. The thread sanitizer must not see a
    library that is not compiled for it, whose atomics it would not know, and tells it apart as a shared one."""
    out = models.path / f"{source.split('.')[0]}-{sanitizer}"
    flags = SANITIZERS[sanitizer]
    if sanitizer == "address":
        linked = [folder / f"lib{name}.a" for name in libraries] + ["-lstdc++", "-lm", "-lpthread", "-ldl"]
    else:
        linked = [f"-L{folder}", f"-Wl,-rpath,{folder}", *[f"-l{name}" for name in libraries]]
    standard = "-std=c99" if source.endswith(".c") else "-std=c++17"
    done = subprocess.run([compiler_of(source), standard, "-O1", "-Wall", "-Wextra", "-pedantic", "-Werror", *flags, f"-I{folder}", EXAMPLES / source,
                           *linked, "-pthread", "-o", out], capture_output=True, text=True)
    if flags and ("clang_rt" in done.stderr or "lasan" in done.stderr or "ltsan" in done.stderr):
        raise Unsupported(f"no runtime library of the {sanitizer} sanitizer (Debian: libclang-rt-22-dev)")
    if done.returncode:
        raise Failed(done.stderr)
    return out


def run_example(program, *words):
    """Nothing may be printed but what the program prints: reports of sanitizers would be on stderr."""
    done = subprocess.run([str(word) for word in (program, *words)], capture_output=True, text=True,
                          env={**os.environ, "TSAN_OPTIONS": "halt_on_error=1:ignore_noninstrumented_modules=1", "UBSAN_OPTIONS": "halt_on_error=1"})
    return done.stdout, [(f"{program.name}: exit code {done.returncode}\n{done.stderr[:2000]}", int(done.returncode != 0 or done.stderr != ""), 0.5)]


def classify(models, sanitizer):
    program = build_example(models, "classify.c", models.lib, sanitizer=sanitizer)
    image = models.image()
    out, claims = run_example(program, models.weights, image)
    predicted = call([models.executable.executable, "predict", "--weights", models.weights, "--top", 1, "--json", image])
    best = re.search(r'"class":(\d+)', predicted).group(1)
    return claims + [(f"'{out.strip()}', predict says {best}", int(f"class {best}" not in out), 0.5)]


def train(models, sanitizer):
    folder = models.path / "two"
    if not folder.exists():
        library.build(TEXT.format(name="two", classes=2), folder)
    program = build_example(models, "train.cpp", folder, sanitizer=sanitizer)
    out, claims = run_example(program, models.path / "trained.safetensors")
    losses = [float(value) for value in re.findall(r"loss ([\d.]+)", out)]
    return claims + [(f"losses {losses}", losses[-1] if losses else 1, 0.2)]


def server(models, sanitizer):
    program = build_example(models, "server.cpp", models.lib, sanitizer=sanitizer)
    out, claims = run_example(program, models.weights, 40)
    return claims + [(out.strip(), int("40 requests, 0 answers differ" not in out), 0.5)]


def two_models(models, sanitizer):
    folder, weights = models.path / "both", {}
    for name, classes in (("coarse", 2), ("fine", 10)):
        text = TEXT.format(name=name, classes=classes)
        if not (folder / f"{name}.h").exists():
            library.build(text, folder)
        one = Library(folder, name)
        _, context = one.open(seed=classes)
        weights[name] = models.path / f"{name}.safetensors"
        one.save(context, str(weights[name]).encode())
        one.destroy(context)
    image = models.image()
    program = build_example(models, "two_models.c", folder, ("coarse", "fine"), sanitizer)
    out, claims = run_example(program, weights["coarse"], weights["fine"], image)
    return claims + [(out.strip(), int(not re.fullmatch(r"group [01], kind \d\n", out)), 0.5)]


def main():
    report = Report("library")
    try:
        models = Models()
    except Unsupported as why:
        report.line("UNSUPPORTED", "models", str(why))
        report.close()
    except Failed as error:
        report.line("FAIL", "models", str(error))
        report.close()
    for case in (shapes, same_bits, updates, errors, infer_only, several_tensors, floating_point, symbols, headers, packages):
        report.case(case.__name__, case, models)
    for example in (classify, train, server, two_models):
        for sanitizer in SANITIZERS:
            report.case(f"{example.__name__}_{sanitizer}", example, models, sanitizer)
    report.close()


if __name__ == "__main__":
    main()
