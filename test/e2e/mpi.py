#!/usr/bin/python3
"""`--comm mpi`: the files of a run are the same bytes for 1, 2 and 4 processes; a rank that fails ends all; a run goes on with other processes."""
import concurrent.futures
import contextlib
import functools
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import safetensors
from compiled import MODELS, NETC, Compiled, Failed, call
from executable import Executable
from report import Report, Unsupported
from runs import same_files
from small_networks import full_recipe

VALUES = """net 1

model values {
  input image: [3, 8, 8]
  return image | conv(8, k=3, pad=1) | bn | relu | conv(2, k=3, pad=1)
}

train values {
  loss       mse + 0.5 * l1
  optimizer  adam(lr=0.01)
  shards     4
  batch      12
  epochs     2
}
"""
# AlexNet made small: grouped convolutions, lrn, dropout, and gradients of several pieces.
ALEXNET = """net 1

model small_alexnet {
  input image: [3, 67, 67]
  x = image | conv(32, k=11, stride=4) | relu | lrn(5) | maxpool(k=3, stride=2)
  x = x | conv(64, k=5, pad=2, groups=2) | relu | maxpool(k=3, stride=2) | flatten
  x = x | dropout(0.5) | linear(1200) | relu | dropout(0.5) | linear(1200) | relu
  return x | linear(10)
}

train small_alexnet {
  optimizer  sgd(lr=0.01, momentum=0.9, weight_decay=5e-4)
  shards     8
  batch      16
  epochs     1
}
"""
DATA = ["--data", "synthetic:150", "--val", "synthetic:50"]  # ragged batches in both
ENVIRONMENT = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                   OMPI_MCA_rmaps_base_oversubscribe="1", OMPI_MCA_hwloc_base_binding_policy="none")
LIMIT = 60  # seconds of a command


def need_mpi():
    if not shutil.which("mpirun"):
        raise Unsupported("no mpirun in PATH: install libopenmpi-dev and openmpi-bin, or libmpich-dev and mpich")


def compiled(text_or_file, model=None, sets=()):
    """With --comm mpi; Unsupported where netc finds no MPI."""
    need_mpi()
    try:
        if isinstance(text_or_file, pathlib.Path):
            return Compiled(text_or_file, model, sets, ["--comm", "mpi"])
        return Compiled.from_text(text_or_file, options=["--comm", "mpi"])
    except Failed as error:
        if "pkg-config" in str(error):
            raise Unsupported(str(error)) from error
        raise


@functools.cache
def compiled_full(optimizer):
    return compiled(full_recipe(optimizer, 8, 3))


class Full(Executable):
    """The model of `full_recipe`, compiled once, in a folder of its own."""

    def __init__(self, optimizer="sgd(lr=0.1, momentum=0.9)"):
        self.folder = tempfile.TemporaryDirectory(prefix="netc-mpi-")
        path = pathlib.Path(self.folder.name)
        super().__init__(path / "model", path)
        os.link(compiled_full(optimizer).executable, self.executable)


def launch(processes, words, **options):
    command = ["mpirun", "-np", processes, *words] if processes else list(words)
    return subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
                            **options)


def finish(process):
    """(exit code, standard output, standard error)"""
    try:
        out, err = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise Failed(f"still running after {LIMIT} s\n{out}{err}") from None
    return process.returncode, out, err


def run(processes, *words):
    code, out, err = finish(launch(processes, words))
    if code:
        raise Failed(f"exit code {code}\n{out}{err}")
    return out, err


def train(model, name, processes, *options, threads=1, data=DATA):
    out = pathlib.Path(model.folder.name) / name
    run(processes, model.executable, "train", *data, "--out", out, "--threads", threads, *options)
    return out


def records(folder):
    """metrics.jsonl without times."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if "second" not in key and key != "images_per_s"} for line in lines]


def communication(folder):
    """metrics.jsonl of several processes says how long rank 0 did not compute."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [("share of communication in an epoch", max(line["communication_seconds"] / line["seconds"] for line in lines), 1)]


