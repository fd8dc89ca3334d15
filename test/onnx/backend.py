#!/usr/bin/python3
"""The `onnx` package's own backend tests through import, compilation and run: passed, refused by name, or failed. A wrong result is a failure.

    test/onnx/backend.py                    all but the node tests: part of `make test`
    test/onnx/backend.py --all [--table FILE] [--results FILE] [WORD…]    all cases (whose names hold one of the words); FILE: a table by operator,
                                            and one line of JSON per case

The package is fetched by tools/install-onnx.sh. A case is tried with all its inputs at run time; where that is refused, with those that are whole
numbers (sizes, axes, indices) as constants of the file; then with all but the first as constants, which is how exporters write weights. Each is
imported with and without a batch (`netc import --no-batch`). Cases without a batch are compiled together, several to a model.
"""
import argparse
import collections
import concurrent.futures
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
import safetensors
from compiled import NETC
from onnx_package import PACKAGE, load_package
from report import Report

KINDS = ("simple", "pytorch-converted", "pytorch-operator", "node")
TOLERANCE = {"rtol": 1e-3, "atol": 1e-5}
NUMBERS = {1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13}  # element types that are taken: 16 bits and more, whole numbers, truth values
TOGETHER = 24  # cases in one model


class Case:
    """A test of the package: its model, inputs, and what it should give."""

    def __init__(self, onnx, kind, folder):
        self.kind, self.name = kind, folder.name
        self.model = onnx.ModelProto.FromString((folder / "model.onnx").read_bytes())
        graph = self.model.graph
        self.operators = sorted({node.op_type for node in graph.node if node.op_type != "Constant"})
        self.opset = next((each.version for each in self.model.opset_import if each.domain in ("", "ai.onnx")), 0)
        self.verdict, self.why, self.how = "refused", "", ""
        held = {tensor.name for tensor in graph.initializer}
        ports = [port for port in graph.input if port.name not in held]
        data = sorted(folder.glob("test_data_set_*"))
        if not data or any(not port.type.HasField("tensor_type") for port in [*ports, *graph.output]):
            self.why = "sequences and optional values are no tensors"
            return
        if any(port.type.tensor_type.elem_type not in NUMBERS for port in [*ports, *graph.output]):
            self.why = "text, complex numbers, bfloat16, or numbers of less than 8 bits"
            return
        self.inputs = self.values(onnx, ports, data[0], "input")
        self.wanted = self.values(onnx, graph.output, data[0], "output")
        if any(value.size == 0 for value in self.wanted.values()):
            self.why = "tensors without values"

    @staticmethod
    def values(onnx, ports, folder, prefix):
        values = {}
        for index, port in enumerate(ports):
            tensor = onnx.TensorProto()
            tensor.ParseFromString((folder / f"{prefix}_{index}.pb").read_bytes())
            values[port.name] = onnx.numpy_helper.to_array(tensor)
        return values

    def variants(self, onnx):
        """(how, model): with more and more inputs as constants of the file."""
        names = list(self.inputs)
        empty = [name for name in names if self.inputs[name].size == 0]  # a list of no axes
        whole = [name for name in names if self.inputs[name].dtype.kind in "iu"]
        seen = []
        for how, constants in (("", empty), ("whole numbers as constants", whole), ("all but the first input as constants", names[1:])):
            if constants in seen or len(constants) == len(names) and names:
                continue
            seen.append(constants)
            model = onnx.ModelProto.FromString(self.model.SerializeToString())
            for port in [port for port in model.graph.input if port.name in constants]:
                model.graph.initializer.append(onnx.numpy_helper.from_array(self.inputs[port.name], port.name))
                model.graph.input.remove(port)
            yield how, model


def first_line(said):
    return said.split("error:", 1)[-1].split(": ", 1)[-1].strip().split("\n")[0]


