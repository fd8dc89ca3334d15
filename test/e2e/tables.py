#!/usr/bin/python3
"""csv:FILE data: one label, several labels under bce, values under mse, each learnt and judged as numpy judges the outputs of `run`."""
import csv
import json
import pathlib
import sys
import tempfile

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import safetensors
from compiled import NETC, Failed, call
from report import Report, Unsupported

try:
    from PIL import Image
except ImportError:
    Image = None

MODEL = """net 1
model {name} {{
  input image: [1, 16, 16]
  return image | conv(16, k=5, stride=2, pad=2) | bn | relu | conv(24, k=3, stride=2, pad=1) | bn | relu | flatten | linear({outputs})
}}
train {name} {{
  normalize(mean=0.5, std=0.25)
  loss       {loss}
  optimizer  adam(lr=0.005)
  batch      32
  epochs     10
}}
"""
BARS = 4


def draw(rng, count):
    """Bright bars at some of four places; how bright the ground is."""
    there = rng.random((count, BARS)) < 0.4
    ground = rng.uniform(20, 90, count)
    images = numpy.repeat(ground, 256).reshape(count, 16, 16) + rng.normal(0, 8, (count, 16, 16))
    for i in range(count):
        for bar in range(BARS):
            if there[i, bar]:
                images[i, 4 * bar + 1:4 * bar + 3, 2:14] += 110
    return images.clip(0, 255).astype(numpy.uint8), there, ground / 100


def average_precision(scores, is_there):
    """scikit-learn's."""
    order = numpy.argsort(-scores, kind="stable")
    hits = is_there[order]
    return float((numpy.cumsum(hits) / numpy.arange(1, len(hits) + 1))[hits].mean())


