"""What the simulator computed when the kit was made: f32 bit for bit, tf32 and bf16 within their bounds."""
import numpy

import draw
import safetensors
from agreement import bf16_claims, tf32_claims
from executable import Failed


def compute(executable, name, network):
    """Outputs, loss, gradients and statistics of a training step, and the inference output."""
    inputs = draw.inputs(name, network["image"], network["word_images"], network["classes"])
    inference = executable.run(draw.weights(name, network["drawn"]), inputs)["output"]
    return {"inference": inference, **executable.run_again(inputs, train=True)}


def numbers(value):
    """Order-preserving integers of float32 bits: their differences count the floats between."""
    bits = numpy.ascontiguousarray(value, numpy.float32).view(numpy.int32).astype(numpy.int64)
    return numpy.where(bits < 0, -(bits & 0x7fffffff), bits)


def describe(key, found, wanted):
    if found.shape != wanted.shape:
        return f"{key} has shape {found.shape}, not {wanted.shape}"
    apart = numpy.abs(numbers(found) - numbers(wanted))
    return f"{key}: {int((apart != 0).sum())} of {apart.size} values differ, by up to {int(apart.max(initial=0))} units in the last place"


def shipped(kit, network, precision):
    """The arrays that travelled, which must have their checksums."""
    word = network["word"][precision]
    arrays = safetensors.load(kit.files / word["arrays"])
    damaged = [key for key, wanted in word["checksums"].items() if key not in arrays or draw.checksum(arrays[key]) != wanted]
    if damaged:
        raise Failed(f"{word['arrays']}: the kit is damaged: {damaged[0]} does not have the checksum that the manifest gives"
                     + (f", nor have {len(damaged) - 1} others" if len(damaged) > 1 else ""))
    return arrays, word["checksums"]


def agrees(kit, name, precision):
    network = kit.manifest["networks"][name]
    wanted, checksums = shipped(kit, network, precision)
    found = compute(kit.executable(name, kit.gpu(precision)), name, network)
    different = [key for key in checksums if key not in found or draw.checksum(found[key]) != checksums[key]]
    if precision != "f32":
        size = max(float(numpy.linalg.norm(found[key] - wanted[key]) / max(numpy.linalg.norm(wanted[key]), 1e-30)) for key in ("inference", "output"))
        claims = bf16_claims if precision == "bf16" else tf32_claims
        return [("logits", size, kit.manifest["logits"][precision]), *claims(found, wanted)]
    missing = [key for key in checksums if key not in found]
    if different:
        raise Failed(f"{len(different)} of {len(checksums)} tensors do not have the simulator's bits" + (f"; missing: {missing}" if missing else "") + "\n" +
                     "\n".join(describe(key, found[key], wanted[key]) for key in different[:5] if key in found))
    return [(f"of {len(checksums)} tensors, other than the simulator's bits", 0, 0.5)]


def run(kit, rows):
    for name in kit.networks(""):
        network = kit.manifest["networks"][name]
        for precision in network.get("word", {}):
            rows.case(f"{name.removeprefix('word/')}/{precision}", agrees, kit, name, precision)
