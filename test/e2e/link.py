#!/usr/bin/python3
"""Object files of two models in one program: each has its own symbols, the runtime is there once, and both run as in executables of their own."""
import pathlib
import subprocess
import sys
import tempfile

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import safetensors
from compiled import Compiled, Failed, call
from linked import LIBRARIES, archive, compile_object, compiler, link
from report import Report, Unsupported

# Layers of the same shapes: without the models' names their kernels and tables would have the same symbols.
TEXT = """net 1
model {name}(classes={classes}) {{
  input image: [3, 12, 12]
  return image | conv(8, k=3, pad=1) | bn | relu | maxpool(2) | flatten | fc: linear(classes)
}}
"""
# One and one_x2: names that a careless separator would mix up.
MODELS = {"one": 10, "one_x2": 7}
SYMBOLS = {"one": "netc_one_model", "one_x2": "netc_one_x5fx2_model"}
MAIN = """
#include "runtime/commands/Main.h"
#include <cstring>
extern "C" const NetcModel netc_one_model, netc_one_x5fx2_model;
int main(int argc, char **argv) {
  if (argc < 2)
    return 3;
  const NetcModel *models[] = {std::strcmp(argv[1], "one") ? &netc_one_x5fx2_model : &netc_one_model, nullptr};
  return netc_runtime_main(models, argc - 1, argv + 1);
}
"""


class Program:
    """Both models in one program, and each in an executable of its own."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="netc-link-")
        self.path = pathlib.Path(self.folder.name)
        self.alone = {}
        objects = []
        for name, classes in MODELS.items():
            text = TEXT.format(name=name, classes=classes)
            self.alone[name] = Compiled.from_text(text)
            objects.append(compile_object(text, self.path / f"{name}.o"))
        self.objects = objects
        self.executable = link(MAIN, objects, self.path / "both")


def same_info(program):
    """`info --json` of each, but for the file that it came from."""
    def info(command):
        return [line for line in call([*command, "info", "--json"]).splitlines() if '"file"' not in line]
    return [(f"lines that differ: {name}", sum(a != b for a, b in zip(info([program.executable, name]), info([alone.executable]))), 0.5)
            for name, alone in program.alone.items()]


def same_results(program):
    claims = []
    rng = numpy.random.default_rng(3)
    for name, alone in program.alone.items():
        call([alone.executable, "train", "--data", "synthetic:8", "--epochs", 0, "--out", program.path / name])
        inputs = {"input": rng.standard_normal((4, 3, 12, 12)).astype(numpy.float32), "labels": rng.integers(0, MODELS[name], 4)}
        safetensors.save(program.path / "in.safetensors", inputs)
        found = []
        for index, command in enumerate(([program.executable, name], [alone.executable])):
            out = program.path / f"out{index}.safetensors"
            call([*command, "run", "--weights", program.path / name, "--in", program.path / "in.safetensors", "--out", out, "--train"])
            found.append(safetensors.load(out))
        differ = [key for key in found[1] if found[0][key].tobytes() != found[1][key].tobytes()]
        claims.append((f"{name}: tensors that differ {differ[:3]}", len(differ) + abs(len(found[0]) - len(found[1])), 0.5))
    return claims


def own_symbols(program):
    """An object's defined external symbols are its model's table alone."""
    claims = []
    for (name, symbol), path in zip(SYMBOLS.items(), program.objects):
        listed = call(["nm", "--defined-only", "--extern-only", path]).split("\n")
        defined = [line.split()[-1] for line in listed if line.strip()]
        claims.append((f"{name} defines {defined}", int(defined != [symbol]), 0.5))
        local = [line.split()[-1] for line in call(["nm", "--defined-only", path]).split("\n") if " t " in line.lower()]
        strange = [each for each in local if not each.startswith("netc_" + symbol[5:].removesuffix("_model"))]
        claims.append((f"functions without the model's name: {strange[:3]}", len(strange) + int(not local), 0.5))
    return claims


def without_entry(program):
    """The list of models is the executable's: an object and the runtime alone have no program."""
    done = subprocess.run([compiler(), program.objects[0], archive(), "-o", program.path / "none", *LIBRARIES],
                          capture_output=True, text=True)
    return [("links without a list of models", int(done.returncode == 0), 0.5),
            ("netc_models is not what is missing", int("netc_models" not in done.stderr), 0.5)]


def main():
    report = Report("link")
    try:
        program = Program()
    except Unsupported as why:
        report.line("UNSUPPORTED", "program", str(why))
        report.close()
    except Failed as error:
        report.line("FAIL", "program", str(error))
        report.close()
    for case in (own_symbols, same_info, same_results, without_entry):
        report.case(case.__name__, case, program)
    report.close()


if __name__ == "__main__":
    main()