def imported(model, batch):
    """Whether the import took the model, and what it said; "by hand": it wrote a model file that is none, which is a failure."""
    with tempfile.TemporaryDirectory(prefix="netc-backend-") as folder:
        folder = pathlib.Path(folder)
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        try:
            done = subprocess.run([NETC, "import", folder / "model.onnx", "-o", folder / "model", *([] if batch else ["--no-batch"])],
                                  capture_output=True, text=True, errors="replace", timeout=120)
        except subprocess.TimeoutExpired:
            return "failed", "the import does not end"
    if done.returncode == 0:
        return "taken", ""
    if done.returncode == 1 and "error:" in done.stderr and "by hand" not in done.stderr:
        return "refused", first_line(done.stderr)
    return "failed", f"import: exit code {done.returncode} {done.stderr[-300:]}"


def choose(onnx, case):
    """The first variant that the import takes: (case, model, batch); none where all are refused."""
    if case.why:
        return None
    modes = (True, False) if case.kind != "node" else (False, True)
    for how, model in case.variants(onnx):
        for batch in modes:
            verdict, why = imported(model, batch)
            if verdict == "refused":
                case.why = case.why or why
                continue
            case.how = how
            if verdict == "taken":
                case.why = ""
                return case, model, batch
            case.verdict, case.why = verdict, why
            return None
    return None


def identifier(name):
    name = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return name if name[0].isalpha() and name not in ("output", "labels", "targets") or name == "output" else "_" + name


def run_model(model, inputs, batch):
    """The outputs by their names in the model file; a text says what went wrong."""
    with tempfile.TemporaryDirectory(prefix="netc-backend-") as folder:
        folder = pathlib.Path(folder)
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        for command in ([NETC, "import", folder / "model.onnx", "-o", folder / "model", *([] if batch else ["--no-batch"])],
                        [NETC, folder / "model.net", "--mode", "infer", "-o", folder / "model"]):
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=600)
            if done.returncode:
                return f"{command[1]}: {done.stderr[-300:]}"
        text = (folder / "model.net").read_text()
        shapes = re.findall(r"^  input (\w+): \[([^\]]*)\]", text, re.M)
        held = {tensor.name for tensor in model.graph.initializer}
        ports = [port.name for port in model.graph.input if port.name not in held]
        values = {}
        for (name, sizes), port in zip(shapes, ports):
            value = inputs[port].astype(numpy.float32)
            values[name] = value if batch else value.reshape([1, *map(int, sizes.split(", "))])
        safetensors.save(folder / "in", values)
        done = subprocess.run([folder / "model", "run", "--weights", folder / "model.safetensors", "--in", folder / "in", "--out", folder / "out"],
                              capture_output=True, text=True, timeout=120)
        return f"run: {done.stderr[-300:]}" if done.returncode else safetensors.load(folder / "out")


def judge(case, found, batch, prefix=""):
    if isinstance(found, str):
        case.verdict, case.why = "failed", found
        return
    case.verdict = "passed"
    for index, (name, want) in enumerate(case.wanted.items()):
        only = not prefix and len(case.wanted) == 1
        have = list(found.values())[0] if only else found.get(identifier(prefix + name), numpy.zeros(0))
        shape = want.shape if batch else (1, *(want.shape or (1,)))
        fits = have.shape == shape or (not batch and have.size == want.size and want.ndim > 4)
        if not fits or not numpy.allclose(have.reshape(want.shape), want.astype(numpy.float32), **TOLERANCE, equal_nan=True):
            error = abs(have.reshape(want.shape) - want.astype(numpy.float32)).max() if fits else "shape"
            case.verdict, case.why = "failed", f"wrong result {index}: {have.shape} for {want.shape}, error {error}"


def merged(onnx, group):
    """One model of several, whose names get prefixes."""
    whole = onnx.compose.add_prefix(group[0][1], "c0_")
    for index, (_, model, _) in enumerate(group[1:], 1):
        graph = onnx.compose.add_prefix(model, f"c{index}_").graph
        for part in ("node", "initializer", "input", "output", "value_info"):
            getattr(whole.graph, part).extend(getattr(graph, part))
    return whole