class Tables:
    def __init__(self, folder):
        if Image is None:
            raise Unsupported("Pillow is not installed")
        self.folder = folder
        (folder / "pictures").mkdir()
        self.sets = {}
        for name, count in (("train", 300), ("val", 80)):
            images, there, ground = self.sets[name] = draw(numpy.random.default_rng(count), count)
            names = [f"pictures/{name}, {i}.png" for i in range(count)]  # commas are quoted
            for path, image in zip(names, images):
                Image.fromarray(image).save(folder / path)
            words = numpy.where(there[:, 0], "with bar", "none")
            self.write(name + "-label", ["image", "label", "more"], [[path, word, "text"] for path, word in zip(names, words)])
            self.write(name + "-bars", ["a", "image", "b", "c", "d"], [[int(t[0]), path, *map(int, t[1:])] for path, t in zip(names, there)])
            self.write(name + "-values", ["image", "ground", "count"], [[path, f"{g:.6f}", t.sum()] for path, g, t in zip(names, ground, there)])

    def write(self, name, header, rows):
        with open(self.folder / f"{name}.csv", "w", newline="") as file:
            csv.writer(file).writerows([header, *rows])

    def train(self, name, kind, outputs, loss):
        """The executable, the last line of metrics and the report."""
        (self.folder / f"{name}.net").write_text(MODEL.format(name=name, outputs=outputs, loss=loss))
        executable, out = self.folder / name, self.folder / f"{name}-run"
        call([NETC, self.folder / f"{name}.net", "-o", executable])
        call([executable, "train", "--data", f"csv:{self.folder}/train-{kind}.csv", "--val", f"csv:{self.folder}/val-{kind}.csv", "--out", out])
        found = json.loads(call([executable, "eval", "--data", f"csv:{self.folder}/val-{kind}.csv", "--weights", out, "--json"]))
        return executable, found, json.loads((out / "metrics.jsonl").read_text().splitlines()[-1]), (out / "report.html").read_text()

    def outputs(self, executable):
        images = self.sets["val"][0]
        safetensors.save(self.folder / "in.safetensors", {"image": ((images / 255 - 0.5) / 0.25).astype(numpy.float32)[:, None]})
        call([executable, "run", "--weights", f"{executable}-run/model.safetensors", "--in", self.folder / "in.safetensors", "--out",
              self.folder / "out.safetensors"])
        return safetensors.load(self.folder / "out.safetensors")["output"].astype(numpy.float64)

    def one_label(self):
        """Labels that are names; under bce as well, where there is top-1 all the same."""
        claims = []
        for name, loss in (("entropy", "cross_entropy"), ("binary", "bce(label_smoothing=0.1)")):
            executable, found, record, _ = self.train(name, "label", 2, loss)
            logits, there = self.outputs(executable), self.sets["val"][1][:, 0]
            p = 1 / (1 + numpy.exp(-logits))
            own = numpy.where(there[:, None], [[0, 1]], [[1, 0]])
            wanted = -numpy.log(numpy.where(own > 0, p, 1 - p)).mean() if name == "binary" else (
                numpy.log(numpy.exp(logits).sum(1)) - (logits * own).sum(1)).mean()
            claims += [(f"{name}: wrong", 1 - found["top1"], 0.1), (f"{name}: loss", abs(found["loss"] - wanted), 1e-6),
                       (f"{name}: top-1", abs(found["top1"] - (logits.argmax(1) == there).mean()), 1e-12),
                       (f"{name}: recorded", abs(found["loss"] - record["val_loss"]), 1e-9),
                       (f"{name}: names", int([c["label"] for c in found["classes"]] != ["none", "with bar"]), 0.5)]
        text = call([executable, "predict", "--weights", f"{executable}-run", self.folder / "pictures" / "val, 0.png", "--json"])
        guesses = {g["label"]: g["probability"] for g in json.loads(text)["predictions"]}
        return claims + [("predict's probability", abs(guesses["with bar"] - p[0, 1]), 1e-4)]

    def several_labels(self):
        executable, found, record, report = self.train("bars", "bars", BARS, "bce")
        logits, there = self.outputs(executable), self.sets["val"][1]
        precision = [average_precision(logits[:, c], there[:, c]) for c in range(BARS)]
        guess = logits > 0
        f1 = 2 * (guess & there).sum(0) / (guess.sum(0) + there.sum(0))
        loss = (numpy.log1p(numpy.exp(-abs(logits))) + numpy.maximum(logits, 0) - logits * there).mean()
        claims = [("mean average precision", abs(found["mean_average_precision"] - numpy.mean(precision)), 1e-9),
                  ("mean F1", abs(found["mean_f1"] - f1.mean()), 1e-12), ("loss", abs(found["loss"] - loss), 1e-6),
                  ("accuracy", abs(found["accuracy"] - (guess == there).mean()), 1e-12), ("1 - mean F1", 1 - f1.mean(), 0.05),
                  ("recorded", abs(record["val_mean_f1"] - found["mean_f1"]), 1e-12)]
        claims += [(f"average precision of {c}", abs(found["classes"][c]["average_precision"] - precision[c]), 1e-9) for c in range(BARS)]
        return claims + [(f"no word of {word}", int(word not in report), 0.5) for word in ("mean average precision", "average precision")]

    def values(self):
        executable, found, record, report = self.train("values", "values", 2, "mse")
        out, targets = self.outputs(executable), numpy.stack([self.sets["val"][2], self.sets["val"][1].sum(1)], 1)
        r2 = 1 - ((out - targets) ** 2).sum(0) / ((targets - targets.mean(0)) ** 2).sum(0)
        return [("R2", abs(found["r2"] - r2.mean()), 1e-4), ("1 - R2", 1 - r2.mean(), 0.15), ("recorded", abs(record["val_r2"] - found["r2"]), 1e-12),
                ("absolute error", abs(found["mean_absolute_error"] - abs(out - targets).mean()), 1e-5),
                ("of a value", abs(found["classes"][1]["mean_absolute_error_by_target"] - abs(out - targets)[:, 1].mean()), 1e-5),
                ("report", int("R²" not in report), 0.5)]

    def several_inputs(self):
        """Two numbers beside the image, of which one tells what the image does not show."""
        text = MODEL.replace("return image |", "input lamp: [1]\n  input noise: [2]\n  x = image |").replace(
            "| flatten |", "| flatten\n  return concat([x, lamp * 4, noise * 0.1]) |")
        (self.folder / "lit.net").write_text(text.format(name="lit", outputs=2, loss="cross_entropy"))
        executable, out = self.folder / "lit", self.folder / "lit-run"
        numbers, truth = {}, {}
        for name in ("train", "val"):
            count = len(self.sets[name][0])
            rng = numpy.random.default_rng(count + 1)
            numbers[name], truth[name] = rng.normal(0, 1, (count, 3)).astype(numpy.float32), rng.integers(0, 2, count)
            numbers[name][:, 1] = 2 * truth[name] - 1
            self.write(f"{name}-lit", ["noise.1", "label", "image", "lamp", "noise.0"],
                       [[f"{n[2]:.9g}", t, f"pictures/{name}, {i}.png", n[1], f"{n[0]:.9g}"] for i, (n, t) in enumerate(zip(numbers[name], truth[name]))])
        call([NETC, self.folder / "lit.net", "-o", executable])
        call([executable, "train", "--data", f"csv:{self.folder}/train-lit.csv", "--val", f"csv:{self.folder}/val-lit.csv", "--epochs", "3", "--out", out])
        found = json.loads(call([executable, "eval", "--data", f"csv:{self.folder}/val-lit.csv", "--weights", out, "--batch", "32", "--json"]))
        values = numbers["val"]
        safetensors.save(self.folder / "in.safetensors", {
            "image": ((self.sets["val"][0] / 255 - 0.5) / 0.25).astype(numpy.float32)[:, None], "lamp": numpy.ascontiguousarray(values[:, 1:2]),
            "noise": numpy.ascontiguousarray(values[:, [0, 2]])})
        call([executable, "run", "--weights", out / "model.safetensors", "--in", self.folder / "in.safetensors", "--out", self.folder / "out.safetensors"])
        logits = safetensors.load(self.folder / "out.safetensors")["output"].astype(numpy.float64)
        loss = (numpy.log(numpy.exp(logits).sum(1)) - logits[numpy.arange(len(logits)), truth["val"]]).mean()
        claims = [("wrong", 1 - found["top1"], 0.1), ("loss", abs(found["loss"] - loss), 1e-6)]
        for data, wanted in ((f"csv:{self.folder}/train-label.csv", "no column 'lamp' in its header, which input lamp [1] reads; it has image, label, more"),
                             ("synthetic:8", "lit takes image [1, 16, 16], lamp [1], noise [2]: give it csv:FILE or tensors:FILE.safetensors")):
            try:
                call([executable, "train", "--data", data, "--out", self.folder / "none"])
                message = "no error"
            except Failed as error:
                message = str(error)
            claims.append((f"no word of: {wanted}; found {message}", int(wanted not in message), 0.5))
        return claims

    def refuses(self):
        """Files, columns and values that do not fit, by name and line."""
        executable = self.folder / "values"
        cases = [("image,ground\na.png,1\n", "1 columns beside the image (ground), but the loss of values compares output [2]"),
                 ("picture,a,b\n", "no column 'image' in its header; it has picture, a, b"), ("", "empty, expected a header with a column image"),
                 ("image,a,b\nx.png,1\n", "wrong.csv:2: 2 fields, the header has 3"), ("image,a,b\n", "no rows below the header"),
                 ("image,a,b\nx.png,1,2\n\ny.png,1,many\n", "wrong.csv:4: b is 'many', expected a number"),
                 ('image,a,b\n"x.png,1,2\n', "wrong.csv:2: a quoted field does not end")]
        claims = []
        for text, wanted in cases:
            (self.folder / "wrong.csv").write_text(text)
            try:
                call([executable, "train", "--data", f"csv:{self.folder}/wrong.csv", "--out", self.folder / "none"])
                message = "no error"
            except Failed as error:
                message = str(error)
            claims.append((f"no word of: {wanted}; found {message}", int(wanted not in message), 0.5))
        return claims


def main():
    report = Report("tables")
    with tempfile.TemporaryDirectory(prefix="netc-tables-") as folder:
        try:
            tables = Tables(pathlib.Path(folder))
        except Unsupported as error:
            report.line("UNSUPPORTED", "tables", str(error))
            return report.close()
        for case in (tables.one_label, tables.several_labels, tables.values, tables.several_inputs, tables.refuses):
            report.case(case.__name__, case)
    report.close()


if __name__ == "__main__":
    main()
