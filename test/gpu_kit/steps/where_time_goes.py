"""The launches of a training step that take longest, and what Nsight Compute says of the five longest kernels."""
import csv
import io
import json
import os
import re
import shutil

import ceilings
import programs
from executable import Failed

LAUNCHES, KERNELS = 20, 5
USUAL = "/usr/local/cuda/bin/ncu"
METRICS = {
    "us": "gpu__time_duration.sum",
    "compute %": "sm__throughput.avg.pct_of_peak_sustained_elapsed",
    "memory %": "gpu__compute_memory_throughput.avg.pct_of_peak_sustained_elapsed",
    "DRAM %": "dram__throughput.avg.pct_of_peak_sustained_elapsed",
    "occupancy %": "sm__warps_active.avg.pct_of_peak_sustained_active",
    "shared wavefronts": "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum",
    "bank conflicts": "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum",
    "registers": "launch__registers_per_thread",
}
MICROSECONDS = {"nsecond": 1e-3, "ns": 1e-3, "usecond": 1, "us": 1, "msecond": 1e3, "ms": 1e3, "second": 1e6, "s": 1e6}


def find():
    return shutil.which("ncu") or (USUAL if os.access(USUAL, os.X_OK) else None)


def parse(said):
    """{our name: number} of the first kernel in what `ncu --csv --page raw` printed: names, units, then a line a launch."""
    lines = said.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith('"ID"')), None)
    table = list(csv.reader(io.StringIO("\n".join(lines[start:])))) if start is not None else []
    if len(table) < 3:
        raise Failed("ncu measured no kernel\n" + programs.last_lines(said))
    names, units, values = table[:3]
    found = {}
    for ours, metric in METRICS.items():
        if metric not in names:
            continue
        index = names.index(metric)
        try:
            value = float(values[index].replace(",", ""))
        except ValueError:
            continue  # n/a
        found[ours] = value * MICROSECONDS.get(units[index], 1) if ours == "us" else value
    return found


def bench(kit, executable):
    """Of the largest batch that fits."""
    for batch in [2] if kit.sim else next(batches for _, train, batches in kit.manifest["speed"] if train):
        done = kit.run([executable, "bench", "--train", "--batch", str(batch), "--json", "--iterations", "1" if kit.sim else "10"])
        if done.code == 0:
            return json.loads(done.out)
        if "largest batch" not in done.err:
            break
    raise Failed(f"bench --train --batch {batch}\n{programs.how_it_ended(done.code)}\n{programs.last_lines(done.out + done.err)}")


def longest(kit, rows, name, precision):
    found = bench(kit, kit.path(name, kit.gpu(precision)))
    launches = sorted(found["layers"], key=lambda row: -row["ms"])
    (kit.out / "launches.json").write_text(json.dumps(found) + "\n")  # all of them, in their order
    total, peaks = sum(row["ms"] for row in launches), ceilings.known(kit)
    share = ceilings.share(launches, total, peaks, precision)
    rows.info("step", f"{name} {precision}, batch {found['batch']}: {found['ms_median']:.2f} ms as a graph, {total:.2f} ms launch by launch"
              + (f", {100 * share:.0f}% of the roofline" if share else ""), batch=found["batch"], ms=found["ms_median"], launches_ms=total, share=share)
    for row in launches[:LAUNCHES]:
        teraflops, gigabytes = row["gflops_per_s"] / 1e3, row["operand_bytes"] / max(row["ms"], 1e-9) / 1e6
        rows.info(f"{row['name']} {row['kernel']}", f"{row['ms']:.3f} ms ({100 * row['ms'] / total:.1f}%), {teraflops:.2f} TFLOP/s, {gigabytes:.0f} GB/s",
                  ms=row["ms"], percent=100 * row["ms"] / total, tflops=teraflops, gb_per_s=gigabytes, kernel=row["kernel"], launches=row["commands"])
    return found["batch"], list(dict.fromkeys(row["kernel"] for row in launches))[:KERNELS]


def profile(kit, rows, ncu, executable, batch, kernel):
    done = kit.run([ncu, "--csv", "--page", "raw", "--clock-control", "none", "--metrics", ",".join(METRICS.values()), "--kernel-name",
                    f"regex:^{re.escape(kernel)}$", "--launch-count", "1", executable, "bench", "--train", "--batch", str(batch), "--iterations", "1"])
    found = parse(done.out + done.err)
    rows.info(f"ncu {kernel}", ", ".join(f"{name} {value:.4g}" for name, value in found.items()), **found)


def run(kit, rows):
    name, precision = ("lenet", "f32") if kit.sim else ("speed/resnet50", "bf16")
    chosen = {}

    def first():
        chosen["batch"], chosen["kernels"] = longest(kit, rows, name, precision)
    rows.case("launches", first)
    if kit.sim or not chosen:
        return
    ncu = find()
    if not ncu:
        rows.add("SKIP", "ncu", "Nsight Compute is not there")
        return
    for kernel in chosen["kernels"]:
        rows.case(f"ncu {kernel}", profile, kit, rows, ncu, kit.path(name, kit.gpu(precision)), chosen["batch"], kernel)