def run_group(onnx, group):
    """Cases without a batch, in one model; each by itself where that does not compile."""
    if len(group) > 1:
        inputs = {f"c{index}_{name}": value for index, (case, _, _) in enumerate(group) for name, value in case.inputs.items()}
        found = run_model(merged(onnx, group), inputs, batch=False)
        if not isinstance(found, str):
            for index, (case, _, _) in enumerate(group):
                judge(case, found, False, f"c{index}_")
            group = [each for each in group if each[0].verdict == "failed"]
    for case, model, batch in group:
        judge(case, run_model(model, case.inputs, batch), batch)


def operator_of(case, by_name):
    """Of a function's body the operator that it stands for."""
    case = by_name.get(case.name.split("_expanded")[0], case)
    if case.kind != "node":
        return f"({case.kind})"
    return case.operators[0] if len(case.operators) == 1 else "(several)"


def table(cases):
    by_name = {case.name: case for case in cases}
    rows = collections.defaultdict(collections.Counter)
    for case in cases:
        rows[operator_of(case, by_name)][case.verdict] += 1
    lines = ["| operator | passed | refused | failed |", "|---|---|---|---|"]
    refused = []
    for name, row in sorted(rows.items()):
        if not row["passed"] and not row["failed"]:
            refused.append(f"{name} ({row['refused']})")
        else:
            lines.append(f"| {name} | {row['passed']} | {row['refused']} | {row['failed']} |")
    total = collections.Counter(case.verdict for case in cases)
    lines.append(f"| **all** | {total['passed']} | {total['refused']} | {total['failed']} |")
    return "\n".join(lines) + "\n\nRefused in all their tests: " + ", ".join(refused) + ".\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--table", type=pathlib.Path)
    parser.add_argument("--results", type=pathlib.Path)
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    report = Report("backend")
    onnx = load_package()
    if onnx is None:
        report.line("UNSUPPORTED", "cases", f"no package onnx in {PACKAGE} (tools/install-onnx.sh)")
        report.close()
    data = PACKAGE / "onnx" / "backend" / "test" / "data"
    kinds = KINDS if options.all else [kind for kind in KINDS if kind != "node"]
    folders = [(kind, path) for kind in kinds for path in sorted((data / kind).iterdir()) if (path / "model.onnx").exists()]
    cases = [Case(onnx, kind, path) for kind, path in folders if not options.words or any(word in path.name for word in options.words)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        chosen = [each for each in pool.map(lambda case: choose(onnx, case), cases) if each]
        groups = [[each] for each in chosen if each[2]]
        by_opset = collections.defaultdict(list)
        for each in chosen:
            if not each[2]:
                by_opset[each[0].opset].append(each)
        for members in by_opset.values():
            groups += [members[i:i + TOGETHER] for i in range(0, len(members), TOGETHER)]
        list(pool.map(lambda group: run_group(onnx, group), groups))
    for case in cases:
        if case.verdict == "failed":
            report.line("FAIL", f"{case.kind}/{case.name}", case.why.replace("\n", " "))
        elif options.words:
            print(f"    {case.verdict} {case.kind}/{case.name}: {case.why or case.how}")
    counts = collections.Counter(case.verdict for case in cases)
    said = ", ".join(f"{counts[verdict]} {text}" for verdict, text in (("passed", "passed"), ("refused", "refused by name"), ("failed", "failed")))
    nodes = collections.Counter(case.how or "at run time" for case in cases if case.kind == "node" and case.verdict == "passed")
    if nodes:
        said += f"; {sum(nodes.values())} node tests passed, their inputs: " + ", ".join(f"{how} {count}" for how, count in nodes.most_common())
    report.line("PASS" if counts["passed"] or options.words else "FAIL", "cases", said)
    if options.table:
        options.table.write_text(table(cases))
    if options.results:
        options.results.write_text("".join(json.dumps([case.kind, case.name, case.verdict, case.why, case.how, case.operators]) + "\n"
                                           for case in cases))
    report.close()


if __name__ == "__main__":
    main()
