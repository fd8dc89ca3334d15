#!/usr/bin/python3
"""The GPU kit on the simulator, and faults planted in copies of it: each is its step's failure, the rest goes on.

What needs a GPU's tools is held to text as they write it, by programs that stand in for them.
"""
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "harness"))
from report import Report, Unsupported

try:
    import torch  # noqa: F401
except ImportError as missing:
    torch, WHY = None, f"python3-torch draws the cases: {missing}"

BUILD = pathlib.Path(os.environ.get("NETC_BUILD", ROOT / "build"))
MINUTES = "12"  # limits, not what it takes: the machine may be busy
TABLE_LINES = 60


def false(what, value):
    """A claim that `value` holds."""
    return ("what is not as it should be" if value else what, float(not value), 0.5)


def make(folder):
    """A kit of one's own; the scripts that test/run_all.py runs build it once and copy it."""
    def build(out):
        subprocess.run([sys.executable, ROOT / "test" / "gpu_kit" / "build.py", "--sim", "--build", BUILD, "--out", out], check=True)

    if "NETC_TEST_SHARED" not in os.environ:
        return build(folder)
    shared = pathlib.Path(os.environ["NETC_TEST_SHARED"])
    with open(shared / "kit.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "kit").exists():
            build(shared / "half_a_kit")
            (shared / "half_a_kit").rename(shared / "kit")
    shutil.copytree(shared / "kit", folder, symlinks=True, dirs_exist_ok=True)


def check(kit, out, *options):
    """(exit code, what was printed, report.json)"""
    done = subprocess.run([sys.executable, kit / "check.py", "--sim", "--out", out, *options], capture_output=True, text=True)
    path = out / "report.json"
    return done.returncode, done.stdout + done.stderr, json.loads(path.read_text()) if path.exists() else {"steps": []}


def whole(report, kit, out):
    code, said, found = check(kit, out, "--minutes", MINUTES)
    for step in found["steps"]:
        bad = [f"{row['name']}: {row['detail']}" for row in step["rows"] if row["verdict"] in ("FAIL", "NOT RUN")]
        report.check("sim/" + step["name"], [false("; ".join([step["verdict"], step["why"], *bad]), step["verdict"] == "PASS" and not bad)])
    table = said.split("the simulator\n", 1)[-1].splitlines()
    measured = [row for step in found["steps"] for row in step["rows"] if row["verdict"] == "INFO"]
    names = " ".join(row["name"] for row in measured)
    return [false(f"exit code {code}: {said[-2000:]}", code == 0), false(f"{len(found['steps'])} steps", len(found["steps"]) == 8),
            ("lines of the table", len(table), TABLE_LINES), false("report.md", "| PASS |" in (out / "report.md").read_text()),
            false(f"rows of speed and time in {names}", "lenet training tf32" in names and "contract" in names),
            false("PyTorch's times", any(row["values"].get("torch_ms") for row in measured))]


def copy_of(kit, folder):
    """Unpacked, so that faults can be planted in its files."""
    copy = folder / "copy"
    shutil.copytree(kit, copy)
    for archive in ("networks", "kernels"):
        with tarfile.open(copy / f"{archive}.tar.xz") as packed:
            packed.extractall(copy / "files")
    return copy


def rows_of(found, step):
    rows = next((one["rows"] for one in found["steps"] if one["name"] == step), [])
    return {row["name"]: (row["verdict"], row["detail"]) for row in rows}


def only_failed(rows, expected):
    """Exactly these rows failed, each for its reason: {name: words}."""
    failed = {name: detail for name, (verdict, detail) in rows.items() if verdict == "FAIL"}
    claims = [false(f"failed: {failed}", failed.keys() == expected.keys()), false(f"passed beside it: {rows}", any(v == "PASS" for v, _ in rows.values()))]
    return claims + [false(f"{name}: {failed.get(name)!r} without {words!r}", words in failed.get(name, "")) for name, words in expected.items()]


def program(path, text):
    path.unlink(missing_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)


def wrong_and_missing(copy, out):
    manifest = json.loads((copy / "manifest.json").read_text())
    sums = manifest["networks"]["lenet"]["word"]["f32"]["checksums"]
    sums["loss"] = "0" * 64
    (copy / "manifest.json").write_text(json.dumps(manifest))
    (copy / "files" / "kernels" / "lrn" / "sim-f32").unlink()
    code, said, found = check(copy, out, "--only", "kernels", "word", "--minutes", MINUTES)
    return [false(f"exit code {code}: {said}", code == 1), *only_failed(rows_of(found, "kernels"), {"lrn/f32": "is missing from the kit"}),
            *only_failed(rows_of(found, "word"), {"lenet/f32": "loss does not have the checksum"}), false("named in the table", "FAIL word/lenet/f32" in said)]


def other_bits(copy, out):
    """Arrays and checksums that agree with each other, and not with what is computed."""
    sys.path[:0] = [str(ROOT / "test" / "gpu_kit")]
    import draw
    import safetensors
    path = copy / "files" / "word" / "lenet-sim-f32.safetensors"
    arrays = {key: value.copy() for key, value in safetensors.load(path).items()}
    arrays["grad.fc3.bias"].view("int32")[4] += 1
    safetensors.save(path, arrays)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["networks"]["lenet"]["word"]["f32"]["checksums"]["grad.fc3.bias"] = draw.checksum(arrays["grad.fc3.bias"])
    (copy / "manifest.json").write_text(json.dumps(manifest))
    code, said, found = check(copy, out, "--only", "word", "--minutes", MINUTES)
    wanted = "grad.fc3.bias: 1 of 10 values differ, by up to 1 units in the last place"
    return [false(f"exit code {code}: {said}", code == 1), *only_failed(rows_of(found, "word"), {"lenet/f32": wanted})]


def hangs_and_dies(copy, out):
    program(copy / "files" / "kernels" / "tf32_k3" / "sim-tf32", "sleep 600\n")
    program(copy / "files" / "kernels" / "shapes" / "sim-f32", "kill -SEGV $$\n")
    code, said, found = check(copy, out, "--only", "kernels", "sanitizers", "--minutes", "1.2")
    return [false(f"exit code {code}: {said}", code == 1),
            *only_failed(rows_of(found, "kernels"), {"tf32_k3": "no end after", "shapes/f32": "ended by SIGSEGV"}),
            *only_failed(rows_of(found, "sanitizers"), {})]


def steps_that_fail(copy, out):
    """A step's own process dies, another hangs: what they had is kept, the next one runs."""
    (copy / "steps" / "device.py").write_text("import os\ndef run(kit, rows):\n    os.kill(os.getpid(), 9)\n")
    (copy / "steps" / "word.py").write_text("import time\ndef run(kit, rows):\n    rows.info('first', 'was there')\n    time.sleep(600)\n")
    code, said, found = check(copy, out, "--only", "device", "word", "sanitizers", "--minutes", "0.5")
    steps = {step["name"]: step for step in found["steps"]}
    return [false(f"exit code {code}: {said}", code == 1), false(f"device: {steps['device']}", "SIGKILL" in steps["device"]["why"]),
            false(f"word: {steps['word']}", "no end after" in steps["word"]["why"]),
            false("the row that was there", rows_of(found, "word").get("first") == ("INFO", "was there")),
            false(f"sanitizers: {steps['sanitizers']}", steps["sanitizers"]["verdict"] == "PASS")]


def damaged_archive(kit, out):
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "copy"
        shutil.copytree(kit, copy)
        packed = copy / "kernels.tar.xz"
        packed.write_bytes(packed.read_bytes()[:5000])
        code, said, found = check(copy, out, "--only", "kernels", "sanitizers", "--minutes", MINUTES)
    verdicts = {step["name"]: step["verdict"] for step in found["steps"]}
    return [false(f"exit code {code}: {said}", code == 1), false(f"{verdicts}", verdicts == {"unpack": "FAIL", "kernels": "FAIL", "sanitizers": "PASS"})]


def no_gpu(kit, out):
    sys.path[:0] = [str(ROOT / "test" / "gpu_kit")]
    import gpu
    if not gpu.why_not():
        raise Unsupported("this machine has a GPU")
    done = subprocess.run([sys.executable, kit / "check.py", "--out", out], capture_output=True, text=True)
    return [false(f"exit code {done.returncode}", done.returncode == 2), false(f"says {done.stderr!r}", "no GPU to check: no NVIDIA driver" in done.stderr)]


def in_a_copy(function, kit):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        return function(copy_of(kit, folder), folder / "out")


def main():
    report = Report("gpu_kit")
    if not torch:
        report.line("UNSUPPORTED", "all", WHY)
        report.close()
    with tempfile.TemporaryDirectory() as folder:
        kit, out = pathlib.Path(folder) / "kit", pathlib.Path(folder) / "out"
        make(kit)
        report.case("sim", whole, report, kit, out)
        for function in (wrong_and_missing, other_bits, hangs_and_dies, steps_that_fail):
            report.case("planted/" + function.__name__, in_a_copy, function, kit)
        report.case("planted/damaged_archive", damaged_archive, kit, out / "damaged")
        report.case("no_gpu", no_gpu, kit, out / "none")
    report.close()


if __name__ == "__main__":
    main()
