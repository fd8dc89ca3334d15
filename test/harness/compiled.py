"""A .net file through netc, and its executable."""
import os
import pathlib
import tempfile

from executable import Executable, Failed, call, call_measured  # noqa: F401 (tests take these from here)

ROOT = pathlib.Path(__file__).resolve().parents[2]
NETC = os.environ.get("NETC", str(ROOT / "build" / "bin" / "netc"))
MODELS = ROOT / "models"
THREADS = int(os.environ.get("NETC_TEST_THREADS", "2"))  # of references; run_all.py runs several scripts at once


class Compiled(Executable):
    """An executable in a folder of its own, which goes with the object."""

    def __init__(self, file, model=None, sets=(), options=()):
        self.folder = tempfile.TemporaryDirectory(prefix="netc-numeric-")
        path = pathlib.Path(self.folder.name)
        super().__init__(path / "model", path)
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