def same_run(one, other):
    return [*same_files(one, other), ("records that differ", int(records(one) != records(other)), 0.5)]


def same_bytes(optimizer):
    """Processes and threads change nothing, and MPI's presence neither."""
    model = Full(optimizer)
    alone = train(model, "alone", 0, threads=2)
    claims = []
    for processes, threads in ((1, 1), (2, 1), (2, 2), (4, 1)):
        claims += same_run(alone, train(model, f"{processes}x{threads}", processes, threads=threads))
    return [*claims, *communication(alone.with_name("4x1"))]


def of_the_zoo(file, name, sets, shards, several):
    model = compiled(MODELS / file, name, sets)
    data = ["--data", "synthetic:40", "--val", "synthetic:10"]
    words = ["--batch", 16, "--epochs", 1, "--shards", shards]
    alone = train(model, "alone", 0, *words, data=data)
    return [claim for processes in several for claim in same_run(alone, train(model, f"of{processes}", processes, *words, data=data))]


def small_alexnet():
    model = compiled(ALEXNET)
    data = ["--data", "synthetic:60", "--val", "synthetic:10"]
    alone = train(model, "alone", 0, data=data)
    return [claim for processes in (2, 4) for claim in same_run(alone, train(model, str(processes), processes, data=data))]


def without_classes():
    """Sums of floating point over the validation images, and targets."""
    model = compiled(VALUES)
    folder = pathlib.Path(model.folder.name)
    rng = numpy.random.default_rng(2)
    for name, count in (("train", 50), ("val", 37)):
        safetensors.save(folder / f"{name}.safetensors", {"image": rng.normal(size=(count, 3, 8, 8)).astype(numpy.float32),
                                                          "targets": rng.normal(size=(count, 2, 8, 8)).astype(numpy.float32)})
    data = ["--data", f"tensors:{folder / 'train.safetensors'}", "--val", f"tensors:{folder / 'val.safetensors'}"]
    return same_run(train(model, "alone", 0, data=data), train(model, "four", 4, data=data))


def divided(optimizer):
    """--shard-state changes memory alone, with a moving average and through resumption without it: four processes with a whole state, or a divided one, go on as two
    with the other."""
    model = Full(optimizer)
    words = ["--epochs", 6]
    alone = train(model, "alone", 0, *words)
    claims = same_run(alone, train(model, "four", 4, "--shard-state", *words))
    for name, before, after in (("parts", ["--shard-state"], []), ("whole", [], ["--shard-state"])):
        out = alone.with_name(name)
        process = launch(4, [model.executable, "train", *DATA, "--out", out, "--threads", 1, *words, *before])
        wait_for(lambda out=out: lines_of(out) >= 2, "epoch")
        for rank in ranks_of(process).values():
            os.kill(rank, signal.SIGKILL)
        finish(process)
        claims += same_run(alone, train(model, name, 2, "--resume", *words, *after))
    return claims


WIDE = """net 1

model wide {
  input image: [3, 16, 16]
  return image | flatten | linear(3000) | relu | linear(3000) | relu | linear(3000) | relu | linear(10)
}

train wide {
  optimizer  adam(lr=0.001)
  shards     4
  batch      4
  epochs     40
}
"""


def memory_of(model, name, *options):
    """Bytes that rank 1 of four has resident of parameters, gradients, state and arena while it trains: they alone ask for huge pages. The buffers of the
    exchange, of some MB each, come and go."""
    out = pathlib.Path(model.folder.name) / name
    process = launch(4, [model.executable, "train", "--data", "synthetic:4", "--val", "synthetic:4", "--out", out, "--threads", 1, *options])
    try:
        wait_for(lambda: lines_of(out) >= 2, "epoch")
        mappings = pathlib.Path(f"/proc/{ranks_of(process)[1]}/smaps").read_text().split("VmFlags:")
        resident = [re.search(r"\nRss:\s+(\d+) kB", mapping) for mapping in mappings]
        flags = [mapping.split("\n", 1)[0].split() for mapping in mappings[1:]]
        return sum(int(found[1]) * 1024 for found, has in zip(resident, flags) if "hg" in has)
    finally:
        finish_now(process)


