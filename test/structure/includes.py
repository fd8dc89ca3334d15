#!/usr/bin/python3
"""Which room may include which: reads every #include of the sources and fails on an arrow that the table does not allow.

The table is the picture of docs/reference/design.md. A room may always include itself. `runtime/abi/` (the C header, the table of
recipes) may be included from everywhere, `dialect/` from everywhere but the runtime and the front end's rooms below `emit`.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "harness"))
from report import Report

# Top level: what a folder may include beside itself and runtime/abi/.
HOUSE = {
    "dialect": [],
    "frontend": [],
    "passes": ["dialect"],
    "codegen": ["dialect"],
    "runtime": [],
    "tools": ["dialect", "frontend", "passes", "codegen"],
    "bench": [],
    "test": ["dialect", "frontend", "passes", "codegen", "runtime"],
}
KNOWS_DIALECT = {"frontend/emit"}  # a room that may include dialect/ where its folder may not
# Of the runtime, which netc links for them: what the process may use; the reader of weights for `netc export`.
SHARED = {("tools", "runtime/system/ControlGroup.h"), ("tools", "runtime/weights/Safetensors.h"), ("tools", "runtime/base/Error.h")}
PLAIN = {"dialect/interfaces/WindowShape.h"}  # arithmetic without MLIR that the front end shares with the dialect

# Within a folder: the rooms below a room, in the order of the floors.
ROOMS = {
    "dialect": {
        "interfaces": [],
        "net": ["interfaces"],
        "kern": ["interfaces"],
        "target": [],
        "schedule/cpu": ["kern", "target"],
        "schedule/gpu": ["kern", "target", "schedule/cpu"],
    },
    "frontend": {
        "syntax": [],
        "network": ["syntax"],
        "values": ["network", "syntax"],
        "layers": ["values", "network", "syntax"],
        "elaborate": ["layers", "values", "network", "syntax"],
        "emit": ["network", "syntax"],
        "export/onnx": ["network", "syntax"],
        "import": [],
        "import/onnx": ["import"],
        "import/caffe": ["import/onnx"],
        "import/darknet": ["import/onnx"],
    },
    "runtime": {
        "abi": [],
        "base": [],
        "system": ["base"],
        "comm": ["base", "system"],
        "image": ["base", "system"],
        "device": ["abi", "base", "system", "comm"],
        "device/cpu": ["abi", "base", "system", "device"],
        "device/cuda": ["abi", "base", "system", "comm", "device"],
        "device/sim": ["abi", "base", "system", "device", "device/cuda", "device/sim/exec"],
        "device/sim/exec": ["device/sim"],
        "exec": ["abi", "base", "system", "device", "device/cpu"],
        "plan": ["base", "exec"],
        "recipe": ["base", "exec"],
        "weights": ["base", "system", "exec"],
        "augment": ["base", "image", "exec", "recipe"],
        "data": ["base", "system", "image", "exec", "recipe", "weights", "augment"],
        "reference": ["base", "system", "exec"],
        "quantize": ["base", "exec"],
        "evaluate": ["base", "comm", "exec", "augment", "data"],
        "report": ["base", "system", "image", "evaluate"],
        "train": ["base", "comm", "system", "exec", "recipe", "weights", "augment", "data", "evaluate", "report"],
        "commands": ["base", "comm", "system", "image", "exec", "recipe", "weights", "augment", "data", "reference", "evaluate",
                     "plan", "quantize", "train"],
        "capi": ["base", "system", "image", "exec", "recipe", "weights", "augment", "data", "train"],
    },
    "codegen": {
        "common": [],
        "cpu": ["common"],
        "cuda": ["common"],
        "tune": ["common", "cpu", "package"],
        "package": ["common", "cpu", "cuda"],
    },
    # Passes talk through the IR: only the header of all passes is shared.
    "passes": {"graph": [""], "autodiff": [""], "precision": [""], "layout": [""], "lowering": [""], "memory": [""], "": []},
}
CYCLES = {("device/sim", "device/sim/exec")}  # the instructions' table and what they work on


def room_of(path, top):
    """The room that a path relative to the root lies in: its folder within `top`."""
    return str(pathlib.PurePosixPath(path).parent.relative_to(top)).replace(".", "", 1) if "/" in path else ""


def includes(path):
    return re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.M)


def wrong_arrows(root, files):
    """Each include that no table allows, as "file includes header: why"."""
    found = []
    for name in files:
        top = name.split("/")[0]
        for header in includes(root / name):
            other = header.split("/")[0]
            if other not in HOUSE or header.startswith("runtime/abi/"):
                continue
            if (top, header) in SHARED:
                continue
            if other != top:
                room = str(pathlib.PurePosixPath(name).parent)
                if other == "dialect" and (room in KNOWS_DIALECT or (top == "frontend" and header in PLAIN)):
                    continue
                if other not in HOUSE.get(top, []):
                    found.append(f"{name} includes {header}: {top}/ may not know {other}/")
                continue
            if top not in ROOMS:
                continue
            here, there = room_of(name, top), room_of(header, top)
            if here == there:
                continue
            if here not in ROOMS[top]:
                found.append(f"{name} lies in a room that the table does not have: {top}/{here}")
            elif there not in ROOMS[top][here]:
                found.append(f"{name} includes {header}: {top}/{here} may not know {top}/{there}")
    return found


def check_abi():
    """runtime/abi/ depends on nothing: C's and C++'s standard headers and itself."""
    found = []
    for path in sorted((ROOT / "runtime" / "abi").iterdir()):
        text = path.read_text()
        found += [f"{path.name}: {header}" for header in includes(path) if not header.startswith("runtime/abi/")]
        found += [f"{path.name}: <{header}>" for header in re.findall(r"^\s*#\s*include\s+<([^>]+)>", text, re.M)
                  if header != "stdint.h" and not re.fullmatch(r"[a-z_]+", header)]
    return [("; ".join(found) or "runtime/abi/ includes", len(found), 0.5)]


def sources():
    listed = subprocess.run(["git", "ls-files", "*.cpp", "*.h"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        return listed.stdout.split()
    return [str(path.relative_to(ROOT)) for top in HOUSE for path in sorted((ROOT / top).rglob("*")) if path.suffix in (".cpp", ".h")]


def check_tree():
    files = [name for name in sources() if (ROOT / name).exists()]
    found = wrong_arrows(ROOT, files)
    return [("files read, at least 200 missing", max(0, 200 - len(files)), 0.5), ("; ".join(found) or "arrows not allowed", len(found), 0.5)]


def check_floors():
    """The tables themselves have no cycle: every room lies above all that it may include."""
    claims = []
    for top, rooms in ROOMS.items():
        above = {room: [other for other in below if (room, other) not in CYCLES and (other, room) not in CYCLES] for room, below in rooms.items()}
        left = set(above)
        while ready := {room for room in left if not set(above[room]) & left - {room}}:
            left -= ready
        claims.append((f"{top}: rooms in a cycle: {sorted(left)}", len(left), 0.5))
    return claims


def check_planted():
    """An arrow that is not allowed is found: between rooms, between folders, and from a room of no table."""
    planted = {
        "runtime/base/A.h": '#include "runtime/train/B.h"\n',
        "passes/graph/A.cpp": '#include "codegen/cpu/B.h"\n#include "dialect/net/NetDialect.h"\n',
        "frontend/attic/A.cpp": '#include "frontend/syntax/Ast.h"\n',
        "runtime/train/A.cpp": '#include "runtime/base/A.h"\n#include "runtime/abi/Abi.h"\n',
        "runtime/weights/A.cpp": '#include "dialect/net/NetDialect.h"\n',
        "frontend/values/A.cpp": '#include "dialect/net/NetDialect.h"\n#include "runtime/abi/RecipeTable.h"\n',
        "frontend/emit/A.cpp": '#include "dialect/net/NetDialect.h"\n',
        "frontend/layers/A.cpp": '#include "dialect/interfaces/WindowShape.h"\n',
        "dialect/net/A.cpp": '#include "dialect/kern/KernDialect.h"\n',
    }
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in planted.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        found = wrong_arrows(root, planted)
    wanted = ["runtime/base/A.h", "passes/graph/A.cpp", "frontend/attic/A.cpp", "runtime/weights/A.cpp", "frontend/values/A.cpp",
              "dialect/net/A.cpp"]
    return [(f"found {found}", int([line.split(" ")[0] for line in found] != wanted), 0.5)]


def main():
    report = Report("includes")
    for name, function in (("tree", check_tree), ("abi", check_abi), ("floors", check_floors), ("planted", check_planted)):
        report.case(name, function)
    report.close()


if __name__ == "__main__":
    main()
