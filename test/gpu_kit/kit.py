"""What a step knows: the kit's files, its own folder, how much time is left, whether the simulator stands in for the GPU."""
import json
import os
import pathlib
import tempfile
import time

import programs
from executable import Executable, Failed
from programs import OutOfTime

CALL_LIMIT = 60  # seconds a program may take, unless the step's own limit is short


class Kit:
    def __init__(self, folder, files, work, out, sim, limit):
        self.folder, self.files, self.out = pathlib.Path(folder), pathlib.Path(files), pathlib.Path(out)
        self.sim, self.limit = sim, limit
        self.deadline = time.monotonic() + limit
        self.manifest = json.loads((self.folder / "manifest.json").read_text())
        self.cores = len(os.sched_getaffinity(0))
        self.scratch = pathlib.Path(tempfile.mkdtemp(dir=work, prefix="step-"))
        self.precisions = self.manifest["precisions"]

    @property
    def workers(self):
        """Programs at once: the simulator takes all cores by itself."""
        return 1 if self.sim else max(1, min(4, self.cores // 2))

    def left(self):
        return self.deadline - time.monotonic()

    def call_limit(self, most=CALL_LIMIT):
        """Of one program: a quarter of the step at most, so that one that hangs leaves time for the others."""
        if self.left() < 1:
            raise OutOfTime(f"the step's {self.limit:.0f} s are used up")
        return min(most, max(2.0, self.limit / 4), self.left())

    def call(self, command, environment=None, most=CALL_LIMIT):
        return programs.call(command, self.call_limit(most), environment)

    def run(self, command, environment=None, most=CALL_LIMIT):
        return programs.run(command, self.call_limit(most), environment)

    def gpu(self, precision):
        """The form of an executable that computes on the GPU, or on its stand-in."""
        return ("sim-" if self.sim else "cuda-") + precision

    def has(self, name, form):
        return form in self.manifest["networks"].get(name, {}).get("executables", {})

    def networks(self, prefix):
        """Those that can run here."""
        return [name for name in self.manifest["networks"] if name.startswith(prefix) and
                any(form.startswith(self.gpu("")) for form in self.manifest["networks"][name]["executables"])]

    def path(self, name, form):
        known = self.manifest["networks"].get(name, {}).get("executables", {})
        if form not in known:
            raise Failed(f"the kit has no executable of {name} for {form}, only {', '.join(known) or 'none'}")
        path = self.files / known[form]
        if not path.exists():
            raise Failed(f"{known[form]} is missing from the kit")
        return path

    def executable(self, name, form):
        """With a folder of its own for tensors, so that several may run at once."""
        return Executable(self.path(name, form), tempfile.mkdtemp(dir=self.scratch), self.call)

    def new_folder(self):
        return pathlib.Path(tempfile.mkdtemp(dir=self.scratch))
