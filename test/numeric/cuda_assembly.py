#!/usr/bin/python3
"""Static evidence about the CUDA kernels of resnet18 and resnet50 (training and inference), from ptxas and the PTX.

Kernels assemble for every chip with no more registers and shared memory than their schedule's occupancy leaves, and
without a spilled byte: all kernels for one chip per precision and PTX level (`WHOLE`), for the others two of every kind.
Contractions on tensor cores may spill a little: two blocks of a multiprocessor that spill some sums
in the epilogue were faster than one that does not (docs/gpu-results.md); and one block alone must fit the shared memory. The
main loops of tf32 and bf16 contractions hold exactly the mma.sync of their tile; all main loops read global memory 16 bytes at a
time, but for those over an image's 3 channels. Of others of the zoo two of every kind assemble for one chip.
"""
import collections
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test" / "harness"), str(ROOT / "bench")]
import cuda_roofline
from compiled import MODELS, NETC, Failed, call
from report import Report

MODEL_NAMES = ("resnet18", "resnet50")
CHIPS = (75, 80, 86, 89, 90, 100, 120)
CHIPS_OF_BF16 = (80, 90, 120)
# Model, precision and chip of which all kernels are assembled.
WHOLE = {("resnet18", "tf32", 90), ("resnet50", "f32", 75), ("resnet50", "tf32", 80), ("resnet50", "bf16", 90)}
ZOO = {"lenet": "lenet.net", "with_tanh": "relu_vs_tanh.net", "resnet20": "resnet_cifar.net", "alexnet": "alexnet.net",
       "squeezenet1_1": "squeezenet.net", "preact110": "preact.net", "mobilenet_v2": "mobilenet_v2.net"}
REGISTERS, SHARED = 65536, 99 << 10  # of a multiprocessor; what a block may have of shared memory on any chip from sm_80 on
SHARED_75 = 64 << 10
MOST_SPILLED = {"tf32": 320, "bf16": 440}  # bytes of a contraction on tensor cores, written and read; bf16: 440 on sm_80, 184 on sm_90
STEP_BYTES = {"tf32": 140, "bf16": 72}  # GB
MMA = {"tf32": "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32",
       "bf16": "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"}
MMA_OF_TILE = {256: {32}, 128: {32, 16, 8, 4}}  # threads: mma.sync a stage of 16, by the tile's warps


def find_ptxas():
    build = os.environ.get("NETC_BUILD", "build")
    candidates = [os.environ.get("NETC_PTXAS"), shutil.which("ptxas"), "/usr/local/cuda/bin/ptxas"]
    candidates += [str(path) for path in pathlib.Path(build).glob("ptxas/**/bin/ptxas")]
    return next((path for path in candidates if path and os.access(path, os.X_OK)), None)


def emit(folder, model, precision, chip, file="resnet.net"):
    path = folder / f"{model}-{precision}-{chip}.ptx"
    call([NETC, MODELS / file, "--model", model, "--target", "cuda", "--precision", precision, "--chip", f"sm_{chip}",
          "--emit", "ptx", "-o", path])
    return path


# Pooling whose gradients ptxas would spill for sm_90 and sm_100 if it chose the registers.
POOLS = """net 1
model pools() {
  input image: [64, 28, 28]
  a = image | conv(192, k=1) | maxpool(k=3, stride=1, pad=1) | flatten | linear(10)
  b = image | conv(480, k=1) | maxpool(k=3, stride=2, round=up) | maxpool(k=3, stride=1, pad=1) | flatten | linear(10)
  return a + b
}
"""


def emit_pools(folder, chip):
    source, path = folder / f"pools{chip}.net", folder / f"pools{chip}.ptx"
    source.write_text(POOLS)
    call([NETC, source, "--target", "cuda", "--chip", f"sm_{chip}", "--emit", "ptx", "-o", path])
    return path


def launch_bounds(ptx):
    """kernel: (threads, blocks a multiprocessor that the registers must leave room for)."""
    bounds = {}
    for match in re.finditer(r"\.visible \.entry (\w+)\((.*?)\{", ptx, re.S):
        threads = int(re.search(r"\.reqntid (\d+)", match.group(2)).group(1))
        blocks = re.search(r"\.minnctapersm (\d+)", match.group(2))
        bounds[match.group(1)] = (threads, int(blocks.group(1)) if blocks else 1)
    return bounds


def assemble(ptxas, path, chip):
    done = subprocess.run([ptxas, f"-arch=sm_{chip}", "-v", "-o", str(path) + f".{chip}.cubin", str(path)], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"ptxas -arch=sm_{chip} {path.name}: {done.stderr[-1000:]}")
    properties = {}
    pattern = r"Function properties for (\w+)\n.*?(\d+) bytes spill stores, (\d+) bytes spill loads\n.*?Used (\d+) registers([^\n]*)"
    for name, stores, loads, registers, rest in re.findall(pattern, done.stderr):
        shared = re.search(r"(\d+) bytes smem", rest)
        properties[name] = (int(stores) + int(loads), int(registers), int(shared.group(1)) if shared else 0)
    return properties


