#!/usr/bin/python3
"""The GPU kit as it runs beside a GPU, where there is none: driver, NVML, nvidia-smi, compute-sanitizer and ncu are stand-ins
that print what the real ones print, and the simulator's executables stand in for the GPU's.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

import cuda_driver
import gpu_kit
from gpu_kit import ROOT, false, program, rows_of
from report import Report

sys.path[:0] = [str(ROOT / "test" / "gpu_kit"), str(ROOT / "test" / "gpu_kit" / "steps")]

DRIVER = {
    "cuDeviceTotalMem_v2": "(size_t *bytes, int device) { *bytes = 1 << 30; return 0; }",
    "cuDeviceGetAttribute": "(int *value, int attribute, int device) { *value = attribute == 75 ? 9 : attribute == 16 ? 132 : 0; return 0; }",
    "cuCtxSynchronize": "(void) { return 0; }", "cuMemcpyDtoD_v2": "(unsigned long long to, unsigned long long from, size_t bytes) { return 0; }",
    "cuMemsetD8_v2": "(unsigned long long to, unsigned char value, size_t bytes) { return 0; }", "cuMemFree_v2": "(unsigned long long from) { return 0; }",
}
NVML = """
static unsigned long long taken = 1 << 20;
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) { *handle = &taken; return 0; }
int nvmlDeviceGetMemoryInfo(void *handle, unsigned long long *memory) { memory[2] = taken; taken += 1 << 20; return 0; }
"""
SMI = "Paper GPU, 580.65.06, 81559 MiB, 1980 MHz, 2619 MHz, 700.00 W, Disabled"

# What compute-sanitizer 2025 writes; memcheck finds something in lenet.
SANITIZER = r"""
tool=$2; shift 4
echo "========= COMPUTE-SANITIZER"
"$@" || exit 1
case "$tool $1" in
racecheck*) echo "========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)" ;;
"memcheck "*lenet*) printf '%s\n' "========= Invalid __global__ read of size 4 bytes" "=========     at k3_contract+0x4b0" \
  "=========     by thread (32,0,0) in block (4,0,0)" "=========     Address 0x7f5a2e000200 is out of bounds" "=========" "========= ERROR SUMMARY: 2 errors" ;;
