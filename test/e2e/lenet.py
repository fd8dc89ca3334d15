#!/usr/bin/python3
"""From a model file to accuracy on real images: train, evaluate, predict, resume after a kill, determinism, bad input."""
import gzip
import json
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from compiled import MODELS, NETC, Failed, call
from report import Report
from runs import files_of, same_files

IMAGES = pathlib.Path("/usr/share/datasets/fashion-mnist")
TRAIN = ["train", "--data", "fashion-mnist", "--limit", "6000", "--epochs", "4"]
ACCURACY = 0.70  # of four epochs over a tenth of the data; 0.74 in practice


class Lenet:
    def __init__(self, folder):
        self.folder = folder
        self.executable = folder / "lenet"
        call([NETC, MODELS / "lenet.net", "-o", self.executable])

    def run(self, *words):
        return call([self.executable, *words])

    def learns(self):
        self.run(*TRAIN, "--threads", 2, "--out", self.folder / "two")
        self.last = [json.loads(line) for line in (self.folder / "two" / "metrics.jsonl").read_text().splitlines()][-1]
        return [("error rate after training", 1 - self.last["val_top1"], 1 - ACCURACY)]

    def evaluates(self):
        """`eval` of the weights and of the folder is what training saw on the same images."""
        claims = []
        for weights in (self.folder / "two", self.folder / "two" / "model.safetensors"):
            found = json.loads(self.run("eval", "--data", "fashion-mnist", "--weights", weights, "--json"))
            claims.append((f"difference to training's validation ({weights.name})", abs(found["top1"] - self.last["val_top1"]), 1e-9))
        return claims

    def same_bytes(self, threads):
        self.run(*TRAIN, "--threads", threads, "--out", self.folder / f"threads{threads}")
        return same_files(self.folder / "two", self.folder / f"threads{threads}")

    def resumes(self):
        """Killed twice in the middle, then finished: the same bytes."""
        out = self.folder / "resumed"
        for patience in (0.6, 0.9):
            process = subprocess.Popen([self.executable, *TRAIN, "--out", out, "--resume"], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            time.sleep(patience)
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.run(*TRAIN, "--out", out, "--resume")
        return same_files(self.folder / "two", out)

    def resumes_at_a_checkpoint(self):
        """Interrupted surely between two checkpoints: waits for the first."""
        out = self.folder / "interrupted"
        process = subprocess.Popen([self.executable, *TRAIN, "--out", out], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not (out / "checkpoint" / "checkpoint.json").exists():
            time.sleep(0.01)
        finished = process.poll() is not None
        process.kill()
        process.wait()
        self.run(*TRAIN, "--out", out, "--resume")
        return same_files(self.folder / "two", out) + [("the run ended before it could be stopped", int(finished), 0.5)]

    def predicts(self):
        """A hundred real images through `predict`, as PNGs; the share that is right is about the test accuracy."""
        with gzip.open(IMAGES / "t10k-images-idx3-ubyte.gz") as file:
            pixels = file.read(16 + 784 * 100)[16:]
        with gzip.open(IMAGES / "t10k-labels-idx1-ubyte.gz") as file:
            labels = file.read(108)[8:]
        names = []
        for index in range(100):
            names.append(self.folder / f"image{index}.png")
            names[-1].write_bytes(png(pixels[784 * index:784 * (index + 1)], 28))
        (self.folder / "labels.txt").write_text("\n".join(f"class{index}" for index in range(10)) + "\n")
        text = self.run("predict", "--weights", self.folder / "two", "--top", 1, "--labels", self.folder / "labels.txt", *names)
        found = [line.split("%")[1].strip() for line in text.splitlines() if "%" in line]
        wrong = sum(name != f"class{label}" for name, label in zip(found, labels))
        return [("images without a prediction", 100 - len(found), 0.5), ("wrong of 100", wrong, 45)]

    def benches(self):
        """Bytes of a launch's operands; those that memory sent where the machine counts them, else why it does not."""
        words = ["bench", "--batch", 3, "--iterations", 1]
        train = json.loads(self.run(*words, "--train", "--json"))["layers"]
        layers = json.loads(self.run(*words, "--json"))["layers"]
        pool = next(layer for layer in layers if layer["name"] == "maxpool1")
        counted = ["memory_read_bytes" in layer for layer in layers]
        text = self.run(*words, "--per-layer")
        head, said = text.splitlines()[0], "what comes from memory is not counted here: perf_event_open: " in text
        return [("difference of a pool's bytes", abs(pool["operand_bytes"] - 3 * 4 * 6 * (28 * 28 + 14 * 14)), 0.5),
                ("launches of a step without operands", sum(layer["operand_bytes"] <= 0 for layer in train), 0.5),
                ("rows with a count beside rows without", len(set(counted)) - 1, 0.5),
                ("column of counted bytes", int(("read MiB" in head) != counted[0]), 0.5), ("why there is none", int(said == counted[0]), 0.5)]

    def standalone(self):
        needed = [line.split()[0] for line in call(["ldd", self.executable]).splitlines()]
        allowed = ("linux-vdso.so.1", "libm.so.6", "libc.so.6", "/lib64/ld-linux-x86-64.so.2")
        others = [name for name in needed if name not in allowed]
        return [("libraries beside the C library: " + " ".join(others), len(others), 0.5),
                ("bytes of the executable", self.executable.stat().st_size, 5e6)]


def png(pixels, side):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + pixels[side * row:side * (row + 1)] for row in range(side))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def refuses(lenet, words, code, message):
    """Ends with the code; says the message on stderr, in one line where the run itself failed."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=lenet.folder)
    said = [line for line in done.stderr.splitlines() if line.strip()]
    wrong = [f"exit code {done.returncode} instead of {code}"] if done.returncode != code else []
    wrong += [f"{message!r} is not in {done.stderr.strip()!r}"] if message not in done.stderr else []
    if code == 1 and words[0] != NETC and len([line for line in said if line.startswith("error: ")]) != 1:
        wrong.append(f"{len(said)} lines, expected one with the error")
    return [("; ".join(wrong), len(wrong), 0.5)]


def bad_inputs(lenet):
    """(name, command line, exit code, what the message says)"""
    folder, exe = lenet.folder, lenet.executable
    weights = folder / "two" / "model.safetensors"
    (folder / "truncated.safetensors").write_bytes(weights.read_bytes()[:1000])
    broken = folder / "broken"
    shutil.copytree(IMAGES, broken)
    data = (IMAGES / "train-images-idx3-ubyte.gz").read_bytes()
    (broken / "train-images-idx3-ubyte.gz").unlink()
    (broken / "train-images-idx3-ubyte.gz").write_bytes(data[:len(data) // 2])
    mislabelled = folder / "mislabelled"
    shutil.copytree(IMAGES, mislabelled)
    (mislabelled / "train-images-idx3-ubyte.gz").unlink()
    (mislabelled / "train-images-idx3-ubyte.gz").write_bytes((IMAGES / "train-labels-idx1-ubyte.gz").read_bytes())
    other = folder / "other"
    call([NETC, MODELS / "lenet.net", "--set", "classes=12", "--mode", "infer", "-o", other])
    yield "missing_folder", [exe, "train", "--data", "fashion-mnist:/nowhere"], 1, "/nowhere does not exist"
    yield "unknown_kind", [exe, "train", "--data", "imagnet:/x"], 2, "unknown kind 'imagnet'"
    yield "truncated_data", [exe, "train", "--data", f"fashion-mnist:{broken}", "--out", "x"], 1, "train-images-idx3-ubyte.gz"
    yield "mislabelled_data", [exe, "train", "--data", f"fashion-mnist:{mislabelled}", "--out", "x"], 1, "train-images-idx3-ubyte.gz"
    yield "truncated_weights", [exe, "eval", "--data", "fashion-mnist", "--weights", "truncated.safetensors"], 1, "truncated"
    yield "missing_weights", [exe, "eval", "--data", "fashion-mnist", "--weights", "none.safetensors"], 1, "none.safetensors"
    yield "weights_of_another_model", [other, "eval", "--data", "fashion-mnist", "--weights", weights], 1, "fc3.weight (file [10, 84], model [12, 84])"
    yield "infer_only", [other, "train", "--data", "fashion-mnist"], 1, "--mode infer"
    yield "huge_batch", [exe, "train", "--data", "fashion-mnist", "--batch", 10 ** 11, "--out", "x"], 1, "needs 5"
    yield "not_an_image", [exe, "predict", "--weights", weights, weights], 1, "model.safetensors"
    yield "nan_loss", [exe, "train", "--data", "fashion-mnist", "--limit", 500, "--lr", "1e20", "--out", "nan"], 1, "at step 1"
    yield "nan_layer", [exe, "train", "--data", "fashion-mnist", "--limit", 500, "--lr", "1e20", "--out", "nan"], 1, "first in layer fc1 (linear), forward: "
    yield "unknown_command", [exe, "trian"], 2, "trian"
    yield "unknown_option", [exe, "eval", "--data", "fashion-mnist", "--weights", weights, "--frob"], 2, "--frob"
    yield "missing_option", [exe, "eval"], 2, "--data"
    yield "netc_unknown_option", [NETC, "--frob", MODELS / "lenet.net"], 2, "--frob"
    yield "netc_missing_file", [NETC, "nothing.net"], 1, "nothing.net"
    yield "netc_unknown_model", [NETC, MODELS / "resnet.net", "--model", "resnet19"], 1, "resnet1"


def nan_keeps_checkpoint(lenet):
    """A loss that is not a number stops the run; the checkpoint of the last good epoch stays and can be evaluated."""
    out = lenet.folder / "diverges"
    lenet.run("train", "--data", "fashion-mnist", "--limit", 500, "--epochs", 1, "--out", out)
    before = files_of(out / "checkpoint")
    done = subprocess.run([lenet.executable, "train", "--data", "fashion-mnist", "--limit", "500", "--epochs", "3", "--lr", "1e20",
                           "--resume", "--out", out], capture_output=True, text=True)
    lenet.run("eval", "--data", "fashion-mnist", "--weights", out)
    return [("exit code", abs(done.returncode - 1), 0.5), ("checkpoint changed", int(files_of(out / "checkpoint") != before), 0.5)]


def main():
    report = Report("lenet")
    if not IMAGES.is_dir():
        report.line("UNSUPPORTED", "all", f"the package dataset-fashion-mnist is needed: no {IMAGES}")
        report.close()
    with tempfile.TemporaryDirectory(prefix="netc-e2e-") as name:
        try:
            lenet = Lenet(pathlib.Path(name))
        except (Failed, OSError) as error:
            report.line("FAIL", "compile", str(error).replace("\n", "\n    "))
            report.close()
        report.case("learns", lenet.learns)
        report.case("eval_equals_validation", lenet.evaluates)
        for threads in (1, 3):
            report.case(f"same_checkpoint_bytes_at_{threads}_threads", lenet.same_bytes, threads)
        report.case("resumes_after_kills", lenet.resumes)
        report.case("resumes_at_a_checkpoint", lenet.resumes_at_a_checkpoint)
        report.case("predicts_real_images", lenet.predicts)
        report.case("benches", lenet.benches)
        report.case("needs_only_the_c_library", lenet.standalone)
        report.case("nan_keeps_checkpoint", nan_keeps_checkpoint, lenet)
        for case, words, code, message in bad_inputs(lenet):
            report.case("refuses/" + case, refuses, lenet, words, code, message)
    report.close()


if __name__ == "__main__":
    main()
