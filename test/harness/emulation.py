"""Executables for AMX and AVX-VNNI on a machine that lacks them: test/emulated/tiles.c computes their instructions in the handler of SIGILL.

Where the machine has them, it runs them itself.
"""
import os
import pathlib
import shutil
import subprocess
import tempfile

import cpu
from compiled import ROOT, Compiled, Failed
from report import Unsupported

FLAGS = {"amx-tile": "amx_tile", "amx-bf16": "amx_bf16", "amx-int8": "amx_int8", "avxvnni": "avx_vnni"}  # netc's names and Linux's
NEEDS = {"x86-64-v4+amx": {"avx512_bf16", "avx512_vnni"}, "x86-64-v3+vnni": set()}  # what is not emulated, beside the level


class Emulator:
    """The library, in a folder that goes with the object."""

    def __init__(self):
        compiler = next((name for name in ("gcc", "clang-22", "clang", "cc") if shutil.which(name)), None)
        if not compiler:
            raise Unsupported("no C compiler")
        self.folder = tempfile.TemporaryDirectory(prefix="netc-emulation-")
        self.library = pathlib.Path(self.folder.name) / "tiles.so"
        done = subprocess.run([compiler, "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", ROOT / "test" / "emulated" / "tiles.c",
                               "-o", self.library, "-lm"], capture_output=True, text=True)
        if done.returncode:
            raise Failed(done.stderr)


def supports(level):
    """Whether this machine runs what is not emulated of a level."""
    base = level.split("+")[0]
    return base in cpu.levels() and NEEDS[level] <= cpu.flags()


def claim_features(executable):
    """An executable asks CPUID for the features that its tables name, and takes those that it does not know as present: they get such names."""
    data = executable.read_bytes()
    for name, flag in FLAGS.items():
        if flag not in cpu.flags():
            data = data.replace(f'"{name}"'.encode(), f'"{name[:-1]}_"'.encode())
    executable.write_bytes(data)


class Emulated(Compiled):
    """`counts`: how often the last run executed each instruction that is emulated; empty where the machine has them."""

    def __init__(self, file, emulator, level, **arguments):
        arguments["options"] = [*arguments.get("options", ()), "--cpu", level]
        super().__init__(file, **arguments)
        claim_features(self.executable)
        self.emulator, self.level, self.counts = emulator, level, {}
        self.call = self.call_emulated

    def call_emulated(self, command):
        log = self.path / "counts"
        log.unlink(missing_ok=True)
        environment = {**os.environ, "LD_PRELOAD": str(self.emulator.library), "EMULATED_COUNTS": str(log), "NETC_CPU": self.level}
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=environment)
        if done.returncode:
            raise Failed(f"{' '.join(map(str, command))}\nexit code {done.returncode}\n{done.stdout}{done.stderr}")
        self.counts = {name: int(number) for name, number in (line.split() for line in log.read_text().splitlines())}
        return done.stdout

    def executed(self, *names):
        """Claims that the last run executed each of these."""
        native = {name: FLAGS["avxvnni" if name == "vpdpbusd" else "amx-tile"] in cpu.flags() for name in names}
        return [(f"{self.level}: no {name}", int(not native[name] and self.counts[name] == 0), 0.5) for name in names]