*) echo "========= ERROR SUMMARY: 0 errors" ;;
esac
"""

# What ncu 2025 writes with --csv --page raw: names, units, a launch.
NCU = r"""
case "$*" in *"--clock-control none"*) ;; *) exit 3 ;; esac
cat <<'END'
==PROF== Connected to process 4711 (/tmp/kit/model)
==PROF== Profiling "k10_contract": 0%....50%....100% - 9 passes
lenet training: batch 2, Paper GPU (sm_90): 0.155 ms (least 0.150), 12903.2 images/s, 10.9 GFLOP/s, peak memory 1.2 GiB
==PROF== Disconnected from process 4711
"ID","Process ID","Process Name","Host Name","Kernel Name","Context","Stream","Block Size","Grid Size","Device","CC",\
"dram__throughput.avg.pct_of_peak_sustained_elapsed","gpu__compute_memory_throughput.avg.pct_of_peak_sustained_elapsed","gpu__time_duration.sum",\
"l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum","l1tex__data_pipe_lsu_wavefronts_mem_shared.sum","launch__registers_per_thread",\
"sm__throughput.avg.pct_of_peak_sustained_elapsed","sm__warps_active.avg.pct_of_peak_sustained_active"
"","","","","","","","","","","","%","%","ms","","","register/thread","%","%"
"0","4711","model","127.0.0.1","k10_contract","1","14","(256, 1, 1)","(1568, 1, 1)","0","9.0","41.27","63.05","1.25","0","1,204,224","152","58.90","12.48"
END
""".replace("\\\n", "")


def stand_ins(folder):
    """A folder for PATH and LD_LIBRARY_PATH."""
    cuda_driver.make_driver(folder, DRIVER, [])
    (folder / "nvml.c").write_text(NVML)
    subprocess.run([cuda_driver.find_compiler(), "-w", "-shared", "-fPIC", "-o", folder / "libnvidia-ml.so.1", folder / "nvml.c"], check=True)
    program(folder / "nvidia-smi", f"echo '{SMI}'\n")
    program(folder / "compute-sanitizer", SANITIZER)
    program(folder / "ncu", NCU)


def as_for_a_gpu(kit):
    """The simulator's executables under the names of the GPU's; small networks and data in place of large ones."""
    files = kit / "files"
    for archive in kit.glob("*.tar.xz"):
        with tarfile.open(archive) as packed:
            packed.extractall(files)
    manifest = json.loads((kit / "manifest.json").read_text())
    networks = manifest["networks"]
    for network in networks.values():
        paths = network["executables"]
        paths.update({form.replace("sim-", "cuda-"): path for form, path in paths.items() if form.startswith("sim-")})
    ptx = files / "lenet" / "ptx"
    program(ptx, f'[ "$CUDA_DISABLE_PTX_JIT" != 1 ] || exit 1\nexec {files}/lenet/sim-f32 "$@"\n')
    networks["lenet"]["executables"]["cuda-f32-ptx"] = "lenet/ptx"
    lenet = {**networks["lenet"], "word": {}}
    networks["end/resnet20"] = networks["speed/resnet50"] = networks["speed/lenet"] = lenet
    manifest["speed"] = [["lenet", True, [1000000, 2]], ["lenet", False, [2]]]
    (kit / "manifest.json").write_text(json.dumps(manifest))
    shutil.rmtree(files / "data")
    shutil.copytree(files / "data-small", files / "data")


def whole(report, folder):
    kit, out = folder / "kit", folder / "out"
    gpu_kit.make(kit)
    as_for_a_gpu(kit)
    stand_ins(folder)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "LD_LIBRARY_PATH": str(folder), "NETC_SIM_CHECKS": "0"}
    done = subprocess.run([sys.executable, kit / "check.py", "--out", out, "--minutes", gpu_kit.MINUTES], capture_output=True, text=True, env=environment)
    found = json.loads((out / "report.json").read_text())
    for name, function in STEPS.items():
        report.case(name, function, rows_of(found, name), {row["name"]: row["values"] for step in found["steps"] for row in step["rows"]})
    said = f"exit code {done.returncode}: {done.stdout[-3000:]}{done.stderr}"
    return [false(said, done.returncode == 1), ("lines printed", len(done.stdout.splitlines()), 60 + len(STEPS)),
            false(f"where: {found['where']}", found["where"] == "Paper GPU (sm_90), CUDA 12.4")]


def passed(rows, but=()):
    return [false(f"{name}: {verdict} {detail}", verdict in ("PASS", "INFO") or name in but) for name, (verdict, detail) in rows.items()]


def device(rows, values):
    return passed(rows) + [false(f"card: {rows['card']}", all(word in rows["card"][1] for word in ("Paper GPU (sm_90)", "1.0 GiB", "132", "580.65.06"))),
                           false(f"{rows.keys()}", {"from machine code", "from PTX alone", "ceilings"} <= rows.keys()),
                           false(f"{rows['ceilings']}", "GB/s" in rows["ceilings"][1])]


def sanitizers(rows, values):
    verdict, detail = rows["lenet/f32/memcheck"]
    wanted = "errors: Invalid __global__ read of size 4 bytes; at k3_contract+0x4b0; by thread (32,0,0) in block (4,0,0)"
    return passed(rows, ["lenet/f32/memcheck"]) + [false(f"memcheck: {verdict} {detail}", verdict == "FAIL" and wanted in detail), false(f"{rows.keys()}", len(rows) == 8)]


def speed(rows, values):
    training, inference = values["lenet training tf32 batch 2"], values["lenet inference f32 batch 2"]
    return passed(rows) + [false(f"{training}", training["batch"] == 2 and training["memory_bytes"] > 0 and training["ratio"] > 0),
                           false(f"{inference}", inference["torch_best"] == "eager channels_last" and "need a GPU" in inference["missing"]["CUDA graph"])]


def time(rows, values):
    kernels = [name for name in values if name.startswith("ncu ")]
    wanted = {"us": 1250.0, "compute %": 58.9, "memory %": 63.05, "DRAM %": 41.27, "occupancy %": 12.48, "shared wavefronts": 1204224.0, "bank conflicts": 0.0,
              "registers": 152.0}
    return passed(rows) + [false(f"{kernels}", len(kernels) == 5), *(false(f"{values[name]}", values[name] == wanted) for name in kernels)]


def nothing_failed(rows, values):
    return passed(rows) + [false("no row", rows)]


STEPS = {"device": device, "kernels": nothing_failed, "word": nothing_failed, "steps": nothing_failed, "end": nothing_failed, "sanitizers": sanitizers,
         "speed": speed, "time": time}


def summaries():
    """However much was found and failed: at most 60 lines, and the last says how much."""
    import summary
    rows = [{"verdict": verdict, "name": f"{verdict} {i}", "detail": "line\n" * 9, "values": {}} for verdict in ("PASS", "FAIL", "INFO") for i in range(200)]
    steps = [{"name": f"step {i}", "verdict": "FAIL", "seconds": 1, "why": "it ended", "rows": rows} for i in range(8)]
    lines = summary.table({"where": "Paper GPU"}, steps)
    return [("lines", len(lines), 60), false(lines[-1], lines[-1] == "1600 passed, 1600 failed"), false("measurements left", any(line.startswith("INFO") for line in lines)),
            ("the longest line", max(map(len, lines)), 220)]


def odd_text():
    """Text that holds no result is an error, not a pass."""
    import sanitizers
    import where_time_goes
    from executable import Failed
    claims = []
    for function, said in ((sanitizers.errors, "========= COMPUTE-SANITIZER\n========= Error: Target application terminated before first instrumented API call"),
                           (where_time_goes.parse, "==ERROR== ERR_NVGPUCTRPERM - The user does not have permission to access NVIDIA GPU Performance Counters"),
                           (where_time_goes.parse, '"ID","Kernel Name"\n"",""\n')):
        try:
            claims.append(false(f"{function.__name__} takes {said!r} for {function(said)}", False))
        except Failed as error:
            claims.append(false(f"{error}", said.splitlines()[-1] in str(error)))
    racecheck = "========= RACECHECK SUMMARY: 3 hazards displayed (2 errors, 1 warning)\n"
    return claims + [false("racecheck's count", sanitizers.errors(racecheck) == 2)]


DYING_PEER = """import os, sys, time
def main():
    print('{"version": "x"}', flush=True)
    time.sleep(600) if 'hang' in sys.stdin.readline() else os.abort()
"""


def lost_peer():
    """PyTorch's process dies, then hangs: the contestant is named, the next starts anew."""
    import speed
    from executable import Failed
    said = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "torch_peer.py").write_text(DYING_PEER)
        kit = type("Kit", (), {"folder": folder, "out": folder, "left": lambda self: 600.0})()
        peer = speed.Peer(kit)
        for word, limit in (("die", 30), ("hang", 1), ("die", 30)):
            try:
                peer.ask({"prepare": word}, limit)
            except Failed as error:
                said.append(str(error))
        peer.stop()
    return [false(f"says {said}", len(said) == 3 and "SIGABRT" in said[0] and said[1] == "no answer after 1 s" and "SIGABRT" in said[2])]


def main():
    report = Report("gpu_kit_tools")
    report.case("summaries", summaries)
    report.case("odd_text", odd_text)
    report.case("lost_peer", lost_peer)
    if not gpu_kit.torch:
        report.line("UNSUPPORTED", "whole", gpu_kit.WHY)
        report.close()
    with tempfile.TemporaryDirectory() as folder:
        report.case("whole", whole, report, pathlib.Path(folder))
    report.close()


if __name__ == "__main__":
    main()