def finish_now(process):
    """Ends the ranks too, so that their folder may go."""
    for rank in ranks_of(process).values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(rank, signal.SIGKILL)
    process.communicate()


def memory_of_state():
    """Of the optimizer's state a process of four has a quarter."""
    model = compiled(WIDE)
    state = model.info()["memory"]["state_bytes"]
    saved = memory_of(model, "whole") - memory_of(model, "parts", "--shard-state")
    return [("share of the state that a process has", 1 - saved / state, 0.3)]


def evaluation():
    """Rank 0 alone prints, and the same text."""
    model = Full()
    weights = train(model, "alone", 0, "--epochs", 1)
    words = [model.executable, "eval", "--data", "synthetic:101", "--weights", weights, "--batch", 8]
    claims = []
    for options in (["--json"], ["--per-class"], ["--crops", 10]):
        alone, four = run(0, *words, *options)[0], run(4, *words, *options)[0]
        claims.append((f"eval {' '.join(map(str, options))} differs with four processes", int(alone != four), 0.5))
    claims.append(("info by other ranks", int(run(2, model.executable, "info")[0] != run(0, model.executable, "info")[0]), 0.5))
    return claims


LABELS = """net 1

model labels {
  input image: [3, 8, 8]
  return image | conv(8, k=3, pad=1) | relu | avgpool(global) | flatten | linear(4)
}

train labels {
  loss       bce
  optimizer  adam(lr=0.05)
  shards     4
  batch      12
  epochs     2
}
"""
MAPS = """net 1

model maps {
  input image: [3, 8, 8]
  return image | conv(8, k=3, pad=1) | relu | scores: conv(3, k=1)
}

train maps {
  loss       cross_entropy + 0.5 * dice
  optimizer  adam(lr=0.05)
  shards     4
  batch      12
  epochs     2
}
"""


def labelled(folder, rng, count):
    """Arrays whose targets are partly told by the image, so that no figure of a class is zero."""
    image = rng.normal(size=(count, 3, 8, 8)).astype(numpy.float32)
    means = numpy.concatenate([image.mean((2, 3)), image.mean((1, 2, 3))[:, None]], 1)
    safetensors.save(folder, {"image": image, "targets": (means > 0).astype(numpy.float32)})


def masked(folder, rng, count):
    image = rng.normal(size=(count, 3, 8, 8)).astype(numpy.float32)
    safetensors.save(folder, {"image": image, "labels": image.argmax(1).astype(numpy.int64)})


def class_figures():
    """Dice and IoU of each class of maps, average precision and F1 of each label, at validation and in eval: exact sums over all processes' images."""
    claims = []
    for text, write, figures in ((LABELS, labelled, ["average_precision", "f1"]), (MAPS, masked, ["iou", "dice"])):
        model, rng = compiled(text), numpy.random.default_rng(2)
        folder = pathlib.Path(model.folder.name)
        write(folder / "train.safetensors", rng, 50)
        write(folder / "val.safetensors", rng, 37)
        data = ["--data", f"tensors:{folder / 'train.safetensors'}", "--val", f"tensors:{folder / 'val.safetensors'}"]
        alone = train(model, "alone", 0, data=data)
        last = records(alone)[-1]
        claims += [(f"classes with a {name}, too few in {last}", 3 - sum(value > 0 for value in last.get(f"val_{name}", [])), 0.5) for name in figures]
        words = [model.executable, "eval", *data[:2], "--weights", alone, "--batch", 4, "--json"]
        said = run(0, *words)[0]
        for processes in (2, 4):
            claims += same_run(alone, train(model, f"of{processes}", processes, data=data))
            claims.append((f"eval of {processes} differs", int(run(processes, *words)[0] != said), 0.5))
    return claims


