"""The command line: training on real images, killed and resumed, interrupted, twice at once; eval, predict, a batch too large."""
import json
import re
import signal
import time

import png
import programs
from executable import Failed

RECIPE = ["--lr", "0.02", "--batch", "32", "--seed", "3"]  # as `STEADY` of networks.py has it, lenet included
FAST = {"NETC_SIM_CHECKS": "0"}  # of the simulator; a GPU does not know it
POINTS = 2.0  # of accuracy, between GPU and CPU
EPOCHS, LONGER = 2, 8  # the longer run is the one that is killed
TOO_LARGE = "1000000"


class End:
    """Trains `name`; runs with the same arguments must leave the same bytes."""

    def __init__(self, kit):
        self.kit = kit
        self.name = "lenet" if kit.sim else "end/resnet20"
        self.data = f"fashion-mnist:{kit.files / ('data-small' if kit.sim else 'data')}"
        self.longer = EPOCHS if kit.sim else LONGER
        self.gpu, self.cpu = kit.path(self.name, kit.gpu("f32")), kit.path(self.name, "cpu")
        self.straight = {}

    def call(self, command, most=60):
        return self.kit.call(command, FAST, most)

    def command(self, executable, out, epochs, *more):
        return [executable, "train", "--data", self.data, "--epochs", str(epochs), "--out", out, *RECIPE, *more]

    def train(self, executable, epochs):
        """The folder of a run from start to end, made once."""
        key = (executable, epochs)
        if key not in self.straight:
            out = self.kit.new_folder() / "run"
            self.call(self.command(executable, out, epochs), 120)
            self.straight[key] = out
        return self.straight[key]

    def accuracy(self, executable, out):
        return 100 * json.loads(self.call([executable, "eval", "--data", self.data, "--weights", out, "--json"]))["top1"]

    def as_on_cpu(self):
        ours, theirs = (self.accuracy(executable, self.train(executable, EPOCHS)) for executable in (self.gpu, self.cpu))
        crossed = self.accuracy(self.cpu, self.train(self.gpu, EPOCHS))
        return [(f"accuracy {ours:.2f}% on the GPU, {theirs:.2f}% on the CPU, points apart", abs(ours - theirs), POINTS),
                (f"eval of the GPU's weights says {ours:.2f}% on the GPU, {crossed:.2f}% on the CPU, points apart", abs(ours - crossed), 0.15)]

    def interrupted(self, number):
        """Stopped by a signal once a checkpoint lies there, resumed: the bytes of a run that was not."""
        out = self.kit.new_folder() / "run"
        with open(self.kit.new_folder() / "log", "w+") as log:
            process = programs.start(self.command(self.gpu, out, self.longer), log, log, FAST)
            limit = time.monotonic() + self.kit.call_limit(120)
            while process.poll() is None and not (out / "checkpoint" / "checkpoint.json").exists() and time.monotonic() < limit:
                time.sleep(0.002)
            was_running = process.poll() is None
            process.send_signal(number)
            try:
                code = process.wait(self.kit.call_limit())
            except programs.subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise Failed(f"no end after {signal.Signals(number).name}") from None
            log.seek(0)
            said = log.read()
        if not was_running or not (out / "checkpoint").exists():
            raise Failed(f"it ended before it was stopped: {programs.how_it_ended(code)}\n{programs.last_lines(said)}")
        claims = []
        if number == signal.SIGINT:
            claims = [(f"{programs.how_it_ended(code)}, not exit code 1", float(code != 1), 0.5), (f"no word of --resume in {programs.last_lines(said)!r}", float("--resume" not in said), 0.5)]
        self.call(self.command(self.gpu, out, self.longer, "--resume"), 120)
        return claims + same_files(out, self.train(self.gpu, self.longer))

    def two_at_once(self):
        outs = [self.kit.new_folder() / "run" for _ in range(2)]
        logs = [open(out.parent / "log", "w+") for out in outs]
        started = [programs.start(self.command(self.gpu, out, EPOCHS), log, log, FAST) for out, log in zip(outs, logs)]
        codes = []
        try:
            for process in started:
                codes.append(process.wait(self.kit.call_limit(120)))
        except programs.subprocess.TimeoutExpired:
            raise Failed("two processes at once: no end") from None
        finally:
            for process, log in zip(started, logs):
                process.kill()
                log.close()
        if any(codes):
            raise Failed("\n".join(programs.last_lines((out.parent / "log").read_text()) for out in outs))
        wanted = self.train(self.gpu, EPOCHS)
        return [claim for out in outs for claim in same_files(out, wanted)]

    def predicts(self):
        """An image of the test set: the CPU's classes and probabilities."""
        weights, image = self.train(self.gpu, EPOCHS), self.kit.new_folder() / "image.png"
        image.write_bytes(png.first_image(self.kit.files / "data-small" / "t10k-images-idx3-ubyte"))
        ours, theirs = (json.loads(self.call([one, "predict", "--weights", weights, image, "--json"]).splitlines()[0]) for one in (self.gpu, self.cpu))
        return [(f"GPU and CPU say otherwise: {ours} and {theirs}", float(not alike(ours, theirs)), 0.5)]

    def refuses(self):
        done = self.kit.run([self.gpu, "bench", "--train", "--batch", TOO_LARGE])
        return [(f"{programs.how_it_ended(done.code)}, not exit code 1", float(done.code != 1), 0.5),
                (f"says {programs.last_lines(done.err)!r}", float(not re.search(rf"batch {TOO_LARGE} needs .*largest batch", done.err, re.S)), 0.5)]


def alike(one, other):
    """JSON values that are equal but for rounding of numbers."""
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return abs(one - other) <= 1e-3
    return one == other


def same_files(found, wanted):
    """Weights and optimizer state of two runs."""
    names = [sorted(path.name for path in folder.rglob("*.safetensors")) for folder in (found, wanted)]
    claims = [(f"files {names[0]} and {names[1]}", float(names[0][-1:] != names[1][-1:] or "model.safetensors" not in names[0]), 0.5)]
    for name in sorted(set(names[0]) & set(names[1])):
        one, other = (next(folder.rglob(name)).read_bytes() for folder in (found, wanted))
        claims.append((f"{name} differs", float(one != other), 0.5))
    return claims


def run(kit, rows):
    end = End(kit)
    rows.case("trains as on the CPU", end.as_on_cpu)
    rows.case("kill -9 and --resume", end.interrupted, signal.SIGKILL)
    rows.case("Ctrl-C and --resume", end.interrupted, signal.SIGINT)
    rows.case("a batch of 1000000", end.refuses)
    rows.case("two processes at once", end.two_at_once)
    rows.case("predict", end.predicts)
