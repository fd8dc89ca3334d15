"""Models in a program with a main of its own: object files, the runtime's archive, a C++ compiler."""
import os
import pathlib
import shutil

from compiled import NETC, ROOT, call
from report import Unsupported

LIBRARIES = ["-Wl,--gc-sections", "-lm", "-lpthread", "-ldl"]


def archive():
    return pathlib.Path(NETC).resolve().parents[1] / "lib" / "netc" / "libnetc_runtime.a"


def compiler():
    for name in (os.environ.get("NETC_LINKER"), "clang++-22", "clang++", "g++"):
        if name and shutil.which(name):
            return name
    raise Unsupported("no C++ compiler")


def compile_object(text, path, options=()):
    """The object file of a model's text at `path`."""
    source = path.with_suffix(".net")
    source.write_text(text)
    call([NETC, source, "--emit", "obj", "-o", path, *options])
    return path


def link(main, objects, path):
    """The program of a main's text at `path`."""
    source = path.with_suffix(".cpp")
    source.write_text(main)
    call([compiler(), "-std=c++20", "-O1", f"-I{ROOT}", source, *objects, archive(), "-o", path, *LIBRARIES])
    return path