def bodies(ptx):
    """(name, text) of each kernel."""
    return re.findall(r"\.visible \.entry (\w+)\(.*?\{(.*?)^\}", ptx, re.S | re.M)


def kind(name, body, threads):
    """What the kernels of one row of the table in docs/reference/cuda.md have in common."""
    loops = main_loops(body) if name.endswith("_contract") else []
    label = name.split("_", 1)[1] + (" (copies)" if "cp.async" in body else "")
    return label, threads if "contract" in label else 0, loops[0].count("mma.sync") if loops else 0


def two_of_each_kind(path):
    """The path of a PTX with the first and the longest kernel of each kind."""
    text = path.read_text()
    bounds, kinds = launch_bounds(text), collections.defaultdict(list)
    for name, body in bodies(text):
        kinds[kind(name, body, bounds[name][0])].append((len(body), name))
    kept = {name for kernels in kinds.values() for _, name in (kernels[0], max(kernels))}
    for pattern in (r"\.visible \.entry (\w+)\(.*?\{.*?^\}", r"^\.extern \.shared[^\n]*? (\w+)_shared\[[^\n]*"):
        text = re.sub(pattern, lambda match: match.group(0) if match.group(1) in kept else "", text, flags=re.S | re.M)
    fewer = path.with_suffix(".kinds.ptx")
    fewer.write_text(text)
    return fewer


def occupancy(ptxas, path, chip):
    text = path.read_text()
    bounds = launch_bounds(text)
    properties = assemble(ptxas, path, chip)
    most_spilled = MOST_SPILLED["bf16" if MMA["bf16"] in text else "tf32"]
    missing = set(bounds) - set(properties)
    # Stages of tensor cores ask for it when they are launched: the simulator checks it against the chip.
    tensor = {name for name, body in bodies(text) if "mma.sync" in body}
    unseen = [name for name in re.findall(r"\.extern \.shared.*? (\w+)_shared\[", text) if name not in tensor]
    spilled = [name for name, (bytes_, _, _) in properties.items() if bytes_ > (most_spilled if name in tensor else 0)]
    limit = SHARED_75 if chip == 75 else SHARED
    crowded = [name for name, (_, registers, shared) in properties.items()
               if registers * bounds[name][0] * bounds[name][1] > REGISTERS or shared * (1 if name in tensor else bounds[name][1]) > limit]
    return [("kernels not assembled: " + " ".join(sorted(missing)[:3]), len(missing), 0.5),
            ("kernels with shared memory that ptxas does not see: " + " ".join(unseen[:3]), len(unseen), 0.5),
            ("kernels that spill: " + " ".join(spilled[:3]), len(spilled), 0.5),
            ("kernels beyond their occupancy: " + " ".join(crowded[:3]), len(crowded), 0.5)]


def main_loops(body):
    """Text of the outermost loops that multiply-add in bulk: from a label to the last branch back to it."""
    loops, position = [], 0
    for label in re.finditer(r"^(\$L__BB\w+):", body, re.M):
        if label.start() < position:
            continue
        backward = [m.end() for m in re.finditer(r"bra(?:\.uni)?\s+" + re.escape(label.group(1)) + r";", body) if m.start() > label.start()]
        if backward:
            text = body[label.start():backward[-1]]
            if text.count("mma.sync") or text.count("fma.rn.f32") >= 64:
                loops.append(text)
                position = backward[-1]
    return loops


