"""From a model's text to a library, with the netc binary."""
from __future__ import annotations

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
from typing import Mapping, Optional, Union

from netc._library import Library
from netc._model import Model

_MOST_LIBRARIES = 64  # in the cache
# Formats that are imported: where the weights lie; None: in the model's own file.
_IMPORTED = {".onnx": None, ".prototxt": ".caffemodel", ".cfg": ".weights"}

Setting = Union[int, float, str, bool, list, tuple]


class CompileError(ValueError):
    """netc refused the model. The text has netc's messages with their source lines; `line` and `column` are the first one's, or None."""

    def __init__(self, message: str):
        super().__init__(message)
        place = re.search(r":(\d+):(\d+): error", message)
        self.line = int(place.group(1)) if place else None
        self.column = int(place.group(2)) if place else None


def _binary() -> str:
    """NETC, the binary inside this package, or the one in PATH."""
    inside = pathlib.Path(__file__).parent / "bin" / "netc"
    found = os.environ.get("NETC") or (str(inside) if inside.exists() else shutil.which("netc"))
    if not found:
        raise FileNotFoundError("there is no netc: set NETC to the binary, or install a wheel that contains it")
    return found


def _cache() -> pathlib.Path:
    named = os.environ.get("NETC_CACHE")
    return pathlib.Path(named) if named else pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "netc"


def _expression(value: Setting) -> str:
    """A value as the language writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_expression(item) for item in value) + "]"
    return str(value)


def _sources(path: pathlib.Path, seen: dict) -> dict:
    """A model file and those that it imports, or its weights where they lie beside it."""
    path = path.resolve()
    if path not in seen:
        seen[path] = path.read_bytes()
        beside = path.with_suffix(_IMPORTED.get(path.suffix) or path.suffix)
        if beside != path and beside.exists():
            seen[beside] = beside.read_bytes()
        for name in re.findall(rb'^\s*import\s+"([^"\n]+)"', seen[path], re.M):
            other = path.parent / os.fsdecode(name)
            if other.exists():
                _sources(other, seen)
    return seen


def _key(file: pathlib.Path, options: list) -> str:
    binary = os.stat(shutil.which(_binary()) or _binary())
    state = hashlib.sha256(repr([options, binary.st_mtime_ns, binary.st_size, os.environ.get("NETC_CPU")]).encode())
    for path, data in sorted(_sources(file, {}).items()):
        state.update(str(path).encode() + b"\0" + hashlib.sha256(data).digest())
    return state.hexdigest()[:32]


def _prune(libraries: pathlib.Path) -> None:
    """Removes all but the libraries used last; those that a process has open stay usable there."""
    folders = sorted((folder for folder in libraries.iterdir() if not folder.name.startswith("partial-")), key=lambda folder: folder.stat().st_mtime)
    for folder in folders[:-_MOST_LIBRARIES]:
        shutil.rmtree(folder, ignore_errors=True)


def _build(file: pathlib.Path, options: list) -> pathlib.Path:
    """The folder of the library, compiled now or before."""
    libraries = _cache() / "libraries"
    libraries.mkdir(parents=True, exist_ok=True)
    folder = libraries / _key(file, options)
    if (folder / "libmodel.so").exists():
        os.utime(folder)
        return folder
    made = pathlib.Path(tempfile.mkdtemp(dir=libraries, prefix="partial-"))
    try:
        done = subprocess.run([_binary(), str(file), "--emit", "lib", "--library", str(made), *options], capture_output=True, text=True)
        if done.returncode:
            raise CompileError(done.stderr.strip())
        try:
            made.rename(folder)
        except OSError:  # another process was faster
            if not (folder / "libmodel.so").exists():
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    _prune(libraries)
    return folder


def restore_library(path: str, code: bytes) -> str:
    """A file with these bytes: `path`, or one in the cache."""
    try:
        if pathlib.Path(path).read_bytes() == code:
            return path
    except OSError:
        pass
    folder = _cache() / "libraries" / f"pickled-{hashlib.sha256(code).hexdigest()[:32]}"
    file = folder / "libmodel.so"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{os.getpid()}.partial"
        partial.write_bytes(code)
        partial.replace(file)
    os.utime(folder)
    return str(file)


def load(folder: Union[str, os.PathLike], weights: Union[str, os.PathLike, Mapping, None] = None, threads: int = 0, seed: int = 0) -> Model:
    """Opens a library that `netc --emit lib --library FOLDER` wrote.

    `weights`: a safetensors file, the folder of a run, or a state dict; without them the model starts as training would, from `seed`.
    `threads`: how many compute; 0: one for each core.
    """
    shared = pathlib.Path(folder).resolve() / "libmodel.so"
    path = shared.resolve(strict=True)
    # The header of fixed name says what stands before the functions' names.
    header = (path.parent / "model.h").read_text()
    found = re.search(r"#define model_create (\w+)_create\n", header)
    return Model(Library(path, found.group(1) if found else "model"), weights, threads, seed)


def compile(source: Union[str, os.PathLike], *, model: Optional[str] = None, set: Optional[Mapping[str, Setting]] = None,
            precision: str = "f32", target: str = "cpu", cpu: str = "native", mode: str = "both",
            weights: Union[str, os.PathLike, Mapping, None] = None, threads: int = 0, seed: int = 0) -> Model:
    """Compiles a model file, or a model's text, and opens it.

    `source`: the path of a `.net`, `.onnx`, `.prototxt` or `.cfg` file, or text that begins with `net 1`. `model`: which model, where there are several. `set`: model
    parameters and input sizes, as `{"classes": 10, "image": [3, 32, 32]}`. `precision`, `target`, `cpu`, `mode`: as netc's options. `weights`,
    `threads`, `seed`: as of `load`; imported models come with their weights.

    Raises CompileError with netc's messages where the model is refused.
    """
    options = ["--precision", precision, "--target", target, "--cpu", cpu, "--mode", mode]
    if model:
        options += ["--model", model]
    for name, value in (set or {}).items():
        options += ["--set", f"{name}={_expression(value)}"]
    if isinstance(source, str) and re.match(r"\s*(#[^\n]*\n\s*)*net\s+\d", source):
        texts = _cache() / "texts"
        texts.mkdir(parents=True, exist_ok=True)
        file = texts / (hashlib.sha256(source.encode()).hexdigest()[:32] + ".net")
        if not file.exists():
            partial = file.with_suffix(f".{os.getpid()}.partial")
            partial.write_text(source)
            partial.replace(file)
    else:
        file = pathlib.Path(source)
        if not file.exists():
            raise FileNotFoundError(f"there is no model file {file}")
    folder = _build(file, options)
    if weights is None and file.suffix in _IMPORTED:
        weights = next(folder.glob("*.safetensors"), None)
    return load(folder, weights, threads, seed)
