#!/usr/bin/python3
"""Training on tensors:FILE: an image-to-image network with two inputs under mse learns, is evaluated and resumed; what does not fit is refused."""
import json
import pathlib
import sys
import tempfile

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import safetensors
from compiled import NETC, Failed, call
from report import Report
from runs import same_files

MODEL = """net 1

model denoise {
  input image: [3, 12, 10]
  input mask: [1, 12, 10]
  x = concat(image, mask) | first: conv(16, k=3, pad=1) | bn | relu
  x = x + (x | mid: conv(16, k=3, pad=1) | relu)
  return image + (x | out: conv(3, k=3, pad=1))
}

train denoise {
  loss       mse
  optimizer  adam(lr=0.01)
  batch      24
  epochs     40
}
"""


def make_data(path, count, seed):
    """The target is the image where the mask is set, else its mean over three columns."""
    rng = numpy.random.default_rng(seed)
    image = rng.normal(size=(count, 3, 12, 10)).astype(numpy.float32)
    mask = (rng.random((count, 1, 12, 10)) < 0.5).astype(numpy.float32)
    blurred = (numpy.roll(image, 1, 3) + image + numpy.roll(image, -1, 3)) / 3
    safetensors.save(path, {"image": image, "mask": mask, "targets": (mask * image + (1 - mask) * blurred).astype(numpy.float32)})