def instruction_mix(path, precision):
    ptx = path.read_text()
    bounds = launch_bounds(ptx)
    wrong, narrow, tensor, contractions, widened = [], [], 0, 0, 0
    kinds = collections.Counter()
    for name, body in bodies(ptx):
        if not name.endswith("_contract"):
            continue
        loops = main_loops(body)
        if not loops:
            wrong.append(name + ": no main loop")
            continue
        contractions += 1
        loop = loops[0]
        # Over an image's channels bf16 is multiplied as tf32.
        odd = precision == "bf16" and MMA["bf16"] not in loop
        count = loop.count(MMA["tf32" if odd else precision]) if precision in MMA else 0
        widened += odd
        tensor += count > 0
        kinds[count] += 1
        if precision in MMA and count not in MMA_OF_TILE[bounds[name][0]]:
            wrong.append(f"{name}: {count} mma for {bounds[name][0]} threads")
        if precision == "f32" and ("mma.sync" in body or "tf32" in body):
            wrong.append(f"{name}: tensor cores in f32")
        scalar = len(re.findall(r"ld\.global\S*\.[bf]32 \t?%|cp\.async\.ca\.shared\.global", loop))
        wide = len(re.findall(r"ld\.global\S*\.v4|cp\.async\.cg\.shared\.global \[[^]]*\], \[[^]]*\], 16", loop))
        if scalar or not wide:
            narrow.append(name)
    print(f"    {path.name}: {contractions} contractions, mma per stage: {dict(kinds)}, over 3 channels: {' '.join(narrow)}")
    return [("contractions off their tile: " + "; ".join(wrong[:3]), len(wrong), 0.5),
            # conv1 in inference, in training, computed again by leaner steps, and its filter gradient.
            ("main loops with reads below 16 bytes: " + " ".join(narrow[:6]), len(narrow), 4.5),
            ("contractions in tf32 instead of bf16", widened, 4.5),
            ("contractions without tensor cores", contractions - tensor if precision in MMA else 0, 0.5)]


def step_bytes(precision):
    """What bench/cuda_roofline.py counts for a training step of ResNet-50 at batch 256: each operand of each launch once."""
    text = call([NETC, MODELS / "resnet.net", "--model", "resnet50", "--target", "cuda", "--precision", precision, "--emit", "kern"])
    found = sum(cuda_roofline.cost(shapes, line, 256)[0] for _, shapes, line in cuda_roofline.launches(text, ("step", "norm", "update")))
    return [("GB", found / 1e9, STEP_BYTES[precision])]


def print_table(ptxas, path, chip):
    """The kernels of a module for docs/reference/cuda.md."""
    text = path.read_text()
    bounds, properties = launch_bounds(text), assemble(ptxas, path, chip)
    rows = collections.defaultdict(list)
    for name, body in bodies(text):
        rows[kind(name, body, bounds[name][0])].append(name)
    print("| kernel | kernels | threads | registers | shared bytes | mma per stage |\n|---|---|---|---|---|---|")
    for (label, _, products), names in sorted(rows.items()):
        span = lambda values: f"{min(values)}-{max(values)}" if min(values) != max(values) else str(min(values))
        print(f"| {label} | {len(names)} | {span([bounds[name][0] for name in names])} | {span([properties[name][1] for name in names])} | "
              f"{span([properties[name][2] for name in names])} | {products or ''} |")


def main():
    if sys.argv[1:2] == ["--table"]:
        with tempfile.TemporaryDirectory(prefix="netc-ptx-") as folder:
            return print_table(find_ptxas(), emit(pathlib.Path(folder), "resnet50", "tf32", 80), 80)
    report = Report("cuda_assembly")
    ptxas = find_ptxas()
    with tempfile.TemporaryDirectory(prefix="netc-ptx-") as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        folder = pathlib.Path(folder)
        results = []

        def check(name, chip, emitted, *arguments):
            """Begins at once, beside what netc compiles next; `emitted` gives the PTX's path."""
            if ptxas:
                results.append((name, pool.submit(lambda: occupancy(ptxas, emitted(*arguments), chip))))

        for model in MODEL_NAMES:
            levels = [("f32", 75), ("f32", 80), ("tf32", 80)]
            if model == "resnet50":  # resnet18 has no tile of bf16 that resnet50 lacks
                levels.append(("bf16", 80))
            for precision, level in levels:
                try:
                    path = emit(folder, model, precision, level)
                except Failed as error:
                    report.line("FAIL", f"{model}/{precision}/ptx_{level}", str(error).strip().replace("\n", "\n    "))
                    continue
                fewer = two_of_each_kind(path)
                for chip in CHIPS:
                    if (chip == 75) == (level == 75) and (precision != "bf16" or chip in CHIPS_OF_BF16):
                        chosen = path if (model, precision, chip) in WHOLE else fewer
                        check(f"{model}/{precision}/sm_{chip}", chip, lambda path: path, chosen)
                report.case(f"{model}/{precision}/ptx_{level}", instruction_mix, path, precision)
        if not ptxas:
            report.line("UNSUPPORTED", "ptxas", "no ptxas in NETC_PTXAS, PATH, /usr/local/cuda or BUILD/ptxas")
            report.close()
        for precision in STEP_BYTES:
            report.case(f"bytes/{precision}", step_bytes, precision)
        for chip in (90, 100, 120):
            check(f"pools/sm_{chip}", chip, emit_pools, folder, chip)
        for model, file in ZOO.items():
            check(f"{model}/tf32/sm_90", 90, lambda *a: two_of_each_kind(emit(*a)), folder, model, "tf32", 80, file)
        for name, result in results:
            report.case(name, result.result)
    report.close()


if __name__ == "__main__":
    main()
