#!/usr/bin/python3
"""`--comm nccl` on simulated GPUs, over a libnccl.so.2 that is compiled here: the files of a run are the same bytes for 1, 2 and 4 processes and over MPI;
what fails is named, and ends all."""
import concurrent.futures
import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import mpi
import safetensors
from compiled import NETC, ROOT, Compiled, Failed, call
from report import Report, Unsupported
from runs import same_files

HERE = pathlib.Path(__file__).resolve().parent / "nccl"
MODEL = """net 1

model small {
  input image: [3, 8, 8]
  x = image | conv(8, k=3, pad=1) | bn | relu | maxpool(k=2)
  x = x | conv(7, k=3, pad=1) | bn | relu | avgpool(global) | flatten
  return x | linear(603) | relu | dropout(0.5) | linear(8) | relu | linear(10)
}

train small {
  augment    hflip, mixup(0.4)
  optimizer  adamw(lr=0.01)
  clip_norm  1.0
  accumulate 2
  ema        0.9
  shards     8
  batch      16
  epochs     2
}
"""
DATA = ["--data", "synthetic:38", "--val", "synthetic:10", "--threads", 1]  # the last batch leaves shards without images
LIMIT = 120


def compile_standin(folder, *options):
    compiler = next((found for name in ("clang++-22", "clang++", "g++", "c++") if (found := shutil.which(name))), None)
    folder.mkdir()
    call([compiler, "-std=c++17", "-shared", "-fPIC", *options, HERE / "standin.cpp", "-o", folder / "libnccl.so.2"])
    return folder


class Machine:
    """A model for the simulated GPU, and what its processes need."""

    def __init__(self):
        self.model = Compiled.from_text(MODEL, options=["--target", "sim", "--comm", "nccl"])
        self.folder = pathlib.Path(self.model.folder.name)
        self.library = compile_standin(self.folder / "standin")

    def environment(self, **more):
        return {**mpi.ENVIRONMENT, "NETC_SIM_CHECKS": "0", "NETC_SIM_THREADS": "1", "LD_LIBRARY_PATH": str(self.library), **more}

    def port(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def start(self, processes, words, of_rank=None, **more):
        """As torchrun starts them; `of_rank`: variables of some."""
        common = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(self.port()), **more}
        found = []
        for rank in range(processes):
            own = self.environment(**{**common, "RANK": str(rank), "LOCAL_RANK": str(rank), **(of_rank or {}).get(rank, {})})
            found.append(subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=own))
        return found

    def need(self, executable, *options):
        """Bytes of a GPU of four that training needs, by its own word."""
        started = self.start(4, [executable, "train", "--data", "synthetic:4", "--out", self.folder / "none", "--memory", 1, *options])
        _, err = ended(started)
        if not (found := re.search(r"takes (\d+) bytes", err)):
            raise Failed(err)
        return int(found[1])

    def train_alone(self, name, *options):
        """Without a launcher."""
        out = self.folder / name
        command = [str(word) for word in [self.model.executable, "train", *DATA, "--out", out, *options]]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment())
        if done.returncode:
            raise Failed(done.stdout + done.stderr)
        return out

    def train(self, name, processes, *options, **more):
        out = self.folder / name
        started = self.start(processes, [self.model.executable, "train", *DATA, "--out", out, *options], **more)
        code, err = ended(started)
        if code:
            raise Failed(f"exit code {code}\n{err}")
        return out


def ended(started):
    """The largest exit code and all that was said; what still runs after a while is an error."""
    end = time.time() + LIMIT
    codes, text = [], ""
    try:
        for process in started:
            out, err = process.communicate(timeout=max(0.1, end - time.time()))
            codes.append(abs(process.returncode))
            text += err
    except subprocess.TimeoutExpired:
        raise Failed(f"still running after {LIMIT} s\n{text}") from None
    finally:
        for process in started:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    return max(codes), text


def same_bytes(machine):
    """Without a launcher, as torchrun starts it, with a library whose calls no graph may hold, under mpirun, and over MPI alone."""
    alone = machine.train_alone("alone")
    claims = []
    for name, processes, more in (("two", 2, {"NETC_SIM_CHECKS": "1", "NETC_SIM_SEED": "3"}), ("four", 4, {}), ("eight", 8, {}), ("older", 2, {"STANDIN_VERSION": "2803"})):
        claims += same_files(alone, machine.train(name, processes, **more))
        claims.append(("records that differ", int(mpi.records(alone) != mpi.records(machine.folder / name)), 0.5))
    return claims


