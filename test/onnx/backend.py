#!/usr/bin/python3
"""The `onnx` package's own backend tests through import, compilation and run: passed, refused by name, or failed. A wrong result is a failure.

    test/onnx/backend.py                    all but the node tests: part of `make test`
    test/onnx/backend.py --all [--table FILE] [WORD…]    all cases (whose names hold one of the words); FILE: a table by operator

The package is fetched by tools/install-onnx.sh. A node test gives a layer's weights as inputs: where that is refused, all inputs but the first are
tried as constants of the file, which is how exporters write them.
"""
import argparse
import collections
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import warnings

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import safetensors
from compiled import NETC
from report import Report

PACKAGE = pathlib.Path(os.environ.get("NETC_BUILD", pathlib.Path(NETC).parents[1])) / "onnx-package"
KINDS = ("simple", "pytorch-converted", "pytorch-operator", "node")


def load_package():
    sys.path.insert(0, str(PACKAGE))
    warnings.simplefilter("ignore")
    try:
        import onnx
        import onnx.numpy_helper
        return onnx
    except ImportError:
        return None


def cases():
    """(kind, name, folder) of every case."""
    data = PACKAGE / "onnx" / "backend" / "test" / "data"
    return [(kind, path.name, path) for kind in KINDS for path in sorted((data / kind).iterdir()) if (path / "model.onnx").exists()]


def read_values(onnx, ports, folder, prefix):
    values = {}
    for index, port in enumerate(ports):
        tensor = onnx.TensorProto()
        tensor.ParseFromString((folder / f"{prefix}_{index}.pb").read_bytes())
        values[port.name] = onnx.numpy_helper.to_array(tensor)
    return values


def attempt(onnx, model, inputs, wanted, tolerance):
    """(verdict, why): one model, with its inputs and what it should give."""
    with tempfile.TemporaryDirectory(prefix="netc-backend-") as folder:
        folder = pathlib.Path(folder)
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        done = subprocess.run([NETC, "import", folder / "model.onnx", "-o", folder / "model"], capture_output=True, text=True, errors="replace", timeout=60)
        if done.returncode == 1 and "error:" in done.stderr and "by hand" not in done.stderr:
            return "refused", done.stderr.split("error:", 1)[1].split(": ", 1)[-1].strip().split("\n")[0]
        if done.returncode:
            return "failed", f"import: exit code {done.returncode} {done.stderr[-300:]}"
        done = subprocess.run([NETC, folder / "model.net", "--mode", "infer", "-o", folder / "model"], capture_output=True, text=True, timeout=300)
        if done.returncode:
            return "failed", f"compilation: {done.stderr[-300:]}"
        text = (folder / "model.net").read_text()
        names = re.findall(r"^  input (\w+):", text, re.M)
        graph_inputs = [port.name for port in model.graph.input if port.name in inputs]
        safetensors.save(folder / "in", {name: inputs[own].astype(numpy.float32) for name, own in zip(names, graph_inputs)})
        done = subprocess.run([folder / "model", "run", "--weights", folder / "model.safetensors", "--in", folder / "in", "--out", folder / "out"],
                              capture_output=True, text=True, timeout=120)
        if done.returncode:
            return "failed", f"run: {done.stderr[-300:]}"
        found = list(safetensors.load(folder / "out").items())
        if len(found) == 1:
            pairs = [(found[0][1], list(wanted.values())[0])]
        else:
            by_name = dict(found)
            pairs = [(by_name.get(re.sub(r"\W", "_", name), numpy.zeros(0)), value) for name, value in wanted.items()]
        for have, want in pairs:
            if have.shape != want.shape or not numpy.allclose(have, want.astype(numpy.float32), *tolerance, equal_nan=True):
                error = abs(have - want).max() if have.shape == want.shape else "shape"
                return "failed", f"wrong result: {have.shape} for {want.shape}, error {error}"
        return "passed", ""


def with_constants(onnx, model, inputs):
    """All inputs but the first become constants of the file."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    rest = [port for port in model.graph.input[1:] if port.name in inputs]
    for port in rest:
        tensor = onnx.numpy_helper.from_array(inputs[port.name], port.name)
        model.graph.initializer.append(tensor)
        model.graph.input.remove(port)
    return model


def run_case(onnx, folder):
    """(verdict, why, operators)."""
    model = onnx.ModelProto.FromString((folder / "model.onnx").read_bytes())
    operators = sorted({node.op_type for node in model.graph.node if node.op_type != "Constant"})
    held = {tensor.name for tensor in model.graph.initializer}
    ports = [port for port in model.graph.input if port.name not in held]
    numbers = sorted(folder.glob("test_data_set_*"))
    if not numbers or any(not port.type.HasField("tensor_type") for port in [*ports, *model.graph.output]):
        return "refused", "sequences and optional values are no tensors", operators
    inputs = read_values(onnx, ports, numbers[0], "input")
    wanted = read_values(onnx, model.graph.output, numbers[0], "output")
    tolerance = (1e-3, 1e-5)
    verdict, why = attempt(onnx, model, inputs, wanted, tolerance)
    if verdict == "refused" and len(ports) > 1 and all(value.dtype.kind in "fib" and value.dtype.itemsize > 1 for value in inputs.values()):
        again = attempt(onnx, with_constants(onnx, model, inputs), inputs, wanted, tolerance)
        verdict, why = again if again[0] != "refused" else (verdict, why)
    return verdict, why, operators


def table(results):
    """By operator, of the cases with one operator; the others stand together."""
    rows = collections.defaultdict(collections.Counter)
    for kind, verdict, operators in results:
        rows[operators[0] if len(operators) == 1 and kind == "node" else f"({kind})" if kind != "node" else "(several in a node test)"][verdict] += 1
    lines = ["| operator | passed | refused | failed |", "|---|---|---|---|"]
    refused = []
    for name, row in sorted(rows.items()):
        if not row["passed"] and not row["failed"]:
            refused.append(f"{name} ({row['refused']})")
        else:
            lines.append(f"| {name} | {row['passed']} | {row['refused']} | {row['failed']} |")
    total = collections.Counter(verdict for _, verdict, _ in results)
    lines.append(f"| **all** | {total['passed']} | {total['refused']} | {total['failed']} |")
    return "\n".join(lines) + "\n\nRefused in all their tests: " + ", ".join(refused) + ".\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--table", type=pathlib.Path)
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    report = Report("backend")
    onnx = load_package()
    if onnx is None:
        report.line("UNSUPPORTED", "cases", f"no package onnx in {PACKAGE} (tools/install-onnx.sh)")
        report.close()
    chosen = cases()
    if not options.all:
        chosen = [case for case in chosen if case[0] != "node"]
    chosen = [case for case in chosen if not options.words or any(word in case[1] for word in options.words)]
    results = []
    for kind, name, folder in chosen:
        verdict, why, operators = run_case(onnx, folder)
        results.append((kind, verdict, operators))
        if verdict == "failed":
            report.line("FAIL", f"{kind}/{name}", why.replace("\n", " "))
        elif options.words:
            print(f"    {verdict} {kind}/{name}: {why}")
    counts = collections.Counter(verdict for _, verdict, _ in results)
    report.line("PASS" if counts["passed"] or options.words else "FAIL", "cases", f"{counts['passed']} passed, {counts['refused']} refused by name, {counts['failed']} failed")
    if options.table:
        options.table.write_text(table(results))
    report.close()


if __name__ == "__main__":
    main()
