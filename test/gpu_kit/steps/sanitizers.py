"""compute-sanitizer's four tools over small training steps; on the simulator its own checks."""
import concurrent.futures
import os
import re
import shutil

import draw
import programs
import safetensors
from executable import Failed
from rows import Skip

STEPS = [("lenet", "f32"), ("word/residual", "tf32"), ("word/classic", "f32"), ("word/branches", "bf16")]
TOOLS = ["memcheck", "racecheck", "initcheck", "synccheck"]
USUAL = "/usr/local/cuda/bin/compute-sanitizer"
SUMMARY = re.compile(r"(?:ERROR SUMMARY: (\d+) error)|(?:RACECHECK SUMMARY: \d+ hazards? displayed \((\d+) error)")


def find():
    return shutil.which("compute-sanitizer") or (USUAL if os.access(USUAL, os.X_OK) else None)


def errors(said):
    """The number of errors of the summary; Failed where there is none."""
    found = SUMMARY.findall(said)
    if not found:
        raise Failed("compute-sanitizer gave no summary\n" + programs.last_lines(said))
    return int("".join(found[-1]))


def first_finding(said):
    """The lines of the first error, without the tool's margin."""
    lines = [line.removeprefix("=========").strip() for line in said.splitlines() if line.startswith("=========")]
    lines = [line for line in lines if line and not line.startswith(("COMPUTE-SANITIZER", "ERROR SUMMARY", "RACECHECK SUMMARY"))]
    return "; ".join(lines[:4])


def command(kit, name, precision):
    """A training step of two images, with tensors in a folder of its own."""
    network, folder = kit.manifest["networks"][name], kit.new_folder()
    safetensors.save(folder / "weights.safetensors", draw.weights(name, network["drawn"]))
    safetensors.save(folder / "in.safetensors", draw.inputs(name, network["image"], 2, network["classes"]))
    return [kit.path(name, kit.gpu(precision)), "run", "--train", "--weights", folder / "weights.safetensors", "--in", folder / "in.safetensors",
            "--out", folder / "out.safetensors", "--threads", "2"]


def sanitized(kit, sanitizer, tool, name, precision):
    done = kit.run([sanitizer, "--tool", tool, "--print-limit", "5", *command(kit, name, precision)])
    said = done.out + done.err
    if "Device not supported" in said:
        raise Skip("compute-sanitizer does not support this device")
    count = errors(said)
    if count == 0 and done.code != 0:
        raise Failed(f"the step itself failed under {tool}: {programs.how_it_ended(done.code)}\n{programs.last_lines(said)}")
    return [(f"errors{': ' + first_finding(said) if count else ''}", count, 0.5)]


def simulated(kit, name, precision):
    """Bounds, races, barriers, unwritten shared memory: a finding ends the program."""
    kit.call(command(kit, name, precision), {"NETC_SIM_CHECKS": "1", "NETC_SIM_SEED": "3"})
    return [("findings", 0, 0.5)]


def run(kit, rows):
    steps = [step for step in STEPS if kit.has(step[0], kit.gpu(step[1]))]
    if kit.sim:
        for name, precision in steps[:2]:
            rows.case(f"{name}/{precision}/the simulator's checks", simulated, kit, name, precision)
        return
    sanitizer = find()
    if not sanitizer:
        rows.add("SKIP", "all", "compute-sanitizer is not there")
        return
    with concurrent.futures.ThreadPoolExecutor(kit.workers) as pool:
        for tool in TOOLS:
            for name, precision in steps:
                pool.submit(rows.case, f"{name}/{precision}/{tool}", sanitized, kit, sanitizer, tool, name, precision)