def divided(machine):
    """--shard-state changes memory alone: with a moving average, and where one run goes on as the other, with other processes."""
    last, divides = ["--keep", 1], ["--shard-state"]  # an earlier checkpoint would tell of fewer epochs
    alone = machine.train_alone("undivided", *last)
    claims = same_files(alone, machine.train("parts", 4, *last, *divides, NETC_SIM_CHECKS="1"))
    claims.append(("records that differ", int(mpi.records(alone) != mpi.records(machine.folder / "parts")), 0.5))
    for name, first, before, then, after in (("parted", 4, divides, 2, []), ("rejoined", 2, [], 4, divides)):
        machine.train(name, first, "--epochs", 1, *last, *before)
        claims += same_files(alone, machine.train(name, then, "--resume", *last, *after))
    wide = Compiled.from_text(mpi.WIDE, options=["--target", "sim", "--comm", "nccl"])
    saved = machine.need(wide.executable) - machine.need(wide.executable, *divides)
    return [*claims, ("share of the state that a GPU of four has", 1 - saved / wide.info()["memory"]["state_bytes"], 0.3)]


def in_bf16(machine):
    """Gradients in bf16: the same bytes for any number of processes, near those of f32; refused where no GPU adds them."""
    words = ["--reduce", "bf16"]
    alone = machine.train_alone("alone_in_bf16", *words)
    claims = same_files(alone, machine.train("two_in_bf16", 2, *words)) + same_files(alone, machine.train("four_in_bf16", 4, *words))
    narrow, wide = (safetensors.load(machine.folder / name / "model.safetensors") for name in ("alone_in_bf16", "alone"))
    apart = max(float(abs(narrow[name] - wide[name]).max() / max(abs(wide[name]).max(), 1e-3)) for name in wide)
    claims += [("largest difference from f32", apart, 0.2), ("nothing was rounded", float(apart == 0), 0.5)]
    done = subprocess.run([str(word) for word in [machine.model.executable, "train", *DATA, *words, "--shards", 1, "--out", machine.folder / "one"]],
                          capture_output=True, text=True, env=machine.environment())
    return claims + [("exit code of one shard, off 1", abs(done.returncode - 1), 0.5), (f"no word of --shards: {done.stderr}", int("give --shards" not in done.stderr), 0.5)]


def over_mpi(machine):
    """The id goes over MPI; and gradients over MPI instead of NCCL."""
    mpi.need_mpi()
    alone = machine.folder / "alone"
    claims = []
    other = Compiled.from_text(MODEL, options=["--target", "sim", "--comm", "mpi"])
    done = subprocess.run(["mpirun", "-np", "2", other.executable, "train", *map(str, DATA), "--shard-state", "--out", machine.folder / "host"],
                          capture_output=True, text=True, env=machine.environment(), timeout=LIMIT)
    claims.append((f"no word of --comm nccl: {done.stderr[:200]!r}", int("is for executables of --comm nccl" not in done.stderr), 0.5))
    for name, executable in (("mpirun", machine.model.executable), ("host", other.executable)):
        out = machine.folder / name
        words = ["mpirun", "-np", 2, executable, "train", *DATA, "--out", out]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, env=machine.environment(), timeout=LIMIT)
        if done.returncode:
            raise Failed(done.stdout + done.stderr)
        claims += same_files(alone, out)
    return claims


def resumed(machine):
    """A rank is killed, of which NCCL says nothing; two processes go on to the bytes of one."""
    words = ["--epochs", 6]
    whole, out = machine.train_alone("whole", *words), machine.folder / "killed"
    claims = []
    for victim in (2, 0):
        started = machine.start(4, [machine.model.executable, "train", *DATA, *words, "--resume", "--out", out], STANDIN_DEAF="1")
        before = mpi.lines_of(out)
        mpi.wait_for(lambda before=before: mpi.lines_of(out) > before, "epoch")
        started[victim].send_signal(signal.SIGKILL)
        start = time.time()
        code, err = ended(started)
        claims += [("exit code 0", int(code == 0), 0.5), ("seconds until all had ended", time.time() - start, 10),
                   (f"messages, off one: {err}", abs(err.count("error: ") - 1), 0.5),
                   (f"no word of rank {victim}: {err}", int(not re.search(rf"error: rank {victim} on \S+ ended without a word", err)), 0.5)]
    machine.train("killed", 2, *words, "--resume")
    return claims + same_files(whole, out)