def unreadable():
    """A damaged image in one rank's part is named once, and the bytes are those of one process."""
    try:
        from PIL import Image
    except ImportError as error:
        raise Unsupported("no PIL: install python3-pil") from error
    model = compiled(full_recipe("sgd(lr=0.1)", 8, 2).replace("linear(10)", "linear(2)"))
    folder = pathlib.Path(model.folder.name) / "images"
    rng = numpy.random.default_rng(4)
    for split, count in (("train", 24), ("val", 8)):
        for name in ("cat", "dog"):
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                Image.fromarray(rng.integers(0, 256, (20, 20, 3), numpy.uint8)).save(folder / split / name / f"{i:02}.png")
    damaged = folder / "train" / "dog" / "05.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    data = ["--data", f"imagefolder:{folder}"]
    alone = train(model, "alone", 0, data=data)
    out = pathlib.Path(model.folder.name) / "four"
    _, err = run(4, model.executable, "train", *data, "--out", out, "--threads", 1)
    return [*same_run(alone, out), (f"messages about the damaged file, off one: {err}", abs(err.count("05.png") - 1), 0.5)]


def not_finite():
    """NaN in one rank's image: its rank names itself and the layer, and all end."""
    model = compiled(VALUES)
    folder = pathlib.Path(model.folder.name)
    rng = numpy.random.default_rng(2)
    images = rng.normal(size=(48, 3, 8, 8)).astype(numpy.float32)
    images[17, 1, 2, 3] = numpy.nan
    targets = rng.normal(size=(48, 2, 8, 8)).astype(numpy.float32)
    safetensors.save(folder / "nan.safetensors", {"image": images, "targets": targets})
    data = ["--data", f"tensors:{folder / 'nan.safetensors'}"]
    start = time.time()
    code, _, err = finish(launch(4, [model.executable, "train", *data, "--out", folder / "nan", "--threads", 1]))
    return [("exit code 0", int(code == 0), 0.5), ("seconds until all had ended", time.time() - start, 10),
            (f"messages, off one: {err}", abs(err.count("error: ") - 1), 0.5),
            (f"no word of rank and host: {err}", int(not re.search(r"error: rank \d on \S+: .*nan", err)), 0.5)]


def out_of_memory():
    """One rank gets no more memory while it trains: all end, and the run goes on."""
    model = Full()
    words = ["--epochs", 30]
    out = pathlib.Path(model.folder.name) / "exhausted"
    process = launch(2, [model.executable, "train", *DATA, "--out", out, "--threads", 1, *words])
    wait_for(lambda: lines_of(out) >= 2, "epoch")
    victim = ranks_of(process)[1]
    start = time.time()
    resource.prlimit(victim, resource.RLIMIT_AS, (1 << 20, 1 << 20))
    code, _, err = finish(process)
    claims = [("exit code 0", int(code == 0), 0.5), ("seconds until all had ended", time.time() - start, 10),
              (f"messages, off one: {err}", abs(err.count("error: ") - 1), 0.5),
              (f"no word of rank, host and memory: {err}", int(not re.search(r"error: rank 1 on \S+: .*memory", err)), 0.5)]
    return claims + same_run(train(model, "whole", 0, *words), train(model, "exhausted", 0, "--resume", *words))


