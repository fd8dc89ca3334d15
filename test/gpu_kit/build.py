#!/usr/bin/python3
"""Makes the GPU kit: `make gpu-kit` leaves BUILD/gpu-kit. Executables that are there already are not compiled again.

--sim makes a small kit for `check.py --sim` alone, which tests use: no ptxas, two networks a step.
"""
import argparse
import concurrent.futures
import fcntl
import gzip
import hashlib
import json
import lzma
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import networks as table
from networks import ROOT

sys.path[:0] = [str(HERE / "steps")]
import draw
import safetensors
import word
from executable import Executable

CHIPS = [80, 90]
CPU = "x86-64-v3"
MOST_BYTES = 45 << 20  # as it travels
# Files of the tree that travel; what is a module of the kit's own lies beside check.py.
TRAVELS = {"harness": ["agreement", "compiled", "executable", "report", "safetensors"], "numeric": ["parity", "rounded_products", "tensor_cores", "torch_models"]}
STAY = {"build.py", "networks.py"}
FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")
SLICES = {"data": (6000, 1000), "data-small": (64, 32)}
PRESET = {False: 6, True: 1}  # of xz, for the whole kit and for the simulator's
DICTIONARY = 256 << 20  # bytes of LZMA2's window: executables of one network, CUDA's for two chips and precisions, are 40 MB each
LOGITS = {"tf32": 2e-2, "bf16": 3e-2}  # of the simulator's word, by norm: sums of a few rounded layers differ where a rounding tips


