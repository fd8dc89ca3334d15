"""Every case of numeric/cuda_kernels.py on the GPU, beside the CPU's executable on this machine."""
import concurrent.futures

import draw
import tensor_cores
from agreement import difference, step_claims, tf32_claims


def against_cpu(kit, name, precision):
    """At batch 1 and 3, inference and a training step."""
    network, bound = kit.manifest["networks"][name], kit.manifest["kernel_bound"]
    gpu, cpu = kit.executable(name, kit.gpu(precision)), kit.executable(name, "cpu")
    weights = draw.weights(name, network["drawn"])
    claims = []
    for batch in network["batches"]:
        inputs = draw.inputs(name, network["image"], batch, network["classes"])
        logits = [one.run(weights, inputs)["output"] for one in (cpu, gpu)]
        wanted, found = (one.run_again(inputs, train=True) for one in (cpu, gpu))
        if precision == "f32":
            some = [("inference output", difference(logits[1], logits[0]), bound), *step_claims(found, wanted, bound, bound, bound, bound)]
        else:
            some = tf32_claims(found, wanted)
        claims += [(f"batch {batch}: {what}", value, limit) for what, value, limit in some]
    return claims


def against_rounded(kit, name, precision, case, form=None):
    """One convolution, its operands rounded as the tensor cores' are."""
    weights, inputs = tensor_cores.draw(case)
    found = kit.executable(name, kit.gpu(form or precision)).run(weights, inputs, train=True)
    return tensor_cores.claims(case, weights, inputs, found, precision)


def run(kit, rows):
    with concurrent.futures.ThreadPoolExecutor(kit.workers) as pool:
        for name in kit.networks("kernels/"):
            short = name.removeprefix("kernels/")
            rounded, _, case = short.partition("_")
            if rounded in kit.precisions:
                pool.submit(rows.case, short, against_rounded, kit, name, rounded, case)
                continue
            if rounded == "hopper":
                pool.submit(rows.case, short, against_rounded, kit, name, "bf16", case, "bf16-hopper")
                continue
            for precision in kit.precisions:
                if kit.has(name, kit.gpu(precision)):
                    pool.submit(rows.case, f"{short}/{precision}", against_cpu, kit, name, precision)