def ranks_of(process):
    """Process ids of the ranks below a launcher, by rank."""
    found = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            parents = []
            pid = int(folder.name)
            while pid > 1 and pid != process.pid:
                parents.append(pid)
                pid = int((pathlib.Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError):
            continue
        for entry in environment:
            name, _, value = entry.partition(b"=")
            if pid == process.pid and name in (b"OMPI_COMM_WORLD_RANK", b"PMI_RANK"):
                found[int(value)] = int(folder.name)
    return found


def wait_for(condition, what):
    end = time.time() + LIMIT
    while not condition():
        if time.time() > end:
            raise Failed(f"after {LIMIT} s there is no {what}")
        time.sleep(0.02)


def lines_of(folder):
    path = folder / "metrics.jsonl"
    return path.read_text().count("\n") if path.exists() else 0


def killed():
    """kill -9 of a rank at drawn points: all end soon, and another number of processes goes on to the bytes of a whole run."""
    model = Full()
    words = ["--epochs", 9]
    whole = train(model, "whole", 0, *words)
    draw = random.Random(5)
    claims, slowest = [], 0
    for point in range(3):
        out = pathlib.Path(model.folder.name) / f"killed{point}"
        first, then = draw.choice([(2, 4), (4, 2), (4, 1), (2, 8)])
        process = launch(first, [model.executable, "train", *DATA, "--out", out, "--threads", 1, *words])
        after = draw.randrange(1, 6)
        wait_for(lambda out=out, after=after: lines_of(out) >= after, "epoch")
        time.sleep(draw.random() * 0.1)
        victim = draw.randrange(first)
        start, pid = time.time(), ranks_of(process)[victim]
        os.kill(pid, signal.SIGKILL)
        code, said, err = finish(process)
        slowest = max(slowest, time.time() - start)
        # Open MPI's launcher names rank, host and signal; MPICH's process, host and signal.
        named = re.search(rf"process rank {victim} with PID \d+ on node \S+ exited on signal 9", err) or (
            re.search(rf"PID {pid} RUNNING AT \S+", said) and "signal 9" in said)
        claims += [("exit code 0 of a killed run", int(code == 0), 0.5), ("no word of the rank: " + err, int(not named), 0.5)]
        claims += same_run(whole, train(model, out.name, then if then > 1 else 0, "--resume", *words))
    return [*claims, ("seconds until all had ended", slowest, 10)]


def interrupted():
    """The launcher's Ctrl-C: one save, one message, and the run goes on."""
    model = Full()
    claims = []
    # mpirun passes Ctrl-C on after two seconds; SIGUSR1 at once.
    for name, sent, epochs, then in (("interrupt", signal.SIGINT, 100, 0), ("user", signal.SIGUSR1, 15, 4)):
        words = ["--epochs", epochs]
        whole = train(model, "whole" + name, 0, *words)
        out = pathlib.Path(model.folder.name) / name
        process = launch(2, [model.executable, "train", *DATA, "--out", out, "--threads", 1, *words])
        wait_for(lambda out=out: lines_of(out) >= 2, "epoch")
        process.send_signal(sent)
        code, _, err = finish(process)
        steps = re.findall(r"interrupted at step (\d+): saved in", err)
        claims += [("exit code 0", int(code == 0), 0.5), (f"{name}: messages of a save, off one: {err}", abs(len(steps) - 1), 0.5)]
        claims += same_run(whole, train(model, name, then, "--resume", *words))
    return claims


def wrapper(folder, name, otherwise, usual='"$@"'):
    """A program for mpirun that does something else as rank 1."""
    path = folder / name
    path.write_text(f'#!/bin/sh\nif [ "$OMPI_COMM_WORLD_RANK$PMI_RANK" = 1 ]; then\n  exec {otherwise}\nfi\nexec {usual}\n')
    path.chmod(0o755)
    return path


def refusals():
    model = Full()
    other = compiled(full_recipe("sgd(lr=0.1)", 8, 3).replace("dropout(0.5)", "dropout(0.4)"))
    folder = pathlib.Path(model.folder.name)
    plain = folder / "plain"
    (folder / "full.net").write_text(full_recipe("sgd(lr=0.1)", 8, 3))
    call([NETC, folder / "full.net", "-o", plain])
    host = socket.gethostname()
    cases = {
        "rank 1 on " + host + " has another executable than rank 0":
            [wrapper(folder, "one", f'"{other.executable}" "$@"', f'"{model.executable}" "$@"'), "train", *DATA],
        "rank 1 on " + host + " has another recipe than rank 0 on " + host + ": shards was 8, is 4":
            [wrapper(folder, "two", '"$@" --shards 4'), model.executable, "train", *DATA],
        "rank 1 on " + host + " has another training data":
            [wrapper(folder, "three", '"$@" --data synthetic:90', '"$@" --data synthetic:150'), model.executable, "train", *DATA[2:]],
        "rank 1 on " + host + " has another exchange than rank 0 on " + host + ": gradients in f32, optimizer state divided; rank 0: gradients in f32, optimizer state whole":
            [wrapper(folder, "state", '"$@" --shard-state'), model.executable, "train", *DATA],
        "rank 1 on " + host + ": batch 16384 needs ":
            [wrapper(folder, "scarce", "sh -c 'ulimit -v 550000; exec \"$@\"' sh \"$@\""), model.executable, "train", "--data", "synthetic:150000", "--batch", 131072],
        "rank 1 on " + host + ": /dev/null":
            [wrapper(folder, "four", '"$@" --weights /dev/null'), model.executable, "train", *DATA],
        "compiled without --comm mpi": [plain, "train", *DATA],
        "2 processes cannot share the 1 shard of a batch": [model.executable, "train", *DATA, "--shards", 1],
        "is no number from 0 on": [model.executable, "train", *DATA, "--lr", "nonsense"],
        "stopped; ": [model.executable, "train", *DATA, "--lr", "1e30", "--clip-norm", 0],
    }

    def check(case):
        number, (message, words) = case
        claims, start = [], time.time()
        code, _, err = finish(launch(2, [*words, "--out", folder / f"refused{number}"]))
        if message not in err:
            claims.append((f"no word of '{message}': {err}", 1, 0.5))
        errors = err.count("error: ")
        claims += [("exit code 0", int(code == 0), 0.5), ("seconds until all had ended", time.time() - start, 10)]
        if words[0] != plain:
            claims.append((f"messages, off one: {err}", abs(errors - 1), 0.5))
        return claims

    with concurrent.futures.ThreadPoolExecutor(4) as pool:  # most of the time nothing happens
        return [claim for claims in pool.map(check, enumerate(cases.items())) for claim in claims]


def missing():
    """Without pkg-config's help: a message that names the packages, before anything is compiled."""
    environment = dict(os.environ, NETC_MPI="no-such-mpi")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "full.net"
        path.write_text(full_recipe("sgd(lr=0.1)", 8, 3))
        done = subprocess.run([NETC, path, "-o", f"{folder}/out", "--comm", "mpi"], capture_output=True, text=True, env=environment)
        return [("exit code of no MPI, off 1", abs(done.returncode - 1), 0.5),
                ("no word of the packages: " + done.stderr, int("libopenmpi-dev" not in done.stderr), 0.5),
                ("an executable", int(os.path.exists(f"{folder}/out")), 0.5)]


def main():
    report = Report("mpi")
    report.case("same_bytes", same_bytes, "sgd(lr=0.1, momentum=0.9)")
    report.case("resnet20", of_the_zoo, "resnet_cifar.net", "resnet20", [], 8, [4, 8])
    report.case("mobilenet_v2", of_the_zoo, "mobilenet_v2.net", "mobilenet_v2", ["image=[3,64,64]", "classes=10"], 8, [4])
    report.case("alexnet", small_alexnet)
    report.case("without_classes", without_classes)
    report.case("evaluation", evaluation)
    report.case("class_figures", class_figures)
    for optimizer in ("sgd(lr=0.1, momentum=0.9)", "adamw(lr=0.01)", "lars(lr=1)", "lamb(lr=0.01)"):
        report.case("divided_" + optimizer.split("(")[0], divided, optimizer)
    report.case("memory_of_state", memory_of_state)
    report.case("unreadable", unreadable)
    report.case("not_finite", not_finite)
    report.case("out_of_memory", out_of_memory)
    report.case("killed", killed)
    report.case("interrupted", interrupted)
    report.case("refusals", refusals)
    report.case("missing", missing)
    report.close()


if __name__ == "__main__":
    main()
