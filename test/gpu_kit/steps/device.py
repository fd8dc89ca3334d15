"""The card, its ceilings, and that kernels load from machine code and from PTX alone."""
import csv
import shutil

import ceilings
import draw
import gpu
from rows import INFO, PASS, Skip

NO_JIT = {"CUDA_DISABLE_PTX_JIT": "1"}
JIT = {"CUDA_CACHE_DISABLE": "1"}
SMI_FIELDS = ["name", "driver_version", "memory.total", "clocks.max.sm", "clocks.max.memory", "power.limit", "mig.mode.current"]


def parse_smi(text):
    """The first card of `nvidia-smi --query-gpu=… --format=csv,noheader`."""
    values = next(csv.reader(text.splitlines(), skipinitialspace=True), [])
    return dict(zip(SMI_FIELDS, values))


def card(kit, rows):
    if kit.sim:
        rows.info("card", "the simulator, sm_80")
        return
    about = gpu.Driver().describe()
    if shutil.which("nvidia-smi"):
        about.update(parse_smi(kit.call(["nvidia-smi", "--query-gpu=" + ",".join(SMI_FIELDS), "--format=csv,noheader"])))
    rows.add(INFO, "card", f"{about['card']} (sm_{about['chip']}), {about['memory_bytes'] / 2**30:.1f} GiB, {about['multiprocessors']} multiprocessors, "
             f"driver {about.get('driver_version', 'unknown')}, CUDA {about['cuda_of_driver']}", **about)


def measure(kit, rows):
    if kit.sim:
        raise Skip("the simulator has no ceilings")
    found = ceilings.measure(kit)
    rows.add(PASS, "ceilings", ceilings.sentence(found), **found)


def run_lenet(kit, form, environment):
    """The exit code, what was said, and the checksums of a training step's tensors."""
    executable = kit.executable("lenet", form)
    network = kit.manifest["networks"]["lenet"]
    weights = draw.weights("lenet", network["drawn"])
    executable.call = lambda command: kit.call(command, environment)
    found = executable.run(weights, draw.inputs("lenet", network["image"], 2, network["classes"]), train=True)
    return {key: draw.checksum(value) for key, value in found.items()}


def machine_code(kit):
    if kit.sim:
        raise Skip("the simulator reads PTX alone")
    chip = gpu.Driver().describe()["chip"]
    if not any(chip // 10 == built // 10 and chip >= built for built in kit.manifest["chips"]):
        raise Skip(f"the kit's machine code is for sm_{', sm_'.join(map(str, kit.manifest['chips']))}, this is sm_{chip}")
    loads_without_jit(kit)
    run_lenet(kit, "cuda-f32", NO_JIT)
    return [("kernels that did not load", 0, 0.5)]


def loads_without_jit(kit):
    """With the driver's compiler switched off PTX must not load: else nothing is shown by what does."""
    done = kit.run([kit.path("lenet", "cuda-f32-ptx"), "bench", "--batch", "1", "--iterations", "1"], NO_JIT)
    if done.code == 0:
        raise Skip("this driver compiles PTX in spite of CUDA_DISABLE_PTX_JIT: what loaded cannot be told")


def ptx_alone(kit):
    """Compiled by the driver, without its cache; then the same bits as machine code."""
    alone = run_lenet(kit, kit.gpu("f32-ptx") if not kit.sim else "sim-f32", JIT)
    if kit.sim:
        return [("kernels that did not load", 0, 0.5)]
    assembled = run_lenet(kit, "cuda-f32", {})
    different = [key for key in alone if alone[key] != assembled.get(key)]
    return [("tensors that differ from machine code's: " + " ".join(different[:3]), len(different), 0.5)]


def run(kit, rows):
    rows.case("card", card, kit, rows)
    rows.case("from machine code", machine_code, kit)
    rows.case("from PTX alone", ptx_alone, kit)
    rows.case("ceilings", measure, kit, rows)