class Builder:
    def __init__(self, options):
        self.sim, self.simulate_all, self.jobs, self.out = options.sim, options.simulate_all, options.jobs, options.out.resolve()
        self.netc = (options.build / "bin" / "netc").resolve()
        self.cache = options.build.resolve() / "gpu-kit-cache"
        self.cache.mkdir(parents=True, exist_ok=True)
        self.stamp = self.compiler_stamp(options.build.resolve())
        self.environment = dict(os.environ)
        fetched = options.build.resolve() / "ptxas" / "bin" / "ptxas"
        if fetched.exists():
            self.environment.setdefault("NETC_PTXAS", str(fetched))
        if not self.sim and not (self.environment.get("NETC_PTXAS") or shutil.which("ptxas") or os.access("/usr/local/cuda/bin/ptxas", os.X_OK)):
            sys.exit("the kit needs machine code: no ptxas in NETC_PTXAS, PATH or /usr/local/cuda/bin")

    def compiler_stamp(self, build):
        """What executables depend on besides their model."""
        digest = hashlib.sha256(self.netc.read_bytes())
        for archive in sorted((build / "lib" / "netc").glob("*.a")):
            digest.update(archive.read_bytes())
        return digest.hexdigest()

    def source(self, network):
        """(text, folder, name of the file in it): a relative name, as it ends in the executable."""
        if isinstance(network.source, pathlib.Path):
            return network.source.read_text(), ROOT, network.source.relative_to(ROOT)
        name = hashlib.sha256(network.source.encode()).hexdigest()[:16] + ".net"
        (self.cache / name).write_text(network.source)
        return network.source, self.cache, name

    def netc_says(self, network, *options):
        """What netc writes, kept under a key of everything that it depends on."""
        text, folder, name = self.source(network)
        words = [str(word) for word in (*network.options, *options)]
        key = hashlib.sha256("\0".join([self.stamp, str(name), text, *words]).encode()).hexdigest()
        kept = self.cache / key
        with open(self.cache / f"{key}.lock", "w") as lock:  # two tests make a kit at once
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                fresh = self.cache / f"{key}.new"
                done = subprocess.run([self.netc, name, *words, "-o", fresh], cwd=folder, env=self.environment, capture_output=True, text=True)
                if done.returncode != 0:
                    raise RuntimeError(f"netc {name} {' '.join(words)}\n{done.stdout}{done.stderr}")
                fresh.rename(kept)
        return kept

    def options_of(self, form):
        kind, _, precision = form.partition("-")
        if kind == "cpu":
            return ["--cpu", CPU]
        chips = ["--chip", ",".join(f"sm_{chip}" for chip in CHIPS)] if kind == "cuda" and not precision.endswith("-ptx") else []
        if precision.endswith("-hopper"):
            chips = ["--chip", "sm_90a"]
        return ["--target", kind, *chips, "--precision", precision.removesuffix("-ptx").removesuffix("-hopper")]

    def forms_of(self, network):
        forms = ["cpu"] if network.cpu else []
        if not self.sim:
            forms += ["cuda-" + precision for precision in network.forms]
        if network.sim or network.group == "small" and not self.sim or self.simulate_all and network.group != "speed":
            forms += ["sim-" + precision for precision in network.forms if not precision.endswith("-ptx")]
        return forms

    def travels(self, network, form):
        """The simulator's word travels as arrays; its executables where `check.py --sim` runs them."""
        return not form.startswith("sim-") or network.sim or self.simulate_all

    def executable(self, job):
        """Its path, or the error: the others are made all the same, and all errors shown at once."""
        _, network, form = job
        try:
            return self.netc_says(network, *self.options_of(form))
        except RuntimeError as error:
            return error

    def collect(self):
        """(name, network, what the manifest holds besides)."""
        for name, network, net in table.of_kernels():
            if self.wanted(network):
                if net:
                    net.forward(net.draw(1, *net.image))  # draws the parameters, and says how
                about = {"drawn": net.drawn, "image": list(net.image), "classes": net.classes} if net else {}
                yield name, network, {**about, "batches": [1] if name.endswith("/tiles") else [1, 3]}
        for name, network in table.of_the_word():
            if self.wanted(network):
                yield name, network, {"word_images": 3}
        for name, network, step in table.of_whole_steps():
            if self.wanted(network):
                yield name, network, {"step": step}
        for source in (table.of_the_end, table.of_speed):
            for name, network in source():
                if self.wanted(network):
                    yield name, network, {}

    def wanted(self, network):
        return network.sim or not self.sim

    def describe(self, network):
        """Image, classes and how to draw weights as training would start from, statistics and batch norms less even."""
        model = json.loads(self.netc_says(network, "--emit", "json").read_text())
        return {"image": model["input"], "classes": model["classes"], "drawn": {p["name"]: drawn(p) for p in model["parameters"]}}

    def make(self):
        begin = time.monotonic()
        chosen = list(self.collect())
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            abouts = list(pool.map(lambda entry: {**({} if "drawn" in entry[2] else self.describe(entry[1])), **entry[2]}, chosen))
            work = [(name, network, form) for name, network, _ in chosen for form in self.forms_of(network)]
            made = list(pool.map(self.executable, work))
        if broken := [f"{name} for {form}: {error}" for (name, _, form), error in zip(work, made) if isinstance(error, RuntimeError)]:
            sys.exit("\n".join([*broken, f"{len(broken)} of {len(work)} executables could not be made"]))
        manifest = {"kit": self.version(), "chips": CHIPS, "precisions": list(table.PRECISIONS), "kernel_bound": table.cuda_kernels.kernels.BOUND,
                    "logits": LOGITS, "speed": table.SPEED, "networks": {}}
        with tempfile.TemporaryDirectory(dir=self.cache) as folder:
            files = pathlib.Path(folder)
            archives = {name: [] for name in ("kernels", "networks")}
            for (name, network, _), about in zip(chosen, abouts):
                manifest["networks"][name] = {**about, "executables": {}}
            for (name, network, form), path in zip(work, made):
                if self.travels(network, form):
                    manifest["networks"][name]["executables"][form] = f"{name}/{form}"
                    archives["kernels" if network.group == "kernels" else "networks"].append((f"{name}/{form}", path))
            for name, about in manifest["networks"].items():
                if "word_images" in about:
                    simulated = {form: path for (other, _, form), path in zip(work, made) if other == name and form.startswith("sim-")}
                    about["word"] = self.the_word(name, about, files, archives["networks"], simulated)
            slice_data(files, archives["networks"])
            self.write(manifest, archives)
        size = sum(path.stat().st_size for path in self.out.rglob("*") if path.is_file())
        print(f"{self.out}: {len(work)} executables, {size / 2**20:.1f} MiB, {time.monotonic() - begin:.0f} s")
        if size > MOST_BYTES:
            sys.exit(f"the kit may have {MOST_BYTES >> 20} MiB")

    def the_word(self, name, about, files, entries, simulated):
        """{precision: {"arrays": file, "checksums"}} of what the simulator computes."""
        found = {}
        for form, path in simulated.items():
            with tempfile.TemporaryDirectory() as folder:
                arrays = word.compute(Executable(path, folder), name, about)
            inside = f"word/{name.removeprefix('word/')}-{form}.safetensors"
            (files / inside).parent.mkdir(exist_ok=True)
            safetensors.save(files / inside, arrays)
            entries.append((inside, files / inside))
            found[form.removeprefix("sim-")] = {"arrays": inside, "checksums": {key: draw.checksum(value) for key, value in arrays.items()}}
        return found

    def version(self):
        done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
        return done.stdout.strip() or "of unknown version"

    def write(self, manifest, archives):
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir(parents=True)
        for path in [*HERE.glob("*.py"), *(HERE / "steps").glob("*.py")]:
            if path.name not in STAY:
                (self.out / path.relative_to(HERE)).parent.mkdir(exist_ok=True)
                shutil.copy(path, self.out / path.relative_to(HERE))
        for folder, modules in TRAVELS.items():
            (self.out / folder).mkdir()
            for module in modules:
                shutil.copy(ROOT / "test" / folder / f"{module}.py", self.out / folder)
        (self.out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(lambda item: self.pack(*item), archives.items()))

    def pack(self, name, entries):
        """Solid: the executables of one network share kernels, all of them the runtime; PTX and machine code come in words of 16 bytes."""
        filters = [{"id": lzma.FILTER_LZMA2, "preset": PRESET[self.sim], "dict_size": DICTIONARY, "pb": 4}]
        with lzma.open(self.out / f"{name}.tar.xz", "w", filters=filters) as stream, tarfile.open(fileobj=stream, mode="w|") as archive:
            for inside, path in sorted(entries, key=alike):
                member = tarfile.TarInfo(inside)
                member.size, member.mode = path.stat().st_size, 0o755 if os.access(path, os.X_OK) else 0o644
                with open(path, "rb") as file:
                    archive.addfile(member, file)


