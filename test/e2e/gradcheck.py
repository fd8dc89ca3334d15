#!/usr/bin/python3
"""`gradcheck` on models of the zoo, made small: every parameter's generated gradient against double precision."""
import json
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from compiled import MODELS, NETC, Failed, call
from report import Report

# file, model, --set, --batch: at least about a hundred values a channel where batch norm takes its statistics
CASES = [("lenet.net", "lenet", [], 4),
         ("resnet_cifar.net", "resnet20", ["image=[3,16,16]"], 8)]

EVERYTHING = """net 1
model m(classes=5) {
  input image: [3, 12, 12]
  x = image | conv(8, k=3, pad=1) | bn | leaky_relu | lrn(3)
  a = x | conv(8, k=3, pad=1, groups=4) | silu
  b = x | conv(8, k=[3, 1], pad=[1, 0]) | tanh
  g = x | avgpool(global) | conv(8, k=1) | sigmoid
  y = concat(a, b * g, x | avgpool(k=3, stride=1, pad=1)) | conv(12, k=3, pad=2, dilation=2) | bn | hardswish | dropout(0.5)
  aux(y | avgpool(global) | flatten | linear(classes), weight=0.3)
  z = y | maxpool(k=3, stride=2, round=up) | subsample(2) | pad_channels(16) | relu6
  return z | avgpool(out=2) | flatten | linear(classes)
}
train m { loss cross_entropy(label_smoothing=0.1) }
"""


def check(folder, source, model, sets, batch):
    executable = folder / (model or "m")
    words = [NETC, source, "-o", executable] + (["--model", model] if model else [])
    for value in sets:
        words += ["--set", value]
    call(words)
    done = subprocess.run([executable, "gradcheck", "--batch", str(batch), "--json"], capture_output=True, text=True)
    if done.returncode not in (0, 1) or not done.stdout:
        raise Failed(done.stderr)
    found = json.loads(done.stdout)
    worst = max(found["parameters"], key=lambda p: p["direction_error"])
    single = max(found["parameters"], key=lambda p: p["element_error"])
    return [(f"{worst['name']} by direction", worst["direction_error"], 1e-3),
            (f"{single['name']} by element", single["element_error"], 1e-2),
            ("loss", abs(found["loss"] - found["reference_loss"]), 1e-4), ("exit code", done.returncode, 0.5)]


def main():
    report = Report("gradcheck")
    with tempfile.TemporaryDirectory(prefix="netc-e2e-") as name:
        folder = pathlib.Path(name)
        (folder / "m.net").write_text(EVERYTHING)
        report.case("every_layer", check, folder, folder / "m.net", None, [], 16)
        for file, model, sets, batch in CASES:
            report.case(model, check, folder, MODELS / file, model, sets, batch)
    report.close()


if __name__ == "__main__":
    main()
