"""A .net file through netc, and its executable's `run`."""
import json
import os
import pathlib
import subprocess
import tempfile

import safetensors

ROOT = pathlib.Path(__file__).resolve().parents[2]
NETC = os.environ.get("NETC", str(ROOT / "build" / "bin" / "netc"))
MODELS = ROOT / "models"
THREADS = int(os.environ.get("NETC_TEST_THREADS", "2"))  # of references; run_all.py runs several scripts at once


class Failed(Exception):
    """netc or an executable ended with an error; the text is what it wrote."""


def call(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        words = " ".join(str(word) for word in command)
        raise Failed(f"{words}\nexit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Compiled:
    """An executable in a folder of its own, which goes with the object."""

    def __init__(self, file, model=None, sets=(), options=()):
        self.folder = tempfile.TemporaryDirectory(prefix="netc-numeric-")
        self.path = pathlib.Path(self.folder.name)
        self.executable = self.path / "model"
        command = [NETC, file, "-o", self.executable, *options]
        if model:
            command += ["--model", model]
        for value in sets:
            command += ["--set", value]
        call(command)

    @classmethod
    def from_text(cls, text, **arguments):
        with tempfile.NamedTemporaryFile("w", suffix=".net") as file:
            file.write(text)
            file.flush()
            return cls(file.name, **arguments)

    def info(self):
        return json.loads(call([self.executable, "info", "--json"]))

    def run(self, weights, inputs, train=False, threads=2, options=()):
        """`output`, and with `train` also `loss`, `grad.*` and the running statistics."""
        safetensors.save(self.path / "weights.safetensors", weights)
        return self.run_again(inputs, train, threads, options)

    def run_again(self, inputs, train=False, threads=2, options=()):
        """As `run`, with the weights of the last one."""
        safetensors.save(self.path / "in.safetensors", inputs)
        out = self.path / "out.safetensors"
        call([self.executable, "run", "--weights", self.path / "weights.safetensors", "--in", self.path / "in.safetensors",
              "--out", out, "--threads", threads, *options] + (["--train"] if train else []))
        return safetensors.load(out)