def errors(machine):
    """Each message names the rank, its host, the call, and what NCCL says of it."""
    host = re.escape(socket.gethostname())
    partial = compile_standin(machine.folder / "partial", "-DWITHOUT_SEND")
    cases = {
        rf"rank 1 on {host}: NCCL 2.28.9, ncclCommInitRank: unhandled system error \(2\): the stand-in was told to fail":
            (None, {"STANDIN_FAIL": "ncclCommInitRank"}),
        rf"rank 1 on {host}: NCCL 2.28.9, ncclAllGather: unhandled system error": ({1: {"STANDIN_FAIL": "ncclAllGather"}}, {}),
        rf"rank 1 on {host}: NCCL 2.28.9, while the GPU ran: remote process exited": ({1: {"STANDIN_FAIL": "async"}}, {}),
        rf"rank 0 on {host}: no NCCL: libnccl-none.so.2: .*looked for libnccl-none.so.2 in LD_LIBRARY_PATH \({re.escape(str(machine.library))}\)":
            (None, {"NETC_NCCL": "libnccl-none.so.2"}),
        rf"rank 0 on {host}: libnccl.so.2 is NCCL 2.6.4, this executable needs 2.7.0 or newer": (None, {"STANDIN_VERSION": "2604"}),
        rf"rank 0 on {host}: libnccl.so.2 has no function ncclSend": (None, {"LD_LIBRARY_PATH": str(partial)}),
        rf"rank 1 has NCCL 2.20.5, rank 0 has 2.28.9": ({1: {"STANDIN_VERSION": "22005"}}, {}),
        r"WORLD_SIZE=two: expected a whole number": (None, {"WORLD_SIZE": "two"}),
        r"rank 0 has waited for 2 s at 127.0.0.1:\d+, and these ranks did not come: 2": (None, {"WORLD_SIZE": "3", "NETC_MEETING_SECONDS": "2"}),
    }
    words = [machine.model.executable, "train", *DATA, "--epochs", 40, "--out"]

    def check(case):
        number, (message, (of_rank, more)) = case
        start = time.time()
        code, err = ended(machine.start(2, [*words, machine.folder / f"refused{number}"], of_rank, **more))
        return [(f"no word of '{message}': {err}", int(not re.search(message, err)), 0.5), ("exit code 0", int(code == 0), 0.5),
                ("seconds until all had ended", time.time() - start, 15)]  # several at once

    with concurrent.futures.ThreadPoolExecutor(4) as pool:  # most of the time nothing happens
        return [claim for claims in pool.map(check, enumerate(cases.items())) for claim in claims]


def refusals(machine):
    """What netc says of --comm nccl without GPUs; what other executables say under torchrun."""
    text = machine.folder / "small.net"
    text.write_text(MODEL)
    done = subprocess.run([NETC, text, "-o", machine.folder / "none", "--comm", "nccl"], capture_output=True, text=True)
    claims = [("exit code of --comm nccl for CPUs, off 1", abs(done.returncode - 1), 0.5),
              (f"no word of --target cuda: {done.stderr}", int("--target cuda" not in done.stderr), 0.5)]
    call([NETC, text, "-o", machine.folder / "plain"])
    done = subprocess.run([machine.folder / "plain", "train", *map(str, DATA), "--reduce", "bf16", "--out", machine.folder / "refused"], capture_output=True, text=True)
    claims += [("exit code of --reduce bf16 on CPUs, off 1", abs(done.returncode - 1), 0.5), (f"no word of GPUs: {done.stderr}", int("GPUs" not in done.stderr), 0.5)]
    code, err = ended(machine.start(2, [machine.folder / "plain", "train", *DATA, "--out", machine.folder / "refused"]))
    return [*claims, ("exit code of a plain executable, off 1", abs(code - 1), 0.5), (f"no word of --comm nccl: {err}", int("--comm nccl" not in err), 0.5)]


def declarations():
    """What the runtime declares of NCCL is what nccl.h declares, and the library has it."""
    places = [os.environ.get("NETC_NCCL_INCLUDE"), "/usr/include", "/usr/local/include", "/usr/local/cuda/include",
              *map(str, (pathlib.Path(NETC).parents[1] / "nccl").glob("**/include"))]
    header = next((place for place in places if place and (pathlib.Path(place) / "nccl.h").exists()), None)
    compiler = next((found for name in ("clang++-22", "clang++", "g++") if (found := shutil.which(name))), None)
    if not header:
        raise Unsupported("no nccl.h: install NVIDIA's libnccl-dev, or name the folder of PyPI's nvidia-nccl-cu12 in NETC_NCCL_INCLUDE")
    toolkit = "/usr/local/cuda/include"
    if not any((pathlib.Path(place) / "cuda_runtime.h").exists() for place in (header, toolkit)):
        raise Unsupported("nccl.h needs cuda_runtime.h, and the CUDA toolkit is not installed")
    done = subprocess.run([compiler, "-std=c++20", "-fsyntax-only", "-DFMT_HEADER_ONLY", f"-I{ROOT}", f"-I{header}", f"-I{toolkit}",
                           HERE / "declarations.cpp"], capture_output=True, text=True)
    claims = [(f"errors: {done.stderr}", done.returncode, 0.5)]
    with contextlib.suppress(OSError):  # where a library is installed, it has the symbols
        library = ctypes.CDLL("libnccl.so.2")
        for name in re.findall(r'"(nccl\w+)"\);', (ROOT / "runtime" / "device" / "cuda" / "Nccl.cpp").read_text()):
            claims.append((f"no {name} in libnccl.so.2", int(not hasattr(library, name)), 0.5))
    return claims


def main():
    report = Report("nccl")
    report.case("declarations", declarations)
    try:
        machine = Machine()
    except Failed as error:
        report.line("FAIL", "compiling", str(error))
        report.close()
    report.case("same_bytes", same_bytes, machine)
    report.case("divided", divided, machine)
    report.case("in_bf16", in_bf16, machine)
    report.case("over_mpi", over_mpi, machine)
    report.case("resumed", resumed, machine)
    report.case("errors", errors, machine)
    report.case("refusals", refusals, machine)
    report.close()


if __name__ == "__main__":
    main()
