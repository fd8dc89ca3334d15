#!/usr/bin/python3
"""train --log: metrics.csv and TensorBoard's event file hold what metrics.jsonl does, also when a run is taken up again, and TensorBoard reads them; eval averages
several weights."""
import csv
import glob
import json
import math
import os
import pathlib
import struct
import sys
import tempfile

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import safetensors
from compiled import NETC, Failed, call
from report import Report, Unsupported

PACKAGE = pathlib.Path(os.environ.get("NETC_BUILD", pathlib.Path(NETC).parents[1])) / "tensorboard"

MODEL = """net 1
model small {
  input image: [1, 8, 8]
  return image | conv(4, k=3) | bn | relu | flatten | linear(3)
}
train small { optimizer sgd(lr=0.05)  batch 8  epochs 3 }
""".replace("  batch", "\n batch").replace("  epochs", "\n epochs")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(data, at):
    value, shift = 0, 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def fields(data):
    """(number, value) of a protobuf message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            size, at = varint(data, at) if key & 7 == 2 else ({1: 8, 5: 4}[key & 7], at)
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def read_events(path):
    """The version, and by tag the points (step, value); fails on a wrong checksum."""
    data, at, version, curves = pathlib.Path(path).read_bytes(), 0, None, {}
    while at < len(data):
        length, check = struct.unpack_from("<QI", data, at)
        event = data[at + 12:at + 12 + length]
        assert check == masked(data[at:at + 8]) and struct.unpack_from("<I", data, at + 12 + length)[0] == masked(event)
        at += 16 + length
        message = dict(fields(event))
        version = version or message.get(3)
        if 5 in message:
            value = dict(fields(dict(fields(message[5]))[1]))
            curves.setdefault(value[1].decode(), []).append((message[2], struct.unpack("<f", value[2])[0]))
    return version, curves


class Logs:
    def __init__(self, folder):
        self.folder = folder
        (folder / "small.net").write_text(MODEL)
        call([NETC, folder / "small.net", "-o", folder / "small"])

    def run(self, *words):
        return call([self.folder / "small", *words])

    def compare(self, out):
        records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        with open(out / "metrics.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        (path,) = glob.glob(str(out / "events.out.tfevents.*"))
        version, curves = read_events(path)
        wrong = [key for record, row in zip(records, rows) for key, value in record.items()
                 if not isinstance(value, list) and not math.isclose(float(row[key]), value, rel_tol=1e-12)]
        for key in ("train_loss", "val_loss", "val_top1", "lr"):
            wanted = [(record["step"], record[key]) for record in records]
            found = curves.get(key, [])
            wrong += [f"event {key}"] * (len(found) != len(wanted) or any(
                a != b or not math.isclose(x, y, rel_tol=1e-6) for (a, x), (b, y) in zip(found, wanted)))
        points = sum(len(record["curve"]) for record in records)
        return [("rows", abs(len(rows) - 3), 0.5), ("wrong: " + " ".join(wrong), len(wrong), 0.5), ("version", int(version != b"brain.Event:2"), 0.5),
                ("points within epochs", abs(len(curves["within_epochs/loss"]) - points), 0.5)]

    def writes(self):
        self.run("train", "--data", "synthetic:40", "--out", self.folder / "run", "--log", "csv", "--log", "tensorboard")
        return self.compare(self.folder / "run")

    def read_by_tensorboard(self):
        """The `tensorboard` package finds the same curves."""
        sys.path.insert(0, str(PACKAGE))
        try:
            from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        except ImportError:
            raise Unsupported("no tensorboard (tools/install-test-packages.sh)")
        events = EventAccumulator(str(self.folder / "run"), size_guidance={"scalars": 0}).Reload()
        (path,) = glob.glob(str(self.folder / "run" / "events.out.tfevents.*"))
        _, curves = read_events(path)
        found = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
        return [(f"curves {sorted(found)}", int(found != curves or "val_top1" not in found), 0.5)]

    def resumes(self):
        words = ["train", "--data", "synthetic:40", "--out", self.folder / "resumed", "--log", "csv", "--log", "tensorboard"]
        self.run(*words, "--epochs", 2)
        self.run(*words, "--resume")
        return self.compare(self.folder / "resumed")

    def averages_weights(self):
        """`eval --weights A B C`: the mean of the probabilities, as numpy has it from `run`."""
        weights = [self.folder / f"w{seed}" for seed in (1, 2, 3)]
        for seed, out in enumerate(weights):
            self.run("train", "--data", "synthetic:40", "--out", out, "--seed", seed + 1, "--epochs", 1)
        rng = numpy.random.default_rng(1)
        images, labels = rng.normal(size=(20, 1, 8, 8)).astype(numpy.float32), rng.integers(0, 3, 20)
        data = self.folder / "data.safetensors"
        safetensors.save(data, {"image": images, "labels": labels.astype(numpy.int64)})
        mean = 0
        for out in weights:
            self.run("run", "--weights", out / "model.safetensors", "--in", data, "--out", self.folder / "out.safetensors")
            scores = safetensors.load(self.folder / "out.safetensors")["output"].astype(numpy.float64)
            p = numpy.exp(scores - scores.max(1, keepdims=True))
            mean = mean + p / p.sum(1, keepdims=True) / 3
        found = json.loads(self.run("eval", "--data", f"tensors:{data}", "--json", "--weights", *weights))
        loss = -numpy.log(mean[numpy.arange(20), labels]).mean()
        return [("loss", abs(found["loss"] - loss), 1e-5), ("top-1", abs(found["top1"] - (mean.argmax(1) == labels).mean()), 1e-12)]

    def refuses(self):
        try:
            self.run("train", "--data", "synthetic:40", "--log", "wandb")
        except Failed as error:
            return [("no word of tensorboard", int("tensorboard" not in str(error)), 0.5)]
        return [("taken", 1, 0.5)]


def main():
    report = Report("logs")
    with tempfile.TemporaryDirectory(prefix="netc-logs-") as folder:
        logs = Logs(pathlib.Path(folder))
        for case in (logs.writes, logs.read_by_tensorboard, logs.resumes, logs.averages_weights, logs.refuses):
            report.case(case.__name__, case)
    report.close()


if __name__ == "__main__":
    main()