class Denoise:
    def __init__(self, folder):
        self.folder = folder
        make_data(folder / "train.safetensors", 250, 1)  # a ragged last batch
        make_data(folder / "val.safetensors", 50, 2)
        self.data = ["--data", f"tensors:{folder / 'train.safetensors'}"]
        self.train = ["train", *self.data, "--val", f"tensors:{folder / 'val.safetensors'}"]
        self.executable = self.compile("denoise", MODEL)

    def compile(self, name, text, *options):
        (self.folder / f"{name}.net").write_text(text)
        call([NETC, self.folder / f"{name}.net", "-o", self.folder / name, *options])
        return self.folder / name

    def run(self, *words):
        return call([self.executable, *words])

    def learns(self):
        """The squared error falls below a third of what passing the image through costs."""
        text = self.run(*self.train, "--threads", 2, "--out", self.folder / "two")
        self.records = [json.loads(line) for line in (self.folder / "two" / "metrics.jsonl").read_text().splitlines()]
        data = safetensors.load(self.folder / "val.safetensors")
        start = float(((data["targets"] - data["image"]) ** 2).mean())
        losses = [record["val_loss"] for record in self.records]
        return [("validation loss", losses[-1], start / 3), ("its share of the first epoch's", losses[-1] / losses[0], 0.2),
                ("no mean absolute error in the output", int("mean absolute error" not in text), 0.5),
                ("a word of top-1", int("top-1" in text or any("top1" in key for key in self.records[0])), 0.5)]

    def evaluates(self):
        """`eval` sees what validation saw, and what numpy makes of the outputs of `run`."""
        found = json.loads(self.run("eval", "--data", f"tensors:{self.folder / 'val.safetensors'}", "--weights", self.folder / "two", "--json"))
        self.run("run", "--weights", self.folder / "two" / "model.safetensors", "--in", self.folder / "val.safetensors", "--out",
                 self.folder / "out.safetensors")
        data, out = (safetensors.load(self.folder / name) for name in ("val.safetensors", "out.safetensors"))
        error = out["output"].astype(numpy.float64) - data["targets"]
        last = self.records[-1]
        return [("loss against training's validation", abs(found["loss"] - last["val_loss"]), 1e-12),
                ("absolute error against training's", abs(found["mean_absolute_error"] - last["val_mean_absolute_error"]), 1e-12),
                ("loss against run", abs(found["loss"] - float((error ** 2).mean())), 1e-9),
                ("absolute error against run", abs(found["mean_absolute_error"] - float(numpy.abs(error).mean())), 1e-9)]

    def same_bytes(self):
        self.run(*self.train, "--threads", 1, "--out", self.folder / "one")
        return same_files(self.folder / "two", self.folder / "one")

    def resumes(self):
        """Two epochs, then the others: the same bytes as all at once."""
        out = self.folder / "resumed"
        self.run(*self.train, "--out", out, "--epochs", 2)
        self.run(*self.train, "--out", out, "--resume")
        return same_files(self.folder / "two", out)

    def steps_match(self):
        """`run --train` on one batch gives loss and gradients, without an update."""
        data = safetensors.load(self.folder / "val.safetensors")
        weights = self.folder / "two" / "model.safetensors"
        self.run("run", "--train", "--weights", weights, "--in", self.folder / "val.safetensors", "--out", self.folder / "step.safetensors")
        out = safetensors.load(self.folder / "step.safetensors")
        loss = float(((out["output"].astype(numpy.float64) - data["targets"]) ** 2).mean())
        missing = [name for name in safetensors.load(weights) if "running" not in name and "grad." + name not in out]
        return [("loss against its outputs", abs(float(out["loss"][0]) - loss), 1e-6), ("gradients missing", len(missing), 0.5)]

    def gradients_are_checked(self):
        """gradcheck reads both inputs and the targets from the file."""
        found = json.loads(self.run("gradcheck", *self.data, "--batch", 4, "--json"))
        return [("a gradient is wrong", int(not found["ok"]), 0.5), ("parameters", abs(len(found["parameters"]) - 8), 0.5)]

    def benchmarks(self):
        found = json.loads(self.run("bench", "--train", "--batch", 4, "--iterations", 2, "--json"))
        return [("no time", int(not found["ms_median"] > 0), 0.5)]

    def infers_alone(self):
        """--mode infer leaves the training step out; evaluation knows the targets all the same."""
        alone = self.compile("alone", MODEL, "--mode", "infer")
        found = json.loads(call([alone, "eval", "--data", f"tensors:{self.folder / 'val.safetensors'}", "--weights", self.folder / "two",
                                 "--json"]))
        return [("loss against training's validation", abs(found["loss"] - self.records[-1]["val_loss"]), 1e-6)]

    def refusal(self, *words, executable=None):
        try:
            call([executable or self.executable, *words])
        except Failed as error:
            return str(error)
        return "nothing was refused"

    def refuses(self):
        weights = ["--weights", self.folder / "two"]
        augmented = self.compile("augmented", MODEL.replace("  loss ", "  augment    hflip\n  loss "))
        make_data(self.folder / "short.safetensors", 3, 3)
        tensors = safetensors.load(self.folder / "short.safetensors")
        safetensors.save(self.folder / "short.safetensors", {**tensors, "mask": tensors["mask"][:2]})
        cases = [
            ("synthetic data are images; denoise takes image [3, 12, 10], mask [1, 12, 10]: give it tensors:FILE.safetensors",
             self.refusal("train", "--data", "synthetic:8", "--out", self.folder / "no")),
            ("predict gives a model one image; denoise takes image [3, 12, 10], mask [1, 12, 10]; run reads and writes tensors instead",
             self.refusal("predict", *weights, self.folder / "train.safetensors")),
            ("augment shows what a recipe does to images; denoise takes image [3, 12, 10], mask [1, 12, 10], which are used as they are",
             self.refusal("augment", *self.data, "--out", self.folder / "no.png")),
            ("the recipe's augment and eval cannot be applied to them",
             self.refusal(*self.train, "--out", self.folder / "no", executable=augmented)),
            ("there are no classes to count", self.refusal("eval", *self.data, *weights, "--per-class")),
            ("tensor 'mask' has shape [2, 1, 12, 10], expected [3, 1, 12, 10]",
             self.refusal("eval", "--data", f"tensors:{self.folder / 'short.safetensors'}", *weights)),
            ("expected the file, as tensors:FILE.safetensors", self.refusal("eval", "--data", "tensors", *weights)),
        ]
        return [(f"no word of: {text}\n{found}", int(text not in found), 0.5) for text, found in cases]

    def classifies_tensors(self):
        """`labels` make a classifier of tensors: top-1 as with images."""
        rng = numpy.random.default_rng(5)
        x = rng.normal(size=(300, 6)).astype(numpy.float32)
        safetensors.save(self.folder / "points.safetensors", {"x": x, "labels": (x @ rng.normal(size=(6, 4))).argmax(1)})
        points = self.compile("points", "net 1\nmodel points {\n  input x: [6]\n  return x | linear(16) | relu | linear(4)\n}\n"
                              "train points {\n  optimizer sgd(lr=0.5, momentum=0.9)\n  batch 50\n  epochs 20\n}\n")
        data = f"tensors:{self.folder / 'points.safetensors'}"
        call([points, "train", "--data", data, "--out", self.folder / "points-run"])
        found = json.loads(call([points, "eval", "--data", data, "--weights", self.folder / "points-run", "--json"]))
        return [("error rate", 1 - found["top1"], 0.1)]


def main():
    report = Report("tensors-training")
    with tempfile.TemporaryDirectory(prefix="netc-tensors-") as folder:
        model = Denoise(pathlib.Path(folder))
        for case in ("learns", "evaluates", "same_bytes", "resumes", "steps_match", "benchmarks", "infers_alone", "refuses", "classifies_tensors"):
            report.case(case, getattr(model, case))
    report.close()


if __name__ == "__main__":
    main()