def alike(entry):
    """Sorts what shares most next to each other: by target, then by network, whichever step it belongs to."""
    network, form = entry[0].rsplit("/", 1)
    return form.split("-")[0], network.rsplit("/", 1)[-1], form


def drawn(parameter):
    """As kernels are drawn: by the deviation of the initialisation; constants spread a little, variances are positive."""
    init, shape, name = parameter["init"], parameter["shape"], parameter["name"]
    if name.endswith("running_var"):
        return {"shape": shape, "scale": 1.0, "shift": 0.5, "squared": True}
    if init["kind"] == "constant":
        return {"shape": shape, "scale": 0.3, "shift": init["value"], "squared": False}
    scale, shift = (init["std"], init["mean"]) if init["kind"] == "normal" else ((init["high"] - init["low"]) / 12 ** 0.5, (init["high"] + init["low"]) / 2)
    return {"shape": shape, "scale": scale, "shift": shift, "squared": False}


def slice_data(files, entries):
    """The first images of Fashion-MNIST, as IDX files."""
    if not FASHION.is_dir():
        sys.exit(f"{FASHION} is missing: apt-get install dataset-fashion-mnist")
    for folder, counts in SLICES.items():
        (files / folder).mkdir()
        for stem, count in zip(("train", "t10k"), counts):
            for kind, header, size in (("images-idx3-ubyte", 16, 784), ("labels-idx1-ubyte", 8, 1)):
                with gzip.open(FASHION / f"{stem}-{kind}.gz") as file:
                    data = file.read(header + count * size)
                path = files / folder / f"{stem}-{kind}"
                path.write_bytes(data[:4] + count.to_bytes(4, "big") + data[8:])
                entries.append((f"{folder}/{path.name}", path))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--out", type=pathlib.Path, help="default: BUILD/gpu-kit")
    parser.add_argument("--sim", action="store_true", help="for `check.py --sim` alone")
    parser.add_argument("--simulate-all", action="store_true", help="the simulator's executables of all networks but speed's: `--sim` then asks what a GPU is asked")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    options.out = options.out or options.build / "gpu-kit"
    Builder(options).make()


if __name__ == "__main__":
    main()
