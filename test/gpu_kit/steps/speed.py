"""Training and inference, whole graphs, in turns with PyTorch; first all rows against what starts at once, then against torch.compile."""
import concurrent.futures
import json
import selectors
import statistics
import subprocess
import sys

import ceilings
import draw
import programs
from agreement import difference
from executable import Failed
from gpu import PeakMemory
from programs import OutOfTime


ROUNDS = 2
ITERATIONS = {True: 10, False: 30}  # of training, of inference
START_LIMIT, ANSWER_LIMIT, COMPILE_LIMIT = 60, 30, 150  # seconds of the PyTorch process
ENOUGH = 12  # seconds that a row needs at least
RESERVE = 6  # seconds of the step that are left to end a process that does not answer
EAGER, GRAPH, COMPILED = "eager channels_last", "CUDA graph", "compile"
LOGITS = {"f32": 1e-4, "tf32": 1e-2, "bf16": 5e-2}


class Peer:
    """The PyTorch process; started when first asked, and again after it died or hung."""

    def __init__(self, kit):
        self.kit, self.process, self.version, self.failures = kit, None, "", {}

    def ask(self, request, limit):
        if not self.process:
            self.start()
        try:
            self.process.stdin.write((json.dumps(request) + "\n").encode())
            self.process.stdin.flush()
        except OSError:
            self.stop()
            raise Failed("the PyTorch process ended") from None
        return self.read(limit)

    def start(self):
        path = [str(self.kit.folder / name) for name in ("", "numeric", "harness")]
        code = f"import sys; sys.path[:0] = {path!r}; import torch_peer; torch_peer.main()"
        self.log = open(self.kit.out / "torch.log", "ab")
        self.process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        self.version = self.read(START_LIMIT)["version"]

    def read(self, limit):
        limit = min(limit, max(1.0, self.kit.left() - RESERVE))
        if not self.selector.select(limit):
            self.stop()
            raise Failed(f"no answer after {limit:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.stop()
            raise Failed(f"the PyTorch process {programs.how_it_ended(code)}: " + programs.last_lines((self.kit.out / "torch.log").read_text(errors="replace"), 1))
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None


class Row:
    """One model, precision, batch, training or inference; times in milliseconds of netc and of each contestant."""

    def __init__(self, kit, peer, name, train, batches, precision):
        self.kit, self.peer = kit, peer
        self.name, self.train, self.batches, self.precision = name, train, batches, precision
        self.model = name.removeprefix("speed/")
        self.times, self.why, self.memory, self.bench = {"netc": []}, {}, {}, None

    def title(self):
        return f"{self.model} {'training' if self.train else 'inference'} {self.precision} batch {self.batches[0]}"

    def run_netc(self):
        """The largest of the batches that fits, found before PyTorch takes memory; then that one."""
        iterations = 1 if self.kit.sim else ITERATIONS[self.train]
        while True:
            command = [self.kit.path(self.name, self.kit.gpu(self.precision)), "bench", "--batch", str(self.batches[0]), "--iterations", str(iterations)]
            with PeakMemory() as peak:
                done = self.kit.run(command + (["--train"] if self.train else []) + ["--json"])
            if done.code == 0:
                break
            if "largest batch" not in done.err or len(self.batches) == 1 or self.bench:
                raise Failed(f"{programs.short(command)}\n{programs.how_it_ended(done.code)}\n{programs.last_lines(done.out + done.err)}")
            self.batches = self.batches[1:]
        found = json.loads(done.out)
        self.bench = self.bench or found
        self.times["netc"].append(found["ms_median"])
        self.memory["netc"] = max(peak.bytes or 0, self.memory.get("netc") or 0) or None

    def run_torch(self, contestant):
        if contestant in self.why:
            return
        try:
            if contestant not in self.times:
                if contestant == GRAPH and EAGER in self.why:
                    raise Failed(self.why[EAGER])  # it would do the same
                about = {"model": self.model, "train": self.train, "batch": self.batches[0], "precision": self.precision}
                ready = self.peer.ask({"prepare": contestant, **about}, COMPILE_LIMIT if contestant == COMPILED else ANSWER_LIMIT)
                self.memory[contestant], self.times[contestant] = ready["memory"], []
            answer = self.peer.ask({"time": 2 if self.kit.sim else ITERATIONS[self.train], "contestant": contestant}, ANSWER_LIMIT)
            self.times[contestant].append(statistics.median(answer["ms"]))
        except Failed as error:
            self.why[contestant] = str(error)

    def measure(self, contestants, rounds):
        try:
            for _ in range(rounds):
                if self.kit.left() < ENOUGH and self.times["netc"]:
                    break
                self.run_netc()
                for contestant in contestants:
                    self.run_torch(contestant)
        finally:
            if self.peer.process:
                self.peer.ask({"drop": True}, ANSWER_LIMIT)

    def values(self, peaks):
        ours = statistics.median(self.times["netc"])
        batch = self.batches[0]
        theirs = {name: statistics.median(times) for name, times in self.times.items() if name != "netc" and times}
        best = min(theirs, key=theirs.get, default=None)
        launches_ms = sum(row["ms"] for row in self.bench["layers"])
        share = ceilings.share(self.bench["layers"], ours, peaks, self.precision)
        return {"model": self.model, "train": self.train, "precision": self.precision, "batch": batch, "ms": ours, "images_per_s": 1e3 * batch / ours,
                "launches_ms": launches_ms, "share_of_roofline": share, "memory_bytes": self.memory.get("netc"), "torch_ms": theirs, "torch_best": best,
                "torch_memory_bytes": self.memory.get(best), "ratio": theirs[best] / ours if best else None, "torch": self.peer.version, "missing": self.why}


def sentence(values):
    words = [f"{values['images_per_s']:.0f} images/s ({values['ms']:.2f} ms)"]
    if values["ratio"]:
        words.append(f"{values['ratio']:.2f}x PyTorch's best, {values['torch_best']} ({values['torch_ms'][values['torch_best']]:.2f} ms)")
    if values["share_of_roofline"]:
        words.append(f"{100 * values['share_of_roofline']:.0f}% of the roofline")
    if values["memory_bytes"]:
        words.append(f"{values['memory_bytes'] / 2**30:.2f} GiB")
    return ", ".join(words + [f"{name}: {why.splitlines()[-1]}" for name, why in values["missing"].items()])


def rows_of(kit, peer):
    """bf16 and tf32 first: they are what PyTorch's users take. f32, for which PyTorch searches long, last."""
    if kit.sim:
        return [Row(kit, peer, "lenet", train, [2], precision) for train in (True, False) for precision in kit.precisions]
    return [Row(kit, peer, "speed/" + model, train, chosen, precision) for precision in reversed(kit.precisions)
            for model, train, batches in kit.manifest["speed"] for chosen in ([batches] if train else [[batch] for batch in batches])
            if kit.has("speed/" + model, kit.gpu(precision))]


def computes_the_same(kit, rows, name):
    """Before anything is timed: the CPU's logits, with weights drawn by the kit."""
    network = kit.manifest["networks"][name]
    inputs = draw.inputs(name, network["image"], 2, network["classes"])
    weights = draw.weights(name, network["drawn"])
    wanted = kit.executable(name, "cpu").run(weights, inputs, threads=kit.cores)["output"]
    for precision in (one for one in kit.precisions if kit.has(name, kit.gpu(one))):
        found = kit.executable(name, kit.gpu(precision)).run(weights, inputs)["output"]
        rows.check(f"{name.removeprefix('speed/')} {precision} computes the same", [("logits beside the CPU's", difference(found, wanted), LOGITS[precision])])


def run(kit, rows):
    peer = Peer(kit)
    entries, peaks = rows_of(kit, peer), ceilings.known(kit)
    with concurrent.futures.ThreadPoolExecutor(kit.workers) as pool:
        for name in dict.fromkeys(row.name for row in entries):
            pool.submit(rows.case, f"{name.removeprefix('speed/')} computes the same", computes_the_same, kit, rows, name)
    measured = []
    for row in entries:
        rows.case(row.title(), measure_row, kit, rows, row, peaks, measured)
    for row in measured[:1] if kit.sim else measured:
        if kit.sim or kit.left() > COMPILE_LIMIT / 5:
            rows.case(row.title(), measure_row, kit, rows, row, peaks, [], [COMPILED], 1)
    peer.stop()


def measure_row(kit, rows, row, peaks, measured, contestants=(EAGER, GRAPH), rounds=ROUNDS):
    if kit.left() < ENOUGH:
        raise OutOfTime(f"the step's {kit.limit:.0f} s are used up")
    row.measure(contestants, 1 if kit.sim else rounds)
    values = row.values(peaks)
    rows.info(row.title(), sentence(values), **values)
    measured.append(row)
