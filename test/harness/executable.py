"""An executable that netc made, and its `run`: needs nothing of this tree."""
import json
import os
import pathlib
import subprocess
import tempfile
import typing

import safetensors


class Failed(Exception):
    """netc or an executable ended with an error; the text is what it wrote."""


def call(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        words = " ".join(str(word) for word in command)
        raise Failed(f"{words}\nexit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Measured(typing.NamedTuple):
    """What a program did and took."""
    code: int
    out: str
    log: str  # standard error
    peak: int  # resident bytes
    seconds: float  # of processor time


def call_measured(command, **options):
    """Runs a command; `options` are those of subprocess.Popen.

    A process inherits the peak of the one that starts it: whoever calls this keeps small.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([str(word) for word in command], stdout=out, stderr=log, **options)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        log.seek(0)
        return Measured(process.returncode, out.read(), log.read(), 1024 * used.ru_maxrss, used.ru_utime + used.ru_stime)


class Executable:
    """`path` is the folder that tensors are exchanged in; `call` runs a command line and returns what it printed."""

    def __init__(self, executable, path, call=call):
        self.executable, self.path, self.call = executable, pathlib.Path(path), call

    def info(self):
        return json.loads(self.call([self.executable, "info", "--json"]))

    def run(self, weights, inputs, train=False, threads=2, options=()):
        """`output`, and with `train` also `loss`, `grad.*` and the running statistics."""
        safetensors.save(self.path / "weights.safetensors", weights)
        return self.run_again(inputs, train, threads, options)

    def run_again(self, inputs, train=False, threads=2, options=()):
        """As `run`, with the weights of the last one."""
        safetensors.save(self.path / "in.safetensors", inputs)
        out = self.path / "out.safetensors"
        self.call([self.executable, "run", "--weights", self.path / "weights.safetensors", "--in", self.path / "in.safetensors",
                   "--out", out, "--threads", threads, *options] + (["--train"] if train else []))
        return safetensors.load(out)
